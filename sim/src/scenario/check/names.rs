//! Names and labels by Kubernetes' rules.

use std::collections::BTreeMap;

use crate::scenario::diagnostic::{Code, Report};
use crate::scenario::path::shortened;

/// The most characters of a DNS label, of the name part of a label key, and of a label value.
const MOST: usize = 63;

/// Checks a name that becomes a part of node and pod names.
pub(super) fn dns_label(name: &str, path: &str, report: &mut Report<'_>) {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let legal = (1..=MOST).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !legal {
        let message = format!(
            "`{}` can't be a name: use 1 to 63 lower-case letters, digits and `-`",
            shortened(name)
        );
        let tidy = tidied(name);
        report
            .error(Code::BadName, path, message)
            .maybe_hint((!tidy.is_empty()).then(|| format!("for example `{tidy}`")));
    }
}

/// The legal name most like an illegal one.
fn tidied(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let mapped: String = name.to_ascii_lowercase().chars().take(MOST).map(legal).collect();
    mapped.trim_matches('-').to_owned()
}

/// Reports each name that an earlier entry of the list has already.
pub(super) fn unique<'a>(
    list: &str,
    key: &str,
    names: impl Iterator<Item = &'a str>,
    report: &mut Report<'_>,
) {
    let mut seen = BTreeMap::new();
    for (i, name) in names.enumerate() {
        if let Some(first) = seen.insert(name, i) {
            let message = format!("`{}` is already the {key} of entry {first}", shortened(name));
            report
                .error(Code::DuplicateName, &format!("{list}[{i}].{key}"), message)
                .hint("entries are counted from 0");
        }
    }
}

/// Checks labels, node selectors and the like.
pub(super) fn labels(labels: &BTreeMap<String, String>, path: &str, report: &mut Report<'_>) {
    for (key, value) in labels {
        let path = format!("{path}[\"{key}\"]");
        label_key(key, &path, report);
        label_value(value, &path, report);
    }
}

/// Checks a label key: a name, perhaps with a DNS prefix and a slash before it.
pub(super) fn label_key(key: &str, path: &str, report: &mut Report<'_>) {
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("x", key));
    let prefix_byte =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let legal_prefix = (1..=253).contains(&prefix.len()) && prefix.bytes().all(prefix_byte);
    if !legal_prefix || name.is_empty() || !is_label_word(name) {
        let message = format!("`{}` can't be the key of a label", shortened(key));
        report.error(Code::BadLabel, path, message).hint("write `name` or `example.com/name`");
    }
}

/// Checks a label value, which may be empty.
pub(super) fn label_value(value: &str, path: &str, report: &mut Report<'_>) {
    if !is_label_word(value) {
        let message = format!("`{}` can't be the value of a label", shortened(value));
        report
            .error(Code::BadLabel, path, message)
            .hint("use at most 63 letters, digits, `-`, `_` and `.`");
    }
}

fn is_label_word(word: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let ends = [word.bytes().next(), word.bytes().last()];
    word.len() <= MOST
        && word.bytes().all(inner)
        && ends.into_iter().flatten().all(|b| b.is_ascii_alphanumeric())
}

/// Reports a time zone that the compiled-in database lacks.
pub(super) fn time_zone(name: &str, path: &str, report: &mut Report<'_>) {
    if crate::scenario::sources::clock(name).is_none() {
        let message = format!("`{}` is no IANA time zone", shortened(name));
        report
            .error(Code::UnknownTimeZone, path, message)
            .hint("write `Europe/Berlin`, `America/Los_Angeles` or `UTC`");
    }
}

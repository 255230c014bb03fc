//! Where a value is in a document: `spec.nodePools[2].labels["example.com/name"]`.

use std::fmt;
use std::str::FromStr;

use super::yaml::{Node, Position, Value};

/// The way from the root of a document to one of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl Path {
    pub(super) fn push_key(&mut self, key: &str) {
        self.0.push(Step::Key(key.to_owned()));
    }

    pub(super) fn push_index(&mut self, index: usize) {
        self.0.push(Step::Index(index));
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    pub(super) fn joined(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.push_key(key);
        path
    }
}

fn is_plain(key: &str) -> bool {
    let legal = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    !key.is_empty() && key.chars().all(legal)
}

/// A text cut to what a message can show, without control characters.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = text.chars().take(MOST).flat_map(visible).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

fn visible(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if !is_plain(key) => write!(f, "[\"{}\"]", shortened(key))?,
                Step::Key(key) if i == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{}", shortened(key))?,
            }
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = next_step(rest).ok_or_else(|| {
                format!("`{}` is not a path at `{}`", shortened(text), shortened(rest))
            })?;
            steps.push(step);
            rest = match after.strip_prefix('.') {
                Some("") => return Err(format!("`{}` ends in a dot", shortened(text))),
                Some(after) => after,
                None if after.is_empty() || after.starts_with('[') => after,
                None => return Err(format!("`{}` lacks a dot after `]`", shortened(text))),
            };
        }
        Ok(Self(steps))
    }
}

/// The first step of a path and what follows it.
fn next_step(text: &str) -> Option<(Step, &str)> {
    if let Some(quoted) = text.strip_prefix("[\"") {
        let (key, after) = quoted.split_once("\"]")?;
        return Some((Step::Key(key.to_owned()), after));
    }
    if let Some(bracket) = text.strip_prefix('[') {
        let (index, after) = bracket.split_once(']')?;
        return Some((Step::Index(index.parse().ok()?), after));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (key, after) = text.split_at(end);
    (!key.is_empty()).then(|| (Step::Key(key.to_owned()), after))
}

/// A document whose fields can be found by path.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree(pub(super) Node);

impl Tree {
    /// The position of a field, or of the nearest thing around it that is written.
    pub(super) fn locate(&self, path: &Path) -> Position {
        let mut node = &self.0;
        for step in &path.0 {
            let Some(inner) = child(node, step) else {
                break;
            };
            node = inner;
        }
        node.position
    }
}

fn child<'a>(node: &'a Node, step: &Step) -> Option<&'a Node> {
    match (step, &node.value) {
        (Step::Key(key), Value::Mapping(entries)) => {
            entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.value)
        }
        (Step::Index(index), Value::Sequence(items)) => items.get(*index),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_what_they_read() {
        for text in [
            "",
            "spec",
            "spec.nodePools[2].zone",
            "spec.nodePools[0].labels[\"example.com/name\"]",
            "spec.workloads[1].template.spec.containers[0].resources.requests[\"nvidia.com/gpu\"]",
        ] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [".", "a.", "a..b", "a[", "a[x]", "a[0]b", "a[-1]", "[\"a\""] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }
}

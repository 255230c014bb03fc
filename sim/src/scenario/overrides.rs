//! `--set path=value`: changes to the tree before it is checked, so that an override is held to
//! the same rules as the file.

use carbon_kube_core::zone::nearest_name;

use super::diagnostic::{Code, Report};
use super::path::{Path, Step, shortened};
use super::schema::did_you_mean;
use super::yaml::{self, Entry, Node, Position, Value};

/// The keys of a scenario's root. A path that starts with another one is meant below `spec`.
const ROOT: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];

/// Applies the overrides in order. What is wrong with one does not stop the next.
pub(super) fn apply(tree: &mut Node, overrides: &[(String, String)], report: &mut Report<'_>) {
    for (path, text) in overrides {
        match full_path(path) {
            Ok(path) => set(tree, &path, text, report),
            Err(why) => {
                report
                    .error_at(Code::BadOverride, Position::Override, &Path::default(), why)
                    .hint("write `--set spec.nodePools[0].count=5`");
            }
        }
    }
}

fn full_path(text: &str) -> Result<Path, String> {
    let mut path: Path = text.trim().parse()?;
    match path.0.first() {
        None => return Err("the path is empty".to_owned()),
        Some(Step::Key(first)) if ROOT.contains(&first.as_str()) => {}
        Some(_) => path.0.insert(0, Step::Key("spec".to_owned())),
    }
    if path.0.len() > yaml::MAX_DEPTH {
        return Err("the path is too long".to_owned());
    }
    Ok(path)
}

fn set(tree: &mut Node, path: &Path, text: &str, report: &mut Report<'_>) {
    let before = report.len();
    let value = yaml::parse_override(text, report);
    for problem in report.since(before) {
        problem.path = path.to_string();
    }
    let Some(value) = value else { return };
    if yaml::height(&value) + path.0.len() > yaml::MAX_DEPTH {
        report.error_at(Code::TooDeep, Position::Override, path, yaml::too_deep());
        return;
    }
    match place(tree, path) {
        Ok(node) => *node = value,
        Err(refusal) => {
            report
                .error_at(Code::BadOverride, Position::Override, &refusal.path, refusal.why)
                .maybe_hint(refusal.hint);
        }
    }
}

struct Refusal {
    path: Path,
    why: String,
    hint: Option<String>,
}

/// The node to replace. Missing mappings on the way are made; the check of the whole tree
/// afterwards finds keys that should not be there.
fn place<'a>(tree: &'a mut Node, path: &Path) -> Result<&'a mut Node, Refusal> {
    let mut node = tree;
    for (i, step) in path.0.iter().enumerate() {
        let refusal = |(why, hint)| Refusal { path: Path(path.0[..i].to_vec()), why, hint };
        let next = path.0.get(i + 1);
        node = match step {
            Step::Key(key) => into_key(node, key, next).map_err(refusal)?,
            Step::Index(index) => into_index(node, *index).map_err(refusal)?,
        };
    }
    Ok(node)
}

type Why = (String, Option<String>);

fn into_key<'a>(node: &'a mut Node, key: &str, next: Option<&Step>) -> Result<&'a mut Node, Why> {
    if node.value == Value::Null {
        node.value = Value::Mapping(Vec::new());
    }
    let Value::Mapping(entries) = &mut node.value else {
        return Err((format!("this is no mapping, so it has no key `{}`", shortened(key)), None));
    };
    if let Some(i) = entries.iter().position(|entry| entry.key == key) {
        return Ok(&mut entries[i].value);
    }
    if let Some(Step::Index(_)) = next {
        let known = entries.iter().map(|entry| entry.key.as_str());
        let hint = did_you_mean(nearest_name(key, known));
        return Err((format!("there is no list `{}` here", shortened(key)), hint));
    }
    entries.push(Entry {
        key: key.to_owned(),
        position: Position::Override,
        value: Node { position: Position::Override, value: Value::Null },
    });
    let last = entries.len() - 1;
    Ok(&mut entries[last].value)
}

fn into_index(node: &mut Node, index: usize) -> Result<&mut Node, Why> {
    let Value::Sequence(items) = &mut node.value else {
        return Err((format!("this is no list, so it has no entry {index}"), None));
    };
    let count = items.len();
    items.get_mut(index).ok_or_else(|| {
        let why = format!("there is no entry {index}: the list has {count}, counted from 0");
        (why, None)
    })
}

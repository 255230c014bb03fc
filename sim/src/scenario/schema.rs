//! Checks a YAML tree against the scenario's JSON Schema, and turns it into JSON.
//!
//! The schema is generated from the types of [`super::spec`], so that reader, editor completion
//! and reference can't drift apart. Unlike serde, which stops at the first problem and has no
//! positions, the walk reports everything at once, with line and column. It knows the part of
//! JSON Schema that `schemars` generates, not all of it.
//!
//! The walk recurses, over a tree whose depth [`super::yaml`] has limited.

use std::str::FromStr;

use carbon_kube_core::zone::nearest_name;
use carbon_kube_core::{Bytes, MilliCpu, Span, Time, Zone, zone};
use serde_json::{Map, Value as Json};

use super::diagnostic::{Code, Diagnostic, Report};
use super::path::{Path, shortened};
use super::yaml::{Entry, Node, Position, Value};

/// The schema that allows everything.
static ANYTHING: Json = Json::Bool(true);

/// Checks `tree` and returns it as JSON, without what the schema says to ignore. The result means
/// nothing where errors were reported.
pub(super) fn check(tree: &Node, schema: &Json, report: &mut Report<'_>) -> Json {
    let mut walker = Walker {
        definitions: schema.get("$defs").and_then(Json::as_object),
        path: Path::default(),
        report,
    };
    walker.node(tree, schema)
}

struct Walker<'s, 'r, 'f> {
    definitions: Option<&'s Map<String, Json>>,
    path: Path,
    report: &'r mut Report<'f>,
}

impl<'s> Walker<'s, '_, '_> {
    fn node(&mut self, node: &Node, schema: &'s Json) -> Json {
        let schema = self.resolved(schema);
        if let Some(alternatives) = alternatives(schema) {
            return self.one_of(node, alternatives);
        }
        if let Some(words) = words(schema) {
            return self.word(node, &words);
        }
        if !self.has_type(node, schema) {
            return Json::Null;
        }
        match &node.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Integer(value) => {
                self.number(node, *value as f64, schema);
                self.format(node, &value.to_string(), schema);
                Json::from(*value)
            }
            Value::Float(value) => {
                self.number(node, *value, schema);
                self.format(node, &value.to_string(), schema);
                Json::from(*value)
            }
            Value::Text(text) => {
                self.format(node, text, schema);
                Json::from(text.as_str())
            }
            Value::Sequence(items) => self.sequence(node, items, schema),
            Value::Mapping(entries) => self.mapping(node, entries, schema),
        }
    }

    fn resolved(&self, schema: &'s Json) -> &'s Json {
        let name = schema
            .get("$ref")
            .and_then(Json::as_str)
            .and_then(|reference| reference.strip_prefix("#/$defs/"));
        // One level: schemars gives no reference to a reference.
        match (name, self.definitions) {
            (Some(name), Some(definitions)) => definitions.get(name).unwrap_or(schema),
            _ => schema,
        }
    }

    fn error(&mut self, code: Code, at: Position, message: impl Into<String>) -> &mut Diagnostic {
        self.report.error_at(code, at, &self.path, message)
    }

    fn has_type(&mut self, node: &Node, schema: &Json) -> bool {
        let allowed = types(schema);
        if allowed.is_empty() || allowed.iter().any(|name| is_of_type(&node.value, name)) {
            return true;
        }
        let fraction = matches!(node.value, Value::Float(_)) && allowed.contains(&"integer");
        if fraction {
            let message = format!("expected a whole number, found {}", described(node));
            self.error(Code::OutOfRange, node.position, message);
        } else {
            let message = format!("expected {}, found {}", expectation(schema), described(node));
            self.error(Code::WrongType, node.position, message)
                .maybe_hint(type_hint(node, &allowed));
        }
        false
    }

    fn number(&mut self, node: &Node, value: f64, schema: &Json) {
        if !value.is_finite() {
            let message = format!("expected a finite number, found {}", described(node));
            self.error(Code::OutOfRange, node.position, message);
            return;
        }
        let (low, high) = range(schema);
        if low.is_some_and(|low| value < low) || high.is_some_and(|high| value > high) {
            let message = format!("expected {}, found {value}", range_text(low, high));
            self.error(Code::OutOfRange, node.position, message);
        }
    }

    /// Checks a text that has a meaning of its own, by the readers that will read it later.
    fn format(&mut self, node: &Node, text: &str, schema: &Json) {
        let (problem, hint) = match schema.get("format").and_then(Json::as_str) {
            Some("duration") => (problem::<Span>(text), duration_hint(text)),
            Some("date-time") => (problem::<Time>(text), None),
            Some("cpu") => (problem::<MilliCpu>(text), None),
            Some("memory") => (problem::<Bytes>(text), None),
            Some("grid-zone") => (problem::<Zone>(text), did_you_mean(zone::nearest(text))),
            _ => return,
        };
        if let Some(problem) = problem {
            self.error(Code::BadFormat, node.position, problem).maybe_hint(hint);
        }
    }

    fn sequence(&mut self, node: &Node, items: &[Node], schema: &'s Json) -> Json {
        let limit = |key| schema.get(key).and_then(Json::as_u64);
        let (least, most) = (limit("minItems"), limit("maxItems"));
        let count = items.len() as u64;
        if least.is_some_and(|least| count < least) || most.is_some_and(|most| count > most) {
            let message = format!("expected {}, found {count}", entries_text(least, most));
            self.error(Code::WrongLength, node.position, message);
        }
        let item_schema = schema.get("items").unwrap_or(&ANYTHING);
        let mut values = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            if self.report.is_full() {
                break;
            }
            self.path.push_index(i);
            values.push(self.node(item, item_schema));
            self.path.pop();
        }
        Json::Array(values)
    }

    fn mapping(&mut self, node: &Node, entries: &[Entry], schema: &'s Json) -> Json {
        let properties = schema.get("properties").and_then(Json::as_object);
        let mut values = Map::new();
        for entry in entries {
            if self.report.is_full() {
                return Json::Null;
            }
            self.path.push_key(&entry.key);
            match entry_schema(properties, schema, &entry.key) {
                Some(inner) if inner.get("x-ignored").is_some() => self.ignored(entry),
                Some(inner) => {
                    let value = self.node(&entry.value, inner);
                    values.insert(entry.key.clone(), value);
                }
                None => self.unknown_key(entry, properties),
            }
            self.path.pop();
        }
        // A misspelt key has been reported with the right one as its hint: once is enough.
        let misspelt = |key: &str| {
            let own = |entry: &Entry| properties.is_some_and(|p| p.contains_key(&entry.key));
            let mut unknown = entries.iter().filter(|entry| !own(entry));
            unknown.any(|entry| nearest(&entry.key, properties) == Some(key))
        };
        for key in required(schema) {
            if !entries.iter().any(|entry| entry.key == key) && !misspelt(key) {
                self.path.push_key(key);
                self.error(Code::MissingKey, node.position, "this key is required");
                self.path.pop();
            }
        }
        Json::Object(values)
    }

    fn ignored(&mut self, entry: &Entry) {
        let message = "has no effect on what is simulated and is ignored";
        self.report.warning_at(Code::IgnoredKey, entry.position, &self.path, message);
    }

    fn unknown_key(&mut self, entry: &Entry, properties: Option<&Map<String, Json>>) {
        let known = || properties.into_iter().flat_map(Map::keys).map(String::as_str);
        let hint = did_you_mean(nearest_name(&entry.key, known())).or_else(|| {
            let all: Vec<&str> = known().collect();
            (1..=12).contains(&all.len()).then(|| format!("the keys here are {}", quoted(all)))
        });
        self.error(Code::UnknownKey, entry.position, "unknown key").maybe_hint(hint);
    }

    fn word(&mut self, node: &Node, words: &[&str]) -> Json {
        match &node.value {
            Value::Text(text) if words.contains(&text.as_str()) => Json::from(text.as_str()),
            Value::Text(text) => {
                self.unknown_word(node, text, words);
                Json::Null
            }
            _ => {
                let expected = quoted(words.iter().copied());
                let message = format!("expected one of {expected}, found {}", described(node));
                self.error(Code::WrongType, node.position, message);
                Json::Null
            }
        }
    }

    fn unknown_word(&mut self, node: &Node, text: &str, words: &[&str]) {
        let message = match words {
            [only] => format!("expected `{only}`, found `{}`", shortened(text)),
            _ => format!("`{}` is not one of {}", shortened(text), quoted(words.iter().copied())),
        };
        self.error(Code::UnknownValue, node.position, message)
            .maybe_hint(did_you_mean(nearest_name(text, words.iter().copied())));
    }

    /// Alternatives: something or nothing, a word or a mapping, a mapping tagged by its one key.
    fn one_of(&mut self, node: &Node, alternatives: &'s [Json]) -> Json {
        let mut flat = Vec::new();
        self.flatten(alternatives, &mut flat);
        let alternatives = flat;
        let all_words: Option<Vec<Vec<&str>>> = alternatives.iter().map(|s| words(s)).collect();
        if let Some(all_words) = all_words {
            return self.word(node, &all_words.concat());
        }
        let fitting: Vec<&'s Json> =
            alternatives.iter().copied().filter(|inner| fits_kind(&node.value, inner)).collect();
        match (fitting.as_slice(), &node.value) {
            ([], _) => self.no_alternative(node, &alternatives),
            ([only], _) => self.node(node, only),
            (_, Value::Text(_)) => {
                let words: Vec<&str> = fitting.iter().filter_map(|s| words(s)).flatten().collect();
                self.word(node, &words)
            }
            (_, Value::Mapping(entries)) => self.tagged(node, entries, &fitting),
            ([first, ..], _) => self.node(node, first),
        }
    }

    /// Alternatives of alternatives are alternatives: an optional policy is nothing, a name, or
    /// one of many mappings.
    fn flatten(&self, alternatives: &'s [Json], flat: &mut Vec<&'s Json>) {
        for inner in alternatives {
            let inner = self.resolved(inner);
            match self::alternatives(inner) {
                Some(deeper) => self.flatten(deeper, flat),
                None => flat.push(inner),
            }
        }
    }

    fn no_alternative(&mut self, node: &Node, alternatives: &[&Json]) -> Json {
        let tags: Vec<&str> = alternatives.iter().flat_map(|s| required(s)).collect();
        // `source: bundled` where `source: {bundled: {}}` is meant.
        let hint = match &node.value {
            Value::Text(text) if tags.contains(&text.as_str()) => {
                Some(format!("write `{{{text}: {{}}}}`"))
            }
            _ => (!tags.is_empty()).then(|| format!("the keys are {}", quoted(tags))),
        };
        // That it may be left out helps nobody who wrote something.
        let some = alternatives.iter().filter(|s| types(s) != ["null"]);
        let mut expected: Vec<&str> = some.map(|s| expectation(s)).collect();
        expected.dedup();
        let message = format!("expected {}, found {}", expected.join(" or "), described(node));
        self.error(Code::WrongType, node.position, message).maybe_hint(hint);
        Json::Null
    }

    /// A mapping whose required key says which of the alternatives it is.
    fn tagged(&mut self, node: &Node, entries: &[Entry], alternatives: &[&'s Json]) -> Json {
        let has = |key: &str| entries.iter().any(|entry| entry.key == key);
        let chosen: Vec<&'s Json> =
            alternatives.iter().copied().filter(|inner| required(inner).any(&has)).collect();
        if let [one] = chosen.as_slice() {
            return self.node(node, one);
        }
        let tags: Vec<&str> = alternatives.iter().flat_map(|s| required(s)).collect();
        if let ([], [entry]) = (chosen.as_slice(), entries) {
            self.path.push_key(&entry.key);
            let near = did_you_mean(nearest_name(&entry.key, tags.iter().copied()));
            let hint = near.unwrap_or_else(|| format!("the keys are {}", quoted(tags)));
            self.error(Code::UnknownKey, entry.position, "unknown key").hint(hint);
            self.path.pop();
        } else {
            let found = quoted(entries.iter().map(|entry| entry.key.as_str()));
            let found = if entries.is_empty() { "none".to_owned() } else { found };
            let message = format!("expected exactly one of {}, found {found}", quoted(tags));
            self.error(Code::NotOne, node.position, message);
        }
        Json::Null
    }
}

fn alternatives(schema: &Json) -> Option<&[Json]> {
    ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array()).map(Vec::as_slice)
}

/// The words that a schema allows, where it allows nothing but words.
fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Json::as_str) {
        return Some(vec![word]);
    }
    let words = schema.get("enum")?.as_array()?;
    words.iter().map(Json::as_str).collect()
}

fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Integer(_) => name == "integer" || name == "number",
        Value::Float(_) => name == "number",
        Value::Text(_) => name == "string",
        Value::Sequence(_) => name == "array",
        Value::Mapping(_) => name == "object",
    }
}

/// Whether a value is of the kind that an alternative describes, be it right or wrong in detail.
fn fits_kind(value: &Value, schema: &Json) -> bool {
    if words(schema).is_some() {
        return matches!(value, Value::Text(_));
    }
    let types = types(schema);
    types.is_empty() || types.iter().any(|name| is_of_type(value, name))
}

fn entry_schema<'s>(
    properties: Option<&'s Map<String, Json>>,
    schema: &'s Json,
    key: &str,
) -> Option<&'s Json> {
    let own = properties.and_then(|properties| properties.get(key));
    own.or_else(|| match schema.get("additionalProperties") {
        Some(Json::Bool(false)) => None,
        Some(inner) => Some(inner),
        None => Some(&ANYTHING),
    })
}

fn known_keys(properties: Option<&Map<String, Json>>) -> impl Iterator<Item = &str> {
    properties.into_iter().flat_map(Map::keys).map(String::as_str)
}

fn nearest<'s>(key: &str, properties: Option<&'s Map<String, Json>>) -> Option<&'s str> {
    nearest_name(key, known_keys(properties))
}

fn required(schema: &Json) -> impl Iterator<Item = &str> {
    let keys = schema.get("required").and_then(Json::as_array);
    keys.into_iter().flatten().filter_map(Json::as_str)
}

/// The numbers that a schema allows, with those that its integer type can hold.
fn range(schema: &Json) -> (Option<f64>, Option<f64>) {
    let bound = |key| schema.get(key).and_then(Json::as_f64);
    let (type_low, type_high) = match schema.get("format").and_then(Json::as_str) {
        Some("uint32") => (Some(0.0), Some(f64::from(u32::MAX))),
        Some("int32") => (Some(f64::from(i32::MIN)), Some(f64::from(i32::MAX))),
        Some("uint64" | "uint") => (Some(0.0), None),
        _ => (None, None),
    };
    (bound("minimum").or(type_low), bound("maximum").or(type_high))
}

fn range_text(low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("a number from {low} to {high}"),
        (Some(low), None) => format!("a number of at least {low}"),
        (None, Some(high)) => format!("a number of at most {high}"),
        (None, None) => "a number".to_owned(),
    }
}

fn entries_text(least: Option<u64>, most: Option<u64>) -> String {
    match (least, most) {
        (Some(least), Some(most)) if least == most => format!("{least} entries"),
        (Some(1), None) => "at least one entry".to_owned(),
        (Some(least), None) => format!("at least {least} entries"),
        (least, most) => format!("{} to {} entries", least.unwrap_or(0), most.unwrap_or(0)),
    }
}

/// What a schema wants, in words.
fn expectation(schema: &Json) -> &'static str {
    match schema.get("format").and_then(Json::as_str) {
        Some("duration") => return "a duration such as `15m` or `7d`",
        Some("date-time") => return "an instant such as `2020-06-01T00:00:00Z`",
        Some("cpu") => return "CPU such as `500m` or `2`",
        Some("memory") => return "memory such as `512Mi` or `64Gi`",
        Some("grid-zone") => return "a grid zone such as `US-CA`",
        _ => {}
    }
    match types(schema).first() {
        Some(&"string") => "text",
        Some(&"number") => "a number",
        Some(&"integer") => "a whole number",
        Some(&"boolean") => "`true` or `false`",
        Some(&"array") => "a list",
        Some(&"object") => "a mapping",
        Some(&"null") => "nothing",
        _ => "a value",
    }
}

fn described(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Integer(value) => format!("the number {value}"),
        Value::Float(value) => format!("the number {value}"),
        Value::Text(text) => format!("the text `{}`", shortened(text)),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
    }
}

fn type_hint(node: &Node, allowed: &[&str]) -> Option<String> {
    match &node.value {
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) if allowed.contains(&"string") => {
            Some("put it in quotes if it is meant as text".to_owned())
        }
        Value::Text(text) if allowed.contains(&"boolean") && is_yaml_1_1_bool(text) => {
            Some("YAML 1.2 has `true` and `false` only".to_owned())
        }
        _ => None,
    }
}

fn is_yaml_1_1_bool(text: &str) -> bool {
    ["yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str())
}

fn problem<T: FromStr<Err: ToString>>(text: &str) -> Option<String> {
    let error = text.parse::<T>().err()?;
    Some(cut(&error.to_string()))
}

/// A message that may quote a long text of the user's.
fn cut(message: &str) -> String {
    const MOST: usize = 200;
    if message.chars().nth(MOST).is_some() {
        return message.chars().take(MOST).chain(['…']).collect();
    }
    message.to_owned()
}

fn duration_hint(text: &str) -> Option<String> {
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    number.then(|| format!("add a unit: `{}s`, `{0}m`, `{0}h`", shortened(text)))
}

pub(super) fn did_you_mean(name: Option<&str>) -> Option<String> {
    name.map(|name| format!("did you mean `{name}`?"))
}

/// Names in backticks, separated by commas.
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|n| format!("`{}`", shortened(n))).collect();
    names.join(", ")
}

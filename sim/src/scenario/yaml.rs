//! YAML as a tree that knows where each value was written.
//!
//! The parser hands out events; this module puts them together with a stack of its own, so that
//! no input can exhaust the thread's stack: what is nested deeper than [`MAX_DEPTH`] is refused
//! before it is built, and code that walks a tree may then recurse. Aliases are copies, so their
//! number is limited too ("billion laughs").
//!
//! Plain scalars mean what YAML 1.2's core schema says: `yes` and `on` are text.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marks, StrInput, Tag};

use super::diagnostic::{Code, Report};
use super::path::{Path, shortened};

/// Levels of lists and mappings. Scenarios have about ten.
pub(super) const MAX_DEPTH: usize = 64;
/// Values of one document. At about 100 bytes each a tree stays within 100 MB.
const MAX_NODES: usize = 1_000_000;
/// Values that are anchored or come from aliases: both are copies.
const MAX_COPIED: usize = 10_000;
/// Size of a file.
const MAX_BYTES: usize = 16 << 20;

/// Where a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// In the file: line and column, in characters, from 1.
    File { line: u32, column: u32 },
    /// On the command line.
    Override,
}

impl Default for Position {
    fn default() -> Self {
        Self::File { line: 1, column: 1 }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub position: Position,
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Sequence(Vec<Node>),
    /// In the order of the file; keys are unique.
    Mapping(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub position: Position,
    pub value: Node,
}

/// Reads one document. Problems go to `report`; `None` where there is no tree to go on with.
pub(super) fn parse(bytes: &[u8], report: &mut Report<'_>) -> Option<Node> {
    let text = decode(bytes, report)?;
    let mut builder = Builder::new(None);
    builder.run(text, report)
}

/// Reads a value from the command line. Its nodes have no position in a file.
pub(super) fn parse_override(text: &str, report: &mut Report<'_>) -> Option<Node> {
    let text = decode(text.as_bytes(), report)?;
    let mut builder = Builder::new(Some(Position::Override));
    builder.run(text, report)
}

fn decode<'a>(bytes: &'a [u8], report: &mut Report<'_>) -> Option<&'a str> {
    let root = Path::default();
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most 16 MiB are read", bytes.len());
        report.error_at(Code::Unreadable, Position::default(), &root, message);
        return None;
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = position_of(bytes, error.valid_up_to());
            report
                .error_at(Code::Unreadable, at, &root, "the file is not UTF-8 text")
                .hint("save the scenario as UTF-8");
            return None;
        }
    };
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if let Some((offset, c)) = text.char_indices().find(|(_, c)| control(*c)) {
        let message = format!("control character U+{:04X}: this is not a text file", c as u32);
        report.error_at(Code::Unreadable, position_of(bytes, offset), &root, message);
        return None;
    }
    Some(text)
}

/// Line and column of a byte.
fn position_of(bytes: &[u8], offset: usize) -> Position {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    Position::File { line: clamp(line), column: clamp(column) }
}

fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A list or mapping that is not closed yet.
struct Frame {
    position: Position,
    anchor: usize,
    open: Open,
}

enum Open {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        seen: HashMap<String, Position>,
        /// A key that waits for its value. `None` in it: a duplicate, whose value is dropped.
        key: Option<(Option<String>, Position)>,
    },
}

/// Why the building stops. The report has the reason.
struct Stop;

struct Builder {
    stack: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    copied: usize,
    /// Position of all nodes, where they are not from the file.
    fixed: Option<Position>,
}

impl Builder {
    fn new(fixed: Option<Position>) -> Self {
        Self { stack: Vec::new(), root: None, anchors: HashMap::new(), nodes: 0, copied: 0, fixed }
    }

    fn run(&mut self, text: &str, report: &mut Report<'_>) -> Option<Node> {
        let before = report.len();
        let mut parser = Parser::new_from_str(text);
        if self.events(&mut parser, report).is_err() {
            return None;
        }
        if self.root.is_none() {
            self.fail(report, Code::Syntax, self.fixed.unwrap_or_default(), "the file is empty");
        }
        // A duplicate key leaves a tree behind, but nobody should trust it.
        self.root.take().filter(|_| report.len() == before)
    }

    fn events(
        &mut self,
        parser: &mut Parser<'_, StrInput<'_>>,
        report: &mut Report<'_>,
    ) -> Result<(), Stop> {
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, marks)) => self.event(event, marks, report)?,
                Err(error) => return Err(self.scan_error(&error, report)),
            }
        }
        Ok(())
    }

    fn scan_error(&self, error: &ScanError, report: &mut Report<'_>) -> Stop {
        let at = self.position(error.marker().line(), error.marker().col());
        // The scanner looks ahead in flow style and has a limit of its own, above ours.
        if error.info().contains("recursion limit") {
            return self.fail(report, Code::TooDeep, at, too_deep());
        }
        self.fail(report, Code::Syntax, at, shortened(error.info()))
    }

    fn position(&self, line: usize, column: usize) -> Position {
        self.fixed.unwrap_or(Position::File { line: clamp(line.max(1)), column: clamp(column + 1) })
    }

    fn fail(
        &self,
        report: &mut Report<'_>,
        code: Code,
        at: Position,
        message: impl Into<String>,
    ) -> Stop {
        report.error_at(code, at, &self.path(), message);
        Stop
    }

    /// Where the builder is, for messages.
    fn path(&self) -> Path {
        // Deeper than this a path is no help, only long.
        const SHOWN: usize = 16;
        let mut path = Path::default();
        for frame in self.stack.iter().take(SHOWN) {
            match &frame.open {
                Open::Sequence(items) => path.push_index(items.len()),
                Open::Mapping { key, .. } => match key {
                    Some((Some(key), _)) => path.push_key(key),
                    _ => break,
                },
            }
        }
        path
    }

    fn event(
        &mut self,
        event: Event<'_>,
        marks: Marks,
        report: &mut Report<'_>,
    ) -> Result<(), Stop> {
        let at = self.position(marks.start.line(), marks.start.col());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.takes_key(&text, style, at, report)? {
                    return Ok(());
                }
                let value = scalar(&text, style, tag.as_deref())
                    .map_err(|why| self.fail(report, Code::UnsupportedYaml, at, why))?;
                self.finish(Node { position: at, value }, anchor, report)
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", at, report)?;
                self.open(at, anchor, Open::Sequence(Vec::new()), report)
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", at, report)?;
                let open = Open::Mapping { entries: Vec::new(), seen: HashMap::new(), key: None };
                self.open(at, anchor, open, report)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(report),
            Event::Alias(anchor) => self.alias(anchor, at, report),
            Event::DocumentStart(_) if self.root.is_some() => Err(self.fail(
                report,
                Code::UnsupportedYaml,
                at,
                "a second document; a scenario is one document per file",
            )),
            _ => Ok(()),
        }
    }

    /// Takes a scalar as the key of the open mapping, if it waits for one.
    fn takes_key(
        &mut self,
        text: &str,
        style: ScalarStyle,
        at: Position,
        report: &mut Report<'_>,
    ) -> Result<bool, Stop> {
        let path = self.path();
        let Some(Frame { open: Open::Mapping { seen, key, .. }, .. }) = self.stack.last_mut()
        else {
            return Ok(false);
        };
        if key.is_some() {
            return Ok(false);
        }
        if text == "<<" && style == ScalarStyle::Plain {
            report.error_at(Code::UnsupportedYaml, at, &path, "merge keys (`<<`) are not used");
            return Err(Stop);
        }
        if let Some(first) = seen.get(text) {
            let message = duplicate(*first);
            report.error_at(Code::DuplicateKey, at, &path.joined(text), message);
            *key = Some((None, at));
        } else {
            seen.insert(text.to_owned(), at);
            *key = Some((Some(text.to_owned()), at));
        }
        Ok(true)
    }

    fn collection_tag(
        &self,
        tag: Option<&Tag>,
        own: &str,
        at: Position,
        report: &mut Report<'_>,
    ) -> Result<(), Stop> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == own) => {
                Err(self.fail(report, Code::UnsupportedYaml, at, foreign(tag)))
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        at: Position,
        anchor: usize,
        open: Open,
        report: &mut Report<'_>,
    ) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.fail(report, Code::TooDeep, at, too_deep()));
        }
        self.no_complex_key(at, report)?;
        self.stack.push(Frame { position: at, anchor, open });
        Ok(())
    }

    fn no_complex_key(&self, at: Position, report: &mut Report<'_>) -> Result<(), Stop> {
        match self.stack.last().map(|frame| &frame.open) {
            Some(Open::Mapping { key: None, .. }) => {
                Err(self.fail(report, Code::UnsupportedYaml, at, "a key has to be a plain word"))
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self, report: &mut Report<'_>) -> Result<(), Stop> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let value = match frame.open {
            Open::Sequence(items) => Value::Sequence(items),
            Open::Mapping { entries, .. } => Value::Mapping(entries),
        };
        let node = Node { position: frame.position, value };
        self.finish(node, frame.anchor, report)
    }

    fn alias(&mut self, anchor: usize, at: Position, report: &mut Report<'_>) -> Result<(), Stop> {
        self.no_complex_key(at, report)?;
        let Some(node) = self.anchors.get(&anchor) else {
            let why = "an alias of something that it is itself a part of";
            return Err(self.fail(report, Code::UnsupportedYaml, at, why));
        };
        if self.stack.len() + height(node) > MAX_DEPTH {
            return Err(self.fail(report, Code::TooDeep, at, too_deep()));
        }
        // Weighed before it is copied; the limit is on what is copied, not only on the result.
        self.copied += weight(node);
        self.within_limits(at, report)?;
        let node = self.anchors[&anchor].clone();
        self.nodes += weight(&node);
        self.finish(node, 0, report)
    }

    fn within_limits(&self, at: Position, report: &mut Report<'_>) -> Result<(), Stop> {
        let why = if self.copied > MAX_COPIED {
            format!("anchors and aliases copy more than {MAX_COPIED} values")
        } else if self.nodes > MAX_NODES {
            format!("the document has more than {MAX_NODES} values")
        } else {
            return Ok(());
        };
        Err(self.fail(report, Code::TooLarge, at, why))
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, report: &mut Report<'_>) -> Result<(), Stop> {
        self.nodes += 1;
        if anchor != 0 {
            self.copied += weight(&node);
        }
        self.within_limits(node.position, report)?;
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::Sequence(items)) => items.push(node),
            Some(Open::Mapping { entries, key, .. }) => {
                if let Some((Some(key), position)) = key.take() {
                    entries.push(Entry { key, position, value: node });
                }
            }
        }
        Ok(())
    }
}

pub(super) fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

fn duplicate(first: Position) -> String {
    match first {
        Position::File { line, column } => {
            format!("this key is already written at line {line}, column {column}")
        }
        Position::Override => "this key is written twice".to_owned(),
    }
}

fn foreign(tag: &Tag) -> String {
    let name = shortened(&tag.to_string());
    format!("the tag `{name}` is not used here")
}

/// How many values a copy would make; long texts count for more.
fn weight(node: &Node) -> usize {
    const TEXT: usize = 64;
    match &node.value {
        Value::Text(text) => 1 + text.len() / TEXT,
        Value::Sequence(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Mapping(entries) => {
            let entry = |e: &Entry| 1 + e.key.len() / TEXT + weight(&e.value);
            1 + entries.iter().map(entry).sum::<usize>()
        }
        _ => 1,
    }
}

/// Levels of lists and mappings.
pub(super) fn height(node: &Node) -> usize {
    match &node.value {
        Value::Sequence(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Value::Mapping(entries) => 1 + entries.iter().map(|e| height(&e.value)).max().unwrap_or(0),
        _ => 0,
    }
}

/// What a scalar means.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain {
            plain(text)
        } else {
            Value::Text(text.to_owned())
        });
    };
    let value = match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
        (true, "str") => return Ok(Value::Text(text.to_owned())),
        (true, "null" | "bool" | "int" | "float") => plain(text),
        // `! text` is the non-specific tag: text, whatever it looks like.
        (false, "") if tag.handle == "!" || tag.handle.is_empty() => {
            return Ok(Value::Text(text.to_owned()));
        }
        _ => return Err(foreign(tag)),
    };
    let fits = matches!(
        (&value, tag.suffix.as_str()),
        (Value::Null, "null")
            | (Value::Bool(_), "bool")
            | (Value::Integer(_), "int" | "float")
            | (Value::Float(_), "float")
    );
    let refused = || format!("`{}` is no `!!{}`", shortened(text), tag.suffix);
    fits.then_some(value).ok_or_else(refused)
}

/// A plain scalar under the core schema of YAML 1.2.2, section 10.3.2.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        _ => infinity(text)
            .or_else(|| integer(text))
            .or_else(|| float(text))
            .unwrap_or_else(|| Value::Text(text.to_owned())),
    }
}

fn infinity(text: &str) -> Option<Value> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    matches!(rest, ".inf" | ".Inf" | ".INF").then_some(Value::Float(sign * f64::INFINITY))
}

fn integer(text: &str) -> Option<Value> {
    let radix = |digits: &str, radix| {
        let legal = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        legal.then(|| i64::from_str_radix(digits, radix).ok())?
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16).map(Value::Integer);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8).map(Value::Integer);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let legal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    legal.then(|| text.parse().ok().map(Value::Integer))?
}

fn float(text: &str) -> Option<Value> {
    // Rust also reads `inf` and `nan`; YAML's numbers start with a digit or a dot.
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let legal = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().any(|b| b.is_ascii_digit())
        && unsigned.bytes().all(|b| b.is_ascii_digit() || b".eE+-".contains(&b));
    legal.then(|| text.parse().ok().map(Value::Float))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        let mut report = Report::new("t.yaml");
        let node = parse(text.as_bytes(), &mut report);
        let found = report.into_sorted();
        match node {
            Some(node) if found.is_empty() => Ok(node.value),
            _ => Err(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, value) in [
            ("~", Value::Null),
            ("true", Value::Bool(true)),
            ("yes", Value::Text("yes".into())),
            ("0x1F", Value::Integer(31)),
            ("-12", Value::Integer(-12)),
            ("007", Value::Integer(7)),
            ("1e3", Value::Float(1000.0)),
            (".5", Value::Float(0.5)),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
            ("99999999999999999999", Value::Float(1e20)),
            ("1_000", Value::Text("1_000".into())),
            ("1e", Value::Text("1e".into())),
            ("inf", Value::Text("inf".into())),
            ("'5'", Value::Text("5".into())),
            ("!!str 5", Value::Text("5".into())),
            ("!!float 5", Value::Integer(5)),
            ("2020-06-01", Value::Text("2020-06-01".into())),
        ] {
            assert_eq!(read(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn positions_count_characters_from_one() {
        let mut report = Report::new("t.yaml");
        let text = "\u{feff}ä: 1\nöö: [x,  y]\n";
        let node = parse(text.as_bytes(), &mut report).unwrap();
        let Value::Mapping(entries) = node.value else {
            panic!("a mapping was written");
        };
        let Value::Sequence(items) = &entries[1].value.value else {
            panic!("a list was written");
        };
        assert_eq!(entries[1].position, Position::File { line: 2, column: 1 });
        assert_eq!(items[1].position, Position::File { line: 2, column: 10 });
    }

    #[test]
    fn an_alias_is_a_copy() {
        let tree = read("a: &x [1, 2]\nb: *x").unwrap();
        let Value::Mapping(entries) = tree else {
            panic!("a mapping was written");
        };
        assert_eq!(entries[0].value.value, entries[1].value.value);
    }
}

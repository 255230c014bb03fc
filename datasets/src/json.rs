//! A JSON document whose parts know their line.
//!
//! Answers of web APIs are small and nested, so a document is kept whole; a part of it is a
//! [`Node`]: the text of a value, its name for messages, and the way to its line. What a node
//! holds is looked at only when it is asked for.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::error::{ReadError, shorten};

/// The most text of one document: a year of 5-minute points is 20 MiB.
pub(crate) const LIMIT_BYTES: u64 = 512 << 20;

/// A document, known to be JSON.
pub(crate) struct Document {
    path: String,
    text: String,
    /// Where each line ends.
    lines: Vec<usize>,
}

/// A value in the document.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    document: &'a Document,
    /// Its key, or that of the list it is in.
    name: String,
    text: &'a str,
}

impl Document {
    pub(crate) fn new(path: &str, bytes: Vec<u8>) -> Result<Self, ReadError> {
        let binary = |what| ReadError::Binary { path: path.to_owned(), what };
        if bytes.contains(&0) {
            return Err(binary("it has a zero byte"));
        }
        let text = String::from_utf8(bytes).map_err(|_| binary("bytes that are not UTF-8"))?;
        // A byte order mark is no JSON, but harmless.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        serde_json::from_str::<&RawValue>(&text).map_err(|error| ReadError::Json {
            path: path.to_owned(),
            line: error.line() as u64,
            column: error.column() as u64,
            problem: "is no JSON: the text is cut off or damaged there".to_owned(),
        })?;
        let lines = text.match_indices('\n').map(|(at, _)| at).collect();
        Ok(Self { path: path.to_owned(), text, lines })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn root(&self) -> Node<'_> {
        Node { document: self, name: "document".to_owned(), text: self.text.trim() }
    }
}

impl<'a> Node<'a> {
    /// The line on which the value begins.
    pub(crate) fn line(&self) -> u64 {
        // Every node's text is a part of the document's.
        let offset =
            (self.text.as_ptr() as usize).saturating_sub(self.document.text.as_ptr() as usize);
        self.document.lines.partition_point(|end| *end < offset) as u64 + 1
    }

    /// The error that names this value.
    pub(crate) fn wrong(&self, problem: &'static str) -> ReadError {
        ReadError::Value {
            path: self.document.path.clone(),
            line: self.line(),
            column: self.name.clone(),
            value: shorten(self.text),
            problem,
        }
    }

    fn child(&self, name: &str, raw: &'a RawValue) -> Node<'a> {
        Node { document: self.document, name: name.to_owned(), text: raw.get() }
    }

    /// The values of an object by key.
    pub(crate) fn object(&self) -> Option<BTreeMap<String, Node<'a>>> {
        let fields: BTreeMap<String, &'a RawValue> = serde_json::from_str(self.text).ok()?;
        Some(fields.into_iter().map(|(key, raw)| (key.clone(), self.child(&key, raw))).collect())
    }

    /// The values of a list.
    pub(crate) fn list(&self) -> Option<Vec<Node<'a>>> {
        let items: Vec<&'a RawValue> = serde_json::from_str(self.text).ok()?;
        Some(items.into_iter().map(|raw| self.child(&self.name, raw)).collect())
    }

    /// The value of a key, where this is an object that has it.
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        self.object()?.remove(key)
    }

    /// The value of a key that has to be there.
    pub(crate) fn need(&self, key: &'static str) -> Result<Node<'a>, ReadError> {
        self.get(key).ok_or_else(|| ReadError::Value {
            path: self.document.path.clone(),
            line: self.line(),
            column: key.to_owned(),
            value: shorten(self.text),
            problem: "has no such key",
        })
    }

    /// The values of a list, or an error.
    pub(crate) fn items(&self) -> Result<Vec<Node<'a>>, ReadError> {
        self.list().ok_or_else(|| self.wrong("is no list"))
    }

    /// A text; `None` for anything else.
    pub(crate) fn text(&self) -> Option<String> {
        serde_json::from_str(self.text).ok()
    }

    /// An instant in RFC 3339.
    pub(crate) fn instant(&self) -> Result<carbon_kube_core::Time, ReadError> {
        self.text()
            .and_then(|text| crate::instant::parse(&text))
            .ok_or_else(|| self.wrong("is not an instant such as `2020-06-01T00:00Z`"))
    }

    /// Whether it is true; `None` for what is no truth value.
    pub(crate) fn is_true(&self) -> Option<bool> {
        serde_json::from_str(self.text).ok()
    }

    pub(crate) fn is_null(&self) -> bool {
        self.text == "null"
    }

    /// A number, also one in quotes; `None` for null.
    pub(crate) fn number(&self) -> Result<Option<f64>, ReadError> {
        if self.is_null() {
            return Ok(None);
        }
        let quoted = || self.text().and_then(|text| text.trim().parse().ok());
        serde_json::from_str::<f64>(self.text)
            .ok()
            .or_else(quoted)
            .filter(|number| number.is_finite())
            .map(Some)
            .ok_or_else(|| self.wrong("is not a number"))
    }

    /// An intensity in g/kWh, of a value that is `factor` grams; `None` for null.
    pub(crate) fn grams(&self, factor: f64) -> Result<Option<f64>, ReadError> {
        let grams = self.number()?.map(|number| number * factor);
        match grams {
            Some(grams) if carbon_kube_core::GramsPerKwh::new(grams).is_none() => {
                Err(self.wrong(crate::intensity::NO_INTENSITY))
            }
            grams => Ok(grams),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_names_its_line() {
        let text = b"\xef\xbb\xbf{\"a\": [\n {\"v\": 1},\n {\"v\": \"two\"}\n]}".to_vec();
        let document = Document::new("x.json", text).unwrap();
        let items = document.root().need("a").unwrap().items().unwrap();
        assert_eq!(items[0].need("v").unwrap().number().unwrap(), Some(1.0));
        let error = items[1].need("v").unwrap().number().unwrap_err();
        assert_eq!(error.to_string(), "x.json: line 3: column `v`: `\\\"two\\\"` is not a number");
        let error = items[1].need("w").err().unwrap();
        assert!(error.to_string().starts_with("x.json: line 3: column `w`:"), "{error}");
        let cut = Document::new("x.json", b"{\"a\":\n [1,".to_vec()).err().unwrap();
        assert!(cut.to_string().starts_with("x.json: line 2: column 4 of the line:"), "{cut}");
    }
}

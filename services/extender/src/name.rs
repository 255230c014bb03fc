//! The name of a whole node, without reading the node.
//!
//! A thousand nodes are 2.4 MB of JSON, and the name stands in the first hundred bytes of each.
//! The visitor stops as soon as it has it; an error is serde's only way to stop.

use std::borrow::Cow;
use std::fmt;

use carbon_kube_policies::wire::Text;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};

/// The name in a node's metadata; `None` where there is none.
#[must_use]
pub fn node_name(node: &str) -> Option<Cow<'_, str>> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_str(node);
    // Found or not, what comes back is an error or nothing: the name is in `found`.
    let _ = Seek { path: &["metadata", "name"], found: &mut found }.deserialize(&mut json);
    found
}

/// Walks down a path of keys.
struct Seek<'p, 'f, 'de> {
    path: &'p [&'static str],
    found: &'f mut Option<Cow<'de, str>>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            let Text(text) = serde::Deserialize::deserialize(deserializer)?;
            *self.found = Some(text);
            return Err(D::Error::custom("found"));
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.path.split_first() else {
            return Ok(());
        };
        while let Some(Text(key)) = map.next_key()? {
            if key == *first {
                map.next_value_seed(Seek { path: rest, found: &mut *self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_wherever_it_stands_and_the_rest_is_not_read() {
        for (node, name) in [
            (r#"{"metadata":{"name":"a","labels":{"name":"b"}}}"#, Some("a")),
            (r#"{"spec":{"name":"x"},"metadata":{"uid":"1","name":"a"}}"#, Some("a")),
            (r#"{"metadata":{"name":"gr\u00fcn"}}"#, Some("grün")),
            (r#"{"metadata":{"name":"a"} and what follows is not even JSON"#, Some("a")),
            (r#"{"metadata":{}}"#, None),
            (r#"{"metadata":null}"#, None),
            (r#"{"metadata":{"name":7}}"#, None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(node_name(node).as_deref(), name, "{node}");
        }
    }
}

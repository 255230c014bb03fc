//! A length of time as configuration files write it: `90s`, `15m`, `1h30m`. For `serde(with)`.

use carbon_kube_core::Span;
use serde::{Deserialize, Deserializer, Serializer, de};

pub fn serialize<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(span)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

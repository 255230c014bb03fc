//! Texts with a meaning of their own: durations, instants, Kubernetes quantities, zone names.
//!
//! Each carries a JSON Schema `format`, by which the schema walker checks the text before serde
//! sees it; so a message can name the line.

use std::borrow::Cow;
use std::fmt;

use carbon_kube_core::{Bytes, MilliCpu, Span, Time, Zone};
use carbon_kube_datasets::intensity;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! scalar {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal, $types:tt, $help:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = deserializer.deserialize_any(ScalarText)?;
                text.parse().map($name).map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $types, "format": $format, "description": $help })
            }
        }
    };
}

scalar!(
    /// A length of time: `90s`, `1h30m`, `7d`.
    Duration(Span), "duration", "string", "A duration such as `90s`, `15m`, `1h30m` or `7d`."
);
scalar!(
    /// An instant: RFC 3339 with a zone, or a date, which is its midnight in UTC.
    Instant(Time), "date-time", "string", "An instant such as `2020-06-01T00:00:00Z`, or a date."
);
scalar!(
    /// CPU as in Kubernetes: `500m`, `2`, `1.5`.
    CpuQuantity(MilliCpu), "cpu", ["string", "number"], "CPU cores such as `500m`, `2` or `1.5`."
);
scalar!(
    /// Memory or data as in Kubernetes: `512Mi`, `64Gi`, `1e9`.
    MemoryQuantity(Bytes), "memory", ["string", "number"], "Bytes such as `512Mi` or `64Gi`."
);
scalar!(
    /// Name of a grid zone; an alias becomes the canonical name.
    ZoneName(Zone), "grid-zone", "string",
    "A grid zone such as `US-CA`; Electricity Maps, EIA and ENTSO-E names are understood."
);

macro_rules! named {
    ($(#[$doc:meta])* $name:ident($inner:ty), $all:expr, $about:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $inner);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = deserializer.deserialize_any(ScalarText)?;
                text.parse().map($name).map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let about: fn(&$inner) -> &'static str = $about;
                let one = |value: &$inner| {
                    json_schema!({
                        "type": "string", "const": value.to_string(), "description": about(value),
                    })
                };
                let all: Vec<Schema> = $all.iter().map(one).collect();
                json_schema!({ "oneOf": all })
            }
        }
    };
}

named!(
    /// How a file of carbon intensities or of a generation mix is laid out.
    FileFormat(intensity::Format), intensity::Format::ALL, |format| format.about()
);
named!(
    /// What becomes of steps without a value, and of values that can't be true.
    Gaps(intensity::Gaps), intensity::Gaps::ALL, |gaps| gaps.about()
);

/// The text of a scalar; a number becomes its shortest text, as quantities may be numbers.
struct ScalarText;

impl Visitor<'_> for ScalarText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

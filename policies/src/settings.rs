//! The settings of every policy, as a scenario and a policy file write them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::baselines::{
    AllWait, Cap, CarbonTime, Carbonscaler, DefaultScheduler, DoubleThreshold, Ecovisor, HourTable,
    KMin, LowestPriceZone, LowestSlot, LowestWindow, LowestZone, MostAvailableZone, OneMin, Pcaps,
    Percentile, PercentileLowestZone, Plan, RoundRobinZone, Threshold, Timeshift, WaitAwhile,
};
use crate::policy::Policy;

/// One policy: a bare name takes its defaults, `{name: {settings}}` changes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Entry", into = "Tagged")]
pub struct Settings(Tagged);

/// A name alone, or a name with settings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Name(Name),
    Tagged(Tagged),
}

macro_rules! policies {
    ($($name:literal $variant:ident,)*) => {
        #[derive(Clone, Copy, Deserialize)]
        enum Name { $(#[serde(rename = $name)] $variant,)* }

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        enum Tagged { $(#[serde(rename = $name)] $variant($variant),)* }

        impl From<Entry> for Settings {
            fn from(entry: Entry) -> Self {
                Self(match entry {
                    Entry::Tagged(tagged) => tagged,
                    $(Entry::Name(Name::$variant) => Tagged::$variant(<$variant>::default()),)*
                })
            }
        }

        impl Settings {
            /// The policy itself.
            #[must_use]
            pub fn policy(&self) -> &dyn Policy {
                match &self.0 { $(Tagged::$variant(settings) => settings,)* }
            }

            /// Every policy with its defaults, in the order of the docs.
            #[must_use]
            pub fn all() -> Vec<Settings> {
                vec![$(Settings(Tagged::$variant(<$variant>::default())),)*]
            }

            fn alternatives(generator: &mut SchemaGenerator) -> Vec<Schema> {
                vec![$(one_key($name, generator.subschema_for::<$variant>()),)*]
            }
        }

        $(impl From<$variant> for Settings {
            fn from(settings: $variant) -> Self {
                Self(Tagged::$variant(settings))
            }
        })*
    };
}

policies! {
    "default-scheduler" DefaultScheduler,
    "threshold" Threshold,
    "percentile" Percentile,
    "hour-table" HourTable,
    "lowest-zone" LowestZone,
    "percentile-lowest-zone" PercentileLowestZone,
    "lowest-price-zone" LowestPriceZone,
    "most-available-zone" MostAvailableZone,
    "round-robin-zone" RoundRobinZone,
    "lowest-slot" LowestSlot,
    "lowest-window" LowestWindow,
    "plan" Plan,
    "carbon-time" CarbonTime,
    "wait-awhile" WaitAwhile,
    "ecovisor" Ecovisor,
    "timeshift" Timeshift,
    "carbonscaler" Carbonscaler,
    "one-min" OneMin,
    "k-min" KMin,
    "double-threshold" DoubleThreshold,
    "cap" Cap,
    "pcaps" Pcaps,
    "all-wait" AllWait,
}

/// The schema of `{name: {settings}}`.
fn one_key(name: &str, settings: Schema) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { name: settings },
        "required": [name],
        "additionalProperties": false,
    })
}

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = Self::all().iter().map(Self::name).collect();
        let bare = json_schema!({ "type": "string", "enum": names });
        let mut alternatives = vec![bare];
        alternatives.extend(Self::alternatives(generator));
        json_schema!({
            "description": "A policy: its name, or its name with settings.",
            "anyOf": alternatives,
        })
    }
}

impl From<Settings> for Tagged {
    fn from(settings: Settings) -> Self {
        settings.0
    }
}

impl Settings {
    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.policy().name()
    }

    /// Reads `{name: {settings}}`. Unlike [`Deserialize`], which also takes a bare name, it can say
    /// which key is wrong.
    ///
    /// # Errors
    ///
    /// For an unknown name or key and for a value of the wrong type; ranges are not looked at.
    pub fn from_tagged(tagged: serde_json::Value) -> Result<Settings, serde_json::Error> {
        serde_json::from_value(tagged).map(Self)
    }

    /// Whether the rule has thresholds or prices of windows, which a tuner can shift.
    #[must_use]
    pub fn has_threshold(&self) -> bool {
        use Tagged::{Percentile, PercentileLowestZone, Plan, Threshold, Timeshift};
        let rule = &self.0;
        matches!(rule, Percentile(_) | PercentileLowestZone(_) | Threshold(_) | Timeshift(_))
            || matches!(rule, Plan(_))
    }

    /// The policy of that name with its defaults.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Settings> {
        Self::all().into_iter().find(|settings| settings.name() == name)
    }
}

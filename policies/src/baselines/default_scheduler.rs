//! `default-scheduler`: carbon-blind, the reference.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::Policy;

/// kube-scheduler alone: every pod starts at once, on the node that its own scores prefer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DefaultScheduler {}

impl Policy for DefaultScheduler {
    fn name(&self) -> &'static str {
        "default-scheduler"
    }
}

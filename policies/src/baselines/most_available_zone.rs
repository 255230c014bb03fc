//! `most-available-zone`: each pod goes where most room is left.

use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spatial;
use crate::decision::Verdict;
use crate::policy::Policy;
use crate::signal::Signal;

/// Place each pod on the emptiest node of all zones, whatever the grid does (SustainCluster's "most
/// available"). No opinion where nobody knows what is in use, as in an extender.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct MostAvailableZone {}

impl Policy for MostAvailableZone {
    fn name(&self) -> &'static str {
        "most-available-zone"
    }

    fn place(
        &self,
        _pod: &PodView,
        nodes: &[NodeView],
        _signal: &Signal<'_>,
        verdicts: &mut [Verdict],
    ) {
        spatial::prefer_least(nodes, verdicts, |node| Some(1.0 - node.free?));
    }
}

//! `lowest-price-zone`: each pod goes where a core costs least.

use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spatial;
use crate::decision::Verdict;
use crate::policy::Policy;
use crate::signal::Signal;

/// Place each pod on the node with the lowest price of a core: the greedy rule that money alone
/// follows (SustainCluster's "lowest price").
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct LowestPriceZone {}

impl Policy for LowestPriceZone {
    fn name(&self) -> &'static str {
        "lowest-price-zone"
    }

    fn place(
        &self,
        _pod: &PodView,
        nodes: &[NodeView],
        _signal: &Signal<'_>,
        verdicts: &mut [Verdict],
    ) {
        spatial::prefer_least(nodes, verdicts, |node| Some(node.usd_per_core_hour));
    }
}

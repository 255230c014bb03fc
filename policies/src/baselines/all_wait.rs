//! `all-wait`: wait as long as allowed, for room that is paid for anyway.

use carbon_kube_core::view::{NodeView, PodView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::prepaid;
use crate::decision::{Gate, Verdict};
use crate::policy::Policy;
use crate::signal::Signal;

/// Hold every deferrable pod to its limit, or until a node that is paid for anyway (`prepaid`) has
/// room: the policy of least cost and longest waits (GAIA's `AllWait-Threshold`, Hanafy et al.
/// 2024). It looks at no grid at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AllWait {}

impl Policy for AllWait {
    fn name(&self) -> &'static str {
        "all-wait"
    }

    fn takes_prepaid_room(&self) -> bool {
        true
    }

    fn place(
        &self,
        pod: &PodView,
        nodes: &[NodeView],
        signal: &Signal<'_>,
        verdicts: &mut [Verdict],
    ) {
        prepaid::place(pod, nodes, signal, verdicts);
    }

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        match pod.must_run_by {
            Some(limit) if limit > signal.now && !pod.prepaid_room => Gate::Hold { until: limit },
            _ => Gate::Release,
        }
    }
}

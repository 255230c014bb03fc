//! `all-wait`: wait as long as allowed, for room that is paid for anyway.

use carbon_kube_core::view::PodView;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decision::Gate;
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

    fn gate(&self, pod: &PodView, signal: &Signal<'_>) -> Gate {
        match pod.must_run_by {
            Some(limit) if limit > signal.now => Gate::Hold { until: limit },
            _ => Gate::Release,
        }
    }
}

//! Documents from whatever source into the state: read, check, put in force or refuse.
//!
//! A document of the grid that can't be read leaves nothing: no data means no opinion. A policy or a
//! status that can't be read leaves the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_kube_core::cluster::{INTENSITY, STATUS, THRESHOLD};
use carbon_kube_core::documents::{IntensityDocument, LeftOut, StatusDocument, ThresholdDocument};
use carbon_kube_policies::file::{Loaded, PolicyError};
use tracing::{info, warn};

use crate::metrics::{Document, Metrics};
use crate::state::{Changed, State};

/// Where documents arrive.
#[derive(Clone)]
pub struct Documents {
    /// The state that they end up in.
    pub state: Arc<State>,
    /// Where refusals are counted.
    pub metrics: Metrics,
}

/// A policy's ConfigMap.
#[derive(Clone, Copy, Debug)]
pub struct PolicyMap<'a> {
    /// `data`.
    pub data: &'a BTreeMap<String, String>,
    /// The weights in `binaryData`, which only a tuner has.
    pub actor: Option<&'a [u8]>,
    /// Annotations; the checksum is one.
    pub annotations: &'a BTreeMap<String, String>,
}

/// What became of a policy.
#[derive(Debug)]
pub enum PolicyChange {
    /// It is the one in force already.
    Same,
    /// It is in force now.
    Loaded(Arc<Loaded>),
    /// It is refused, and the one before stays.
    Refused(PolicyError),
    /// There is none any more.
    Gone,
}

impl Documents {
    /// The text of `intensity.json`; `None` where there is none any more.
    pub fn intensity(&self, text: Option<&str>) {
        let document = text.and_then(|text| match IntensityDocument::parse(text) {
            Ok((document, left_out)) => {
                self.left_out("intensity", INTENSITY.1, &left_out);
                Some(Arc::new(document))
            }
            Err(problem) => {
                self.refused("intensity", &format!("{} {problem}", INTENSITY.1));
                None
            }
        });
        self.state.change(Changed::Documents, |parts| parts.intensity = document);
    }

    /// The text of `threshold.json`; `None` where there is none any more.
    pub fn threshold(&self, text: Option<&str>) {
        let document = text.and_then(|text| match ThresholdDocument::parse(text) {
            Ok((document, left_out)) => {
                self.left_out("threshold", THRESHOLD.1, &left_out);
                Some(Arc::new(document))
            }
            Err(problem) => {
                self.refused("threshold", &format!("{} {problem}", THRESHOLD.1));
                None
            }
        });
        self.state.change(Changed::Documents, |parts| parts.threshold = document);
    }

    /// The text of `status.json`; `None` where there is none. It is shown, and decides nothing.
    pub fn status(&self, text: Option<&str>) {
        match text.map(StatusDocument::parse).transpose() {
            Ok(status) => self.state.set_status(status.map(Arc::new)),
            Err(problem) => self.refused("status", &format!("{} {problem}", STATUS.1)),
        }
    }

    /// The policy's ConfigMap; `None` where there is none any more.
    pub fn policy(&self, map: Option<PolicyMap<'_>>) -> PolicyChange {
        let policy = map.map(|map| Loaded::from_config_map(map.data, map.actor, map.annotations));
        match policy {
            None => {
                info!("there is no policy; every answer is neutral");
                self.state.change(Changed::Documents, |parts| parts.policy = None);
                PolicyChange::Gone
            }
            Some(Ok(policy)) => {
                let current = self.state.current();
                if current.policy.as_ref().is_some_and(|old| old.sha256 == policy.sha256) {
                    return PolicyChange::Same;
                }
                let policy = Arc::new(policy);
                let name = policy.file.name.as_str();
                info!(name, kind = policy.file.kind, sha256 = policy.sha256, "policy in force");
                let new = Some(Arc::clone(&policy));
                self.state.change(Changed::Documents, |parts| parts.policy = new);
                PolicyChange::Loaded(policy)
            }
            Some(Err(error)) => {
                self.refused("policy", &error.to_string());
                PolicyChange::Refused(error)
            }
        }
    }

    fn refused(&self, document: &'static str, problem: &str) {
        self.metrics.refused.get_or_create(&Document { document }).inc();
        warn!(document, problem, "refused");
    }

    fn left_out(&self, document: &'static str, key: &str, left_out: &[LeftOut]) {
        for LeftOut { zone, problem } in left_out {
            self.metrics.refused.get_or_create(&Document { document }).inc();
            warn!(document, zone, problem, "{key} is used without this zone");
        }
    }
}

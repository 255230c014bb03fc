//! The four ConfigMaps, each under a watch of its own: RBAC can then name them.

use carbon_kube_core::cluster::{INTENSITY, POLICY, STATUS, THRESHOLD};
use carbon_kube_policies::file::ACTOR;
use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Client};

use super::{broken, policy_events};
use crate::documents::{Documents, PolicyChange, PolicyMap};

/// One of the ConfigMaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Map {
    Intensity,
    Threshold,
    Policy,
    Status,
}

pub(super) const ALL: [Map; 4] = [Map::Intensity, Map::Threshold, Map::Policy, Map::Status];

impl Map {
    fn name(self) -> &'static str {
        match self {
            Self::Intensity => INTENSITY.0,
            Self::Threshold => THRESHOLD.0,
            Self::Policy => POLICY.0,
            Self::Status => STATUS.0,
        }
    }
}

/// Keeps a document current, for ever.
pub(super) async fn watch(map: Map, client: Client, namespace: String, documents: Documents) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={}", map.name()));
    let mut stream = std::pin::pin!(watch_objects(maps, only).default_backoff());
    let mut listed = None;
    while let Some(event) = stream.next().await {
        let object = match event {
            Ok(Event::Init) => {
                listed = None;
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listed = Some(object);
                continue;
            }
            Ok(Event::InitDone) => listed.take(),
            Ok(Event::Apply(object)) => Some(object),
            Ok(Event::Delete(_)) => None,
            Err(error) => {
                broken(map.name(), &error);
                continue;
            }
        };
        let change = take(map, &documents, object.as_ref());
        if let Some((change, object)) = change.zip(object) {
            policy_events::tell(&client, &object, &change).await;
        }
    }
}

/// Puts the document in force; what became of it, if it is the policy.
fn take(map: Map, documents: &Documents, object: Option<&ConfigMap>) -> Option<PolicyChange> {
    let data = object.and_then(|object| object.data.as_ref());
    let text = |key: &str| data.and_then(|data| data.get(key)).map(String::as_str);
    match map {
        Map::Intensity => documents.intensity(text(INTENSITY.1)),
        Map::Threshold => documents.threshold(text(THRESHOLD.1)),
        Map::Status => documents.status(text(STATUS.1)),
        Map::Policy => {
            let (data, annotations) = (
                data.cloned().unwrap_or_default(),
                object.and_then(|o| o.metadata.annotations.clone()).unwrap_or_default(),
            );
            let binary = object.and_then(|object| object.binary_data.as_ref());
            let actor = binary.and_then(|data| data.get(ACTOR)).map(|bytes| bytes.0.as_slice());
            let map = PolicyMap { data: &data, actor, annotations: &annotations };
            return Some(documents.policy(object.map(|_| map)));
        }
    }
    None
}

//! Events on the policy's ConfigMap: what became of it, where its owner looks first.

use k8s_openapi::api::core::v1::{ConfigMap, Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, Resource, ResourceExt};
use tracing::warn;

use crate::documents::PolicyChange;

/// The longest message that the API server takes, with room to spare.
const LONGEST: usize = 900;

/// Creates an event where there is something to tell. An event that can't be created is only a
/// log line: the decision has been taken already.
pub(super) async fn tell(client: &Client, map: &ConfigMap, change: &PolicyChange) {
    let (kind, reason, message) = match change {
        PolicyChange::Same | PolicyChange::Gone => return,
        PolicyChange::Loaded(policy) => {
            let (name, sum) = (&policy.file.name, &policy.sha256[..12]);
            ("Normal", "PolicyLoaded", format!("policy {name} ({sum}) is in force"))
        }
        PolicyChange::Refused(error) => {
            ("Warning", "PolicyRefused", format!("{error}; the policy before stays in force"))
        }
    };
    let namespace = map.namespace().unwrap_or_default();
    let now = Time(Timestamp::now());
    let event = Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}.", map.name_any())),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(ConfigMap::api_version(&()).into_owned()),
            kind: Some(ConfigMap::kind(&()).into_owned()),
            name: Some(map.name_any()),
            namespace: Some(namespace.clone()),
            uid: map.uid(),
            resource_version: map.resource_version(),
            ..ObjectReference::default()
        },
        type_: Some(kind.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message.chars().take(LONGEST).collect()),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        source: Some(EventSource {
            component: Some("carbon-kube-extender".to_owned()),
            ..EventSource::default()
        }),
        ..Event::default()
    };
    let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
    if let Err(error) = events.create(&PostParams::default(), &event).await {
        warn!(%error, "no event could be created for the policy");
    }
}

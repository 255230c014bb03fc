//! The state from the API server: watches of nodes, namespaces and four ConfigMaps.
//!
//! Only what a decision needs is kept of an object: five thousand nodes are a few hundred
//! kilobytes. A watch that breaks is taken up again with back-off; meanwhile the last state stays
//! in force, so the extender serves on while the API server is away.

mod config_maps;
mod namespaces;
mod nodes;
mod policy_events;

use std::time::Duration;

use carbon_kube_telemetry::Health;
use kube::Client;
use tokio::task::JoinSet;
use tracing::warn;

use crate::documents::Documents;

/// A burst of changes becomes one new snapshot: a restarted cluster sends a change per node.
const SETTLE: Duration = Duration::from_millis(100);

/// The most changes that one snapshot takes up.
const BURST: usize = 4_096;

/// Starts every watch. They run until the set is dropped.
pub fn start(
    client: Client,
    namespace: String,
    documents: Documents,
    health: Health,
) -> JoinSet<()> {
    let mut watches = JoinSet::new();
    watches.spawn(nodes::watch(client.clone(), documents.clone(), health.clone()));
    watches.spawn(namespaces::watch(client.clone(), documents.clone(), health));
    for map in config_maps::ALL {
        watches.spawn(config_maps::watch(
            map,
            client.clone(),
            namespace.clone(),
            documents.clone(),
        ));
    }
    watches
}

/// Says that a watch is broken, and what will happen.
fn broken(what: &'static str, error: &kube::runtime::watcher::Error) {
    warn!(what, %error, "the watch is taken up again; what was seen stays in force");
}

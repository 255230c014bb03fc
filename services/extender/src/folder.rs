//! The state from a folder: to try the extender without a cluster, and for load tests.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use carbon_kube_core::cluster::{INTENSITY, MODE, POLICY, POLICY_SHA256, STATUS, THRESHOLD};
use carbon_kube_policies::file::{ACTOR, promised_sha256, sha256};
use carbon_kube_policies::wire::{Node, Text};
use carbon_kube_telemetry::Health;
use serde::Deserialize;
use tracing::warn;

use crate::documents::{Documents, PolicyMap};
use crate::nodes::NodeFacts;
use crate::state::Changed;

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why a file of the folder has no effect.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
struct FolderError {
    path: String,
    problem: String,
}

/// Watches a folder for ever. What is there at the start is in force before the service is ready.
pub async fn watch(folder: PathBuf, documents: Documents, health: Health) {
    let mut folder = Folder { folder, documents, seen: BTreeMap::new() };
    loop {
        folder.look();
        health.set("nodes", true);
        tokio::time::sleep(LOOK).await;
    }
}

struct Folder {
    folder: PathBuf,
    documents: Documents,
    /// The digest of each file at the last look: the list of nodes alone is megabytes.
    seen: BTreeMap<&'static str, Option<String>>,
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Namespace {
    metadata: NamespaceMetadata,
}

#[derive(Deserialize)]
struct NamespaceMetadata {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Folder {
    fn look(&mut self) {
        if let Some(text) = self.changed("nodes.json") {
            self.nodes(text.as_deref().unwrap_or(r#"{"items":[]}"#));
        }
        if let Some(text) = self.changed("namespaces.json") {
            self.namespaces(text.as_deref().unwrap_or(r#"{"items":[]}"#));
        }
        if let Some(text) = self.changed(INTENSITY.1) {
            self.documents.intensity(text.as_deref());
        }
        if let Some(text) = self.changed(THRESHOLD.1) {
            self.documents.threshold(text.as_deref());
        }
        if let Some(text) = self.changed(STATUS.1) {
            self.documents.status(text.as_deref());
        }
        let checksums = self.changed("SHA256SUMS").is_some();
        let actor = self.is_actor_new();
        if self.changed(POLICY.1).is_some() || checksums || actor {
            self.policy();
        }
    }

    /// Whether the weights of a tuner differ from the last look.
    fn is_actor_new(&mut self) -> bool {
        let bytes = std::fs::read(self.folder.join(ACTOR)).ok();
        let digest = bytes.map(|bytes| sha256(&bytes));
        self.seen.insert(ACTOR, digest.clone()).unwrap_or_default() != digest
    }

    /// The file's text where it differs from the last look: `Some(None)` where it is gone.
    fn changed(&mut self, name: &'static str) -> Option<Option<String>> {
        let text = read(&self.folder.join(name));
        let digest = text.as_ref().map(|text| sha256(text.as_bytes()));
        if self.seen.get(name).unwrap_or(&None) == &digest {
            return None;
        }
        self.seen.insert(name, digest);
        Some(text)
    }

    fn nodes(&self, text: &str) {
        let list: List<Node<'_>> = match serde_json::from_str(text) {
            Ok(list) => list,
            Err(error) => return self.unusable("nodes.json", &error),
        };
        let config = self.documents.state.config();
        let nodes = list.items.iter().map(|node| {
            let label = |key: &str| node.metadata.labels.get(key).map(Text::as_str);
            let facts = NodeFacts::of(config, label, node.status.allocatable.amount());
            (node.metadata.name.to_string(), facts)
        });
        let nodes = nodes.collect();
        self.documents.state.change(Changed::Nodes, |parts| parts.nodes = nodes);
    }

    fn namespaces(&self, text: &str) {
        let list: List<Namespace> = match serde_json::from_str(text) {
            Ok(list) => list,
            Err(error) => return self.unusable("namespaces.json", &error),
        };
        let mode = |namespace: Namespace| {
            let label = namespace.metadata.labels.get(MODE)?;
            // As in a cluster: a label that can't be understood leaves the namespace alone.
            Some((namespace.metadata.name, label.parse().unwrap_or_default()))
        };
        let namespaces: HashMap<_, _> = list.items.into_iter().filter_map(mode).collect();
        self.documents.state.change(Changed::Namespaces, |parts| parts.namespaces = namespaces);
    }

    fn policy(&self) {
        let text = |name| read(&self.folder.join(name));
        let Some(yaml) = text(POLICY.1) else {
            self.documents.policy(None);
            return;
        };
        let data = BTreeMap::from([(POLICY.1.to_owned(), yaml)]);
        let promised = text("SHA256SUMS");
        let promised = promised.as_deref().and_then(promised_sha256);
        let annotations =
            promised.map(|sum| (POLICY_SHA256.to_owned(), sum.to_owned())).into_iter().collect();
        let actor = std::fs::read(self.folder.join(ACTOR)).ok();
        let map = PolicyMap { data: &data, actor: actor.as_deref(), annotations: &annotations };
        self.documents.policy(Some(map));
    }

    fn unusable(&self, name: &str, error: &serde_json::Error) {
        let path = self.folder.join(name).display().to_string();
        let error = FolderError { path, problem: error.to_string() };
        warn!(%error, "what was read before stays in force");
    }
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

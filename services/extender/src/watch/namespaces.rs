//! Namespaces: the mode that their label names.

use std::collections::HashMap;

use carbon_kube_core::cluster::{MODE, Mode};
use carbon_kube_telemetry::Health;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use kube::{Api, Client};
use tracing::warn;

use super::{BURST, SETTLE, broken};
use crate::documents::Documents;
use crate::state::Changed;

/// Keeps the modes of namespaces current, for ever.
pub(super) async fn watch(client: Client, documents: Documents, health: Health) {
    let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client);
    let stream = watch_objects(namespaces, watcher::Config::default()).default_backoff();
    let mut bursts = std::pin::pin!(stream.ready_chunks(BURST));
    let mut seen = Seen::default();
    while let Some(burst) = bursts.next().await {
        let before = seen.modes.clone();
        for event in burst {
            match event {
                Ok(event) => seen.apply(event),
                Err(error) => broken("namespaces", &error),
            }
        }
        if seen.modes != before {
            let modes = seen.modes.clone();
            documents.state.change(Changed::Namespaces, |parts| parts.namespaces = modes);
            tokio::time::sleep(SETTLE).await;
        }
        if seen.complete {
            health.set("namespaces", true);
        }
    }
}

#[derive(Default)]
struct Seen {
    modes: HashMap<String, Mode>,
    /// A list that is being read; it replaces what was seen once it is whole.
    list: HashMap<String, Mode>,
    complete: bool,
}

impl Seen {
    fn apply(&mut self, event: Event<PartialObjectMeta<Namespace>>) {
        match event {
            Event::Init => self.list.clear(),
            Event::InitApply(namespace) => set(&mut self.list, &namespace),
            Event::InitDone => {
                self.modes = std::mem::take(&mut self.list);
                self.complete = true;
            }
            Event::Apply(namespace) => set(&mut self.modes, &namespace),
            Event::Delete(namespace) => {
                self.modes.remove(&namespace.metadata.name.unwrap_or_default());
            }
        }
    }
}

/// A label that can't be understood leaves the namespace alone: off, whatever the default is.
fn set(modes: &mut HashMap<String, Mode>, namespace: &PartialObjectMeta<Namespace>) {
    let name = namespace.metadata.name.clone().unwrap_or_default();
    let label = namespace.metadata.labels.as_ref().and_then(|labels| labels.get(MODE));
    match label.map(|label| label.parse::<Mode>()) {
        None => {
            modes.remove(&name);
        }
        Some(Ok(mode)) => {
            modes.insert(name, mode);
        }
        Some(Err(error)) => {
            warn!(namespace = name, %error, "taken for `off`");
            modes.insert(name, Mode::Off);
        }
    }
}

//! ConfigMaps by server-side apply: never deleted, never created anew.
//!
//! Each write names the resource version that was seen last. A replica that led once, slept, and does
//! not know yet that somebody else leads gets a conflict instead of its way; whoever changed the
//! object by hand is seen too. A write that the lease does not outlast is given up.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use carbon_kube_core::cluster::{INTENSITY, THRESHOLD};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{Documents, Left, OutputError};
use crate::bundle::{Bundle, Form};
use crate::history::HISTORY;

/// Who owns the fields that are applied.
pub const FIELD_MANAGER: &str = "carbon-kube-poller";

/// What the ConfigMap of the other exporter is called among what was written.
pub(crate) const EXPORTED: &str = "carbon-intensity";

/// The ConfigMaps of a namespace.
pub struct Cluster {
    api: Api<ConfigMap>,
    namespace: String,
    /// The resource version of each ConfigMap as it was seen last; `None` of one that is not there.
    seen: BTreeMap<String, Option<String>>,
}

impl Cluster {
    /// The ConfigMaps of `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            seen: BTreeMap::new(),
        }
    }

    /// What the last cycle has left. From here on its resource versions count.
    pub(super) async fn left(&mut self) -> Result<Left, OutputError> {
        let (mut intensity, mut threshold) =
            (self.read(INTENSITY.0).await?, self.read(THRESHOLD.0).await?);
        Ok(Left { history: intensity.remove(HISTORY), threshold: threshold.remove(THRESHOLD.1) })
    }

    async fn read(&mut self, name: &str) -> Result<BTreeMap<String, String>, OutputError> {
        let map = self.api.get_opt(name).await.map_err(|error| failed(name, error))?;
        let version = map.as_ref().and_then(|map| map.metadata.resource_version.clone());
        self.seen.insert(name.to_owned(), version);
        Ok(map.and_then(|map| map.data).unwrap_or_default())
    }

    /// The files of a policy or of a forecast model; `None` where there is no such ConfigMap.
    ///
    /// # Errors
    ///
    /// Where the API server does not say.
    pub async fn bundle(&self, form: Form) -> Result<Option<Bundle>, OutputError> {
        let map = self.api.get_opt(form.config_map).await;
        let map = map.map_err(|error| failed(form.config_map, error))?;
        Ok(map.map(|map| Bundle::of_config_map(form, map)))
    }

    /// Writes every document before `until`. That of the other exporter may be missing from what is said
    /// to be written.
    pub(super) async fn write(
        &mut self,
        documents: &Documents,
        until: Instant,
    ) -> Result<Vec<&'static str>, OutputError> {
        let mut written = Vec::new();
        if let Some(threshold) = &documents.threshold {
            let data = json!({ THRESHOLD.1: serde_json::to_string(threshold)? });
            self.apply(THRESHOLD.0, json!({ "data": data }), until).await?;
            written.push("threshold");
        }
        let data = json!({
            INTENSITY.1: serde_json::to_string(&documents.intensity)?,
            HISTORY: documents.history,
        });
        self.apply(INTENSITY.0, json!({ "data": data }), until).await?;
        written.push("intensity");
        if let Some((name, exported)) = &documents.exported {
            let records = BASE64_STANDARD.encode(&exported.records);
            let object = json!({ "data": exported.data, "binaryData": { "data": records } });
            // Nobody of ours reads it: without it the rest is written all the same.
            match self.apply(name, object, until).await {
                Ok(()) => written.push(EXPORTED),
                Err(error) => warn!(
                    %error,
                    hint = "one of kubernetes-carbon-intensity-exporter is immutable: delete it once",
                    "not written; everything else is"
                ),
            }
        }
        Ok(written)
    }

    async fn apply(
        &mut self,
        name: &str,
        mut object: Value,
        until: Instant,
    ) -> Result<(), OutputError> {
        let seen = self.seen.get(name).cloned().flatten();
        object["apiVersion"] = "v1".into();
        object["kind"] = "ConfigMap".into();
        object["metadata"] = self.metadata(name, seen.as_deref());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&object);
        let applied = timeout_at(until, self.api.patch(name, &params, &patch)).await;
        let applied = applied.map_err(|_| OutputError::LeaseEnded(name.to_owned()))?;
        match applied {
            Ok(map) => {
                // What is never read needs no fence either: nobody goes on from it.
                if let Some(seen) = self.seen.get_mut(name) {
                    *seen = map.metadata.resource_version;
                }
                Ok(())
            }
            // Changed, or deleted, since it was seen.
            Err(kube::Error::Api(status)) if seen.is_some() && matches!(status.code, 404 | 409) => {
                self.seen.remove(name);
                Err(OutputError::Fenced(name.to_owned()))
            }
            Err(error) => Err(failed(name, error)),
        }
    }

    fn metadata(&self, name: &str, version: Option<&str>) -> Value {
        // No labels: those are of whoever installs, who may have another name for it all.
        let mut metadata = json!({ "name": name, "namespace": self.namespace });
        if let Some(version) = version {
            metadata["resourceVersion"] = version.into();
        }
        metadata
    }
}

fn failed(config_map: &str, error: kube::Error) -> OutputError {
    OutputError::Cluster { config_map: config_map.to_owned(), error }
}

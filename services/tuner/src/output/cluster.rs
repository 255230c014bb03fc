//! ConfigMaps: read by name, written by server-side apply.
//!
//! The policy is only ever replaced, never made: the apply names the resource version that the judgement was about,
//! so a policy that somebody else has changed, or deleted, since then stays what they made of it.

use std::sync::Mutex;

use carbon_kube_core::cluster::{INTENSITY, POLICY, POLICY_SHA256, STATUS};
use carbon_kube_core::documents::{HISTORY, StatusDocument};
use carbon_kube_policies::file::{ACTOR, config_map};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{OutputError, Promoted};
use crate::candidates::Files;
use crate::judge::InForce;

/// Who owns the fields that are applied.
pub const FIELD_MANAGER: &str = "carbon-kube-tuner";

/// The ConfigMaps of a namespace.
pub struct Cluster {
    api: Api<ConfigMap>,
    namespace: String,
    /// The resource version of the policy that was read; `None` before it is, and where there is none.
    policy: Mutex<Option<String>>,
}

impl Cluster {
    /// The ConfigMaps of `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            policy: Mutex::default(),
        }
    }

    async fn read(&self, name: &str) -> Result<Option<ConfigMap>, OutputError> {
        self.api.get_opt(name).await.map_err(|error| failed(name, error))
    }

    async fn text(&self, name: &str, key: &str) -> Result<Option<String>, OutputError> {
        let map = self.read(name).await?;
        Ok(map.and_then(|map| map.data).and_then(|mut data| data.remove(key)))
    }

    /// `history.json`, where the poller has written one.
    ///
    /// # Errors
    ///
    /// Where the API server does not say.
    pub async fn history(&self) -> Result<Option<String>, OutputError> {
        self.text(INTENSITY.0, HISTORY).await
    }

    /// `status.json`, where there is one.
    ///
    /// # Errors
    ///
    /// Where the API server does not say.
    pub async fn status(&self) -> Result<Option<String>, OutputError> {
        self.text(STATUS.0, STATUS.1).await
    }

    /// The policy in force. From here on a promotion is about this version of it.
    ///
    /// # Errors
    ///
    /// Where the API server does not say.
    pub async fn policy(&self) -> Result<InForce, OutputError> {
        let Some(map) = self.read(POLICY.0).await? else { return Ok(InForce::None) };
        let mut seen = self.policy.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.clone_from(&map.metadata.resource_version);
        let Some(yaml) = map.data.and_then(|mut data| data.remove(POLICY.1)) else {
            return Ok(InForce::Unreadable(format!("the ConfigMap has no key `{}`", POLICY.1)));
        };
        let actor = map.binary_data.and_then(|mut data| data.remove(ACTOR)).map(|bytes| bytes.0);
        let annotations = map.metadata.annotations.unwrap_or_default();
        let promised = annotations.get(POLICY_SHA256).map(String::as_str);
        Ok(match Files::parse(yaml, actor, promised) {
            Ok(files) => InForce::Policy(Box::new(files)),
            Err(error) => InForce::Unreadable(error.to_string()),
        })
    }

    pub(super) async fn promote(&self, files: &Files) -> Result<Promoted, OutputError> {
        let seen = self.policy.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let Some(version) = seen else { return Ok(Promoted::Nowhere) };
        let mut object = config_map(&files.loaded, &files.yaml, &self.namespace);
        object["metadata"]["resourceVersion"] = version.into();
        // Labels of the application are of whoever installs, who may have another name for it all.
        if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
            labels.retain(|name, _| name.starts_with("carbon-kube.io/"));
        }
        match self.apply(POLICY.0, &object).await {
            Ok(()) => Ok(Promoted::Done),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Ok(Promoted::Changed)
            }
            // Where it was deleted, applying would create it, which the job may not.
            Err(kube::Error::Api(status))
                if status.code == 403 && self.read(POLICY.0).await?.is_none() =>
            {
                Ok(Promoted::Changed)
            }
            Err(error) => Err(failed(POLICY.0, error)),
        }
    }

    pub(super) async fn write(&self, status: &StatusDocument) -> Result<(), OutputError> {
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": STATUS.0, "namespace": self.namespace},
            "data": {STATUS.1: serde_json::to_string(status)?},
        });
        self.apply(STATUS.0, &object).await.map_err(|error| failed(STATUS.0, error))
    }

    async fn apply(&self, name: &str, object: &Value) -> Result<(), kube::Error> {
        // Whoever installed the object has put fields into it; ours are ours from now on.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.api.patch(name, &params, &Patch::Apply(object)).await.map(|_| ())
    }
}

fn failed(config_map: &str, error: kube::Error) -> OutputError {
    OutputError::Cluster { config_map: config_map.to_owned(), error: Box::new(error) }
}

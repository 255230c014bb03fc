//! Manifests into a cluster, as `kubectl apply --server-side` does it.

use anyhow::{Context, Result};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Client, discovery};
use serde_json::Value;

/// Applies each object, in order. They need a namespace of their own where their kind has one.
///
/// # Errors
/// When an object has no kind or name, or the API server refuses it.
pub async fn apply(client: &Client, objects: impl IntoIterator<Item = Value>) -> Result<()> {
    for object in objects {
        let object: DynamicObject = serde_json::from_value(object).context("not an object")?;
        let types = object.types.as_ref().context("an object without kind")?;
        let kind = GroupVersionKind::try_from(types)?;
        let (resource, capabilities) = discovery::pinned_kind(client, &kind).await?;
        let name = object.metadata.name.as_deref().context("an object without name")?;
        let namespaced = capabilities.scope == discovery::Scope::Namespaced;
        let api: Api<DynamicObject> = match object.metadata.namespace.as_deref() {
            Some(namespace) if namespaced => {
                Api::namespaced_with(client.clone(), namespace, &resource)
            }
            _ => Api::all_with(client.clone(), &resource),
        };
        let params = PatchParams::apply("e2e").force();
        let patch = Patch::Apply(&object);
        api.patch(name, &params, &patch).await.with_context(|| format!("applying {name}"))?;
    }
    Ok(())
}

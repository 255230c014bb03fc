//! Where the API server is, and in which namespace a program lives.

use kube::Config;
use kube::config::InferConfigError;
use tracing::warn;

/// Namespace where nothing says another.
const USUAL: &str = "carbon-kube";

/// The API server of the pod's own account, or of `KUBECONFIG`, and the namespace of our objects:
/// `namespace` where it is given, else the pod's own.
///
/// # Errors
///
/// [`InferConfigError`] where there is neither.
pub async fn infer(namespace: Option<&str>) -> Result<(Config, String), InferConfigError> {
    let mut server = Config::infer().await?;
    if let Some(proxy) = server.proxy_url.take() {
        // It comes from HTTPS_PROXY too, which is meant for the world outside. Our clients know no
        // proxies and would refuse to be built. The rest of its address may have a password.
        warn!(proxy = proxy.host(), "the API server is asked without this proxy");
    }
    let own = match server.default_namespace.as_str() {
        // What a kubeconfig without a namespace says; nobody keeps our ConfigMaps there.
        "default" => USUAL,
        own => own,
    };
    let namespace = namespace.unwrap_or(own).to_owned();
    Ok((server, namespace))
}

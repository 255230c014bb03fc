//! The service as a whole: sources, servers, an orderly end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use carbon_kube_telemetry::{Health, api_server, endpoints, shutdown};
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;
use tracing::info;

use crate::config::{Config, Source};
use crate::documents::Documents;
use crate::explain::Explanations;
use crate::ledger::Ledger;
use crate::metrics::{Metrics, Observed};
use crate::record::Recorder;
use crate::server::{App, Clock, router, wall_clock};
use crate::state::State;
use crate::tls::{self, TlsError};
use crate::{folder, watch};

/// How long connections may finish what they have begun.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// The largest read buffer of a connection with HTTP/1.1. hyper's own 400 KiB cost some 45 MiB
/// with a thousand connections, and no less time for whole nodes (`docs/performance.md`).
const READ_BUFFER: usize = 16 * 1024;

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address that can't be listened on.
    #[error("{field}: can't listen on {address}: {error}")]
    Listen {
        /// The field of the configuration.
        field: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: io::Error,
    },
    /// Certificate or key.
    #[error("server.tls: {0}")]
    Tls(#[from] TlsError),
    /// Neither a pod's own account nor a kubeconfig.
    #[error(
        "no API server: {0}\nhint: run in a pod, set KUBECONFIG, or take the state from a folder \
         (`source: {{folder: DIR}}`)"
    )]
    Cluster(#[from] kube::Error),
    /// The same, before there is a client.
    #[error(
        "no API server: {0}\nhint: run in a pod, set KUBECONFIG, or take the state from a folder"
    )]
    Kubeconfig(#[from] kube::config::InferConfigError),
    /// A server that ended by itself.
    #[error("the server ended: {0}")]
    Server(#[from] io::Error),
}

/// Everything that a running extender shares.
pub struct Service {
    /// What requests need.
    pub app: App,
    /// Metrics.
    pub registry: Arc<Registry>,
    /// Conditions of readiness.
    pub health: Health,
    /// Where documents arrive.
    pub documents: Documents,
}

impl Service {
    /// A service that knows nothing yet.
    #[must_use]
    pub fn new(config: Config, clock: Clock) -> Self {
        let config = Arc::new(config);
        let state = Arc::new(State::new(Arc::clone(&config)));
        let ledger = Arc::new(Ledger::new(config.memory.pods));
        let mut registry = Registry::with_prefix("carbonkube");
        let metrics = Metrics::register(&mut registry);
        registry.register_collector(Box::new(Observed {
            state: Arc::clone(&state),
            ledger: Arc::clone(&ledger),
            clock: Arc::clone(&clock),
        }));
        let recorder = Recorder {
            metrics: metrics.clone(),
            explanations: Explanations::new(config.memory.decisions),
            ledger,
            log_decisions: config.telemetry.log_decisions,
            retry: config.decisions.retry_interval.0,
        };
        let documents = Documents { state: Arc::clone(&state), metrics };
        let app = App { state, recorder: Arc::new(recorder), clock };
        let conditions = match config.source {
            Source::Kubernetes { .. } => &["nodes", "namespaces", "serving"][..],
            Source::Folder(_) => &["nodes", "serving"],
        };
        let health = Health::waiting_for(conditions);
        Self { app, registry: Arc::new(registry), health, documents }
    }
}

/// Runs until SIGTERM or Ctrl-C.
///
/// # Errors
///
/// [`RunError`] for what the configuration or the machine doesn't allow. A cluster that is away is
/// none: the service answers neutrally until it is there.
pub async fn run(config: Config) -> Result<(), RunError> {
    let service = Service::new(config, wall_clock());
    let config = service.app.state.config().clone();
    let api = listen("server.listen", config.server.listen)?;
    let telemetry = listen("telemetry.listen", config.telemetry.listen)?;
    let tls = config.server.tls.as_ref().map(tls::load).transpose()?;
    let mut tasks = sources(&config, &service).await?;
    if let Some((files, loaded)) = config.server.tls.clone().zip(tls.clone()) {
        tasks.spawn(tls::keep_current(files, loaded));
    }
    let handle = Handle::new();
    let routes = router(service.app.clone());
    let mut serving = tokio::spawn(serve(api, tls, handle.clone(), routes));
    let probes = endpoints::router(Arc::clone(&service.registry), service.health.clone());
    tasks.spawn(async move {
        let served = axum_server::from_tcp(telemetry);
        if let Ok(server) = served {
            let _ = server.serve(probes.into_make_service()).await;
        }
    });
    service.health.set("serving", true);
    info!(
        listen = %config.server.listen,
        telemetry = %config.telemetry.listen,
        tls = config.server.tls.is_some(),
        "serving"
    );
    tokio::select! {
        ended = &mut serving => return ended.unwrap_or_else(|e| Err(io::Error::other(e))).map_err(RunError::from),
        signal = shutdown::requested() => signal?,
    }
    info!("asked to end: not ready any more, still serving");
    service.health.set("serving", false);
    let drain = u64::try_from(config.server.drain.0.millis()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(drain)).await;
    handle.graceful_shutdown(Some(LAST_REQUESTS));
    serving.await.unwrap_or_else(|error| Err(io::Error::other(error)))?;
    info!("ended");
    Ok(())
}

fn listen(field: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    let listening = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listening.map_err(|error| RunError::Listen { field, address, error })
}

async fn serve(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    handle: Handle<SocketAddr>,
    routes: Router,
) -> io::Result<()> {
    let mut server: Server<SocketAddr> = axum_server::from_tcp(listener)?.handle(handle);
    server.http_builder().http1().max_buf_size(READ_BUFFER);
    let service = routes.into_make_service();
    // An answer is one small packet; waiting to fill it would cost 40 ms.
    match tls {
        None => server.acceptor(NoDelayAcceptor::new()).serve(service).await,
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
            server.acceptor(acceptor).serve(service).await
        }
    }
}

/// Starts whatever keeps the state current.
async fn sources(config: &Config, service: &Service) -> Result<JoinSet<()>, RunError> {
    let (documents, health) = (service.documents.clone(), service.health.clone());
    match &config.source {
        Source::Folder(path) => {
            let mut tasks = JoinSet::new();
            tasks.spawn(folder::watch(path.clone(), documents, health));
            Ok(tasks)
        }
        Source::Kubernetes { namespace } => {
            let (server, namespace) = api_server::infer(namespace.as_deref()).await?;
            let client = Client::try_from(server)?;
            Ok(watch::start(client, namespace, documents, health))
        }
    }
}

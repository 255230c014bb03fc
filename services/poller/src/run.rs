//! The service as a whole: cycles while the lease is held, endpoints, an orderly end.
//!
//! ```text
//!  Follower, Unknown   waits; asks no source
//!  Leader              reads what was left, then a cycle at each interval, and writes
//!  Adrift              goes on asking, so that nothing of the time without an API server is lost
//! ```

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use carbon_kube_core::{Span, Time};
use carbon_kube_providers::Clock;
use carbon_kube_providers::transport::TransportError;
use carbon_kube_telemetry::lease::{self, Candidacy, Standing};
use carbon_kube_telemetry::logs;
use carbon_kube_telemetry::{Health, api_server, endpoints, shutdown};
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, instrument, warn};

use crate::bundle::{Bundle, FORECAST_FORM, Form, POLICY_FORM};
use crate::config::{Config, Configuration, Files, OutputName};
use crate::metrics::Metrics;
use crate::output::cluster::{Cluster, EXPORTED};
use crate::output::{Documents, Output, OutputError};
use crate::poller::Poller;
use crate::signals::Signals;
use crate::sources::Sources;

/// The longest that a cycle in progress is waited for after SIGTERM.
const DRAIN: Duration = Duration::from_secs(5);

/// How often the configuration is looked at for another log filter.
const LEVELS_LOOK: Duration = Duration::from_secs(10);

/// Replicas and clusters don't all ask a source in the same second.
const MOST_JITTER: Span = Span::from_millis(20_000);

/// The longest that a single run waits for the API server.
const ONCE_WITHIN: Duration = Duration::from_secs(60);

/// The longest that an answer of the API server is waited for.
const API_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address that can't be listened on.
    #[error("telemetry.listen: can't listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: io::Error,
    },
    /// No TLS to ask sources with.
    #[error("providers: {0}")]
    Sources(#[from] TransportError),
    /// No HTTP client.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// Neither a pod's own account nor a kubeconfig.
    #[error(
        "no API server: {0}\nhint: run in a pod, set KUBECONFIG, or take `--output file:DIR` or `--output stdout`"
    )]
    Kubeconfig(#[from] kube::config::InferConfigError),
    /// The same, as the client is built.
    #[error("no API server: {0}")]
    Cluster(#[from] kube::Error),
    /// The one cycle of `--once` could not write.
    #[error("{0}")]
    Output(#[from] OutputError),
    /// The operating system lets nobody listen for signals.
    #[error("signals: {0}")]
    Signals(#[from] io::Error),
}

/// Where the log filter is found anew.
pub struct Levels {
    /// The configuration file.
    pub path: PathBuf,
    /// What changes the filter.
    pub levels: logs::Levels,
}

/// One cycle, for a CronJob or a person.
///
/// # Errors
///
/// [`RunError`], also where nothing could be written. Sources that don't answer are no error.
pub async fn once(config: Config) -> Result<(), RunError> {
    let config = Arc::new(config);
    let metrics = Metrics::register(&mut Registry::default());
    let output = match &config.output {
        OutputName::Cluster => {
            let (client, namespace) = connect(&config).await?;
            Output::Cluster(Box::new(Cluster::new(client, &namespace)))
        }
        OutputName::File(folder) => Output::Folder(folder.clone()),
        OutputName::Stdout => Output::Stdout,
    };
    let mut service = Service::new(config, metrics, output)?;
    service.resume().await?;
    let documents = service.look(wall_clock()).await;
    service.output.write(&documents, Instant::now() + ONCE_WITHIN).await?;
    Ok(())
}

/// Runs until SIGTERM or Ctrl-C.
///
/// # Errors
///
/// [`RunError`] for what the configuration or the machine doesn't allow. An API server that is away is
/// none, and neither is a source.
pub async fn serve(config: Config, levels: Option<Levels>) -> Result<(), RunError> {
    let config = Arc::new(config);
    let mut registry = Registry::with_prefix("carbonkube");
    let metrics = Metrics::register(&mut registry);
    let health = Health::waiting_for(&["serving", "leadership"]);
    expose(config.telemetry.listen, registry, health.clone()).await?;
    if let Some(levels) = levels {
        tokio::spawn(follow(levels, config.telemetry.log_filter.clone()));
    }
    let (output, candidacy) = match &config.output {
        OutputName::Cluster => {
            let (client, namespace) = connect(&config).await?;
            let candidacy = Candidacy::stand(client.clone(), lease(&config, &namespace));
            (Output::Cluster(Box::new(Cluster::new(client, &namespace))), Some(candidacy))
        }
        OutputName::File(folder) => (Output::Folder(folder.clone()), None),
        OutputName::Stdout => (Output::Stdout, None),
    };
    let service = Service::new(Arc::clone(&config), metrics, output)?;
    health.set("serving", true);
    info!(telemetry = %config.telemetry.listen, "serving");
    let (stop, stopped) = watch::channel(false);
    let place = Place { standing: candidacy.as_ref().map(Candidacy::standing), stopped };
    let mut turns = std::pin::pin!(service.turns(place, health.clone()));
    tokio::select! {
        () = &mut turns => {}
        signal = shutdown::requested() => signal?,
    }
    info!("asked to end");
    health.set("serving", false);
    stop.send_replace(true);
    // What has begun is written; what hangs is not waited for.
    let _ = timeout(DRAIN, &mut turns).await;
    if let Some(candidacy) = candidacy {
        candidacy.resign().await;
    }
    info!("ended");
    Ok(())
}

/// Whether this replica may write, and whether it is asked to end.
struct Place {
    /// `None` where there is no cluster, and so nobody else.
    standing: Option<watch::Receiver<Standing>>,
    stopped: watch::Receiver<bool>,
}

impl Place {
    fn standing(&self) -> Standing {
        let alone = || Standing::Leader { until: Instant::now() + ONCE_WITHIN };
        self.standing.as_ref().map_or_else(alone, |standing| *standing.borrow())
    }

    /// Waits until this replica stands otherwise than `before`, is asked to end, or `pause` is over.
    async fn changes_within(&mut self, before: Standing, pause: Duration) {
        let standing = async {
            match &mut self.standing {
                // Renewals are changes too; only another kind of standing is one here.
                Some(standing) => {
                    let before = std::mem::discriminant(&before);
                    let other = |now: &Standing| std::mem::discriminant(now) != before;
                    if standing.wait_for(other).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = standing => {}
            _ = self.stopped.wait_for(|stopped| *stopped) => {}
            () = sleep(pause) => {}
        }
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }
}

/// Everything that cycles need.
struct Service {
    config: Arc<Config>,
    metrics: Metrics,
    poller: Poller,
    sources: Sources,
    signals: Signals,
    output: Output,
}

impl Service {
    fn new(config: Arc<Config>, metrics: Metrics, output: Output) -> Result<Self, RunError> {
        let folder = config.cache_folder.clone();
        Ok(Self {
            sources: Sources::new(&config, folder, Arc::new(metrics.clone()))?,
            signals: Signals::new(&config.tune.signals)?,
            poller: Poller::new(Arc::clone(&config), metrics.clone()),
            config,
            metrics,
            output,
        })
    }

    /// Cycles for as long as this replica leads, or may have led.
    async fn turns(mut self, mut place: Place, health: Health) {
        let mut in_step = false;
        let mut failures = 0;
        while !place.is_stopped() {
            let standing = place.standing();
            health.set("leadership", standing != Standing::Unknown);
            let leads = standing.may_write_until().is_some();
            self.metrics.leads(leads);
            let pause = match standing {
                Standing::Unknown | Standing::Follower => {
                    in_step = false;
                    // What this replica has seen last is not what is in force any more.
                    self.metrics.stand_by();
                    Duration::from_secs(3_600)
                }
                // Whatever another replica has written comes first.
                Standing::Leader { .. } if leads && !in_step => match self.resume().await {
                    Ok(()) => {
                        in_step = true;
                        continue;
                    }
                    Err(error) => {
                        warn!(%error, "what was left can't be read; nothing is written before it is");
                        self.patience(&mut failures)
                    }
                },
                Standing::Leader { .. } | Standing::Adrift => {
                    in_step &= leads;
                    match self.turn(&place).await {
                        Turn::Over => {
                            failures = 0;
                            self.until_next(wall_clock())
                        }
                        Turn::OutOfStep => {
                            in_step = false;
                            self.patience(&mut failures)
                        }
                    }
                }
            };
            place.changes_within(standing, pause).await;
        }
    }

    /// One cycle, and its documents written if this replica still leads at its end.
    #[instrument(skip_all)]
    async fn turn(&mut self, place: &Place) -> Turn {
        let start = Instant::now();
        let now = wall_clock();
        let documents = self.look(now).await;
        let (result, turn) = match place.standing().may_write_until() {
            None => ("adrift", Turn::Over),
            Some(until) => match self.output.write(&documents, until).await {
                Ok(written) => {
                    let is_asked_for =
                        documents.exported.is_some() && matches!(self.output, Output::Cluster(_));
                    if is_asked_for && !written.contains(&EXPORTED) {
                        self.metrics.refused(EXPORTED);
                    }
                    let seconds = wall_clock().millis() as f64 / 1e3;
                    written.iter().for_each(|document| self.metrics.written(document, seconds));
                    info!(?written, zones = documents.intensity.zones.len(), "cycle");
                    ("written", Turn::Over)
                }
                Err(error @ OutputError::Fenced(_)) => {
                    warn!(%error, "read again");
                    ("not-written", Turn::OutOfStep)
                }
                Err(error) => {
                    warn!(%error, "not written; it is tried again");
                    ("not-written", Turn::OutOfStep)
                }
            },
        };
        self.metrics.cycle(result, start.elapsed());
        turn
    }

    #[instrument(skip_all)]
    async fn resume(&mut self) -> Result<(), OutputError> {
        let left = self.output.left().await?;
        self.poller.resume(&left, wall_clock());
        self.sources.remember(self.poller.known());
        Ok(())
    }

    /// Asks everybody at once, and makes the documents.
    #[instrument(skip_all)]
    async fn look(&mut self, now: Time) -> Documents {
        let policy = bundle(&self.output, &self.config.policy, POLICY_FORM);
        let model = bundle(&self.output, &self.config.forecast, FORECAST_FORM);
        let (policy, model, answers, workloads) =
            tokio::join!(policy, model, self.sources.ask(now), self.signals.read(now));
        // A policy that can't be asked for stays as it is.
        match policy {
            Ok(policy) => self.poller.offer_policy(policy),
            Err(error) => self.unread(POLICY_FORM, &error),
        }
        match model {
            Ok(model) => self.poller.offer_model(model),
            Err(error) => self.unread(FORECAST_FORM, &error),
        }
        self.poller.digest(&answers, &workloads, self.sources.health(), now)
    }

    /// Says that files can't be read. An API server that is away says nothing of a document.
    fn unread(&self, form: Form, error: &OutputError) {
        warn!(document = form.name, %error, "can't be read; it stays as it is");
        if matches!(error, OutputError::Folder { .. }) {
            self.metrics.refused(form.name);
        }
    }

    /// The wait after one more failure: it doubles, up to the interval.
    fn patience(&self, failures: &mut u32) -> Duration {
        let first = self.config.cluster.lease.retry_period.std();
        let wait = first.saturating_mul(1 << (*failures).min(16));
        *failures += 1;
        wait.min(self.config.interval.std())
    }

    /// Until a little after the next full interval.
    fn until_next(&self, now: Time) -> Duration {
        let interval = self.config.interval.0;
        let jitter = Span::from_millis((random() % MOST_JITTER.millis().unsigned_abs()) as i64);
        let next = now.floor(interval) + interval + jitter;
        Duration::from_millis((next - now).millis().unsigned_abs())
    }
}

/// What follows a cycle.
enum Turn {
    /// The next one, at the next interval.
    Over,
    /// What was left has to be read anew first.
    OutOfStep,
}

/// The files of a policy or a model, from its folder or from the cluster that is written to; where
/// there are none, the shipped ones that the configuration names.
async fn bundle(output: &Output, files: &Files, form: Form) -> Result<Option<Bundle>, OutputError> {
    let found = match (&files.folder, output) {
        (Some(folder), _) => Bundle::of_folder(form, folder)
            .map_err(|error| OutputError::Folder { path: folder.display().to_string(), error })?,
        (None, Output::Cluster(cluster)) => cluster.bundle(form).await?,
        (None, _) => None,
    };
    let shipped = || Bundle::of_library(form, files.library.as_deref()?);
    Ok(found.or_else(shipped))
}

async fn connect(config: &Config) -> Result<(Client, String), RunError> {
    let (mut server, namespace) = api_server::infer(config.cluster.namespace.as_deref()).await?;
    // Nothing here is watched, so no answer may take long; whoever asks asks again by its own rules.
    server.read_timeout = Some(API_TIMEOUT);
    server.reset_reader_on_write = true;
    server.default_retry = false;
    Ok((Client::try_from(server)?, namespace))
}

fn lease(config: &Config, namespace: &str) -> lease::Settings {
    let lease = &config.cluster.lease;
    // A pod's name alone would do, but nothing keeps two processes from having one.
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "carbon-kube-poller".to_owned());
    lease::Settings {
        name: lease.name.clone(),
        namespace: namespace.to_owned(),
        identity: format!("{host}_{:016x}", random()),
        duration: lease.duration.std(),
        renew_deadline: lease.renew_deadline.std(),
        retry_period: lease.retry_period.std(),
    }
}

/// The hash of a random state is the randomness that is at hand without a generator.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// The time of day.
fn wall_clock() -> Time {
    Clock::system().now()
}

async fn expose(listen: SocketAddr, registry: Registry, health: Health) -> Result<(), RunError> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| RunError::Listen { address: listen, error })?;
    let routes = endpoints::router(Arc::new(registry), health);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            warn!(%error, "probes and metrics are not served any more");
        }
    });
    Ok(())
}

/// Puts another log filter in force when the configuration file has one. Nothing else of the file
/// changes a running poller.
async fn follow(levels: Levels, mut filter: String) {
    loop {
        sleep(LEVELS_LOOK).await;
        let new = match Config::load(&levels.path) {
            Ok(config) => config.telemetry.log_filter,
            // It is being written, or wrong: a restart will say so.
            Err(_) => continue,
        };
        if new != filter {
            match levels.levels.set(&new) {
                Ok(()) => info!(filter = new, "log filter in force"),
                Err(error) => warn!(%error, "the log filter stays"),
            }
            filter = new;
        }
    }
}

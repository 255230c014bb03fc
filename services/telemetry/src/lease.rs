//! One leader among the replicas of a service, by a Lease of the API server.
//!
//! ```text
//!  Unknown --> Follower <------- somebody else has it -------.
//!                 |  free, or not renewed for its duration   |
//!                 v                                          |
//!          Leader { until } --- not renewed by `until` --> Adrift
//! ```
//!
//! Whoever leads may write until `until`, the renew deadline after the last request for a renewal
//! that succeeded was *sent*. Others wait for the whole duration after they last *saw* a renewal. So
//! with a duration above the renew deadline two never write at once, whatever their clocks say: no
//! instant of another machine is compared with one of this. Every change of the Lease names the
//! resource version that it is based on, so of two who want it at once one gets a conflict.
//!
//! Written against kube's API because the one maintained crate for this version of kube
//! (kube-lease-manager 0.13) takes an expired lease without naming a resource version, compares clocks
//! of machines, and goes on to report leadership while the API server can't be reached.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

/// Which Lease, who asks, and how patient everybody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the Lease.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Who asks. No two processes may have the same one.
    pub identity: String,
    /// How long others wait after the last renewal that they saw, a second or more.
    pub duration: Duration,
    /// How long the leader may write after its last renewal; less than `duration`.
    pub renew_deadline: Duration,
    /// Time between two tries; less than `renew_deadline`. Up to a fifth is added at random, so that
    /// replicas don't ask in step.
    pub retry_period: Duration,
}

/// What a replica knows of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The API server has not answered yet.
    Unknown,
    /// Another one leads.
    Follower,
    /// This one leads, and may write before that instant.
    Leader {
        /// The renew deadline.
        until: Instant,
    },
    /// This one led, and could not renew in time. Whether somebody else leads is unknown.
    Adrift,
}

impl Standing {
    /// Until when this replica may write; `None` where it may not.
    #[must_use]
    pub fn may_write_until(self) -> Option<Instant> {
        match self {
            Self::Leader { until } if Instant::now() < until => Some(until),
            _ => None,
        }
    }
}

/// A replica that stands for leadership until it is dropped or resigns.
#[derive(Debug)]
pub struct Candidacy {
    standing: watch::Receiver<Standing>,
    resign: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Candidacy {
    /// Stands for leadership.
    #[must_use]
    pub fn stand(client: Client, settings: Settings) -> Self {
        let (sender, standing) = watch::channel(Standing::Unknown);
        let (resign, resigned) = oneshot::channel();
        let campaign = Campaign {
            api: Api::namespaced(client, &settings.namespace),
            settings,
            standing: sender,
            seen: None,
            problem: None,
        };
        let task = tokio::spawn(campaign.run(resigned));
        Self { standing, resign: Some(resign), task }
    }

    /// What this replica knows of its place, now and as it changes.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Gives the lease back, so that another replica need not wait for it to expire. It takes as long
    /// as a retry period where the API server does not answer.
    pub async fn resign(mut self) {
        if let Some(resign) = self.resign.take() {
            let _ = resign.send(());
        }
        let _ = (&mut self.task).await;
    }
}

impl Drop for Candidacy {
    fn drop(&mut self) {
        // Without a sender the task would go on alone, and hold a lease for nobody.
        if self.resign.is_some() {
            self.task.abort();
        }
    }
}

/// Somebody's hold on the lease, as it was last seen to change.
struct Seen {
    version: Option<String>,
    at: Instant,
}

struct Campaign {
    api: Api<Lease>,
    settings: Settings,
    standing: watch::Sender<Standing>,
    seen: Option<Seen>,
    /// Why the last try failed, so that the log says it once.
    problem: Option<String>,
}

impl Campaign {
    async fn run(mut self, mut resigned: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                () = self.attempt() => {}
                _ = &mut resigned => break,
            }
            tokio::select! {
                () = sleep(self.pause()) => {}
                _ = &mut resigned => break,
            }
        }
        self.release().await;
    }

    /// Asks for the lease once, or renews it, and says what came of it.
    async fn attempt(&mut self) {
        let sent = Instant::now();
        let patience = match *self.standing.borrow() {
            Standing::Leader { until } => until.saturating_duration_since(sent),
            _ => self.settings.renew_deadline,
        };
        let standing = match timeout(patience, self.ask(sent)).await {
            Ok(Ok(standing)) => {
                self.problem = None;
                standing
            }
            Ok(Err(error)) => self.unanswered(&error.to_string()),
            Err(_) => self.unanswered("no answer in time"),
        };
        self.tell(standing);
    }

    fn tell(&self, standing: Standing) {
        let before = *self.standing.borrow();
        let name = &self.settings.name;
        match (before, standing) {
            (Standing::Leader { .. }, Standing::Leader { .. }) => {}
            (_, Standing::Leader { .. }) => info!(lease = name, "leads now"),
            (Standing::Leader { .. }, _) => warn!(lease = name, "leads no more"),
            _ => {}
        }
        self.standing.send_replace(standing);
    }

    /// Nobody knows: whoever led goes on until its deadline.
    fn unanswered(&mut self, problem: &str) -> Standing {
        if self.problem.as_deref() != Some(problem) {
            warn!(lease = self.settings.name, problem, "the lease could not be asked for");
            self.problem = Some(problem.to_owned());
        }
        match *self.standing.borrow() {
            Standing::Leader { until } if Instant::now() >= until => Standing::Adrift,
            as_before => as_before,
        }
    }

    async fn ask(&mut self, sent: Instant) -> kube::Result<Standing> {
        let leader = Standing::Leader { until: sent + self.settings.renew_deadline };
        let Some(mut lease) = self.api.get_opt(&self.settings.name).await? else {
            let created = self.api.create(&self.by(), &self.new_lease()).await;
            return Ok(if won(created.map(drop))? { leader } else { Standing::Follower });
        };
        let version = lease.metadata.resource_version.clone();
        if self.seen.as_ref().is_none_or(|seen| seen.version != version) {
            self.seen = Some(Seen { version, at: Instant::now() });
        }
        let spec = lease.spec.get_or_insert_default();
        let ours = spec.holder_identity.as_deref() == Some(&self.settings.identity);
        if !ours && !self.is_free(spec) {
            return Ok(Standing::Follower);
        }
        if !ours {
            spec.holder_identity = Some(self.settings.identity.clone());
            spec.acquire_time = Some(now());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
        }
        spec.renew_time = Some(now());
        spec.lease_duration_seconds = Some(self.duration_seconds());
        let replaced = self.api.replace(&self.settings.name, &self.by(), &lease).await;
        if won(replaced.map(drop))? {
            return Ok(leader);
        }
        // Somebody changed it in between; the next try sees who. Until the deadline nobody else
        // can have taken it from a leader.
        debug!(lease = self.settings.name, "somebody else changed the lease");
        Ok(match *self.standing.borrow() {
            leader @ Standing::Leader { until } if Instant::now() < until => leader,
            _ => Standing::Follower,
        })
    }

    /// Whether nobody holds it, or its holder was not seen to renew it for its duration.
    fn is_free(&self, spec: &LeaseSpec) -> bool {
        let held = spec.holder_identity.as_deref().is_some_and(|holder| !holder.is_empty());
        let seconds = spec.lease_duration_seconds.unwrap_or(0).max(0);
        let duration = Duration::from_secs(seconds.unsigned_abs().into());
        !held || self.seen.as_ref().is_some_and(|seen| seen.at.elapsed() >= duration)
    }

    fn new_lease(&self) -> Lease {
        Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.settings.identity.clone()),
                acquire_time: Some(now()),
                renew_time: Some(now()),
                lease_duration_seconds: Some(self.duration_seconds()),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            }),
        }
    }

    fn duration_seconds(&self) -> i32 {
        i32::try_from(self.settings.duration.as_secs()).unwrap_or(i32::MAX)
    }

    fn by(&self) -> PostParams {
        PostParams { field_manager: Some(self.settings.name.clone()), ..PostParams::default() }
    }

    /// Until the next try; a leader looks at its deadline too.
    fn pause(&self) -> Duration {
        // The hash of a random state is the randomness that is at hand without a generator.
        let random = RandomState::new().hash_one(&self.settings.identity) % 1_000;
        let jitter = self.settings.retry_period.mul_f64(random as f64 / 5_000.0);
        let pause = self.settings.retry_period + jitter;
        match *self.standing.borrow() {
            Standing::Leader { until } => {
                pause.min(until.saturating_duration_since(Instant::now()))
            }
            _ => pause,
        }
    }

    async fn release(self) {
        let led = matches!(*self.standing.borrow(), Standing::Leader { .. });
        self.standing.send_replace(Standing::Follower);
        if !led {
            return;
        }
        match timeout(self.settings.retry_period, self.give_back()).await {
            Ok(Ok(())) => info!(lease = self.settings.name, "given back"),
            Ok(Err(error)) => warn!(lease = self.settings.name, %error, "not given back"),
            Err(_) => warn!(lease = self.settings.name, "not given back: no answer in time"),
        }
    }

    async fn give_back(&self) -> kube::Result<()> {
        let mut lease = self.api.get(&self.settings.name).await?;
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(&self.settings.identity) {
            return Ok(());
        }
        spec.holder_identity = Some(String::new());
        spec.renew_time = Some(now());
        self.api.replace(&self.settings.name, &self.by(), &lease).await.map(drop)
    }
}

/// Whether a change was made; a conflict means that somebody else was quicker.
fn won(changed: kube::Result<()>) -> kube::Result<bool> {
    match changed {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}

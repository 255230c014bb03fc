//! One fake kubelet for all fake nodes: pods run as far as the API shows.
//!
//! ```text
//!  bound --> Running, Ready, with an IP --after `runs-for`--> Succeeded
//!    \_______________|________ deletionTimestamp ________________|____--> deleted at once
//! ```
//!
//! A pod runs for as long as its annotation [`RUNS_FOR`] says, and for ever without one. When each
//! pod was bound and when it finished is kept ([`Kubelet::history`]), after its deletion too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::TryStreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinHandle};

use crate::nodes::FAKE_LABEL;
use crate::wait;

/// The annotation that says how long a pod runs, as a Go duration such as `20s` or `1m30s`.
pub const RUNS_FOR: &str = "e2e.carbon-kube.io/runs-for";

/// Requests in flight, so that a burst of pods leaves the API server time for the scheduler.
const CONCURRENCY: usize = 16;

/// How long a request is tried again, for instance because the API server restarts.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the kubelet knows of one pod. Instants are those at which the kubelet saw or did it, so
/// `bound` is some milliseconds late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodHistory {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The node that it was bound to.
    pub node: String,
    /// When it was bound.
    pub bound: Instant,
    /// When it was reported as Running.
    pub running: Option<Instant>,
    /// When it was reported as Succeeded. A pod that was deleted before has no such instant.
    pub finished: Option<Instant>,
    /// When it was gone.
    pub deleted: Option<Instant>,
}

/// Runs until it is dropped.
pub struct Kubelet {
    shared: Arc<Shared>,
    watch: JoinHandle<()>,
}

struct Shared {
    client: Client,
    /// By UID, so that a pod that replaces another of its name is one of its own.
    pods: Mutex<BTreeMap<String, Entry>>,
    requests: Semaphore,
    addresses: AtomicU32,
}

#[derive(Debug)]
struct Entry {
    history: PodHistory,
    life: AbortHandle,
    /// Whether its deletion is on its way.
    terminating: bool,
}

impl Kubelet {
    /// Starts to look after the pods of every namespace that are bound to fake nodes.
    pub fn start(client: Client) -> Self {
        let shared = Arc::new(Shared {
            client,
            pods: Mutex::default(),
            requests: Semaphore::new(CONCURRENCY),
            addresses: AtomicU32::new(1),
        });
        let watch = tokio::spawn(watch(shared.clone()));
        Self { shared, watch }
    }

    /// Every pod so far, in the order in which they were bound.
    pub fn history(&self) -> Vec<PodHistory> {
        let mut pods: Vec<PodHistory> =
            self.shared.pods().values().map(|entry| entry.history.clone()).collect();
        pods.sort_by(|a, b| a.bound.cmp(&b.bound).then_with(|| a.name.cmp(&b.name)));
        pods
    }

    /// The latest pod of this name.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<PodHistory> {
        self.history().into_iter().rfind(|pod| pod.namespace == namespace && pod.name == name)
    }

    /// Waits until `count` pods that match have finished, and returns these.
    ///
    /// # Errors
    /// When `within` has passed.
    pub async fn finished(
        &self,
        count: usize,
        within: Duration,
        matches: impl Fn(&PodHistory) -> bool,
    ) -> Result<Vec<PodHistory>> {
        wait::until(&format!("{count} pods have finished"), within, async || {
            let pods: Vec<PodHistory> = self
                .history()
                .into_iter()
                .filter(|pod| pod.finished.is_some() && matches(pod))
                .collect();
            Ok((pods.len() >= count).then_some(pods))
        })
        .await
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.watch.abort();
        for entry in self.shared.pods().values() {
            entry.life.abort();
        }
    }
}

async fn watch(shared: Arc<Shared>) {
    // Pods enter this selection when they are bound: the scheduler's queue isn't seen here.
    let bound = watcher::Config::default().fields("spec.nodeName!=");
    let mut events =
        Box::pin(watcher(Api::<Pod>::all(shared.client.clone()), bound).default_backoff());
    let mut fake_nodes = HashMap::new();
    let mut listed = BTreeSet::new();
    loop {
        match events.try_next().await {
            Ok(Some(watcher::Event::Init)) => listed.clear(),
            Ok(Some(watcher::Event::InitApply(pod))) => {
                listed.extend(pod.uid());
                shared.clone().see(pod, &mut fake_nodes).await;
            }
            // What isn't listed any more was deleted while the watch was down.
            Ok(Some(watcher::Event::InitDone)) => shared.forget(|uid| !listed.contains(uid)),
            Ok(Some(watcher::Event::Apply(pod))) => shared.clone().see(pod, &mut fake_nodes).await,
            Ok(Some(watcher::Event::Delete(pod))) => {
                shared.forget(|uid| Some(uid) == pod.metadata.uid.as_deref());
            }
            Ok(None) => return,
            // The API server is away; the stream backs off and lists anew.
            Err(_) => {}
        }
    }
}

impl Shared {
    fn pods(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn see(self: Arc<Self>, pod: Pod, fake_nodes: &mut HashMap<String, bool>) {
        let bound = Instant::now();
        let (Some(uid), Some(node)) =
            (pod.uid(), pod.spec.as_ref().and_then(|spec| spec.node_name.clone()))
        else {
            return;
        };
        if !self.is_fake(&node, fake_nodes).await {
            return;
        }
        let terminating = pod.metadata.deletion_timestamp.is_some();
        let mut pods = self.pods();
        if let Some(entry) = pods.get_mut(&uid) {
            if terminating && !entry.terminating {
                entry.terminating = true;
                entry.life.abort();
                entry.life = tokio::spawn(self.clone().delete(uid, pod)).abort_handle();
            }
            return;
        }
        let history = PodHistory {
            namespace: pod.namespace().unwrap_or_default(),
            name: pod.name_any(),
            node,
            bound,
            running: None,
            finished: None,
            deleted: None,
        };
        let life = if terminating {
            tokio::spawn(self.clone().delete(uid.clone(), pod))
        } else {
            tokio::spawn(self.clone().live(uid.clone(), pod))
        };
        pods.insert(uid, Entry { history, life: life.abort_handle(), terminating });
    }

    /// Whether the node is one of ours. On a cluster of somebody else, real nodes have a kubelet.
    async fn is_fake(&self, node: &str, known: &mut HashMap<String, bool>) -> bool {
        if let Some(fake) = known.get(node) {
            return *fake;
        }
        let api: Api<Node> = Api::all(self.client.clone());
        let fake = self
            .request(|| api.get_opt(node))
            .await
            .flatten()
            .is_some_and(|node| node.labels().contains_key(FAKE_LABEL));
        known.insert(node.to_owned(), fake);
        fake
    }

    fn forget(&self, gone: impl Fn(&str) -> bool) {
        for (uid, entry) in self.pods().iter_mut() {
            if entry.history.deleted.is_none() && gone(uid) {
                entry.history.deleted = Some(Instant::now());
                entry.life.abort();
            }
        }
    }

    fn record(&self, uid: &str, event: impl FnOnce(&mut PodHistory)) {
        if let Some(entry) = self.pods().get_mut(uid) {
            event(&mut entry.history);
        }
    }

    async fn live(self: Arc<Self>, uid: String, pod: Pod) {
        // Without an answer the pod is gone, and its life ends here.
        let _ = self.try_live(&uid, &pod).await;
    }

    async fn try_live(&self, uid: &str, pod: &Pod) -> Option<()> {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return None;
        }
        let text = pod.annotations().get(RUNS_FOR);
        let runs_for = text.map(|text| parse_duration(text));
        if runs_for == Some(None) {
            let message = format!("{RUNS_FOR} is not a duration such as `20s`");
            let status = json!({ "phase": "Failed", "reason": "E2E", "message": message });
            return self.patch_status(uid, pod, status).await;
        }
        self.patch_status(uid, pod, self.running(pod)).await?;
        let started = Instant::now();
        self.record(uid, |history| history.running = Some(started));
        if let Some(duration) = runs_for.flatten() {
            tokio::time::sleep_until((started + duration).into()).await;
            self.patch_status(uid, pod, succeeded(pod)).await?;
            self.record(uid, |history| history.finished = Some(Instant::now()));
        }
        Some(())
    }

    async fn delete(self: Arc<Self>, uid: String, pod: Pod) {
        let api: Api<Pod> =
            Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions { uid: Some(uid), resource_version: None }),
            ..DeleteParams::default()
        };
        let name = pod.name_any();
        self.request(|| api.delete(&name, &params)).await;
    }

    async fn patch_status(&self, uid: &str, pod: &Pod, status: Value) -> Option<()> {
        let api: Api<Pod> =
            Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        // The UID makes the API server refuse the patch for a later pod of the same name.
        let patch = Patch::Strategic(json!({ "metadata": { "uid": uid }, "status": status }));
        let params = PatchParams::default();
        let name = pod.name_any();
        self.request(|| api.patch_status(&name, &params, &patch)).await.map(drop)
    }

    /// Tries until there is an answer. `None` means that the object is gone, or that the API server
    /// was away for too long.
    async fn request<T, F>(&self, mut send: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let first = Instant::now();
        while first.elapsed() < PATIENCE {
            let permit = self.requests.acquire().await.ok()?;
            match send().await {
                Ok(answer) => return Some(answer),
                Err(kube::Error::Api(status)) if status.code == 404 => return None,
                Err(_) => {}
            }
            drop(permit);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    fn running(&self, pod: &Pod) -> Value {
        let now = Timestamp::now().to_string();
        let [_, b, c, d] = self.addresses.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let address = format!("10.{b}.{c}.{d}");
        let condition =
            |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": now });
        let containers: Vec<Value> = containers(pod)
            .map(|(name, image)| {
                json!({
                    "name": name, "image": image, "imageID": "", "ready": true, "started": true,
                    "restartCount": 0, "state": { "running": { "startedAt": now } },
                })
            })
            .collect();
        json!({
            "phase": "Running",
            "startTime": now,
            "hostIP": "192.0.2.1",
            "podIP": address,
            "podIPs": [{ "ip": address }],
            "conditions": [
                condition("Initialized"),
                condition("ContainersReady"),
                condition("Ready"),
            ],
            "containerStatuses": containers,
        })
    }
}

fn succeeded(pod: &Pod) -> Value {
    let now = Timestamp::now().to_string();
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "False", "reason": "PodCompleted", "lastTransitionTime": now,
        })
    };
    let containers: Vec<Value> = containers(pod)
        .map(|(name, image)| {
            json!({
                "name": name, "image": image, "imageID": "", "ready": false, "started": false,
                "restartCount": 0,
                "state": {
                    "terminated": { "exitCode": 0, "reason": "Completed", "finishedAt": now },
                },
            })
        })
        .collect();
    json!({
        "phase": "Succeeded",
        "conditions": [condition("ContainersReady"), condition("Ready")],
        "containerStatuses": containers,
    })
}

fn containers(pod: &Pod) -> impl Iterator<Item = (&str, &str)> {
    let containers = pod.spec.as_ref().map_or(&[][..], |spec| spec.containers.as_slice());
    containers
        .iter()
        .map(|container| (container.name.as_str(), container.image.as_deref().unwrap_or_default()))
}

/// Reads a Go duration: numbers with units, `1h`, `1m30s`, `1.5s`, `250ms`. No sign, no other units.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value: f64 = rest[..number].parse().ok()?;
        rest = &rest[number..];
        let unit = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        rest = &rest[unit..];
        total = total.checked_add(Duration::try_from_secs_f64(value * seconds).ok()?)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let check = |text, seconds| {
            assert_eq!(parse_duration(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        };
        check("20s", 20.0);
        check("1m30s", 90.0);
        check("1h", 3600.0);
        check("250ms", 0.25);
        check("1.5s", 1.5);
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "20", "s", "20 s", "-1s", "1d", "1s2"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}

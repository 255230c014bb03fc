//! What stands between a provider and the network: per provider and zone a circuit breaker and a
//! cache, per provider a quota, a budget of retries, and a pause when the source asks for one.
//!
//! ```text
//!  fetch -> fresh in the cache? -> breaker -> pause -> quota -> request -> status -> parse
//!                 | yes             | open     | yes    | spent    ^          |
//!                 v                 v          v        v          '- retry --'
//!               value             error      error    error
//! ```

mod breaker;
mod cache;
pub(crate) mod file;
mod quota;
mod retry;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::Retryable;
use carbon_kube_core::{Span, Time, Zone};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};
use tracing::{debug, error, info, warn};

use crate::clock::{Clock, duration, span};
use crate::config::GuardConfig;
use crate::error::{ErrorKind, ProviderError};
use crate::provider::{Circuit, Health, ZoneHealth};
use crate::transport::{Request, Response, Transport, TransportError};

pub use breaker::Breaker;
pub use cache::{Cache, Stored};
pub use quota::Quota;
pub use retry::Budget;

/// What all providers of a service share.
#[derive(Clone)]
pub struct Context {
    /// What time it is.
    pub clock: Clock,
    /// How requests travel.
    pub transport: Arc<dyn Transport>,
    /// Where what was fetched outlives a restart; without it, only memory.
    pub folder: Option<PathBuf>,
    /// Who is told of each request.
    pub observer: Arc<dyn Observer>,
}

impl Context {
    /// The wall clock, a transport, no folder, and nobody who is told.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { clock: Clock::system(), transport, folder: None, observer: Arc::new(Nobody) }
    }
}

/// Is told of each attempt, for metrics.
pub trait Observer: Send + Sync {
    /// A request ended: `result` is `success`, `not-modified` or an [`ErrorKind`].
    fn request(&self, provider: &'static str, zone: &Zone, result: &'static str, took: Duration);

    /// A call could not even be asked, such as without a key: `result` is an [`ErrorKind`].
    fn unasked(&self, _provider: &'static str, _zone: &Zone, _result: &'static str) {}
}

/// An [`Observer`] that does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Observer for Nobody {
    fn request(&self, _: &'static str, _: &Zone, _: &'static str, _: Duration) {}
}

/// What is asked for.
#[derive(Debug)]
pub struct Call<'a> {
    /// For which zone.
    pub zone: &'a Zone,
    /// Name of the call in the cache, such as `latest`; `None` for one that is not kept, such as a
    /// range of long ago.
    pub name: Option<&'a str>,
    /// A call beside the live value, such as a forecast or a history, which a plan may lack. That it
    /// fails says nothing of the others: it alone is left out for a while.
    pub optional: bool,
    /// The request.
    pub request: Request,
}

/// The guard of one provider.
pub struct Guard {
    provider: &'static str,
    config: GuardConfig,
    context: Context,
    cache: Cache,
    quota: Quota,
    budget: Budget,
    /// Until when the source wants to be left alone.
    pause: Mutex<Option<Instant>>,
    zones: Mutex<BTreeMap<Zone, Watched>>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// What is known of a zone.
struct Watched {
    breaker: Breaker,
    /// Optional calls that failed, and until when they are left out.
    refused: BTreeMap<String, Instant>,
    requests: BTreeMap<&'static str, u64>,
    last_error: Option<ErrorKind>,
}

/// An attempt that failed, and how long the source wants to be left alone.
struct Failed {
    error: ProviderError,
    retry_after: Option<Span>,
}

impl Watched {
    /// Leaves an optional call out for a while.
    fn leave_out(&mut self, call: &Call<'_>, until: Instant) {
        self.refused.insert(call.key().to_owned(), until);
    }
}

impl Call<'_> {
    /// What a call that is left out is known by; ranges share one.
    fn key(&self) -> &str {
        self.name.unwrap_or("range")
    }
}

impl Guard {
    /// The guard of a provider.
    #[must_use]
    pub fn new(provider: &'static str, config: &GuardConfig, context: &Context) -> Self {
        let folder = context.folder.as_ref().map(|folder| folder.join(provider));
        Self {
            provider,
            cache: Cache::new(folder.as_deref()),
            quota: Quota::new(config.requests_per_day, folder.map(|path| path.join("quota.json"))),
            budget: Budget::per_hour(config.retries_per_hour),
            pause: Mutex::default(),
            zones: Mutex::default(),
            config: config.clone(),
            context: context.clone(),
        }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Time {
        self.context.clock.now()
    }

    /// The value of a call: from the cache while that is `fresh` (and always within the shortest
    /// time between two calls), else from the source.
    ///
    /// # Errors
    ///
    /// [`ProviderError`]. A value of the cache that is no longer fresh is not handed out: what an
    /// old value is worth is decided elsewhere.
    pub async fn fetch<T: Clone + Serialize + DeserializeOwned>(
        &self,
        call: Call<'_>,
        fresh: impl Fn(&T, Time) -> bool,
        parse: impl Fn(&[u8]) -> Result<T, ProviderError>,
    ) -> Result<Stored<T>, ProviderError> {
        let kept = call.name.and_then(|name| self.cache.get::<T>(call.zone, name));
        if let Some(stored) = kept.as_ref().filter(|stored| self.is_fresh(stored, &fresh)) {
            self.count(call.zone, "cached");
            return Ok(stored.clone());
        }
        let retries = self.permit(&call)?;
        let request = conditional(call.request.clone(), kept.as_ref());
        let attempt = || self.attempt(call.zone, &request, kept.as_ref(), &parse);
        let result = attempt
            .retry(retry::backoff(duration(self.config.retry_after), retries))
            .sleep(tokio::time::sleep)
            .when(|failed: &Failed| may_pass(&failed.error))
            .adjust(|failed, wait| self.wait(failed, wait))
            .await
            .map_err(|failed| self.give_up(failed));
        self.conclude(&call, result.as_ref().err());
        if let (Ok(stored), Some(name)) = (&result, call.name) {
            self.cache.put(call.zone, name, stored);
        }
        result
    }

    /// Notes that a call could not even be asked, such as without a key: for metrics, and for the log
    /// where that is news. The circuit stays as it is, since trying again costs nothing.
    pub fn unasked(&self, zone: &Zone, problem: ProviderError) -> ProviderError {
        let kind = problem.kind();
        self.count(zone, kind.as_str());
        self.context.observer.unasked(self.provider, zone, kind.as_str());
        let before = self.watched(zone, |watched| watched.last_error.replace(kind));
        if before != Some(kind) {
            let provider = self.provider;
            error!(provider, %zone, %problem, "the source can't be used");
        }
        problem
    }

    /// What has been seen.
    #[must_use]
    pub fn health(&self) -> Health {
        let now = Instant::now();
        let health = |watched: &Watched| ZoneHealth {
            circuit: watched.breaker.circuit(now),
            requests: watched.requests.clone(),
            last_error: watched.last_error,
        };
        let zones = lock(&self.zones);
        Health {
            quota_remaining: self.quota.remaining(self.now()),
            zones: zones.iter().map(|(zone, watched)| (zone.clone(), health(watched))).collect(),
        }
    }

    fn is_fresh<T>(&self, stored: &Stored<T>, fresh: impl Fn(&T, Time) -> bool) -> bool {
        let now = self.now();
        let age = now - stored.fetched_at;
        // One that was fetched in the future comes from a clock that was wrong.
        age >= Span::ZERO && (age < self.config.refresh || fresh(&stored.value, now))
    }

    /// Whether the circuit of the zone lets a call through, and the source wants to be asked; then how
    /// often the call may try again. The one that tries a half-open circuit tries once.
    fn permit(&self, call: &Call<'_>) -> Result<u32, ProviderError> {
        let (zone, now) = (call.zone, Instant::now());
        if let Some(until) = lock(&self.pause).filter(|until| now < *until) {
            self.count(zone, ErrorKind::Throttled.as_str());
            return Err(ProviderError::Throttled { retry_after: Some(span(until - now)) });
        }
        let permitted = self.watched(zone, |watched| {
            let refused = watched.refused.get(call.key()).filter(|until| now < **until);
            refused.map_or_else(|| watched.breaker.permit(now), |until| Err(*until))?;
            let closed = watched.breaker.circuit(now) == Circuit::Closed;
            Ok(if closed { self.config.retries } else { 0 })
        });
        permitted.map_err(|until: Instant| {
            self.count(zone, ErrorKind::CircuitOpen.as_str());
            ProviderError::CircuitOpen { until: self.now() + span(until - now) }
        })
    }

    /// One request and what came of it.
    async fn attempt<T: Clone>(
        &self,
        zone: &Zone,
        request: &Request,
        kept: Option<&Stored<T>>,
        parse: impl Fn(&[u8]) -> Result<T, ProviderError>,
    ) -> Result<Stored<T>, Failed> {
        if let Err(until) = self.quota.take(self.now()) {
            self.count(zone, ErrorKind::QuotaSpent.as_str());
            return Err(ProviderError::QuotaSpent { until }.into());
        }
        let started = Instant::now();
        let result = match timeout(duration(self.config.timeout), self.send(request)).await {
            Ok(response) => response.and_then(|response| self.take(response, kept, parse)),
            Err(_) => Err(unavailable(format!("no answer in {}", self.config.timeout)).into()),
        };
        let word = match &result {
            Ok((_, word)) => word,
            Err(failed) => failed.error.kind().as_str(),
        };
        self.count(zone, word);
        self.context.observer.request(self.provider, zone, word, started.elapsed());
        result.map(|(stored, _)| stored)
    }

    async fn send(&self, request: &Request) -> Result<Response, Failed> {
        self.context.transport.send(request).await.map_err(|error| {
            match error {
                TransportError::Connection(problem) => unavailable(problem),
                TransportError::TooLarge => ProviderError::Malformed(error.to_string()),
                TransportError::Request(problem) => ProviderError::Configuration(problem),
            }
            .into()
        })
    }

    /// The value of a response, and the word for the metric.
    fn take<T: Clone>(
        &self,
        response: Response,
        kept: Option<&Stored<T>>,
        parse: impl Fn(&[u8]) -> Result<T, ProviderError>,
    ) -> Result<(Stored<T>, &'static str), Failed> {
        let fetched_at = self.now();
        match (response.status, kept) {
            (304, Some(kept)) => Ok((Stored { fetched_at, ..kept.clone() }, "not-modified")),
            (200..=299, _) => {
                let value = parse(&response.body)?;
                let Response { etag, last_modified, .. } = response;
                Ok((Stored { value, fetched_at, etag, last_modified }, "success"))
            }
            (status, _) => {
                let after = response.retry_after.as_deref();
                let retry_after = after.and_then(|text| retry::retry_after(text, fetched_at));
                Err(Failed { error: refusal(status, retry_after), retry_after })
            }
        }
    }

    /// How long to wait before the next attempt; `None` ends the call.
    fn wait(&self, failed: &Failed, wait: Option<Duration>) -> Option<Duration> {
        let asked = duration(failed.retry_after.unwrap_or(Span::ZERO));
        // Whoever waits for this call waits no longer than for one answer; a longer pause is kept.
        let short = asked <= duration(self.config.timeout);
        wait.filter(|_| short && self.budget.take()).map(|wait| wait.max(asked))
    }

    /// The error of a call that is not tried again; what pause the source asked for is kept.
    fn give_up(&self, failed: Failed) -> ProviderError {
        if let Some(span) = failed.retry_after {
            *lock(&self.pause) = Some(Instant::now() + duration(span));
        }
        failed.error
    }

    /// Tells the breaker how a call ended, and the log where that is news.
    fn conclude(&self, call: &Call<'_>, problem: Option<&ProviderError>) {
        let (zone, now) = (call.zone, Instant::now());
        let kind = problem.map(ProviderError::kind);
        let (before, circuit) = self.watched(zone, |watched| {
            match kind {
                None | Some(ErrorKind::NoData) => watched.breaker.success(),
                // Nothing was asked, so nothing is known of the source.
                Some(ErrorKind::QuotaSpent) => {}
                Some(ErrorKind::Configuration) if call.optional => {
                    watched.leave_out(call, now + duration(self.config.open_most));
                    watched.breaker.success();
                }
                // But for the one that tries a half-open circuit: it speaks for the source.
                Some(_) if call.optional && watched.breaker.circuit(now) == Circuit::Closed => {
                    watched.leave_out(call, now + duration(self.config.open));
                }
                Some(ErrorKind::Configuration) => watched.breaker.refused(now),
                Some(_) => watched.breaker.failure(now),
            }
            let before = std::mem::replace(&mut watched.last_error, kind);
            (before, watched.breaker.circuit(now))
        });
        let provider = self.provider;
        match problem {
            None if before.is_some() => info!(provider, %zone, "the source answers again"),
            None => {}
            // Once, until something else happens: a person has to do something.
            Some(problem) if before != kind && kind == Some(ErrorKind::Configuration) => {
                error!(provider, %zone, %problem, "the source can't be used");
            }
            Some(problem) if before != kind || circuit == Circuit::Open => {
                warn!(provider, %zone, %problem, ?circuit, "the source has no answer");
            }
            Some(problem) => debug!(provider, %zone, %problem, "still no answer"),
        }
    }

    fn count(&self, zone: &Zone, word: &'static str) {
        self.watched(zone, |watched| *watched.requests.entry(word).or_default() += 1);
    }

    fn watched<T>(&self, zone: &Zone, look: impl FnOnce(&mut Watched) -> T) -> T {
        let mut zones = lock(&self.zones);
        let fresh = || Watched {
            breaker: Breaker::new(
                self.config.failures,
                duration(self.config.open),
                duration(self.config.open_most),
            ),
            refused: BTreeMap::new(),
            requests: BTreeMap::new(),
            last_error: None,
        };
        look(zones.entry(zone.clone()).or_insert_with(fresh))
    }
}

impl From<ProviderError> for Failed {
    fn from(error: ProviderError) -> Self {
        Self { error, retry_after: None }
    }
}

/// The request, with what asks whether the kept value has changed.
fn conditional<T>(request: Request, kept: Option<&Stored<T>>) -> Request {
    let Some(kept) = kept else { return request };
    match (&kept.etag, &kept.last_modified) {
        (Some(etag), _) => request.header("if-none-match", etag),
        (None, Some(date)) => request.header("if-modified-since", date),
        (None, None) => request,
    }
}

/// What a status that is no success means. Never with words of the answer: one source's has the key.
fn refusal(status: u16, retry_after: Option<Span>) -> ProviderError {
    let problem = format!("status {status}");
    match status {
        401 => ProviderError::Configuration(format!("the key is refused ({problem})")),
        403 => ProviderError::Configuration(format!("the plan or key lacks this ({problem})")),
        404 | 410 => ProviderError::NoData(problem),
        429 => ProviderError::Throttled { retry_after },
        408 | 425 | 500..=599 => unavailable(problem),
        400..=499 => ProviderError::Configuration(format!("the request is refused ({problem})")),
        _ => ProviderError::Malformed(problem),
    }
}

fn may_pass(error: &ProviderError) -> bool {
    matches!(error.kind(), ErrorKind::Throttled | ErrorKind::Unavailable)
}

fn unavailable(problem: String) -> ProviderError {
    ProviderError::Unavailable(problem)
}

/// No code of ours panics while it holds a lock; if some did, the state would still be one that was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

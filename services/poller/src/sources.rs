//! The sources of grid data: every zone at once, each by its chain.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_providers::transport::{Https, TransportError};
use carbon_kube_providers::{Chain, Context, Health, Observer, Reading, sources};
use futures::future::join_all;
use tracing::{debug, instrument, warn};

use crate::config::Config;
use crate::poller::Answer;

/// How often a source is asked for its past anew: values are corrected after the fact.
const RECONCILE: Span = Span::HOUR;

/// The chains of all zones.
pub struct Sources {
    chain: Chain,
    zones: Vec<Zone>,
    /// When the past of a zone was asked for last.
    reconciled: BTreeMap<Zone, Time>,
}

impl Sources {
    /// What the configuration names. `folder` is where answers outlive a restart.
    ///
    /// # Errors
    ///
    /// Where TLS can't start. A source that can't be reached, or has no key, is no error.
    pub fn new(
        config: &Config,
        folder: Option<PathBuf>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, TransportError> {
        let context = Context { folder, observer, ..Context::new(Https::shared()?) };
        let chain = sources::chain(&config.providers, &context);
        Ok(Self { chain, zones: config.zones(), reconciled: BTreeMap::new() })
    }

    /// Takes what another replica, or an earlier run, knew.
    pub fn remember(&self, known: impl Iterator<Item = Reading>) {
        known.for_each(|reading| self.chain.remember(&reading));
    }

    /// What is known of every zone at `now`. A zone that nobody knows anything of has no answer.
    #[instrument(skip_all)]
    pub async fn ask(&mut self, now: Time) -> BTreeMap<Zone, Answer> {
        let (chain, reconciled) = (&self.chain, &self.reconciled);
        let asked = self.zones.iter().map(async |zone| {
            let is_due = reconciled.get(zone).is_none_or(|at| now - *at >= RECONCILE);
            (zone.clone(), is_due, ask(chain, zone, is_due).await)
        });
        let mut answers = BTreeMap::new();
        for (zone, was_due, answer) in join_all(asked).await {
            if was_due && answer.as_ref().is_some_and(|answer| answer.past.is_some()) {
                self.reconciled.insert(zone.clone(), now);
            }
            answers.extend(answer.map(|answer| (zone, answer)));
        }
        answers
    }

    /// What the guards have seen, by source.
    #[must_use]
    pub fn health(&self) -> BTreeMap<&'static str, Health> {
        self.chain.health()
    }
}

async fn ask(chain: &Chain, zone: &Zone, is_due: bool) -> Option<Answer> {
    let Some(answer) = chain.latest(zone).await else {
        warn!(%zone, "no source has a say, and the zone has no typical year: it has no entry");
        return None;
    };
    for passed in &answer.passed_over {
        debug!(%zone, source = passed.provider, reason = %passed.reason, "passed over");
    }
    let present = answer.reading;
    let observed = present.source.is_observation();
    let past = if observed && is_due { chain.reconcile(zone).await } else { None };
    let ahead = if observed { chain.forecast(zone).await } else { None };
    Some(Answer { present, observed_at: answer.observed_at, past, ahead })
}

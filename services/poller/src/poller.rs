//! One cycle: what the sources say becomes documents.
//!
//! ```text
//!  answers --> History (estimates corrected) --> forecast model --> intensity.json
//!                         |                           |
//!                         '------- rule, tuner -------'---------> threshold.json
//! ```
//!
//! [`Poller::digest`] takes everything that it may know, the time among it, and asks nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use carbon_kube_core::cluster::Mode;
use carbon_kube_core::documents::{IntensityDocument, ThresholdDocument};
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{Span, Time, Zone};
use carbon_kube_policies::control::Workload;
use carbon_kube_policies::file::Loaded;
use carbon_kube_policies::forecast::file::Loaded as Model;
use carbon_kube_providers::{Health, Reading};
use tracing::{debug, warn};

use crate::bundle::{Bundle, InForce, Offered, Readable};
use crate::config::Config;
use crate::document::{self, Expected};
use crate::exporter;
use crate::history::{History, label, scale_of};
use crate::metrics::Metrics;
use crate::output::{Documents, Left};
use crate::tune::{Known, Look, Tuning};

/// The most bytes of `intensity.json`, and of it together with `history.json`: the API server takes
/// 1 MiB of a ConfigMap.
const MOST_INTENSITY: usize = 500_000;
const MOST_TOGETHER: usize = 950_000;

/// What the sources say of a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value of now, of whichever source, with its label.
    pub present: Reading,
    /// Start of the period of the last observation behind it: what makes it old. `None` for a typical
    /// year, which is of any year.
    pub observed_at: Option<Time>,
    /// Values of before, as the source has them today.
    pub past: Option<Reading>,
    /// What the source expects.
    pub ahead: Option<Reading>,
}

/// Everything that is remembered from one cycle to the next.
pub struct Poller {
    config: Arc<Config>,
    history: History,
    tuning: Tuning,
    policy: InForce<Loaded>,
    model: InForce<Model>,
    metrics: Metrics,
}

/// What is known of a zone's past.
struct Past {
    series: IntensitySeries,
    until: Time,
    /// Whether it is more than the value of now, which nobody can expect anything from.
    is_observed: bool,
}

impl Poller {
    /// A poller that knows nothing yet.
    #[must_use]
    pub fn new(config: Arc<Config>, metrics: Metrics) -> Self {
        Self {
            config,
            history: History::default(),
            tuning: Tuning::default(),
            policy: InForce::default(),
            model: InForce::default(),
            metrics,
        }
    }

    /// Goes on from what another replica, or the last run, has left before `now`.
    pub fn resume(&mut self, left: &Left, now: Time) {
        if let Some(text) = &left.history
            && let Err(problem) = self.history.read(text, now)
        {
            warn!(problem, "the history that was left can't be read");
            self.metrics.refused("history");
        }
        match left.threshold.as_deref().map(ThresholdDocument::parse) {
            Some(Ok((document, _))) => self.tuning.resume(&document),
            Some(Err(error)) => {
                warn!(%error, "the thresholds that were left can't be read");
                self.metrics.refused("threshold");
            }
            None => {}
        }
    }

    /// The policy's files as they are now; `None` where there are none.
    pub fn offer_policy(&mut self, bundle: Option<Bundle>) {
        let offered = self.policy.offer(bundle);
        self.count::<Loaded>(offered);
    }

    /// The forecast model's files as they are now; `None` where there are none.
    pub fn offer_model(&mut self, bundle: Option<Bundle>) {
        let offered = self.model.offer(bundle);
        self.count::<Model>(offered);
    }

    fn count<T: Readable>(&self, offered: Offered) {
        if offered == Offered::Refused {
            self.metrics.refused(T::FORM.name);
        }
    }

    /// Everything that is known of the past, for sources that start anew.
    pub fn known(&self) -> impl Iterator<Item = Reading> + '_ {
        self.history.readings()
    }

    /// Makes the documents.
    pub fn digest(
        &mut self,
        answers: &BTreeMap<Zone, Answer>,
        workloads: &BTreeMap<Zone, Workload>,
        sources: BTreeMap<&'static str, Health>,
        now: Time,
    ) -> Documents {
        for answer in answers.values() {
            for reading in answer.past.iter().chain([&answer.present]) {
                self.metrics.history(self.history.take(reading));
            }
        }
        self.history.forget(now, Span::DAY * i64::from(self.config.history_days));
        let pasts: BTreeMap<&Zone, Past> = answers
            .iter()
            .filter_map(|(zone, answer)| Some((zone, self.past(&answer.present, now)?)))
            .collect();
        let outlooks: BTreeMap<&Zone, Expected> = answers
            .iter()
            .filter_map(|(zone, answer)| {
                Some((zone, self.expected(zone, answer, pasts.get(zone), now)?))
            })
            .collect();
        let entries = answers.iter().filter_map(|(zone, answer)| {
            let mut entry = document::entry(&answer.present, outlooks.get(zone), now)?;
            // A value that has decayed to now is as old as what it decays from.
            entry.observed_at = answer.observed_at.unwrap_or(entry.observed_at);
            Some((zone.clone(), entry))
        });
        let mut intensity = IntensityDocument::new(entries.collect());
        let threshold = self.thresholds(&intensity, &pasts, &outlooks, workloads, now);
        document::bound(&mut intensity, MOST_INTENSITY);
        self.metrics.show(&intensity, threshold.as_ref(), self.policy.current(), sources);
        self.documents(intensity, threshold, &pasts, now)
    }

    fn documents(
        &self,
        intensity: IntensityDocument,
        threshold: Option<ThresholdDocument>,
        pasts: &BTreeMap<&Zone, Past>,
        now: Time,
    ) -> Documents {
        let used = serde_json::to_string(&intensity).map_or(0, |text| text.len());
        let exported = self.config.carbon_intensity_exporter.as_ref().map(|exporter| {
            let zone = exporter.zone();
            // As for thresholds, a value's age counts from the end of its period.
            let step = pasts.get(&zone).map_or(Span::ZERO, |past| past.series.step());
            let max_age = self.config.tune.max_age.0 + step;
            let exported = exporter::export(&intensity, &zone, now, max_age);
            (exporter.name.clone(), exported)
        });
        let history = self.history.write(MOST_TOGETHER.saturating_sub(used));
        Documents { intensity, history, threshold, exported }
    }

    /// The observed past on the reading's scale; where there is none, the reading alone: a rule with a
    /// fixed threshold needs no more.
    fn past(&self, reading: &Reading, now: Time) -> Option<Past> {
        let scale = scale_of(reading);
        let observed = || {
            let (series, until) =
                (self.history.series(&scale)?, self.history.known_at(&scale, now)?);
            Some(Past { series, until, is_observed: true })
        };
        let alone = || {
            let point = document::current(reading, now)?;
            let value = [Some(point.value.get())];
            let series =
                IntensitySeries::new(label(&scale), point.start, point.span, value).ok()?;
            Some(Past { series, until: point.start, is_observed: false })
        };
        observed().or_else(alone)
    }

    /// The model's forecast, else the source's own.
    fn expected(
        &self,
        zone: &Zone,
        answer: &Answer,
        past: Option<&Past>,
        now: Time,
    ) -> Option<Expected> {
        let modelled = || {
            let past = past.filter(|past| past.is_observed)?;
            document::modelled(self.model.current()?, zone, &past.series, past.until)
        };
        let comparable = |ahead: &&Reading| scale_of(ahead) == scale_of(&answer.present);
        let published = || document::published(answer.ahead.as_ref().filter(comparable)?, now);
        modelled().or_else(published)
    }

    /// `None` where nothing was ever decided: no policy, or `mode: off`.
    fn thresholds(
        &mut self,
        intensity: &IntensityDocument,
        pasts: &BTreeMap<&Zone, Past>,
        outlooks: &BTreeMap<&Zone, Expected>,
        workloads: &BTreeMap<Zone, Workload>,
        now: Time,
    ) -> Option<ThresholdDocument> {
        let Some(policy) = self.policy.current().filter(|_| self.config.tune.mode != Mode::Off)
        else {
            // What a policy that is gone has left must not stay in force.
            let left = !self.tuning.is_empty();
            self.tuning.clear();
            return left.then(|| ThresholdDocument::new(BTreeMap::new()));
        };
        let looks = intensity.zones.iter().map(|(zone, entry)| {
            let past = pasts.get(zone);
            let look = Look {
                entry,
                past: past.map(|past| Known { series: &past.series, until: past.until }),
                outlook: outlooks.get(zone).map(|expected| &expected.outlook),
                workload: workloads.get(zone).copied().unwrap_or_default(),
            };
            (zone.clone(), look)
        });
        let decided = self.tuning.decide(&self.config.tune, policy, &looks.collect(), now);
        debug!(outcomes = ?decided.outcomes, "thresholds");
        self.metrics.decided(&decided);
        Some(decided.document)
    }
}

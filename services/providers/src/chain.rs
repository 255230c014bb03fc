//! Which source speaks for a zone.
//!
//! The sources are asked in the order of the configuration; the first plausible observation is the
//! answer. A proxy is none: it speaks where it is trusted more than the last known value, decayed to
//! now. Where neither is left, the typical year speaks, and for a zone that this lacks nobody does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use carbon_kube_core::{Span, Time, Zone};
use tracing::warn;

use crate::clock::Clock;
use crate::config::ProvidersConfig;
use crate::error::ProviderError;
use crate::fallback::memory::Memory;
use crate::fallback::{decay, typical_year};
use crate::guard::{Context, file};
use crate::plausibility::{self, Implausible};
use crate::provider::{Health, Provider};
use crate::reading::Reading;

/// How far back a source is asked for what it says of the past today.
const RECONCILED: Span = Span::DAY;

/// The sources of all zones, and what they said.
pub struct Chain {
    config: ProvidersConfig,
    providers: Vec<Arc<dyn Provider>>,
    clock: Clock,
    folder: Option<PathBuf>,
    memory: Mutex<BTreeMap<Zone, Known>>,
}

/// What is known of a zone.
#[derive(Clone, Debug, Default)]
struct Known {
    memory: Memory,
    /// When the past was last asked for.
    reconciled: Option<Time>,
}

/// What is said of a zone, and why not something better.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The answer; its newest point is the value in force.
    pub reading: Reading,
    /// Start of the period of the last observation behind it: what makes the answer old. `None` for
    /// the typical year, which has none.
    pub observed_at: Option<Time>,
    /// Whom the answer is not from, in the order in which they were asked.
    pub passed_over: Vec<PassedOver>,
}

/// A source that has no say.
#[derive(Clone, Debug, PartialEq)]
pub struct PassedOver {
    /// Its name in the configuration.
    pub provider: &'static str,
    /// Why.
    pub reason: Reason,
}

/// Why a source has no say.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Reason {
    /// It has no answer.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Its answer is not believed.
    #[error("not believed: {0}")]
    Implausible(#[from] Implausible),
    /// Its answer is trusted less than what is known already.
    #[error("trusted less than what is known already")]
    TrustedLess,
}

impl Chain {
    /// A chain of these providers. What an earlier run knew is read from the folder of the context.
    #[must_use]
    pub fn new(
        config: &ProvidersConfig,
        providers: Vec<Arc<dyn Provider>>,
        context: &Context,
    ) -> Self {
        Self {
            config: config.clone(),
            providers,
            clock: context.clock,
            folder: context.folder.as_ref().map(|folder| folder.join("memory")),
            memory: Mutex::default(),
        }
    }

    /// What is known of a zone now. `None` only where no source has a say and the typical year lacks
    /// the zone.
    pub async fn latest(&self, zone: &Zone) -> Option<Answer> {
        let mut passed_over = Vec::new();
        let mut proxy: Option<(&'static str, Reading)> = None;
        for provider in self.asked(zone) {
            let name = provider.name();
            let believed = match provider.latest(zone).await {
                Ok(reading) => self.believe(zone, reading),
                Err(error) => Err(error.into()),
            };
            match believed {
                Ok(reading) if reading.source.is_observation() => {
                    self.learn(zone, provider.as_ref(), &reading).await;
                    let observed_at = reading.last().map(|point| point.start);
                    return Some(Answer { reading, observed_at, passed_over });
                }
                Ok(reading) if proxy.is_none() => proxy = Some((name, reading)),
                Ok(_) => {
                    passed_over.push(PassedOver { provider: name, reason: Reason::TrustedLess })
                }
                Err(reason) => {
                    if let Reason::Implausible(problem) = &reason {
                        warn!(provider = name, %zone, %problem, "the source is not believed");
                    }
                    passed_over.push(PassedOver { provider: name, reason });
                }
            }
        }
        self.fallback(zone, proxy, passed_over)
    }

    /// What is expected of a zone: by the first source that says so and is believed.
    pub async fn forecast(&self, zone: &Zone) -> Option<Reading> {
        for provider in self.asked(zone) {
            let Ok(mut reading) = provider.forecast(zone).await else { continue };
            let now = self.clock.now();
            reading.points.retain(|point| point.end() > now);
            match plausibility::check_values(&reading, zone, self.config.plausibility(zone)) {
                Ok(()) => return Some(reading),
                Err(problem) => {
                    warn!(provider = provider.name(), %zone, %problem, "a forecast is not believed");
                }
            }
        }
        None
    }

    /// What the sources say today of the last day: estimates may have become measured values. It is
    /// remembered, and given back for whoever keeps a history; the first source that has one speaks.
    pub async fn reconcile(&self, zone: &Zone) -> Option<Reading> {
        for provider in self.asked(zone) {
            if let Some(reading) = self.past(zone, provider.as_ref()).await {
                return Some(reading);
            }
        }
        None
    }

    /// Takes what an earlier run knew, such as the history in a document of its own.
    pub fn remember(&self, reading: &Reading) {
        let length = self.config.chain.fallback.memory;
        if self.known(&reading.zone, |known| known.memory.absorb(reading, length)) {
            self.save(&reading.zone);
        }
    }

    /// The values that are remembered of a zone, of the source that spoke last, in order of time.
    #[must_use]
    pub fn history(&self, zone: &Zone) -> Option<Reading> {
        let signal = self.config.signal(zone);
        let fetched_at = self.clock.now();
        self.known(zone, |known| {
            let series = known.memory.newest(signal)?;
            Some(Reading {
                zone: zone.clone(),
                source: series.source,
                signal,
                factor_set: series.factor_set.clone(),
                points: series.points().copied().collect(),
                fetched_at,
                updated_at: None,
                confidence: series.confidence,
            })
        })
    }

    /// What the guards have seen, by name of the provider.
    #[must_use]
    pub fn health(&self) -> BTreeMap<&'static str, Health> {
        self.providers.iter().map(|provider| (provider.name(), provider.health())).collect()
    }

    /// The providers of a zone, in order.
    fn asked<'a>(&'a self, zone: &'a Zone) -> impl Iterator<Item = &'a Arc<dyn Provider>> {
        let signal = self.config.signal(zone);
        let order = self.config.order(zone).into_iter();
        order
            .filter_map(|name| self.providers.iter().find(|p| p.name() == name.as_str()))
            .filter(move |provider| provider.signal() == signal && provider.serves(zone))
    }

    /// A reading that is believed; one of another signal never is.
    fn believe(&self, zone: &Zone, mut reading: Reading) -> Result<Reading, Reason> {
        if reading.signal != self.config.signal(zone) {
            let problem = format!("the values are {}", reading.signal);
            return Err(ProviderError::Malformed(problem).into());
        }
        let last = self.known(zone, |known| known.memory.last(&reading).copied());
        let config = self.config.plausibility(zone);
        plausibility::leave_out(&mut reading, config);
        plausibility::check(&reading, zone, self.clock.now(), config, last.as_ref())?;
        Ok(reading)
    }

    /// Remembers a reading. Once an hour the past of its source is asked for too, until the zone's
    /// own day is known.
    async fn learn(&self, zone: &Zone, provider: &dyn Provider, reading: &Reading) {
        self.remember(reading);
        let now = self.clock.now();
        let wanted = self.known(zone, |known| {
            let newest = known.memory.newest(reading.signal);
            let whole = newest.is_some_and(|series| series.hourly_means(&zone.clock()).is_some());
            let due = known.reconciled.is_none_or(|at| now - at >= Span::HOUR);
            !whole && due
        });
        if wanted {
            self.past(zone, provider).await;
        }
    }

    /// The last day as a source has it today, remembered where it is believed.
    async fn past(&self, zone: &Zone, provider: &dyn Provider) -> Option<Reading> {
        let now = self.clock.now();
        self.known(zone, |known| known.reconciled = Some(now));
        let mut reading = provider.history(zone, now - RECONCILED, now).await.ok()?;
        let config = self.config.plausibility(zone);
        // What is still to come is no past, whatever the source's clock says.
        reading.points.retain(|point| point.start <= now + config.max_skew);
        plausibility::leave_out(&mut reading, config);
        let fits = reading.signal == self.config.signal(zone)
            && plausibility::check_values(&reading, zone, config).is_ok();
        if !fits {
            return None;
        }
        self.remember(&reading);
        Some(reading)
    }

    /// The proxy or the last known value, whichever is trusted more; else the typical year.
    fn fallback(
        &self,
        zone: &Zone,
        proxy: Option<(&'static str, Reading)>,
        mut passed_over: Vec<PassedOver>,
    ) -> Option<Answer> {
        let (signal, now) = (self.config.signal(zone), self.clock.now());
        let config = &self.config.chain.fallback;
        let decayed = self
            .known(zone, |known| decay::reading(zone, known.memory.newest(signal)?, now, config));
        let trusted =
            |reading: &Reading| decayed.as_ref().is_none_or(|d| reading.confidence > d.confidence);
        match proxy {
            Some((_, reading)) if trusted(&reading) => {
                let observed_at = reading.last().map(|point| point.start);
                return Some(Answer { reading, observed_at, passed_over });
            }
            Some((provider, _)) => {
                passed_over.push(PassedOver { provider, reason: Reason::TrustedLess });
            }
            None => {}
        }
        let typical = || typical_year::reading(zone, signal, now, config.min_confidence);
        let reading = decayed.or_else(typical)?;
        let observed_at = reading.updated_at;
        Some(Answer { reading, observed_at, passed_over })
    }

    /// Looks at what is known of a zone; what an earlier run knew is read first.
    fn known<T>(&self, zone: &Zone, look: impl FnOnce(&mut Known) -> T) -> T {
        let mut all = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = || Known {
            memory: self
                .path(zone)
                .and_then(|path| file::read::<Memory>(&path))
                .unwrap_or_default()
                .checked(),
            reconciled: None,
        };
        look(all.entry(zone.clone()).or_insert_with(earlier))
    }

    fn save(&self, zone: &Zone) {
        if let Some(path) = self.path(zone) {
            let memory = self.known(zone, |known| known.memory.clone());
            file::write(&path, &memory);
        }
    }

    /// `None` without a folder, and for a zone whose name is no name and might be a path.
    fn path(&self, zone: &Zone) -> Option<PathBuf> {
        zone.as_str().parse::<Zone>().ok()?;
        Some(self.folder.as_ref()?.join(format!("{zone}.json")))
    }
}

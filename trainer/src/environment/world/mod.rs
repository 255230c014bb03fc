//! A simulated world as an environment: one zone, one week, one action per control interval.
//!
//! ```text
//!  reset   zone and start drawn --> World (arrivals drawn) --> reference: nothing waits
//!                                       |                            |
//!  step    action --> Episode::advance -'--> Ledger: grams saved against it --> reward
//! ```
//!
//! The agent sees one zone at a time, in that zone's own scale, so that one network serves all of
//! them. Observation, action and the events between two looks at the grid are those of the
//! simulator ([`carbon_kube_sim::stepping`]) and of the policy file ([`carbon_kube_policies`]): a
//! tuner that is exported does in `sim run` what it did here. Traces never terminate; episodes are
//! truncated.

mod config;
mod draw;
mod ledger;
mod statistics;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carbon_kube_core::forecast::ForecastModel;
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{Span, Time, Zone, seed};
use carbon_kube_policies::baselines::DefaultScheduler;
use carbon_kube_policies::file::sha256;
use carbon_kube_policies::observation::{Encoding, MAX_ADJUSTMENT, Observation};
use carbon_kube_policies::{Deployed, Policy};
use carbon_kube_sim::engine::{self, Hooks};
use carbon_kube_sim::outcome::Outcome;
use carbon_kube_sim::stepping::{Episode, Progress};
use carbon_kube_sim::world::World;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

pub use config::{Cluster, Credit, Weights, Workload, WorldConfig};
pub use draw::uniform;
pub use ledger::{RewardTerms, Terms};
pub use statistics::Statistics;

use super::{Action, Actions, Environment, RestoreError, Step};
use ledger::Ledger;

/// A zone that episodes are cut from.
#[derive(Clone, Debug)]
pub struct ZoneSource {
    /// Its intensity. The week before a range is looked at too: it is the past of an episode.
    pub series: Arc<IntensitySeries>,
    /// Where episodes lie, from the first arrival to the last possible end: `[from, to)`. What is
    /// between the ranges of different splits is up to whoever makes them.
    pub ranges: Vec<(Time, Time)>,
}

/// Why there is no environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// A setting that can't be used.
    #[error("environment: {0}")]
    Config(String),
    /// No range holds an episode.
    #[error("no range of any zone holds an episode, which can take {0}")]
    TooShort(Span),
}

/// What a reset can be told beside its seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WorldOptions {
    /// The position of the zone; `None` draws it.
    pub zone: Option<usize>,
    /// The first instant; `None` draws it. It is not held to the ranges.
    pub start: Option<Time>,
}

/// What a step tells beside its reward, in physical units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorldInfo {
    /// The end of the step.
    pub at: Time,
    /// The position of the zone.
    pub zone: usize,
    /// What was added to the threshold, in g/kWh.
    pub adjustment_grams_per_kwh: f64,
    /// The terms of the reward.
    pub terms: Terms,
    /// What they were worth.
    pub reward: RewardTerms,
    /// Where the run stands.
    pub progress: Progress,
    /// What was amiss with the observation that came of the step.
    pub encoding: Encoding,
}

/// What came of an episode that a policy played.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Played {
    /// The position of the zone.
    pub zone: usize,
    /// The first instant.
    pub start: Time,
    /// Sum of the rewards.
    pub episode_return: f64,
    /// What the jobs emitted in the carbon-blind reference, in grams.
    pub reference_grams: f64,
    /// Grams saved against it.
    pub saved_grams: f64,
    /// Core-hours of all jobs.
    pub core_hours: f64,
    /// Core-hours of work times hours that it waited.
    pub delay_core_hours_hours: f64,
    /// Core-hours that were undone at the end.
    pub undone_core_hours: f64,
    /// Control intervals.
    pub steps: u64,
    /// Those of them in which the tuner left the decision to its rule.
    pub fallbacks: u64,
    /// What was seen and done, by control interval.
    pub moments: Vec<Moment>,
}

/// A control interval of an episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Its start.
    pub at: Time,
    /// What was seen.
    pub seen: Observation,
    /// What was added to the threshold, in g/kWh.
    pub adjustment: f64,
}

/// A place where an episode may start.
#[derive(Clone, Copy, Debug)]
struct Place {
    zone: usize,
    first: Time,
    /// How many starts, a control interval apart.
    starts: u64,
}

/// The environment. Cheap to make: zones share their series.
pub struct WorldEnvironment {
    config: WorldConfig,
    zones: Vec<ZoneSource>,
    forecast: ForecastModel,
    policy: Arc<Deployed>,
    places: Vec<Place>,
    /// Tells states of one environment from those of another.
    fingerprint: String,
    episode: Option<Running>,
}

/// An episode in progress.
struct Running {
    seed: u64,
    options: WorldOptions,
    zone: usize,
    actions: Vec<f32>,
    /// What the actions meant, in g/kWh.
    adjustments: Vec<f64>,
    episode: Episode,
    ledger: Ledger,
    /// Where the rule is what is credited: grams of the whole episode if it decides alone from now
    /// on.
    expected: f64,
    is_over: bool,
}

/// A saved state: what leads there.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Saved {
    fingerprint: String,
    /// `None` before the first reset.
    episode: Option<SavedEpisode>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SavedEpisode {
    seed: u64,
    options: WorldOptions,
    actions: Vec<f32>,
}

impl WorldEnvironment {
    /// An environment over these zones. `forecast` is how the future is seen.
    ///
    /// # Errors
    ///
    /// [`WorldError`] where a setting can't be used, or no range holds an episode.
    pub fn new(
        config: WorldConfig,
        zones: Vec<ZoneSource>,
        forecast: ForecastModel,
    ) -> Result<Self, WorldError> {
        config.check().map_err(WorldError::Config)?;
        let length = Span::HOUR * i64::from(config.episode_hours) + config.tail();
        let places = places(&zones, length, config.control_interval());
        if places.is_empty() {
            return Err(WorldError::TooShort(length));
        }
        let policy = Deployed { rule: config.base.clone(), bounds: config.bounds, tuner: None };
        let names: Vec<&Zone> = zones.iter().map(|zone| &zone.series.label().zone).collect();
        let fingerprint = sha256(format!("{config:?} {names:?} {places:?}").as_bytes());
        let policy = Arc::new(policy);
        Ok(Self { config, zones, forecast, policy, places, fingerprint, episode: None })
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &WorldConfig {
        &self.config
    }

    /// So many starts at equal distances over the ranges of a zone, the first and the last possible
    /// among them; none where no range of the zone holds an episode.
    #[must_use]
    pub fn starts(&self, zone: usize, count: u64) -> Vec<Time> {
        let places: Vec<&Place> = self.places.iter().filter(|place| place.zone == zone).collect();
        let starts: u64 = places.iter().map(|place| place.starts).sum();
        let count = count.min(starts);
        let number = |at: u64| if count < 2 { 0 } else { at * (starts - 1) / (count - 1) };
        let mut found = Vec::new();
        for mut number in (0..count).map(number) {
            for place in &places {
                if number < place.starts {
                    found.push(place.first + self.config.control_interval() * number as i64);
                    break;
                }
                number -= place.starts;
            }
        }
        found
    }

    /// How many zones it has.
    #[must_use]
    pub fn zones(&self) -> usize {
        self.zones.len()
    }

    /// The run in progress, before the next action; `None` before the first reset.
    #[must_use]
    pub fn episode(&self) -> Option<&Episode> {
        self.episode.as_ref().map(|running| &running.episode)
    }

    /// The world of an episode: the position of its zone, and what is simulated.
    #[must_use]
    pub fn world(&self, seed: u64, options: &WorldOptions) -> (usize, World) {
        let mut rng = seed::stream(seed, "episode");
        let drawn = self.draw(&mut rng);
        let zone = options.zone.filter(|&zone| zone < self.zones.len());
        let (zone, start) = match (zone, options.start) {
            (zone, Some(start)) => (zone.unwrap_or(drawn.0), start),
            (None, None) => drawn,
            (Some(zone), None) => self.draw_in(zone, &mut rng).unwrap_or(drawn),
        };
        let series = &self.zones[zone].series;
        (zone, draw::world(&self.config, series, &self.forecast, seed, start))
    }

    /// A zone, each as likely, and a start in it.
    fn draw(&self, rng: &mut Pcg64) -> (usize, Time) {
        let mut zones: Vec<usize> = self.places.iter().map(|place| place.zone).collect();
        zones.dedup();
        let zone = zones[(draw::uniform(rng) * zones.len() as f64) as usize];
        self.draw_in(zone, rng).unwrap_or((zone, self.places[0].first))
    }

    /// A start in a zone, each as likely; `None` where its ranges are too short.
    fn draw_in(&self, zone: usize, rng: &mut Pcg64) -> Option<(usize, Time)> {
        let places = || self.places.iter().filter(|place| place.zone == zone);
        let starts: u64 = places().map(|place| place.starts).sum();
        let mut number = (draw::uniform(rng) * starts as f64) as u64;
        for place in places() {
            if number < place.starts {
                let since = self.config.control_interval() * number as i64;
                return Some((zone, place.first + since));
            }
            number -= place.starts;
        }
        None
    }

    fn begin(&mut self, seed: u64, options: WorldOptions) -> Vec<f32> {
        let (zone, world) = self.world(seed, &options);
        let world = Arc::new(world);
        let ledger = self.ledger(&world);
        // What the rule emits alone is what is credited in all.
        let expected = ledger.credit_grams();
        let policy = Arc::clone(&self.policy);
        let episode = Episode::new(world, policy);
        let running = Running {
            seed,
            options,
            zone,
            actions: Vec::new(),
            adjustments: Vec::new(),
            is_over: episode.is_over(),
            episode,
            ledger,
            expected,
        };
        let (observation, _) = self.observe(&running);
        self.episode = Some(running);
        observation
    }

    fn ledger(&self, world: &World) -> Ledger {
        let is_needed = self.config.credit == Credit::Rule;
        let by_rule = is_needed.then(|| run(world, &*self.policy, "base"));
        Ledger::new(world, &reference(world), by_rule.as_ref(), &self.config)
    }

    /// Grams of a whole episode that begins with these adjustments and goes on by the rule alone.
    fn expected(&self, world: &Arc<World>, adjustments: &[f64]) -> f64 {
        let policy = Arc::clone(&self.policy);
        let mut episode = Episode::new(Arc::clone(world), policy);
        for &adjustment in adjustments {
            episode.advance(&[adjustment]);
        }
        let outcome = episode.finish().expect("nothing is written");
        outcome.pods.iter().map(ledger::emitted).sum()
    }

    fn observe(&self, running: &Running) -> (Vec<f32>, Encoding) {
        let spec = &self.config.observation;
        let mut numbers = Vec::with_capacity(spec.len());
        let encoding = match running.episode.observation(0) {
            Some(seen) => spec.encode(&seen, &mut numbers),
            None => {
                spec.encode_unknown(&mut numbers);
                Encoding { replaced: spec.len() as u32, outside: 0 }
            }
        };
        (numbers, encoding)
    }

    /// Plays a whole episode as a policy file does: its rule, its tuner with its fallback, within its
    /// bounds. The episode in progress is not touched.
    #[must_use]
    pub fn play(&self, seed: u64, options: &WorldOptions, policy: &Deployed) -> Played {
        let (zone, world) = self.world(seed, options);
        let world = Arc::new(world);
        let mut ledger = self.ledger(&world);
        let mut played = Played {
            zone,
            start: world.start,
            reference_grams: ledger.reference_grams(),
            core_hours: ledger.core_hours(),
            ..Played::default()
        };
        let mut episode = Episode::new(world, Arc::new(policy.clone()));
        loop {
            let answer = episode.observation(0).map(|seen| (seen, policy.tune(&seen)));
            let adjustment = answer.as_ref().map_or(0.0, |(_, answer)| answer.grams_per_kwh);
            if let Some((seen, answer)) = answer {
                played.fallbacks += u64::from(answer.fallback.is_some());
                played.moments.push(Moment { at: episode.now(), seen, adjustment });
            }
            played.steps += 1;
            episode.advance(&[adjustment]);
            let mut terms = ledger.step(&episode);
            let is_over = self.is_over(&episode);
            if is_over {
                ledger.close(&episode, &mut terms);
            }
            played.saved_grams += terms.saved_grams();
            played.delay_core_hours_hours += terms.delay_core_hours_hours;
            played.undone_core_hours += terms.undone_core_hours;
            // As a step tells it: in 32 bits.
            let reward = ledger.reward(&terms, &self.config.weights).sum() as f32;
            played.episode_return += f64::from(reward);
            if is_over {
                return played;
            }
        }
    }

    fn is_over(&self, episode: &Episode) -> bool {
        episode.is_over() || (!self.config.drain && episode.now() >= episode.world().end)
    }

    fn go_on(&self, running: &mut Running, action: f32) -> Step<WorldInfo> {
        let was_over = running.is_over;
        let (mut terms, mut adjustment) = (Terms::default(), 0.0);
        if !was_over {
            running.actions.push(action);
            let answer = f64::from(action) / MAX_ADJUSTMENT;
            let seen = running.episode.observation(0);
            adjustment = seen.map_or(0.0, |seen| self.config.action.adjustment(answer, &seen));
            running.adjustments.push(adjustment);
            running.episode.advance(&[adjustment]);
            terms = running.ledger.step(&running.episode);
            running.is_over = self.is_over(&running.episode);
            if running.is_over {
                running.ledger.close(&running.episode, &mut terms);
            }
            if self.config.credit == Credit::Rule {
                let expected = self.expected(running.episode.world(), &running.adjustments);
                Ledger::settle(running.expected - expected, &mut terms);
                running.expected = expected;
            }
        }
        let reward = running.ledger.reward(&terms, &self.config.weights);
        let (observation, encoding) = self.observe(running);
        let progress = running.episode.progress();
        let info = WorldInfo {
            at: progress.at,
            zone: running.zone,
            adjustment_grams_per_kwh: adjustment,
            terms,
            reward,
            progress,
            encoding,
        };
        Step {
            observation,
            reward: reward.sum() as f32,
            terminated: false,
            truncated: running.is_over,
            info,
        }
    }
}

/// Where episodes of this length fit, by zone.
fn places(zones: &[ZoneSource], length: Span, interval: Span) -> Vec<Place> {
    let mut places = Vec::new();
    for (zone, source) in zones.iter().enumerate() {
        for &(from, to) in &source.ranges {
            let from = from.max(source.series.start());
            let first = (from + interval - Span::from_millis(1)).floor(interval);
            let room = (to.min(source.series.end()) - first - length).millis();
            if room >= 0 {
                let starts = (room / interval.millis()) as u64 + 1;
                places.push(Place { zone, first, starts });
            }
        }
    }
    places
}

/// The world of an episode that begins at `start`: what [`WorldEnvironment::world`] simulates under
/// this seed, for whoever has no environment.
#[must_use]
pub fn episode_world(
    config: &WorldConfig,
    series: &Arc<IntensitySeries>,
    forecast: &ForecastModel,
    seed: u64,
    start: Time,
) -> World {
    draw::world(config, series, forecast, seed, start)
}

/// The carbon-blind reference: every job goes as it arrives.
#[must_use]
pub fn reference(world: &World) -> Outcome {
    run(world, &DefaultScheduler::default(), "default-scheduler")
}

fn run(world: &World, policy: &dyn Policy, name: &str) -> Outcome {
    let stop = AtomicBool::new(false);
    let hooks = Hooks { stop: &stop, progress: &|_| {}, events: None, decisions: None };
    engine::run(world, policy, name, hooks).expect("nobody stops it, and it writes nothing")
}

impl Environment for WorldEnvironment {
    type Options = WorldOptions;
    type Info = WorldInfo;

    fn observation_len(&self) -> usize {
        self.config.observation.len()
    }

    fn actions(&self) -> Actions {
        let most = MAX_ADJUSTMENT as f32;
        Actions::Continuous { bounds: vec![(-most, most)] }
    }

    fn reset(&mut self, seed: u64, options: &Self::Options) -> Vec<f32> {
        self.begin(seed, *options)
    }

    /// One control interval with one number, in g/kWh: at 50 the adjustment is what the settings
    /// say of an answer of 1. NaN, or no number, is 0. Before the first reset, and once an episode
    /// is over, nothing happens.
    fn step(&mut self, action: Action<'_>) -> Step<Self::Info> {
        let most = MAX_ADJUSTMENT as f32;
        let number = match action {
            Action::Continuous(numbers) => numbers.first().copied().unwrap_or_default(),
            Action::Discrete(_) => 0.0,
        };
        let number = if number.is_nan() { 0.0 } else { number.clamp(-most, most) };
        let Some(mut running) = self.episode.take() else {
            let mut observation = Vec::new();
            self.config.observation.encode_unknown(&mut observation);
            let info = WorldInfo::default();
            return Step { observation, reward: 0.0, terminated: false, truncated: true, info };
        };
        let step = self.go_on(&mut running, number);
        self.episode = Some(running);
        step
    }

    fn save(&self) -> Vec<u8> {
        let episode = self.episode.as_ref().map(|running| SavedEpisode {
            seed: running.seed,
            options: running.options,
            actions: running.actions.clone(),
        });
        let saved = Saved { fingerprint: self.fingerprint.clone(), episode };
        serde_json::to_vec(&saved).expect("numbers and texts are JSON")
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let saved: Saved =
            serde_json::from_slice(state).map_err(|error| RestoreError(error.to_string()))?;
        if saved.fingerprint != self.fingerprint {
            let problem = "it was saved with other settings, zones or ranges";
            return Err(RestoreError(problem.to_owned()));
        }
        self.episode = None;
        if let Some(SavedEpisode { seed, options, actions }) = saved.episode {
            self.begin(seed, options);
            for action in actions {
                self.step(Action::Continuous(&[action]));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for WorldEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("WorldEnvironment");
        text.field("config", &self.config).field("episode", &self.episode()).finish_non_exhaustive()
    }
}

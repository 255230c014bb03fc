//! How good a policy is: the same episodes each time, played as a policy file plays them.

use std::fmt;

use carbon_kube_core::seed;
use carbon_kube_policies::Deployed;

use super::config::Algorithm;
use super::export;
use crate::agents::{Agent, AgentError};
use crate::environment::world::{Played, WorldEnvironment, WorldOptions};
use crate::training::{Evaluation, Judge};

/// The root of the episodes' seeds. It is not that of any training, so that trainings with
/// different seeds are judged by the same arrivals.
const ROOT: u64 = 0x7661_6c69_6461_7465;

/// Episodes of validation.
pub struct Validation {
    environment: WorldEnvironment,
    algorithm: Algorithm,
    starts: Vec<(u64, WorldOptions)>,
    zones: usize,
    rule: Judged,
}

/// What a policy came to in the episodes of validation.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The episodes, zone by zone.
    pub episodes: Vec<Played>,
    /// Grams saved against the carbon-blind reference in %: the mean of the zones.
    pub saving_percent: f64,
    /// The same, by zone.
    pub by_zone: Vec<f64>,
}

impl Judged {
    fn new(episodes: Vec<Played>, zones: usize) -> Self {
        let saving = |zone: usize| {
            let of_zone = || episodes.iter().filter(move |played| played.zone == zone);
            let reference: f64 = of_zone().map(|played| played.reference_grams).sum();
            100.0 * of_zone().map(|played| played.saved_grams).sum::<f64>() / reference.max(1e-9)
        };
        let by_zone: Vec<f64> = (0..zones).map(saving).collect();
        let saving_percent = by_zone.iter().sum::<f64>() / zones.max(1) as f64;
        Self { episodes, saving_percent, by_zone }
    }

    /// Sum of the rewards, by episode.
    #[must_use]
    pub fn returns(&self) -> Vec<f64> {
        self.episodes.iter().map(|played| played.episode_return).collect()
    }

    /// How long a core-hour of work waited, in hours.
    #[must_use]
    pub fn delay_hours(&self) -> f64 {
        self.share(|played| (played.delay_core_hours_hours, played.core_hours))
    }

    /// Control intervals in which the tuner left the decision to its rule, in %.
    #[must_use]
    pub fn fallback_percent(&self) -> f64 {
        100.0 * self.share(|played| (played.fallbacks as f64, played.steps as f64))
    }

    fn share(&self, of: impl Fn(&Played) -> (f64, f64)) -> f64 {
        let both = self.episodes.iter().map(of);
        let (part, whole) = both.fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        part / whole.max(1e-9)
    }
}

impl Validation {
    /// So many episodes of each zone of the environment, at equal distances.
    #[must_use]
    pub fn new(environment: WorldEnvironment, algorithm: Algorithm, episodes: u64) -> Self {
        let zones = environment.zones();
        let mut starts = Vec::new();
        for zone in 0..zones {
            for (number, start) in environment.starts(zone, episodes).into_iter().enumerate() {
                let options = WorldOptions { zone: Some(zone), start: Some(start) };
                starts.push((seed::hash(ROOT, zone as u64, number as u64), options));
            }
        }
        let config = environment.config();
        let rule = Deployed { rule: config.base.clone(), bounds: config.bounds, tuner: None };
        let nothing = Judged { episodes: Vec::new(), saving_percent: 0.0, by_zone: Vec::new() };
        let mut validation = Self { environment, algorithm, starts, zones, rule: nothing };
        validation.rule = validation.play(&rule);
        validation
    }

    /// What the base rule alone comes to.
    #[must_use]
    pub fn rule(&self) -> &Judged {
        &self.rule
    }

    /// The environment of the episodes.
    #[must_use]
    pub fn environment(&self) -> &WorldEnvironment {
        &self.environment
    }

    /// What a policy comes to.
    #[must_use]
    pub fn play(&self, policy: &Deployed) -> Judged {
        let play =
            |(seed, options): &(u64, WorldOptions)| self.environment.play(*seed, options, policy);
        Judged::new(self.starts.iter().map(play).collect(), self.zones)
    }
}

impl Judge for Validation {
    fn judge(&mut self, agent: &mut dyn Agent) -> Result<Evaluation, AgentError> {
        let decider = agent.decider();
        let diverged = |_| AgentError::Diverged { quantity: "weight", value: f64::NAN, updates: 0 };
        let actor = export::weights(&self.algorithm, decider.shape(), &decider.numbers()?);
        let actor = actor.map_err(diverged)?;
        let policy = export::deployed(&self.algorithm, self.environment.config(), &actor);
        let judged = self.play(&policy.map_err(diverged)?);
        let figures = vec![
            ("saving_percent", judged.saving_percent),
            ("gain_over_rule_percent", judged.saving_percent - self.rule.saving_percent),
            ("delay_hours", judged.delay_hours()),
            ("fallback_percent", judged.fallback_percent()),
        ];
        Ok(Evaluation { returns: judged.returns(), figures, ..Evaluation::default() })
    }
}

impl fmt::Debug for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validation").field("starts", &self.starts).finish_non_exhaustive()
    }
}

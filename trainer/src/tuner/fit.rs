//! Means, ranges and scales of a tuner's inputs, over episodes of training alone.

use carbon_kube_core::seed;
use carbon_kube_policies::observation::{MAX_ADJUSTMENT, ObservationSpec};
use rand::RngExt;

use crate::environment::world::{Statistics, WorldEnvironment, WorldOptions};
use crate::environment::{Action, Environment};

/// Episodes that are looked at, with all zones and ways of acting among them.
const EPISODES: u64 = 80;

/// A range is wider by this part of its width at both ends than what was seen.
const MARGIN: f64 = 0.25;

/// Plays episodes and fits the environment's observation to what was seen. A quarter of them acts
/// at random; the others keep to the lowest, the highest and the base threshold all the time, which
/// shows how much work can be held, and how little.
pub(super) fn observation(environment: &mut WorldEnvironment, root: u64) -> ObservationSpec {
    let spec = environment.config().observation.clone();
    let mut statistics = Statistics::new(spec.len());
    let mut stream = seed::stream(root, "fit actions");
    let most = MAX_ADJUSTMENT as f32;
    let seeds = seed::hash(root, 1, 0);
    for number in 0..EPISODES {
        let start = seed::hash(seeds, 0, number);
        statistics.add(&environment.reset(start, &WorldOptions::default()));
        loop {
            let action = match number % 4 {
                0 => stream.random_range(-most..=most),
                1 => -most,
                2 => most,
                _ => 0.0,
            };
            let step = environment.step(Action::Continuous(&[action]));
            statistics.add(&step.observation);
            if step.truncated {
                break;
            }
        }
    }
    statistics.normalised(&spec, MARGIN)
}

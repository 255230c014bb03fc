//! MountainCarContinuous-v0: a car in a valley gains height by swinging; its motor can't climb.
//!
//! Equations and constants: Moore 1990, in the form of Gymnasium's
//! `classic_control/continuous_mountain_car.py`.

use carbon_kube_core::seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::super::{Action, Actions, Environment, RestoreError, Step};

const POSITIONS: (f64, f64) = (-1.2, 0.6);
const MAX_SPEED: f64 = 0.07;
const GOAL: f64 = 0.45;
const POWER: f64 = 0.0015;
const SLOPE: f64 = 0.0025;
/// Steps after which an episode is truncated.
const EPISODE_STEPS: u32 = 999;

/// Observation: position (-1.2 to 0.6) and speed (within 0.07) per step. Action: force within 1.
/// Reward: `-0.1 force^2`, and 100 at the goal, where the task terminates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountainCarContinuous {
    position: f64,
    speed: f64,
    steps: u32,
}

impl MountainCarContinuous {
    fn observation(&self) -> Vec<f32> {
        vec![self.position as f32, self.speed as f32]
    }
}

impl Environment for MountainCarContinuous {
    type Options = ();
    type Info = ();

    fn observation_len(&self) -> usize {
        2
    }

    fn actions(&self) -> Actions {
        Actions::Continuous { bounds: vec![(-1.0, 1.0)] }
    }

    fn reset(&mut self, seed: u64, (): &()) -> Vec<f32> {
        let position = seed::stream(seed, "mountain car").random_range(-0.6..-0.4);
        *self = Self { position, speed: 0.0, steps: 0 };
        self.observation()
    }

    fn step(&mut self, action: Action<'_>) -> Step<()> {
        let Action::Continuous(&[force]) = action else { panic!("one number: {action:?}") };
        // Gymnasium cuts the force for the motion and not for the reward; here an action beyond its
        // bounds is cut altogether.
        let force = f64::from(force).clamp(-1.0, 1.0);
        let pull = SLOPE * (3.0 * self.position).cos();
        self.speed = (self.speed + force * POWER - pull).clamp(-MAX_SPEED, MAX_SPEED);
        self.position = (self.position + self.speed).clamp(POSITIONS.0, POSITIONS.1);
        if self.position <= POSITIONS.0 && self.speed < 0.0 {
            self.speed = 0.0;
        }
        self.steps += 1;
        let terminated = self.position >= GOAL && self.speed >= 0.0;
        let goal = if terminated { 100.0 } else { 0.0 };
        Step {
            observation: self.observation(),
            reward: (goal - 0.1 * force.powi(2)) as f32,
            terminated,
            truncated: self.steps >= EPISODE_STEPS,
            info: (),
        }
    }

    fn save(&self) -> Vec<u8> {
        super::save(self)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        *self = super::restore(state)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(car: &MountainCarContinuous, position: f64, speed: f64) {
        assert!((car.position - position).abs() < 1e-7, "{car:?}");
        assert!((car.speed - speed).abs() < 1e-9, "{car:?}");
    }

    // `e = gymnasium.make("MountainCarContinuous-v0").unwrapped; e.reset(seed=1)`,
    // `e.state = np.array([-0.5, 0.0])`, `e.step(np.array([force]))`, with Gymnasium 1.4.0, whose
    // wall is the 32-bit neighbour of -1.2.
    #[test]
    fn it_moves_as_gymnasiums() {
        let mut car = MountainCarContinuous { position: -0.5, speed: 0.0, steps: 0 };
        let expected = [
            (1.0, -0.498_676_836_490_631_1, 0.001_323_156_990_110_874_2, -0.1),
            (-1.0, -0.499_040_424_823_761, -0.000_363_583_327_271_044_25, -0.1),
            (0.5, -0.498_838_037_252_426_15, 0.000_202_395_778_615_027_67, -0.025),
            (-2.0, -0.500_321_149_826_049_8, -0.001_483_139_116_317_033_8, -0.1),
            (0.0, -0.501_978_754_997_253_4, -0.001_657_579_443_417_489_5, 0.0),
            (0.25, -0.503_423_392_772_674_6, -0.001_444_615_889_340_639_1, -0.006_25),
        ];
        for (force, position, speed, reward) in expected {
            let step = car.step(Action::Continuous(&[force]));
            close(&car, position, speed);
            assert!((step.reward - reward).abs() < 1e-7 && !step.terminated);
        }
    }

    #[test]
    fn the_goal_ends_it_and_the_wall_stops_the_car() {
        let mut car = MountainCarContinuous { position: 0.44, speed: 0.06, steps: 0 };
        let step = car.step(Action::Continuous(&[1.0]));
        close(&car, 0.500_879_585_742_950_4, 0.060_879_562_050_104_11);
        assert!(step.terminated && (step.reward - 99.9).abs() < 1e-5);
        let mut car = MountainCarContinuous { position: -1.19, speed: -0.06, steps: 0 };
        car.step(Action::Continuous(&[-1.0]));
        close(&car, -1.2, 0.0);
    }
}

//! Pendulum-v1: swing a pendulum up and hold it there with a motor that is too weak to lift it.
//!
//! Equations and constants: Gymnasium, `classic_control/pendulum.py`.

use std::f64::consts::PI;

use carbon_kube_core::seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::super::{Action, Actions, Environment, RestoreError, Step};

const MAX_SPEED: f64 = 8.0;
const MAX_TORQUE: f64 = 2.0;
const STEP_SECONDS: f64 = 0.05;
const GRAVITY: f64 = 10.0;
const MASS: f64 = 1.0;
const LENGTH: f64 = 1.0;
/// Steps after which an episode is truncated; it never terminates.
const EPISODE_STEPS: u32 = 200;

/// Observation: cosine and sine of the angle from upright, and radians per second (within 8).
/// Action: torque within 2 N m. Reward: `-(angle^2 + 0.1 speed^2 + 0.001 torque^2)`, never above 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pendulum {
    angle: f64,
    speed: f64,
    steps: u32,
}

/// How an episode begins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Start {
    /// Any angle, and any speed within 1 rad/s.
    #[default]
    Random,
    /// Here: for a comparison with a peer from the same starts.
    At {
        /// Radians from upright.
        angle: f64,
        /// Radians per second.
        speed: f64,
    },
}

impl Pendulum {
    fn observation(&self) -> Vec<f32> {
        vec![self.angle.cos() as f32, self.angle.sin() as f32, self.speed as f32]
    }
}

/// The same angle within `[-pi, pi)`.
fn wrapped(angle: f64) -> f64 {
    (angle + PI).rem_euclid(2.0 * PI) - PI
}

impl Environment for Pendulum {
    type Options = Start;
    type Info = ();

    fn observation_len(&self) -> usize {
        3
    }

    fn actions(&self) -> Actions {
        Actions::Continuous { bounds: vec![(-MAX_TORQUE as f32, MAX_TORQUE as f32)] }
    }

    fn reset(&mut self, seed: u64, start: &Start) -> Vec<f32> {
        let mut stream = seed::stream(seed, "pendulum");
        let (angle, speed) = match *start {
            Start::Random => (stream.random_range(-PI..PI), stream.random_range(-1.0..1.0)),
            Start::At { angle, speed } => (angle, speed),
        };
        *self = Self { angle, speed, steps: 0 };
        self.observation()
    }

    fn step(&mut self, action: Action<'_>) -> Step<()> {
        let Action::Continuous(&[torque]) = action else { panic!("one number: {action:?}") };
        let torque = f64::from(torque).clamp(-MAX_TORQUE, MAX_TORQUE);
        let cost = wrapped(self.angle).powi(2) + 0.1 * self.speed.powi(2) + 0.001 * torque.powi(2);
        let pull = 3.0 * GRAVITY / (2.0 * LENGTH) * self.angle.sin();
        let push = 3.0 / (MASS * LENGTH.powi(2)) * torque;
        self.speed = (self.speed + (pull + push) * STEP_SECONDS).clamp(-MAX_SPEED, MAX_SPEED);
        self.angle += self.speed * STEP_SECONDS;
        self.steps += 1;
        Step {
            observation: self.observation(),
            reward: -cost as f32,
            terminated: false,
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

    // `e = gymnasium.make("Pendulum-v1").unwrapped; e.reset(seed=1); e.state = np.array([3.0, 0.5])`,
    // then `e.step(np.array([torque]))`, with Gymnasium 1.4.0.
    #[test]
    fn it_moves_as_gymnasiums() {
        let expected = [
            (2.0, 3.045_292_000_302_245_2, 0.905_840_006_044_900_3, -9.029),
            (-1.0, 3.086_689_695_974_628, 0.827_953_913_447_651_9, -9.356_857_978_759_992),
            (0.5, 3.133_895_218_364_129, 0.944_110_447_790_016_5, -9.596_454_047_515_27),
            (3.0, 3.196_389_391_724_119_7, 1.249_883_467_199_814_2, -9.914_433_693_448_18),
            (0.0, 3.256_829_715_607_24, 1.208_806_477_662_360_2, -9.684_529_891_830_495),
            (-2.5, 3.297_958_207_690_148_6, 0.822_569_841_658_217_9, -9.308_949_476_685_07),
        ];
        let mut pendulum = Pendulum { angle: 3.0, speed: 0.5, steps: 0 };
        for (torque, angle, speed, reward) in expected {
            let step = pendulum.step(Action::Continuous(&[torque]));
            assert!((pendulum.angle - angle).abs() < 1e-12, "{pendulum:?}");
            assert!((pendulum.speed - speed).abs() < 1e-12, "{pendulum:?}");
            assert!((f64::from(step.reward) - reward).abs() < 1e-6, "{step:?}");
        }
    }

    #[test]
    fn an_episode_is_cut_after_200_steps_and_never_ends() {
        let mut pendulum = Pendulum::default();
        pendulum.reset(1, &Start::Random);
        let steps: Vec<_> = (0..200).map(|_| pendulum.step(Action::Continuous(&[0.0]))).collect();
        assert!(steps.iter().all(|step| !step.terminated));
        assert_eq!(steps.iter().position(|step| step.truncated), Some(199));
    }
}

//! CartPole-v1: balance a pole on a cart that is pushed left or right.
//!
//! Equations and constants: Barto, Sutton, Anderson 1983 as corrected by Florian 2005, in the form
//! of Gymnasium's `classic_control/cartpole.py`.

use carbon_kube_core::seed;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::super::{Action, Actions, Environment, RestoreError, Step};

const GRAVITY: f64 = 9.8;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = 1.0 + POLE_MASS;
/// Half of the pole.
const LENGTH: f64 = 0.5;
const FORCE: f64 = 10.0;
const STEP_SECONDS: f64 = 0.02;
const MAX_POSITION: f64 = 2.4;
/// 12 degrees.
const MAX_ANGLE: f64 = 12.0 * std::f64::consts::TAU / 360.0;
/// Steps after which an episode is truncated.
const EPISODE_STEPS: u32 = 500;

/// Observation: position (m), speed, angle of the pole (rad) and its speed. Actions: 0 pushes left,
/// 1 right. Reward: 1 per step, the last too. Terminates beyond 2.4 m or 12 degrees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CartPole {
    position: f64,
    speed: f64,
    angle: f64,
    turning: f64,
    steps: u32,
}

impl CartPole {
    fn observation(&self) -> Vec<f32> {
        [self.position, self.speed, self.angle, self.turning].map(|x| x as f32).to_vec()
    }
}

impl Environment for CartPole {
    type Options = ();
    type Info = ();

    fn observation_len(&self) -> usize {
        4
    }

    fn actions(&self) -> Actions {
        Actions::Discrete(2)
    }

    fn reset(&mut self, seed: u64, (): &()) -> Vec<f32> {
        let mut stream = seed::stream(seed, "cart pole");
        let mut draw = || stream.random_range(-0.05..0.05);
        *self = Self { position: draw(), speed: draw(), angle: draw(), turning: draw(), steps: 0 };
        self.observation()
    }

    fn step(&mut self, action: Action<'_>) -> Step<()> {
        let Action::Discrete(side) = action else { panic!("left or right: {action:?}") };
        let force = if side == 0 { -FORCE } else { FORCE };
        let (sin, cos) = self.angle.sin_cos();
        let moment = POLE_MASS * LENGTH;
        let push = (force + moment * self.turning.powi(2) * sin) / TOTAL_MASS;
        let turn = (GRAVITY * sin - cos * push)
            / (LENGTH * (4.0 / 3.0 - POLE_MASS * cos.powi(2) / TOTAL_MASS));
        let acceleration = push - moment * turn * cos / TOTAL_MASS;
        self.position += STEP_SECONDS * self.speed;
        self.speed += STEP_SECONDS * acceleration;
        self.angle += STEP_SECONDS * self.turning;
        self.turning += STEP_SECONDS * turn;
        self.steps += 1;
        Step {
            observation: self.observation(),
            reward: 1.0,
            terminated: self.position.abs() > MAX_POSITION || self.angle.abs() > MAX_ANGLE,
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

    // `e = gymnasium.make("CartPole-v1").unwrapped; e.reset(seed=1)`,
    // `e.state = np.array([0.01, -0.02, 0.03, -0.04])`, `e.step(action)`, with Gymnasium 1.4.0:
    // 1, 1, 0, then 1 until the pole is down.
    #[test]
    fn it_moves_and_falls_as_gymnasiums() {
        let mut cart =
            CartPole { position: 0.01, speed: -0.02, angle: 0.03, turning: -0.04, steps: 0 };
        let actions = [1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        let steps: Vec<_> =
            actions.map(|action| (cart.step(Action::Discrete(action)), cart.clone())).to_vec();
        let close = |at: usize, expected: [f64; 4]| {
            let cart = &steps[at].1;
            let found = [cart.position, cart.speed, cart.angle, cart.turning];
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{at}: {cart:?}");
            }
        };
        close(0, [0.009_6, 0.174_679_195_747_555_25, 0.029_2, -0.323_068_717_960_008_1]);
        let third = 0.020_481_052_794_786_327;
        close(
            2,
            [third, 0.173_941_049_317_699_96, 0.010_610_585_320_802_625, -0.306_644_626_378_962_5],
        );
        let last = 0.192_437_853_115_625_75;
        close(11, [last, 1.934_235_745_419_162, -0.260_420_152_652_937, -3.115_796_152_099_105_2]);
        let ends: Vec<bool> = steps.iter().map(|(step, _)| step.terminated).collect();
        assert_eq!(ends.iter().position(|&end| end), Some(11));
    }
}

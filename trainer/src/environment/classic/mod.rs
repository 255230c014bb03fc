//! Gymnasium's classic control tasks, from their published equations: what an algorithm is held
//! against before it meets the cluster, because everybody knows what it should reach there.
//!
//! States are 64-bit and observations 32-bit, as in Gymnasium, and so are the bounds of the first
//! states; only the random numbers behind those are our own.

mod cart_pole;
mod mountain_car_continuous;
mod pendulum;

pub use cart_pole::CartPole;
pub use mountain_car_continuous::MountainCarContinuous;
pub use pendulum::{Pendulum, Start};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RestoreError;

fn save<T: Serialize>(state: &T) -> Vec<u8> {
    serde_json::to_vec(state).expect("numbers and booleans always have a JSON form")
}

fn restore<T: DeserializeOwned>(state: &[u8]) -> Result<T, RestoreError> {
    serde_json::from_slice(state).map_err(|error| RestoreError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Environment};
    use super::*;

    /// What follows a restore is what followed the save.
    fn check<E: Environment>(mut environment: E, mut other: E, action: Action<'_>) {
        let options = E::Options::default();
        environment.reset(7, &options);
        for _ in 0..5 {
            environment.step(action);
        }
        let saved = environment.save();
        other.restore(&saved).unwrap();
        for _ in 0..5 {
            let (one, two) = (environment.step(action), other.step(action));
            assert_eq!(one.observation, two.observation);
            assert_eq!(one.reward.to_bits(), two.reward.to_bits());
        }
        assert!(other.restore(b"{}").is_err());
        assert_eq!(environment.reset(3, &options), other.reset(3, &options));
        assert_ne!(environment.reset(4, &options), other.reset(3, &options));
    }

    #[test]
    fn a_saved_task_goes_on_as_if_nothing_had_happened() {
        check(Pendulum::default(), Pendulum::default(), Action::Continuous(&[0.7]));
        check(CartPole::default(), CartPole::default(), Action::Discrete(1));
        let car = MountainCarContinuous::default;
        check(car(), car(), Action::Continuous(&[0.7]));
    }
}

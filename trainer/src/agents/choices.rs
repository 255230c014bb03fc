//! From what an agent decides to what an environment takes.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::AgentError;
use crate::environment::{Action, Actions};

/// Choices that a continuous action of one number is split into: bounds, middle, and four between.
pub const LEVELS: usize = 11;

/// The actions of an agent.
#[derive(Clone, Debug, PartialEq)]
pub enum Choices {
    /// Numbers in [-1, 1], each scaled to its bounds.
    Range(Vec<(f32, f32)>),
    /// One of the environment's own discrete actions.
    Discrete(usize),
    /// One of these values of a single number, in physical units.
    Levels(Vec<f32>),
}

/// An action in the terms of the environment.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// The one with this number.
    Discrete(usize),
    /// Numbers in physical units.
    Continuous(Vec<f32>),
}

impl Decoded {
    /// What [`step`](crate::environment::Environment::step) takes.
    #[must_use]
    pub fn action(&self) -> Action<'_> {
        match self {
            Self::Discrete(number) => Action::Discrete(*number),
            Self::Continuous(numbers) => Action::Continuous(numbers),
        }
    }
}

impl Choices {
    /// For an algorithm whose actions are numbers.
    ///
    /// # Errors
    ///
    /// Where the environment's are discrete, or a bound is no bound.
    pub fn continuous(actions: &Actions, algorithm: &'static str) -> Result<Self, AgentError> {
        let refuse = |reason: String| Err(AgentError::Actions { algorithm, reason });
        let Actions::Continuous { bounds } = actions else {
            return refuse("they are discrete".into());
        };
        match bounds
            .iter()
            .find(|(least, most)| !(least.is_finite() && most.is_finite() && least < most))
        {
            Some(bounds) => refuse(format!("{bounds:?} are no bounds")),
            None => Ok(Self::Range(bounds.clone())),
        }
    }

    /// For an algorithm that chooses among a few: a continuous action of one number becomes
    /// [`LEVELS`] values at equal distances, bounds included.
    ///
    /// # Errors
    ///
    /// Where there is nothing to choose, or a continuous action has several numbers.
    pub fn few(actions: &Actions, algorithm: &'static str) -> Result<Self, AgentError> {
        let refuse = |reason: &str| Err(AgentError::Actions { algorithm, reason: reason.into() });
        match actions {
            Actions::Discrete(0 | 1) => refuse("there is no choice"),
            Actions::Discrete(count) => Ok(Self::Discrete(*count)),
            Actions::Continuous { bounds } => {
                let [(least, most)] = bounds[..] else { return refuse("they are not one number") };
                let share = |level: usize| level as f32 / (LEVELS - 1) as f32;
                Ok(Self::Levels(
                    (0..LEVELS).map(|level| least + (most - least) * share(level)).collect(),
                ))
            }
        }
    }

    /// Numbers per action, of the agent.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Range(bounds) => bounds.len(),
            Self::Discrete(_) | Self::Levels(_) => 1,
        }
    }

    /// Whether an action has no numbers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there are to choose from; 0 where actions are numbers.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Range(_) => 0,
            Self::Discrete(count) => *count,
            Self::Levels(levels) => levels.len(),
        }
    }

    /// The action in the terms of the environment.
    ///
    /// # Panics
    ///
    /// Where it is no action of these choices; a bug.
    #[must_use]
    pub fn decode(&self, action: &[f32]) -> Decoded {
        match self {
            Self::Range(bounds) => {
                let scale = |(x, (least, most)): (&f32, &(f32, f32))| {
                    least + (x.clamp(-1.0, 1.0) + 1.0) / 2.0 * (most - least)
                };
                Decoded::Continuous(action.iter().zip(bounds).map(scale).collect())
            }
            Self::Discrete(_) => Decoded::Discrete(action[0] as usize),
            Self::Levels(levels) => Decoded::Continuous(vec![levels[action[0] as usize]]),
        }
    }

    /// Any action for each of so many rows: how an agent warms up.
    pub fn any_of_rows(&self, rows: usize, stream: &mut Pcg64) -> Vec<f32> {
        (0..rows).flat_map(|_| self.any(stream)).collect()
    }

    /// Any action, each as likely as any other.
    pub fn any(&self, stream: &mut Pcg64) -> Vec<f32> {
        match self {
            Self::Range(bounds) => bounds.iter().map(|_| stream.random_range(-1.0..=1.0)).collect(),
            Self::Discrete(_) | Self::Levels(_) => {
                vec![stream.random_range(0..self.count()) as f32]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift() -> Actions {
        Actions::Continuous { bounds: vec![(-50.0, 50.0)] }
    }

    #[test]
    fn the_range_of_tanh_becomes_physical_units() {
        let choices = Choices::continuous(&shift(), "sac").unwrap();
        for (inside, outside) in [(-1.0, -50.0), (0.0, 0.0), (0.5, 25.0), (1.0, 50.0), (2.0, 50.0)]
        {
            assert_eq!(choices.decode(&[inside]), Decoded::Continuous(vec![outside]));
        }
        let mut stream = carbon_kube_core::seed::stream(1, "warm-up");
        let any: Vec<f32> = (0..1000).flat_map(|_| choices.any(&mut stream)).collect();
        assert!(any.iter().all(|x| x.abs() <= 1.0), "warm-up actions stay inside, too");
        assert!(any.iter().any(|x| *x > 0.9) && any.iter().any(|x| *x < -0.9));
    }

    #[test]
    fn one_number_becomes_eleven_choices() {
        let choices = Choices::few(&shift(), "dqn").unwrap();
        assert_eq!(choices.count(), 11);
        for (number, shift) in [(0.0, -50.0), (4.0, -10.0), (5.0, 0.0), (10.0, 50.0)] {
            assert_eq!(choices.decode(&[number]), Decoded::Continuous(vec![shift]));
        }
    }

    #[test]
    fn what_an_algorithm_cannot_take_is_said() {
        let check = |result: Result<Choices, AgentError>, expected: &str| {
            assert_eq!(result.unwrap_err().to_string(), expected);
        };
        check(
            Choices::continuous(&Actions::Discrete(2), "sac"),
            "sac can't take these actions: they are discrete",
        );
        let two = Actions::Continuous { bounds: vec![(0.0, 1.0); 2] };
        check(Choices::few(&two, "dqn"), "dqn can't take these actions: they are not one number");
        let none = Actions::Continuous { bounds: vec![(1.0, f32::INFINITY)] };
        check(
            Choices::continuous(&none, "sac"),
            "sac can't take these actions: (1.0, inf) are no bounds",
        );
    }
}

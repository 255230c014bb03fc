//! The replay buffer: transitions in a ring of 32-bit numbers.
//!
//! Actions are as the agent made them (tanh range, or the number of a choice), never in physical
//! units.

use rand::RngExt;
use rand_pcg::Pcg64;

use crate::agents::{Saved, SavedError};

/// One step of one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition {
    /// What was seen before.
    pub observation: Vec<f32>,
    /// What was done.
    pub action: Vec<f32>,
    /// What it was worth.
    pub reward: f32,
    /// What was seen then; of an episode that is over, its last observation.
    pub next: Vec<f32>,
    /// Whether the task ended, so that nothing is worth anything after it.
    pub terminated: bool,
    /// Whether the episode was cut short; the value after it counts.
    pub truncated: bool,
}

/// Transitions drawn for one update, each field one row after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// How many.
    pub len: usize,
    /// `len x observation`.
    pub observations: Vec<f32>,
    /// `len x action`.
    pub actions: Vec<f32>,
    /// `len`.
    pub rewards: Vec<f32>,
    /// `len x observation`.
    pub next: Vec<f32>,
    /// `len`: 0 after a termination and 1 otherwise; a truncation bootstraps.
    pub goes_on: Vec<f32>,
}

/// A ring of transitions: the oldest makes room.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    capacity: usize,
    observation: usize,
    action: usize,
    /// Transitions, `width` numbers each: observation, action, reward, next, goes on.
    data: Vec<f32>,
    /// Where the next one goes, as long as there is room for no more.
    head: usize,
}

impl Replay {
    /// An empty ring for so many transitions with observations and actions of these lengths.
    #[must_use]
    pub fn new(capacity: usize, observation: usize, action: usize) -> Self {
        Self { capacity: capacity.max(1), observation, action, data: Vec::new(), head: 0 }
    }

    fn width(&self) -> usize {
        2 * self.observation + self.action + 2
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.width()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Keeps one, in the place of the oldest where the ring is full.
    pub fn push(&mut self, transition: &Transition) {
        let goes_on = if transition.terminated { 0.0 } else { 1.0 };
        let row = transition
            .observation
            .iter()
            .chain(&transition.action)
            .chain([&transition.reward])
            .chain(&transition.next)
            .chain([&goes_on]);
        if self.len() < self.capacity {
            self.data.extend(row);
            return;
        }
        let width = self.width();
        let place = &mut self.data[self.head * width..][..width];
        place.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
        self.head = (self.head + 1) % self.capacity;
    }

    /// Keeps several, in their order.
    pub fn extend(&mut self, transitions: &[Transition]) {
        transitions.iter().for_each(|transition| self.push(transition));
    }

    /// Draws so many, with replacement, each as likely as any other; `None` of an empty ring.
    pub fn sample(&self, count: usize, stream: &mut Pcg64) -> Option<Batch> {
        if self.is_empty() {
            return None;
        }
        let (observation, action) = (self.observation, self.action);
        let mut batch = Batch {
            len: count,
            observations: Vec::with_capacity(count * observation),
            actions: Vec::with_capacity(count * action),
            rewards: Vec::with_capacity(count),
            next: Vec::with_capacity(count * observation),
            goes_on: Vec::with_capacity(count),
        };
        for _ in 0..count {
            let at = stream.random_range(0..self.len());
            let row = &self.data[at * self.width()..][..self.width()];
            let (before, row) = row.split_at(observation);
            let (done, row) = row.split_at(action);
            batch.observations.extend_from_slice(before);
            batch.actions.extend_from_slice(done);
            batch.rewards.push(row[0]);
            batch.next.extend_from_slice(&row[1..=observation]);
            batch.goes_on.push(row[observation + 1]);
        }
        Some(batch)
    }

    /// Writes all transitions and the place of the next.
    pub fn save(&self, saved: &mut Saved) {
        saved.replay.insert("transitions".into(), self.data.clone());
        saved.counters.insert("replay.head".into(), self.head as u64);
    }

    /// Takes what [`Replay::save`] wrote.
    ///
    /// # Errors
    ///
    /// Where something is missing or of another width.
    pub fn restore(&mut self, saved: &Saved) -> Result<(), SavedError> {
        let data = saved.replay("transitions")?;
        let head = saved.counter("replay.head")? as usize;
        let count = data.len() / self.width();
        if !data.len().is_multiple_of(self.width()) || count > self.capacity || head > count {
            return Err(SavedError::Shape { name: "transitions".into(), found: data.len() });
        }
        (self.data, self.head) = (data.to_vec(), head);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transition(number: f32, terminated: bool) -> Transition {
        Transition {
            observation: vec![number, -number],
            action: vec![number / 10.0],
            reward: number * 2.0,
            next: vec![number + 1.0, -number - 1.0],
            terminated,
            truncated: !terminated,
        }
    }

    fn rewards(replay: &Replay) -> Vec<f32> {
        let mut stream = carbon_kube_core::seed::stream(1, "replay");
        let mut rewards = replay.sample(200, &mut stream).unwrap().rewards;
        rewards.sort_by(f32::total_cmp);
        rewards.dedup();
        rewards
    }

    #[test]
    fn a_full_ring_forgets_the_oldest() {
        let mut replay = Replay::new(3, 2, 1);
        (1..=5).for_each(|number| replay.push(&transition(number as f32, false)));
        assert_eq!(replay.len(), 3);
        assert_eq!(rewards(&replay), [6.0, 8.0, 10.0]);
    }

    #[test]
    fn only_a_termination_stops_the_bootstrap() {
        let mut replay = Replay::new(3, 2, 1);
        replay.push(&transition(3.0, true));
        let mut stream = carbon_kube_core::seed::stream(1, "replay");
        let batch = replay.sample(1, &mut stream).unwrap();
        assert_eq!((batch.observations, batch.actions), (vec![3.0, -3.0], vec![0.3]));
        assert_eq!((batch.next, batch.goes_on), (vec![4.0, -4.0], vec![0.0]));
        let mut replay = Replay::new(3, 2, 1);
        replay.push(&transition(3.0, false));
        assert_eq!(replay.sample(1, &mut stream).unwrap().goes_on, [1.0]);
    }

    #[test]
    fn a_restored_ring_goes_on_where_it_was() {
        let mut replay = Replay::new(3, 2, 1);
        (1..=5).for_each(|number| replay.push(&transition(number as f32, false)));
        let mut saved = Saved::default();
        replay.save(&mut saved);
        let mut other = Replay::new(3, 2, 1);
        other.restore(&saved).unwrap();
        replay.push(&transition(9.0, false));
        other.push(&transition(9.0, false));
        assert_eq!(replay, other);
        assert!(Replay::new(2, 2, 1).restore(&saved).is_err());
    }
}

//! The queue of future events: a binary heap over one 128-bit key.
//!
//! ```text
//! | instant, 64 bits | rank, 4 bits | order of insertion, 60 bits |
//! ```
//!
//! One comparison orders by time, then by rank (what must happen first at one instant: a finished
//! pod frees its node before the next one looks for room), then first in, first out.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use carbon_kube_core::Time;

/// Events by time; ties by rank, then in order of insertion.
#[derive(Clone, Debug)]
pub struct EventQueue<E> {
    heap: BinaryHeap<Entry<E>>,
    inserted: u64,
}

#[derive(Clone, Debug)]
struct Entry<E> {
    key: u128,
    event: E,
}

const RANK_SHIFT: u32 = 60;

impl<E> EventQueue<E> {
    /// An empty queue with room for `capacity` events.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { heap: BinaryHeap::with_capacity(capacity), inserted: 0 }
    }

    /// Adds an event. `rank` is 0 to 15; the lower goes first among events of one instant.
    pub fn push(&mut self, at: Time, rank: u8, event: E) {
        let key = Self::key(at, rank) | u128::from(self.inserted);
        self.inserted += 1;
        self.heap.push(Entry { key, event });
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        self.heap.pop().map(|entry| (Self::instant(entry.key), entry.event))
    }

    /// The next event, which stays.
    #[must_use]
    pub fn peek(&self) -> Option<(Time, &E)> {
        self.heap.peek().map(|entry| (Self::instant(entry.key), &entry.event))
    }

    /// Whether the next event comes before anything of this instant and rank.
    #[must_use]
    pub fn is_before(&self, at: Time, rank: u8) -> bool {
        self.heap.peek().is_some_and(|entry| entry.key < Self::key(at, rank))
    }

    /// How many events wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn key(at: Time, rank: u8) -> u128 {
        // Flipping the sign bit orders negative instants before positive ones.
        let instant = (at.millis() as u64) ^ (1 << 63);
        (u128::from(instant) << 64) | (u128::from(rank & 15) << RANK_SHIFT)
    }

    fn instant(key: u128) -> Time {
        Time::from_millis((((key >> 64) as u64) ^ (1 << 63)) as i64)
    }
}

impl<E> Ord for Entry<E> {
    /// Reversed: the standard heap is a max-heap, and the least key goes first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn events_leave_by_time_then_rank_then_order_of_insertion(
            events in prop::collection::vec((-5i64..5, 0u8..3), 0..200),
        ) {
            let mut queue = EventQueue::with_capacity(0);
            for (order, (at, rank)) in events.iter().enumerate() {
                queue.push(Time::from_millis(*at), *rank, (*rank, order));
            }
            let mut expected: Vec<_> = events.iter().enumerate().map(|(i, (at, rank))| (*at, *rank, i)).collect();
            expected.sort_unstable();
            let left: Vec<_> = std::iter::from_fn(|| queue.pop())
                .map(|(at, (rank, order))| (at.millis(), rank, order))
                .collect();
            prop_assert_eq!(left, expected);
        }
    }
}

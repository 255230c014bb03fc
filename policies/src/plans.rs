//! Plans that pods share: on one snapshot of the grid, all pods of a class have the same.
//!
//! Ten thousand pods wait for the hour that the forecast likes best, and most of them would search
//! it for the same answer. A class is what that answer depends on; the limit of a pod is not a part
//! of it, as a search goes on only as far as the most patient pod has asked so far.

use std::cell::RefCell;

use carbon_kube_core::view::ZoneSet;
use carbon_kube_core::{Span, Time};

/// Lengths are rounded up to this: a forecast of hours says nothing finer.
const LENGTH_STEP: Span = Span::from_millis(5 * 60_000);

/// What a plan depends on beside the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// Length, rounded up; at least one step.
    pub length: Span,
    /// Whether the work may be done in pieces, and then what a pause costs.
    pub pause: Option<Span>,
    /// Where it may run.
    pub zones: ZoneSet,
}

impl Class {
    /// The class of a pod that still runs for `length`; `pause` is the work that a pause costs,
    /// `None` where it runs in one piece.
    #[must_use]
    pub fn new(zones: ZoneSet, length: Span, pause: Option<Span>) -> Self {
        let step = LENGTH_STEP.millis();
        let steps = (length.millis().max(1) + step - 1) / step;
        Self { length: LENGTH_STEP * steps, pause, zones }
    }
}

/// How far a class has searched the forecast, and what it has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// The next start to look at.
    pub next: Time,
    /// Clean time that was found before it, for work in pieces.
    pub gathered: Span,
    /// The earliest instant by which waiting pays: a pod that may not wait until then goes now.
    pub found: Option<Time>,
    /// Nothing is expected of the time from `next` on.
    pub is_over: bool,
}

/// The searches of one instant, by class.
#[derive(Debug, Default)]
pub struct Plans(RefCell<Searches>);

#[derive(Debug, Default)]
struct Searches {
    /// The instant; `None` where there is a new snapshot.
    at: Option<Time>,
    /// By length in steps, the longest ones together: each has a class or two, so that a look-up is
    /// an index. It is made for every pod that waits.
    by_length: Vec<Vec<(Class, Search)>>,
}

/// Lengths that have a place of their own: up to a week.
const LENGTHS: usize = 7 * 24 * 12;

impl Plans {
    /// Forgets everything: there is a new snapshot.
    pub fn clear(&self) {
        if let Ok(mut plans) = self.0.try_borrow_mut() {
            plans.at = None;
        }
    }

    /// The search of `class` at `now`, after `go_on` has taken it as far as it needs.
    pub fn search(&self, now: Time, class: Class, go_on: impl FnOnce(&mut Search)) -> Search {
        let Ok(mut plans) = self.0.try_borrow_mut() else {
            // Asked from within a search: there is no such caller, and no reason to fail for one.
            return Search::alone(now, go_on);
        };
        plans.begin(now);
        let search = plans.of(class, now);
        go_on(search);
        *search
    }
}

impl Searches {
    fn begin(&mut self, now: Time) {
        if self.at != Some(now) {
            self.at = Some(now);
            self.by_length.iter_mut().for_each(Vec::clear);
        }
    }

    fn of(&mut self, class: Class, now: Time) -> &mut Search {
        let steps = usize::try_from(class.length.millis() / LENGTH_STEP.millis());
        let place = steps.unwrap_or(LENGTHS).min(LENGTHS);
        if self.by_length.len() <= place {
            self.by_length.resize_with(place + 1, Vec::new);
        }
        let classes = &mut self.by_length[place];
        let known = classes.iter().position(|(known, _)| *known == class);
        let at = known.unwrap_or(classes.len());
        if known.is_none() {
            classes.push((class, Search::new(now)));
        }
        &mut classes[at].1
    }
}

impl Search {
    fn new(now: Time) -> Self {
        Self { next: now + Span::HOUR, gathered: Span::ZERO, found: None, is_over: false }
    }

    /// A search that nobody shares.
    #[must_use]
    pub fn alone(now: Time, go_on: impl FnOnce(&mut Self)) -> Self {
        let mut search = Self::new(now);
        go_on(&mut search);
        search
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(minutes: i64) -> Class {
        Class::new(ZoneSet::default().with(0), Span::MINUTE * minutes, None)
    }

    #[test]
    fn pods_of_a_class_search_once_per_instant_and_snapshot() {
        let plans = Plans::default();
        let start = Time::from_millis(0);
        let searched = |now: Time, class: Class| {
            let mut is_new = false;
            plans.search(now, class, |search| {
                is_new = search.gathered == Span::ZERO;
                search.gathered = Span::MINUTE;
            });
            is_new
        };
        assert_eq!(class(61), class(64), "both have the length of 65 minutes");
        assert!(searched(start, class(61)));
        assert!(!searched(start, class(64)));
        assert!(searched(start, class(66)));
        assert!(searched(start + Span::MINUTE, class(61)), "another instant");
        plans.clear();
        assert!(searched(start + Span::MINUTE, class(61)), "another snapshot");
    }
}

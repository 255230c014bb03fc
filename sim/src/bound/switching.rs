//! The least cost of one job in slots, where each start and each stop costs something.
//!
//! An exact dynamic programme over (slot, slots done, running). The problem is *online pause and
//! resume* of Lechowicz et al. (SIGMETRICS 2023): with `x` the slots that run, 0 before the first
//! and after the last, minimise the sum of `c_t x_t` and of `b |x_t - x_(t-1)|` with `k` slots done.

use super::BoundError;

/// The most states: 12 bytes each.
const MOST_STATES: u64 = 50_000_000;

/// The best schedule of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Costs of its slots and of its switches, in the unit of both.
    pub cost: f64,
    /// Whether it runs, for each slot.
    pub runs: Vec<bool>,
}

/// Does `slots` of the slots with these costs, at `switch` for each start and each stop. Of equal
/// schedules it is the one that runs later.
///
/// # Errors
///
/// [`BoundError::Infeasible`] where there are fewer slots, [`BoundError::TooLarge`] beyond fifty
/// million states (slots x slots to do x 2).
pub fn optimum(costs: &[f64], slots: usize, switch: f64) -> Result<Plan, BoundError> {
    if slots > costs.len() {
        return Err(BoundError::Infeasible);
    }
    let width = (slots + 1) * 2;
    let size = (costs.len() as u64 + 1).saturating_mul(width as u64);
    if size > MOST_STATES {
        return Err(BoundError::TooLarge { size, what: "states", most: MOST_STATES });
    }
    // best[done][running] over the slots so far; `came` says whether the slot before ran.
    let state = |done: usize, running: bool| done * 2 + usize::from(running);
    let mut best = vec![f64::INFINITY; width];
    best[state(0, false)] = 0.0;
    let mut came = vec![false; width * costs.len()];
    for (slot, cost) in costs.iter().enumerate() {
        let mut next = vec![f64::INFINITY; width];
        for done in 0..=slots {
            for running in [false, true] {
                let Some(before) = done.checked_sub(usize::from(running)) else { continue };
                let change = |ran: bool| {
                    best[state(before, ran)] + if ran == running { 0.0 } else { switch }
                };
                let ran = change(true) < change(false);
                let total = change(ran) + if running { *cost } else { 0.0 };
                next[state(done, running)] = total;
                came[slot * width + state(done, running)] = ran;
            }
        }
        best = next;
    }
    let stopped = best[state(slots, false)];
    let running = best[state(slots, true)] + switch;
    let mut runs = vec![false; costs.len()];
    let (mut done, mut ran) = (slots, running < stopped);
    for slot in (0..costs.len()).rev() {
        runs[slot] = ran;
        let before = came[slot * width + state(done, ran)];
        done -= usize::from(ran);
        ran = before;
    }
    Ok(Plan { cost: stopped.min(running), runs })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dear_switch_keeps_a_job_in_one_piece() {
        // Slots 1 and 3 cost 2 + 2 and four switches; slots 2 and 3 cost 3 + 2 and two.
        let costs = [9.0, 2.0, 3.0, 2.0, 9.0];
        let free = optimum(&costs, 2, 0.0).unwrap();
        assert!((free.cost - 4.0).abs() < 1e-9);
        assert_eq!(free.runs, [false, true, false, true, false]);
        let dear = optimum(&costs, 2, 1.0).unwrap();
        assert!((dear.cost - 7.0).abs() < 1e-9);
        assert_eq!(dear.runs.iter().filter(|&&runs| runs).count(), 2);
        assert!(dear.runs[2]);
    }

    #[test]
    fn too_few_slots_and_too_many_states_are_refused() {
        assert_eq!(optimum(&[1.0], 2, 0.0), Err(BoundError::Infeasible));
        let error = optimum(&[1.0; 20_000], 10_000, 0.0).unwrap_err();
        assert!(matches!(error, BoundError::TooLarge { .. }), "{error}");
        assert!(optimum(&[], 0, 1.0).unwrap().cost.abs() < 1e-9);
    }

    fn cost(costs: &[f64], switch: f64, runs: u32) -> f64 {
        let on = |slot: usize| runs >> slot & 1 == 1;
        let slots: f64 = costs.iter().enumerate().filter(|(slot, _)| on(*slot)).map(|s| s.1).sum();
        let padded = runs << 1;
        slots + switch * f64::from((padded ^ padded >> 1).count_ones())
    }

    proptest! {
        #[test]
        fn it_is_the_least_of_all_schedules(
            costs in prop::collection::vec(0.0..100.0f64, 1..9),
            slots in 0usize..9,
            switch in 0.0..60.0f64,
        ) {
            prop_assume!(slots <= costs.len());
            let plan = optimum(&costs, slots, switch).unwrap();
            let all = (0..1u32 << costs.len()).filter(|runs| runs.count_ones() == slots as u32);
            let least = all.map(|runs| cost(&costs, switch, runs)).fold(f64::INFINITY, f64::min);
            prop_assert!((plan.cost - least).abs() < 1e-9);
            let bits = plan.runs.iter().rev().fold(0, |bits, &runs| bits << 1 | u32::from(runs));
            prop_assert!((cost(&costs, switch, bits) - least).abs() < 1e-9);
        }
    }
}

//! How much there was to save, and what part of it each policy got.

use super::super::summary::{CapacityHeadroom, Run, Summary};
use super::super::text::{decimals, grouped};
use super::page::{optional, percent};

/// What the section of the page says.
pub struct Headroom {
    /// A row for each policy but the reference.
    pub rows: Vec<Row>,
    /// Whether the bound with the capacity of the nodes is there, with its jobs.
    pub capacity: Option<Capacity>,
    /// Why there are no rows.
    pub absent: Option<String>,
}

/// One policy beside the bounds. Emissions are those of the jobs that are counted, in kg.
pub struct Row {
    pub number: usize,
    pub name: String,
    pub jobs: String,
    pub reference: String,
    pub run: String,
    pub bound: String,
    pub alone: String,
    pub on_these_nodes: String,
}

/// The bound of all jobs at once.
pub struct Capacity {
    pub jobs: String,
    pub bound: String,
}

/// Nothing where the summary has neither a bound nor a reason.
pub fn headroom(summary: &Summary) -> Option<Headroom> {
    let capacity = summary.capacity_bound.as_ref();
    let known = summary.runs.iter().skip(1).any(|run| run.headroom.is_some());
    if !known && capacity.is_none() && summary.no_headroom.is_none() {
        return None;
    }
    let grams = summary.runs.iter().filter_map(|run| run.headroom).map(|h| h.reference_grams);
    let places = decimals(grams.map(|grams| grams / 1_000.0));
    let others = summary.runs.iter().enumerate().skip(1);
    Some(Headroom {
        rows: others.filter_map(|(position, run)| row(position, run, capacity, places)).collect(),
        capacity: capacity.map(|bound| Capacity {
            jobs: grouped(bound.jobs as f64, 0),
            bound: grouped(bound.bound_grams / 1_000.0, places),
        }),
        absent: summary.no_headroom.clone(),
    })
}

fn row(
    position: usize,
    run: &Run,
    capacity: Option<&CapacityHeadroom>,
    places: usize,
) -> Option<Row> {
    let alone = run.headroom;
    let together = capacity.and_then(|bound| bound.headroom_percent.get(position).copied());
    if alone.is_none() && together.is_none() {
        return None;
    }
    let kilograms = |grams: Option<f64>| optional(grams.map(|grams| grams / 1_000.0), places);
    Some(Row {
        number: position + 1,
        name: run.policy.clone(),
        jobs: optional(alone.map(|h| h.jobs as f64), 0),
        reference: kilograms(alone.map(|h| h.reference_grams)),
        run: kilograms(alone.map(|h| h.run_grams)),
        bound: kilograms(alone.map(|h| h.bound_grams)),
        alone: percent(alone.and_then(|h| h.percent)),
        on_these_nodes: percent(together.flatten()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::summary::RunHeadroom;
    use super::super::super::{fixture, summary};
    use super::*;
    use crate::outcome::Outcome;

    fn tiny() -> Summary {
        let (world, outcomes) = fixture::tiny();
        let mut summary = summary(&world, &outcomes.iter().collect::<Vec<&Outcome>>(), true);
        summary.runs[1].headroom = Some(RunHeadroom {
            jobs: 3,
            reference_grams: 4_000.0,
            run_grams: 3_400.0,
            bound_grams: 2_500.0,
            percent: Some(40.0),
        });
        summary
    }

    #[test]
    fn a_policy_has_its_part_of_what_each_job_could_save() {
        let section = headroom(&tiny()).unwrap();
        assert!(section.capacity.is_none() && section.absent.is_none());
        let [row] = section.rows.as_slice() else { panic!("one policy beside the reference") };
        // (4.0 - 3.4) / (4.0 - 2.5) = 40 %.
        assert_eq!(
            [&*row.name, &row.jobs, &row.reference, &row.run, &row.bound, &row.alone],
            ["threshold", "3", "4.000", "3.400", "2.500", "40.0"]
        );
        assert_eq!((row.number, row.on_these_nodes.as_str()), (2, "–"));
    }

    #[test]
    fn the_bound_with_capacity_stands_beside_it() {
        let mut summary = tiny();
        let headroom_percent = vec![None, Some(60.0)];
        summary.capacity_bound =
            Some(CapacityHeadroom { jobs: 3, bound_grams: 3_000.0, headroom_percent });
        let section = headroom(&summary).unwrap();
        assert_eq!(section.capacity.unwrap().bound, "3.000");
        assert_eq!(section.rows[0].on_these_nodes, "60.0");
    }

    #[test]
    fn a_run_without_a_bound_says_why_and_an_old_one_nothing() {
        let mut summary = tiny();
        summary.runs[1].headroom = None;
        assert!(headroom(&summary).is_none());
        summary.no_headroom = Some("a pool follows a curve".to_owned());
        let section = headroom(&summary).unwrap();
        assert!(section.rows.is_empty());
        assert_eq!(section.absent.as_deref(), Some("a pool follows a curve"));
    }
}

//! The least that all jobs together can emit on the nodes that there are.
//!
//! A linear programme over jobs, pools and the steps of the traces:
//!
//! ```text
//! minimise    sum of grams(j, r, t) x(j, r, t)         x: worker-hours of job j in pool r in step t
//! such that   sum over r, t of work per hour x x >= work of j
//!             sum over r of x                    <= hours of step t in the window of j (x workers)
//!             sum over j of requests x x         <= what all nodes of r have, in hours of step t
//! ```
//!
//! It lets a job be cut up and lets pods share nodes as if all nodes of a pool were one, and it
//! leaves services out. Each of these makes room that a real schedule does not have: the value is a
//! lower bound of the sum over all jobs.

use carbon_kube_core::{GramsCo2e, Time};
use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};

use super::job::{JobBounds, per_worker};
use super::{BoundError, CapacityBound, latest};
use crate::outcome::{Outcome, PodState};
use crate::world::Resources;

/// The most variables: the solver's time rises faster than their number.
const MOST_VARIABLES: u64 = 20_000;

/// What the solver's own tolerance may be wrong by.
const TOLERANCE: f64 = 1e-6;

/// One job's share of a step in a pool.
struct Piece {
    pool: usize,
    step: usize,
    variable: Variable,
    requests: Resources,
    most: f64,
}

/// The bound for the jobs that all `runs` completed, each ending by its deadline or by the latest
/// end that a run gave it.
///
/// # Errors
///
/// [`BoundError::TooLarge`] beyond twenty thousand variables, [`BoundError::Infeasible`] where the
/// nodes can't do the work in time, [`BoundError::Solver`].
pub fn least(bounds: &JobBounds<'_>, runs: &[&Outcome]) -> Result<CapacityBound, BoundError> {
    let world = bounds.world();
    let completed = |pod: usize| {
        runs.iter().all(|run| run.pods.get(pod).is_some_and(|p| p.state == PodState::Completed))
    };
    let jobs: Vec<(usize, Time)> = (0..world.pods.len())
        .filter(|&pod| completed(pod) && !bounds.places(pod).is_empty())
        .map(|pod| (pod, latest(world, pod, runs)))
        .collect();
    let steps = steps(bounds, &jobs)?;
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut pieces = Vec::new();
    for &(pod, latest) in &jobs {
        add_job(&mut problem, bounds, (pod, latest), &steps, &mut pieces)?;
    }
    share_nodes(&mut problem, bounds, &steps, pieces);
    let emitted = |run: &&Outcome| jobs.iter().map(|(pod, _)| run.pods[*pod].operational).sum();
    Ok(CapacityBound {
        jobs: jobs.len() as u64,
        bound: GramsCo2e::from_grams(solve(&problem)? * (1.0 - TOLERANCE)),
        runs: runs.iter().map(emitted).collect(),
    })
}

/// The optimum, and nothing that is not proved to be one: a worse solution is no lower bound.
fn solve(problem: &Problem) -> Result<f64, BoundError> {
    match problem.solve() {
        Ok(outcome) if outcome.is_optimal() => outcome.solution().map(|best| best.objective()),
        Err(microlp::Error::Infeasible) => return Err(BoundError::Infeasible),
        Err(error) => return Err(BoundError::Solver(error.to_string())),
        Ok(_) => None,
    }
    .ok_or_else(|| BoundError::Solver("no optimum was proved".into()))
}

/// Where the steps of all traces begin and end, from the first arrival to the last end.
fn steps(bounds: &JobBounds<'_>, jobs: &[(usize, Time)]) -> Result<Vec<Time>, BoundError> {
    let pods = &bounds.world().pods;
    let first = jobs.iter().map(|(pod, _)| pods[*pod].arrival).min();
    let last = jobs.iter().map(|(_, latest)| *latest).max();
    let (Some(mut at), Some(last)) = (first, last) else {
        return Ok(Vec::new());
    };
    let mut steps = vec![at];
    while at < last {
        at = bounds.carbon().iter().map(|carbon| carbon.next(at)).fold(last, Time::min);
        steps.push(at);
        too_large(steps.len() as u64)?;
    }
    Ok(steps)
}

fn too_large(size: u64) -> Result<(), BoundError> {
    match size > MOST_VARIABLES {
        true => Err(BoundError::TooLarge { size, what: "variables", most: MOST_VARIABLES }),
        false => Ok(()),
    }
}

/// Adds the variables of one job, and that it is done in its window.
fn add_job(
    problem: &mut Problem,
    bounds: &JobBounds<'_>,
    (pod, latest): (usize, Time),
    steps: &[Time],
    pieces: &mut Vec<Piece>,
) -> Result<(), BoundError> {
    let spec = &bounds.world().pods[pod];
    let (gain, draw, workers) = per_worker(&bounds.world().classes[spec.class as usize]);
    let places = bounds.places(pod);
    let mut work = Vec::new();
    let begin = steps.partition_point(|&step| step <= spec.arrival).saturating_sub(1);
    for (step, window) in steps.windows(2).enumerate().skip(begin) {
        let [start, end] = [window[0], window[1]];
        if start >= latest {
            break;
        }
        let most = (end.min(latest) - start.max(spec.arrival)).hours() * workers;
        let mut here = Vec::new();
        for place in &places {
            let grams = bounds.carbon()[place.zone].charged(start) * place.kilowatts * draw;
            let variable = problem.add_var(grams, (0.0, most));
            here.push((variable, 1.0));
            work.push((variable, place.speed * gain));
            let (pool, requests) = (place.pool, spec.requests);
            pieces.push(Piece { pool, step, variable, requests, most });
        }
        if here.len() > 1 {
            problem.add_constraint(here, ComparisonOp::Le, most);
        }
        too_large(pieces.len() as u64)?;
    }
    let needed = spec.duration.hours() * (1.0 - TOLERANCE);
    problem.add_constraint(work, ComparisonOp::Ge, needed);
    Ok(())
}

/// Adds what the nodes of each pool have in each step, where the jobs could ask for more.
fn share_nodes(
    problem: &mut Problem,
    bounds: &JobBounds<'_>,
    steps: &[Time],
    mut pieces: Vec<Piece>,
) {
    let resources: [fn(&Resources) -> f64; 3] =
        [|r| r.cpu.0 as f64 / 1e3, |r| r.memory.0 as f64 / 1e9, |r| f64::from(r.gpu.0) / 1e3];
    pieces.sort_by_key(|piece| (piece.pool, piece.step));
    for together in pieces.chunk_by(|a, b| (a.pool, a.step) == (b.pool, b.step)) {
        let (pool, step) = (&bounds.world().pools[together[0].pool], together[0].step);
        let hours = (steps[step + 1] - steps[step]).hours();
        for amount in resources {
            let room = amount(&pool.allocatable) * f64::from(pool.count) * hours;
            let asked: f64 = together.iter().map(|p| amount(&p.requests) * p.most).sum();
            if asked > room {
                let terms = together.iter().map(|p| (p.variable, amount(&p.requests)));
                problem.add_constraint(terms.collect::<Vec<_>>(), ComparisonOp::Le, room);
            }
        }
    }
}

//! The least that one job can emit, alone in the cluster.
//!
//! A job that may be paused is done in the cleanest moments of its window, the optimum of
//! suspend-resume without cost of switching: "wait awhile" of Wiesner et al., *Let's Wait Awhile*
//! (Middleware 2021), here over zones too. One that may not is done in the cleanest window of its
//! length. Intensity is a step function, so both are exact, whatever the steps of the zones are.

use std::cmp::Ordering;

use carbon_kube_core::{GramsCo2e, Span, Time};

use super::BoundError;
use crate::affinity;
use crate::carbon::Carbon;
use crate::world::{Owner, PodClass, Resources, World};

/// The most looks at a trace that bounds of one run may take: some seconds.
const MOST_LOOKS: u64 = 100_000_000;

/// Bounds of single jobs on one world.
#[derive(Debug)]
pub struct JobBounds<'a> {
    world: &'a World,
    carbon: Vec<Carbon>,
    /// Pools that the pods of each class may use; none for services, which have no bound.
    pools: Vec<Vec<usize>>,
}

/// A pool as one pod sees it.
pub(super) struct Place {
    #[cfg(feature = "bound")]
    pub(super) pool: usize,
    pub(super) zone: usize,
    /// Work per hour over that of a node on which pods have their stated duration.
    pub(super) speed: f64,
    /// What the pod adds over idle, at the meter.
    pub(super) kilowatts: f64,
}

impl<'a> JobBounds<'a> {
    /// Prepares bounds for the jobs of a world.
    ///
    /// # Errors
    ///
    /// [`BoundError::Curve`], and [`BoundError::TooLarge`] where the windows of all jobs together
    /// have more steps of the trace than can be looked at in seconds.
    pub fn new(world: &'a World) -> Result<Self, BoundError> {
        let carbon = |zone| Carbon::new(zone, world.start, world.horizon());
        let carbon = world.zones.iter().map(carbon).collect();
        let bounds = Self { world, carbon, pools: pools(world)? };
        match bounds.looks() {
            size if size > MOST_LOOKS => {
                Err(BoundError::TooLarge { size, what: "looks at the traces", most: MOST_LOOKS })
            }
            _ => Ok(bounds),
        }
    }

    /// The world that the bounds are of.
    #[must_use]
    pub fn world(&self) -> &'a World {
        self.world
    }

    #[cfg(feature = "bound")]
    pub(super) fn carbon(&self) -> &[Carbon] {
        &self.carbon
    }

    /// The least operational emissions of the pod at this position, ending by `latest`. `None` for a
    /// pod of a service, and where no pool that it may use is fast enough.
    #[must_use]
    pub fn least(&self, pod: usize, latest: Time) -> Option<GramsCo2e> {
        let places = self.places(pod);
        let pod = &self.world.pods[pod];
        let class = &self.world.classes[pod.class as usize];
        let grams = if may_be_cut(class) {
            self.cleanest_moments(class, &places, pod.arrival, latest, pod.duration)
        } else {
            let windows = places
                .iter()
                .filter_map(|place| self.cleanest_window(place, pod.arrival, latest, pod.duration));
            windows.min_by(f64::total_cmp)
        };
        grams.map(GramsCo2e::from_grams)
    }

    /// The pools that a pod may run in.
    pub(super) fn places(&self, pod: usize) -> Vec<Place> {
        let pod = &self.world.pods[pod];
        let class = &self.world.classes[pod.class as usize];
        let of = |&pool: &usize| {
            let node = &self.world.pools[pool];
            let fits = node.count > 0 && fits(&pod.requests, &node.allocatable);
            let kilowatts = node.added_microwatts(class, &pod.requests) as f64 / 1e9;
            fits.then_some(Place {
                #[cfg(feature = "bound")]
                pool,
                zone: node.zone,
                speed: node.speed,
                kilowatts,
            })
        };
        self.pools[pod.class as usize].iter().filter_map(of).collect()
    }

    /// Work in the cleanest moments of `[from, to)`, wherever they are. A moment costs what it
    /// costs in the best place, and does as much as it does in the fastest: with equal speeds
    /// that is exact.
    fn cleanest_moments(
        &self,
        class: &PodClass,
        places: &[Place],
        from: Time,
        to: Time,
        work: Span,
    ) -> Option<f64> {
        let fastest = places.iter().map(|place| place.speed).max_by(f64::total_cmp)?;
        let (gain, most) = scaling(class);
        let rate = fastest * most;
        let mut moments: Vec<(f64, f64)> = Vec::new();
        let mut at = from;
        while at < to {
            let zones = places.iter().map(|place| self.carbon[place.zone].next(at));
            let end = zones.fold(to, Time::min);
            let costs = places.iter().map(|place| {
                self.carbon[place.zone].charged(at) * place.kilowatts / (place.speed * gain)
            });
            moments.push((costs.min_by(f64::total_cmp)?, (end - at).hours() * rate));
            at = end;
        }
        moments.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        let mut left = work.hours();
        let mut grams = 0.0;
        for (cost, possible) in moments {
            let done = left.min(possible);
            grams += cost * done;
            left -= done;
        }
        // A millisecond of work: instants are whole ones.
        (left <= Span::from_millis(1).hours()).then_some(grams)
    }

    /// Work in one piece in one place. The area under a step function over a window that slides is
    /// least where an end of the window meets a step.
    fn cleanest_window(&self, place: &Place, from: Time, to: Time, work: Span) -> Option<f64> {
        let length = Span::from_millis((work.millis() as f64 / place.speed).round() as i64);
        let last = to - length;
        if last < from {
            return None;
        }
        let carbon = &self.carbon[place.zone];
        let area = |start: Time| carbon.integral(start, start + length);
        let mut least = area(from).min(area(last));
        let (mut at, mut end) = (from, from + length);
        while at < last {
            // To the next start that brings either end of the window to a step.
            let ahead = (carbon.next(at).min(last) - at).min(carbon.next(end).min(to) - end);
            if ahead <= Span::ZERO {
                break;
            }
            (at, end) = (at + ahead, end + ahead);
            least = least.min(area(at));
        }
        Some(least * place.kilowatts)
    }

    /// How many looks at the traces all jobs take, about.
    fn looks(&self) -> u64 {
        let step = self.world.zones.iter().map(|zone| zone.series.step()).min();
        let step = step.unwrap_or(Span::HOUR).millis().max(1);
        let covered = self.world.zones.iter().map(|zone| zone.series.end() - zone.series.start());
        let covered = covered.max().unwrap_or_default().millis();
        let of = |pod: &crate::world::Pod| {
            let delay = pod.max_delay.unwrap_or_default();
            let window = pod.duration.saturating_add(delay).millis().min(covered);
            let steps = window / step + 2;
            self.pools[pod.class as usize].len() as u64 * steps.unsigned_abs()
        };
        self.world.pods.iter().map(of).fold(0, u64::saturating_add)
    }
}

/// Whether pods of a class may be cut into pieces, in time, between nodes, or into workers.
fn may_be_cut(class: &PodClass) -> bool {
    class.interruptible || class.migratable || class.speedup.len() > 1
}

/// The most work for the power of a lone worker, and the most work per hour, both over those of a
/// lone worker.
fn scaling(class: &PodClass) -> (f64, f64) {
    let each = class.speedup.iter().zip(&class.draw).map(|(work, power)| work / power);
    (each.fold(1.0, f64::max), class.speedup.iter().copied().fold(1.0, f64::max))
}

/// What one of several workers does at most and draws at least, both over those of a lone worker,
/// and the most workers.
#[cfg(feature = "bound")]
pub(super) fn per_worker(class: &PodClass) -> (f64, f64, f64) {
    let each = |profile: &[f64]| -> Vec<f64> {
        (1..).zip(profile).map(|(workers, all)| all / f64::from(workers)).collect()
    };
    let (work, power) = (each(&class.speedup), each(&class.draw));
    let most = class.speedup.len().max(1) as f64;
    (work.into_iter().fold(1.0, f64::max), power.into_iter().fold(1.0, f64::min), most)
}

fn pools(world: &World) -> Result<Vec<Vec<usize>>, BoundError> {
    let of = |class: &PodClass| {
        if class.owner == Owner::Deployment {
            return Ok(Vec::new());
        }
        let eligible = affinity::eligible(class, &world.pools);
        let pools: Vec<usize> = eligible.iter().map(|eligible| eligible.pool as usize).collect();
        match pools.iter().find(|&&pool| world.pools[pool].curve.is_some()) {
            Some(&pool) => Err(BoundError::Curve { pool: world.pools[pool].name.clone() }),
            None => Ok(pools),
        }
    };
    world.classes.iter().map(of).collect()
}

fn fits(requests: &Resources, room: &Resources) -> bool {
    requests.cpu <= room.cpu && requests.memory <= room.memory && requests.gpu <= room.gpu
}

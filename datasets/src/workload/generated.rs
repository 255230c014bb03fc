//! Pods drawn from a few figures: how many, when in the week, how long, and what they ask for.
//!
//! Arrivals are a Poisson process whose rate follows the local hour and the weekend. In the time
//! that counts expected pods instead of seconds, such a process has rate one; so the gaps are
//! drawn there and mapped back, and no draw is thrown away (Cinlar 1975, "Introduction to
//! Stochastic Processes", section 4.7):
//!
//! ```text
//! expected pods  0 --- 1.3 --------- 4.1 ------- 5.0     one unit exponential per pod
//!                 night      morning        noon         mapped back through the rate
//! ```

use carbon_kube_core::{Bytes, MilliCpu, MilliGpu, Span, Time, seed};
use jiff::tz::TimeZone;
use rand_distr::{Distribution, Exp1, StandardNormal, StandardUniform};
use rand_pcg::Pcg64;

use super::Arrival;

/// A lognormal length, cut to a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lognormal {
    /// Half of the pods are shorter.
    pub median: Span,
    /// Standard deviation of ln(length) before the cut.
    pub sigma: f64,
    /// Shorter draws become this: the median stays where it is.
    pub min: Span,
    /// Longer draws become this.
    pub max: Span,
}

/// A size of pod and how common it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Share of the pods, relative to the other shapes'.
    pub weight: f64,
    /// Requested CPU.
    pub cpu: MilliCpu,
    /// Requested memory.
    pub memory: Bytes,
    /// Requested GPUs.
    pub gpu: MilliGpu,
}

/// The figures of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Mean over a whole week.
    pub pods_per_day: f64,
    /// Weight of each local hour, relative to the others'.
    pub hourly: [f64; 24],
    /// Pods on a Saturday or Sunday, in parts of those on a weekday.
    pub weekend: f64,
    /// How long they run.
    pub duration: Lognormal,
    /// What they ask for.
    pub shapes: Vec<Shape>,
}

/// Why figures can't be drawn from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GeneratedError {
    /// A rate, weight or sigma below zero, or not a number.
    #[error("{what} is {value}; it must be a number of zero or more")]
    Number {
        /// The figure.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// Pods that could arrive never, or ask for nothing that is known.
    #[error("{0} has no weight above zero")]
    NoWeight(&'static str),
    /// A length of zero or less, or an empty range.
    #[error("durations from {min} to {max} with a median of {median} are no range")]
    Duration {
        /// As given.
        min: Span,
        /// As given.
        median: Span,
        /// As given.
        max: Span,
    },
}

impl Generated {
    /// Whether the figures can be drawn from.
    ///
    /// # Errors
    ///
    /// [`GeneratedError`] for the first that can't.
    pub fn validate(&self) -> Result<(), GeneratedError> {
        let weights = |what, values: &mut dyn Iterator<Item = f64>| {
            let mut sum = 0.0;
            for value in values {
                number(what, value)?;
                sum += value;
            }
            if sum > 0.0 { number(what, sum) } else { Err(GeneratedError::NoWeight(what)) }
        };
        number("pods per day", self.pods_per_day)?;
        number("the weekend factor", self.weekend)?;
        number("sigma", self.duration.sigma)?;
        weights("the hourly pattern", &mut self.hourly.iter().copied())?;
        weights("the list of shapes", &mut self.shapes.iter().map(|s| s.weight))?;
        let Lognormal { median, min, max, .. } = self.duration;
        if median.is_positive() && min.is_positive() && min <= max {
            Ok(())
        } else {
            Err(GeneratedError::Duration { min, median, max })
        }
    }

    /// How many pods to expect over `[start, end)`.
    #[must_use]
    pub fn expected(&self, start: Time, end: Time, clock: &TimeZone) -> f64 {
        slots(self, start, end, clock).map(|slot| slot.pods).sum()
    }
}

fn number(what: &'static str, value: f64) -> Result<(), GeneratedError> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(GeneratedError::Number { what, value })
    }
}

/// The pods of a workload over `[start, end)`, by time of arrival. `name` tells the workloads of
/// one scenario apart: each has its own streams, and so have arrivals, durations and shapes.
///
/// Figures that [`Generated::validate`] refuses give no pods.
#[must_use]
pub fn arrivals(
    generated: &Generated,
    start: Time,
    end: Time,
    clock: &TimeZone,
    seed: u64,
    name: &str,
) -> Vec<Arrival> {
    if generated.validate().is_err() {
        return Vec::new();
    }
    let stream = |what: &str| seed::stream(seed, &format!("{name}/{what}"));
    let mut gaps = stream("arrivals");
    let mut durations = Durations::new(&generated.duration, stream("durations"));
    let mut shapes = Shapes::new(&generated.shapes, stream("shapes"));

    let mut pods = Vec::new();
    // Expected pods from the start of the slot in hand to the next arrival.
    let mut ahead: f64 = Exp1.sample(&mut gaps);
    for slot in slots(generated, start, end, clock) {
        let millis_per_pod = slot.length.millis() as f64 / slot.pods;
        while ahead < slot.pods {
            let shape = shapes.draw();
            pods.push(Arrival {
                // Below the slot's length, so the cut to a millisecond stays inside the slot.
                at: slot.start + Span::from_millis((ahead * millis_per_pod) as i64),
                duration: durations.draw(),
                cpu: shape.cpu,
                memory: shape.memory,
                gpu: shape.gpu,
                ..Arrival::default()
            });
            let gap: f64 = Exp1.sample(&mut gaps);
            ahead += gap;
        }
        ahead -= slot.pods;
    }
    pods
}

/// A stretch of constant rate.
struct Slot {
    start: Time,
    length: Span,
    /// Expected pods.
    pods: f64,
}

/// Offsets of clocks are multiples of a quarter of an hour, and so are their changes.
const QUARTER: Span = Span::from_millis(15 * 60_000);

fn slots<'a>(
    generated: &'a Generated,
    start: Time,
    end: Time,
    clock: &'a TimeZone,
) -> impl Iterator<Item = Slot> + 'a {
    let hours: f64 = generated.hourly.iter().sum();
    // Hours of full weight in a week: five days and two that count for less.
    let week = hours * (5.0 + 2.0 * generated.weekend);
    let per_hour = generated.pods_per_day * 7.0 / week;
    let mut next = start;
    std::iter::from_fn(move || {
        if next >= end {
            return None;
        }
        let slot = next;
        next = (slot.floor(QUARTER) + QUARTER).min(end);
        let local = slot.local(clock);
        let day = match local.weekday() {
            jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday => generated.weekend,
            _ => 1.0,
        };
        let length = next - slot;
        let weight = generated.hourly[local.hour() as usize] * day;
        Some(Slot { start: slot, length, pods: per_hour * weight * length.hours() })
    })
}

struct Durations {
    log_median: f64,
    sigma: f64,
    min: f64,
    max: f64,
    rng: Pcg64,
}

impl Durations {
    fn new(of: &Lognormal, rng: Pcg64) -> Self {
        Self {
            log_median: (of.median.millis() as f64).ln(),
            sigma: of.sigma,
            min: of.min.millis() as f64,
            max: of.max.millis() as f64,
            rng,
        }
    }

    fn draw(&mut self) -> Span {
        let z: f64 = StandardNormal.sample(&mut self.rng);
        let millis = (self.log_median + self.sigma * z).exp();
        Span::from_millis(millis.clamp(self.min, self.max) as i64)
    }
}

struct Shapes<'a> {
    shapes: &'a [Shape],
    /// Sum of the weights up to each shape, in parts of all.
    up_to: Vec<f64>,
    rng: Pcg64,
}

impl<'a> Shapes<'a> {
    fn new(shapes: &'a [Shape], rng: Pcg64) -> Self {
        let all: f64 = shapes.iter().map(|shape| shape.weight).sum();
        let mut sum = 0.0;
        let up_to = shapes
            .iter()
            .map(|shape| {
                sum += shape.weight / all;
                sum
            })
            .collect();
        Self { shapes, up_to, rng }
    }

    fn draw(&mut self) -> &'a Shape {
        let part: f64 = StandardUniform.sample(&mut self.rng);
        let index = self.up_to.partition_point(|sum| *sum <= part);
        // Rounding may leave the last sum a hair below one.
        &self.shapes[index.min(self.shapes.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(pods_per_day: f64) -> Generated {
        Generated {
            pods_per_day,
            hourly: [1.0; 24],
            weekend: 1.0,
            duration: Lognormal {
                median: Span::HOUR,
                sigma: 1.0,
                min: Span::MINUTE,
                max: Span::DAY,
            },
            shapes: vec![shape(3.0, 1), shape(1.0, 4)],
        }
    }

    fn shape(weight: f64, cores: u64) -> Shape {
        Shape { weight, cpu: MilliCpu(cores * 1_000), memory: Bytes(cores << 32), gpu: MilliGpu(0) }
    }

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn draw(generated: &Generated, from: &str, to: &str) -> Vec<Arrival> {
        let clock = TimeZone::get("America/Los_Angeles").unwrap();
        arrivals(generated, time(from), time(to), &clock, 7, "batch")
    }

    #[test]
    fn the_number_of_pods_is_the_mean_within_four_standard_deviations() {
        // 1,000 a day over 100 days: 100,000 with a standard deviation of 316.
        let pods = draw(&flat(1_000.0), "2020-01-01", "2020-04-10");
        assert!(pods.len().abs_diff(100_000) < 4 * 316, "{}", pods.len());
        assert!(pods.is_sorted_by_key(|pod| pod.at));
        assert!(pods[0].at >= time("2020-01-01") && pods[pods.len() - 1].at < time("2020-04-10"));
    }

    #[test]
    fn durations_and_shapes_are_as_asked_for() {
        let pods = draw(&flat(1_000.0), "2020-01-01", "2020-04-10");
        let half = pods.iter().filter(|pod| pod.duration < Span::HOUR).count();
        assert!((half as f64 / pods.len() as f64 - 0.5).abs() < 0.007);
        // Weights 3 and 1: three quarters ask for one core; 4 sd of the share are 0.0055.
        let small = pods.iter().filter(|pod| pod.cpu == MilliCpu(1_000)).count();
        assert!((small as f64 / pods.len() as f64 - 0.75).abs() < 0.0055);
    }

    #[test]
    fn arrivals_follow_the_local_clock_through_the_change_to_summer_time() {
        let mut night = flat(10_000.0);
        night.hourly = [0.0; 24];
        night.hourly[9] = 1.0;
        // 09:00 in Los Angeles is 17:00 UTC up to 2020-03-07, 16:00 UTC from 2020-03-08 on.
        for pod in draw(&night, "2020-03-06", "2020-03-11") {
            let utc = pod.at.utc().hour();
            let summer = pod.at >= time("2020-03-08");
            assert_eq!(utc, if summer { 16 } else { 17 }, "{}", pod.at);
        }
    }

    #[test]
    fn a_quiet_weekend_leaves_the_mean_of_the_week() {
        let mut quiet = flat(10_000.0);
        quiet.weekend = 0.0;
        let clock = TimeZone::UTC;
        let expected = |from, to| quiet.expected(time(from), time(to), &clock);
        // 2020-06-01 is a Monday. 70,000 pods in five days, none on the other two.
        assert!((expected("2020-06-01", "2020-06-08") - 70_000.0).abs() < 1e-6);
        assert!((expected("2020-06-01", "2020-06-02") - 14_000.0).abs() < 1e-6);
        assert!(expected("2020-06-06", "2020-06-08").abs() < 1e-9);
    }

    #[test]
    fn another_shape_moves_no_arrival_and_no_duration() {
        let mut other = flat(500.0);
        other.shapes.push(shape(9.0, 16));
        let plain = draw(&flat(500.0), "2020-01-01", "2020-01-03");
        let pods = draw(&other, "2020-01-01", "2020-01-03");
        assert_eq!(plain.len(), pods.len());
        assert!(plain.iter().zip(&pods).all(|(a, b)| a.at == b.at && a.duration == b.duration));
    }

    #[test]
    fn figures_that_mean_nothing_are_refused_and_give_no_pods() {
        let mut bad = vec![flat(f64::NAN), flat(-1.0), flat(1.0), flat(1.0), flat(1.0), flat(1.0)];
        bad[2].hourly = [0.0; 24];
        bad[3].shapes.clear();
        bad[4].duration.min = Span::DAY * 2;
        bad[5].weekend = f64::INFINITY;
        for generated in bad {
            assert!(generated.validate().is_err(), "{generated:?}");
            assert_eq!(draw(&generated, "2020-01-01", "2020-02-01"), []);
        }
        assert_eq!(draw(&flat(9.0), "2020-02-01", "2020-01-01"), []);
    }
}

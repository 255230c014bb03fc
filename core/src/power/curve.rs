//! From the utilisation of a node's CPU to its power.
//!
//! ```text
//!  busy |            . o    sqrt lies above the line, square and cubic below it;
//!       |        . '  /     mse and asymptotic rise fast and flatten; points are
//!       |     .'   /        joined by straight lines
//!       |   .'  /
//!  idle | o' /
//!       +---------------
//!       0       u      1
//! ```
//!
//! The analytic shapes are those of OpenDC (`CpuPowerModels`), which took them from CloudSim and
//! from Fan, Weber and Barroso, *Power provisioning for a warehouse-sized computer* (ISCA 2007).

use crate::units::Watts;

/// How power rises from idle to busy.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// `u`.
    Linear,
    /// `sqrt(u)`.
    Sqrt,
    /// `u^2`.
    Square,
    /// `u^3`.
    Cubic,
    /// `2u - u^r`, the fit of least mean square error of Fan et al., who found `r` = 1.4. Below 1
    /// it would dip under idle, above 2 it would fall before full load.
    Mse {
        /// `r`, 1 to 2.
        exponent: f64,
    },
    /// `(1 + u - e^(-u/a)) / 2`; with frequency scaling (`dvfs`) of `u^3` in place of `u`. It comes
    /// near busy at full load and does not reach it: `e^(-1/a) / 2` is missing.
    Asymptotic {
        /// `a`, above 0: the utilisation at which the flat part begins.
        onset: f64,
        /// Whether the CPU slows its clock at low load.
        dvfs: bool,
    },
    /// Measured watts at equally spaced utilisations from 0 to 1, joined by straight lines: the
    /// eleven points of a SPECpower_ssj2008 result.
    Points(Vec<Watts>),
}

/// Why a curve makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum CurveError {
    #[error("a busy node draws {busy} W, less than the {idle} W of an idle one")]
    Order { idle: f64, busy: f64 },
    #[error("the exponent is {0}; it has to be 1 to 2")]
    Exponent(f64),
    #[error("the onset is {0}; it has to be above 0 and at most 1")]
    Onset(f64),
    #[error("a curve has at least two points, that of an idle node and that of a busy one")]
    TooFewPoints,
    #[error("point {index} is {found} W, less than the {before} W before it")]
    Falls { index: usize, found: f64, before: f64 },
}

/// A node's power by the utilisation of its CPU. It never falls as utilisation rises.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    idle: Watts,
    busy: Watts,
    shape: Shape,
    zero_when_idle: bool,
}

impl Curve {
    /// A curve between two powers. For [`Shape::Points`] the two are the first and the last point,
    /// whatever is given here.
    ///
    /// # Errors
    ///
    /// [`CurveError`] where power would fall as utilisation rises.
    pub fn new(idle: Watts, busy: Watts, shape: Shape) -> Result<Self, CurveError> {
        let (idle, busy) = match &shape {
            Shape::Points(points) => ends(points)?,
            Shape::Mse { exponent } if !(1.0..=2.0).contains(exponent) => {
                return Err(CurveError::Exponent(*exponent));
            }
            Shape::Asymptotic { onset, .. } if !(*onset > 0.0 && *onset <= 1.0) => {
                return Err(CurveError::Onset(*onset));
            }
            _ => (idle, busy),
        };
        if busy < idle {
            return Err(CurveError::Order { idle: idle.get(), busy: busy.get() });
        }
        Ok(Self { idle, busy, shape, zero_when_idle: false })
    }

    /// The same for a node that is off, or asleep, while nothing is busy on it.
    #[must_use]
    pub fn zero_when_idle(self) -> Self {
        Self { zero_when_idle: true, ..self }
    }

    /// Power at a utilisation; outside 0 to 1 that of the nearer end.
    #[must_use]
    pub fn watts(&self, utilisation: f64) -> Watts {
        let u = utilisation.clamp(0.0, 1.0);
        if u <= 0.0 {
            return if self.zero_when_idle { Watts::ZERO } else { self.idle };
        }
        let part = match &self.shape {
            Shape::Linear => u,
            Shape::Sqrt => u.sqrt(),
            Shape::Square => u * u,
            Shape::Cubic => u * u * u,
            Shape::Mse { exponent } => 2.0 * u - u.powf(*exponent),
            Shape::Asymptotic { onset, dvfs } => {
                let u = if *dvfs { u * u * u } else { u };
                (1.0 + u - (-u / onset).exp()) / 2.0
            }
            Shape::Points(points) => return between(points, u),
        };
        self.idle + (self.busy - self.idle) * part
    }

    /// Power over that of an idle node.
    #[must_use]
    pub fn over_idle(&self, utilisation: f64) -> Watts {
        self.watts(utilisation) - self.watts(0.0)
    }

    /// Whether each busy core adds the same, so that pods can be charged one by one.
    #[must_use]
    pub fn is_line(&self) -> bool {
        self.shape == Shape::Linear && !self.zero_when_idle
    }
}

/// The first and the last point.
fn ends(points: &[Watts]) -> Result<(Watts, Watts), CurveError> {
    let [first, .., last] = points else {
        return Err(CurveError::TooFewPoints);
    };
    for (index, pair) in points.windows(2).enumerate() {
        if let [before, found] = pair
            && found < before
        {
            let (found, before) = (found.get(), before.get());
            return Err(CurveError::Falls { index: index + 1, found, before });
        }
    }
    Ok((*first, *last))
}

/// The line between the two points around `u`, which is 0 to 1.
fn between(points: &[Watts], u: f64) -> Watts {
    let at = u * (points.len() - 1) as f64;
    let below = (at.floor() as usize).min(points.len() - 2);
    points[below] + (points[below + 1] - points[below]) * (at - below as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn watts(value: f64) -> Watts {
        Watts::new(value).unwrap()
    }

    fn curve(shape: Shape) -> Curve {
        Curve::new(watts(100.0), watts(300.0), shape).unwrap()
    }

    fn check(shape: Shape, utilisation: f64, expected: f64) {
        let got = curve(shape.clone()).watts(utilisation).get();
        assert!((got - expected).abs() < 1e-9, "{shape:?} at {utilisation}: {got}");
    }

    #[test]
    fn each_shape_has_the_power_of_its_formula() {
        // 100 W + 200 W x the part at u = 0.25.
        check(Shape::Linear, 0.25, 150.0);
        check(Shape::Sqrt, 0.25, 200.0);
        check(Shape::Square, 0.25, 112.5);
        check(Shape::Cubic, 0.25, 103.125);
        // 2 x 0.25 - 0.25^1.5 = 0.5 - 0.125 = 0.375.
        check(Shape::Mse { exponent: 1.5 }, 0.25, 175.0);
        // (1 + 0.25 - e^-1) / 2 = 0.44106.
        check(Shape::Asymptotic { onset: 0.25, dvfs: false }, 0.25, 188.212_055_882_855_77);
        // u^3 = 0.125 at 0.5: (1 + 0.125 - e^-0.5) / 2 = 0.2592347.
        check(Shape::Asymptotic { onset: 0.25, dvfs: true }, 0.5, 151.846_934_028_736_65);
        // Half-way between 160 W at 0.2 and 180 W at 0.3, of eleven points.
        let points = [100.0, 130.0, 160.0, 180.0, 200.0, 220.0, 240.0, 250.0, 270.0, 280.0, 300.0];
        check(Shape::Points(points.map(watts).to_vec()), 0.25, 170.0);
    }

    #[test]
    fn a_node_that_sleeps_when_idle_draws_nothing_then_and_its_idle_power_once_it_wakes() {
        let curve = curve(Shape::Linear).zero_when_idle();
        assert_eq!(curve.watts(0.0), Watts::ZERO);
        assert!((curve.watts(0.5).get() - 200.0).abs() < 1e-9);
        assert!((curve.over_idle(0.5).get() - 200.0).abs() < 1e-9);
        assert!(!curve.is_line());
    }

    #[test]
    fn a_curve_that_would_fall_is_refused() {
        let new = |shape| Curve::new(watts(100.0), watts(300.0), shape);
        assert_eq!(
            Curve::new(watts(2.0), watts(1.0), Shape::Sqrt),
            Err(CurveError::Order { idle: 2.0, busy: 1.0 })
        );
        assert_eq!(new(Shape::Mse { exponent: 0.9 }), Err(CurveError::Exponent(0.9)));
        assert_eq!(new(Shape::Mse { exponent: 2.1 }), Err(CurveError::Exponent(2.1)));
        for onset in [0.0, -1.0, 1.1, f64::NAN] {
            assert!(new(Shape::Asymptotic { onset, dvfs: false }).is_err(), "{onset}");
        }
        assert_eq!(new(Shape::Points(vec![watts(1.0)])), Err(CurveError::TooFewPoints));
        assert_eq!(
            new(Shape::Points(vec![watts(1.0), watts(3.0), watts(2.0)])),
            Err(CurveError::Falls { index: 2, found: 2.0, before: 3.0 })
        );
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        prop_oneof![
            Just(Shape::Linear),
            Just(Shape::Sqrt),
            Just(Shape::Square),
            Just(Shape::Cubic),
            (1.0..=2.0).prop_map(|exponent| Shape::Mse { exponent }),
            (0.01..=1.0, any::<bool>()).prop_map(|(onset, dvfs)| Shape::Asymptotic { onset, dvfs }),
            prop::collection::vec(0.0..500.0, 2..30).prop_map(|mut points| {
                points.sort_by(f64::total_cmp);
                Shape::Points(points.into_iter().map(watts).collect())
            }),
        ]
    }

    proptest! {
        #[test]
        fn power_never_falls_as_utilisation_rises(
            shape in shapes(), sleeps: bool, mut u in prop::collection::vec(-0.5..1.5, 2),
        ) {
            u.sort_by(f64::total_cmp);
            let mut curve = curve(shape);
            if sleeps {
                curve = curve.zero_when_idle();
            }
            prop_assert!(curve.watts(u[0]).get() <= curve.watts(u[1]).get() + 1e-9);
        }

        #[test]
        fn both_ends_are_exact(shape in shapes()) {
            let (idle, busy) = match &shape {
                Shape::Points(points) => (points[0].get(), points[points.len() - 1].get()),
                _ => (100.0, 300.0),
            };
            let missing = match shape {
                Shape::Asymptotic { onset, .. } => 200.0 * (-1.0 / onset).exp() / 2.0,
                _ => 0.0,
            };
            let curve = curve(shape);
            prop_assert!((curve.watts(0.0).get() - idle).abs() < 1e-12);
            prop_assert!((curve.watts(1.0).get() - (busy - missing)).abs() < 1e-9);
        }

        #[test]
        fn interpolation_goes_through_its_points(mut points in prop::collection::vec(0.0..500.0, 2..30)) {
            points.sort_by(f64::total_cmp);
            let curve = curve(Shape::Points(points.iter().copied().map(watts).collect()));
            for (i, point) in points.iter().enumerate() {
                let u = i as f64 / (points.len() - 1) as f64;
                prop_assert!((curve.watts(u).get() - point).abs() < 1e-9);
            }
        }
    }
}

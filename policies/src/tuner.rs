//! A tuner: a network that shifts the threshold of a rule, once per zone and control interval.
//!
//! ```text
//!  Observation --encode--> network --> (-1, 1) --Action--> g/kWh to add to the rule's threshold
//!       |                     |
//!  out of the range      not finite
//!  of training                |
//!       '---------------------'--> 0: the rule alone, and counted
//! ```

use carbon_kube_core::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::Network;
use crate::observation::{MAX_ADJUSTMENT, Observation, ObservationSpec};

/// What a tuner answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Adjustment {
    /// What to add to the threshold, in g/kWh, -50 to +50.
    pub grams_per_kwh: f64,
    /// Inputs that were unknown, and are the mean of training.
    pub replaced: u32,
    /// Why it is the rule alone that decides, if so.
    pub fallback: Option<Fallback>,
}

/// Why a tuner leaves the decision to its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// An input is beyond the range of training.
    OutOfRange,
    /// The network's answer is no number.
    NotFinite,
}

/// What an answer of a network, or of an agent in training, means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Action {
    /// The adjustment at an answer of 1, in g/kWh, above 0 and at most 50. Default 50.
    pub grams_per_kwh: f64,
    /// Where given: the adjustment at an answer of 1 is this many times the zone's spread in its
    /// trailing week instead, at most 50 g/kWh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spreads: Option<f64>,
    /// An adjustment that differs by less than this from the last one, in g/kWh, is not made: the
    /// last one stays. Default 0.
    pub hysteresis_grams_per_kwh: f64,
}

impl Default for Action {
    fn default() -> Self {
        Self { grams_per_kwh: MAX_ADJUSTMENT, spreads: None, hysteresis_grams_per_kwh: 0.0 }
    }
}

impl Action {
    /// Whether it can be used.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let is_within = |value: f64, most: f64| value > 0.0 && value <= most;
        if !is_within(self.grams_per_kwh, MAX_ADJUSTMENT) {
            return Err(format!("gramsPerKwh {}: expected above 0 to 50", self.grams_per_kwh));
        }
        if let Some(spreads) = self.spreads.filter(|&spreads| !is_within(spreads, 10.0)) {
            return Err(format!("spreads {spreads}: expected above 0 to 10"));
        }
        if !(0.0..=MAX_ADJUSTMENT).contains(&self.hysteresis_grams_per_kwh) {
            let hysteresis = self.hysteresis_grams_per_kwh;
            return Err(format!("hysteresisGramsPerKwh {hysteresis}: expected 0 to 50"));
        }
        Ok(())
    }

    /// The adjustment in g/kWh, -50 to +50, for an answer of -1 to 1; NaN for NaN. Where the zone
    /// has no scale, a relative one is 0.
    #[must_use]
    pub fn adjustment(&self, answer: f64, seen: &Observation) -> f64 {
        let at_one = match self.spreads {
            Some(spreads) => seen.scale.map_or(0.0, |scale| spreads * scale.spread),
            None => self.grams_per_kwh,
        };
        let adjustment = (answer * at_one).clamp(-MAX_ADJUSTMENT, MAX_ADJUSTMENT);
        let change = (adjustment - seen.previous_adjustment).abs();
        if change < self.hysteresis_grams_per_kwh { seen.previous_adjustment } else { adjustment }
    }
}

/// A network with what it needs to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuner {
    /// What it is given.
    pub observation: ObservationSpec,
    /// The network; it has an input for each of the observation.
    pub network: Network,
    /// What its answers mean.
    pub action: Action,
    /// The control interval that it was trained for.
    pub control_interval: Span,
}

impl Tuner {
    /// What to add to the threshold of a zone.
    #[must_use]
    pub fn adjust(&self, seen: &Observation) -> Adjustment {
        let mut numbers = Vec::with_capacity(self.observation.len());
        let encoding = self.observation.encode(seen, &mut numbers);
        let rule_alone = |fallback: Fallback| Adjustment {
            grams_per_kwh: 0.0,
            replaced: encoding.replaced,
            fallback: Some(fallback),
        };
        if encoding.outside > 0 {
            return rule_alone(Fallback::OutOfRange);
        }
        let answer = f64::from(self.network.forward(&numbers));
        if !answer.is_finite() {
            return rule_alone(Fallback::NotFinite);
        }
        let grams_per_kwh = self.action.adjustment(answer, seen);
        Adjustment { grams_per_kwh, replaced: encoding.replaced, fallback: None }
    }
}

#[cfg(test)]
mod tests {
    use carbon_kube_core::GramsPerKwh;

    use super::*;
    use crate::observation::{ForecastSummary, Input, InputSpec, ZoneScale};

    fn seen() -> Observation {
        Observation {
            intensity: GramsPerKwh::saturating(300.0),
            base: GramsPerKwh::saturating(150.0),
            scale: Some(ZoneScale { mean: 200.0, spread: 20.0 }),
            migration_rate: Some(0.0),
            power_ratio: Some(0.5),
            local_hour: 6.0,
            weekday: 0,
            previous_adjustment: 10.0,
            forecast: ForecastSummary::default(),
            held_hours: None,
            slack: None,
        }
    }

    /// The power ratio times a weight.
    fn tuner(weight: f32, max: f64) -> Tuner {
        let input = InputSpec {
            name: Input::PowerRatio,
            mean: 0.25,
            min: 0.0,
            max,
            center: 0.0,
            scale: 1.0,
        };
        Tuner {
            observation: ObservationSpec { version: 1, inputs: vec![input] },
            network: Network::new(1, &[(vec![weight], vec![0.0])]).unwrap(),
            action: Action::default(),
            control_interval: Span::HOUR,
        }
    }

    #[test]
    fn the_answer_of_the_network_is_scaled_to_50_grams() {
        let adjustment = tuner(2.0, 1.0).adjust(&seen());
        let expected = 50.0 * f64::from(libm::tanhf(1.0));
        assert_eq!(adjustment, Adjustment { grams_per_kwh: expected, ..Adjustment::default() });
    }

    #[test]
    fn an_unknown_input_is_its_mean_and_is_counted() {
        let unknown = Observation { power_ratio: None, ..seen() };
        let adjustment = tuner(4.0, 1.0).adjust(&unknown);
        assert_eq!((adjustment.replaced, adjustment.fallback), (1, None));
        let expected = 50.0 * f64::from(libm::tanhf(1.0));
        assert!((adjustment.grams_per_kwh - expected).abs() < 1e-12);
    }

    #[test]
    fn beyond_its_training_or_without_a_number_the_rule_decides_alone() {
        let out = tuner(2.0, 0.4).adjust(&seen());
        assert_eq!((out.grams_per_kwh, out.fallback), (0.0, Some(Fallback::OutOfRange)));
        let mut overflows = tuner(1.0, 1.0);
        let layers =
            [(vec![f32::MAX, f32::MAX], vec![0.0, 0.0]), (vec![f32::MAX, f32::MIN], vec![0.0])];
        overflows.network = Network::new(1, &layers).unwrap();
        let none = overflows.adjust(&seen());
        assert_eq!((none.grams_per_kwh, none.fallback), (0.0, Some(Fallback::NotFinite)));
    }

    #[test]
    fn an_action_is_absolute_or_in_spreads_and_small_changes_are_not_made() {
        let absolute = Action { grams_per_kwh: 30.0, ..Action::default() };
        assert!((absolute.adjustment(-0.5, &seen()) + 15.0).abs() < 1e-12);
        let relative = Action { spreads: Some(2.0), ..Action::default() };
        assert!((relative.adjustment(-0.5, &seen()) + 20.0).abs() < 1e-12);
        let wild = Observation { scale: Some(ZoneScale { mean: 1.0, spread: 900.0 }), ..seen() };
        assert!((relative.adjustment(1.0, &wild) - 50.0).abs() < 1e-12);
        let steady = Action { hysteresis_grams_per_kwh: 6.0, ..Action::default() };
        assert!((steady.adjustment(0.3, &seen()) - 10.0).abs() < 1e-12, "15 is near the last, 10");
        assert!((steady.adjustment(0.4, &seen()) - 20.0).abs() < 1e-12);
    }

    #[test]
    fn an_action_that_can_not_be_used_is_refused() {
        assert_eq!(Action::default().check(), Ok(()));
        for wrong in [
            Action { grams_per_kwh: 51.0, ..Action::default() },
            Action { grams_per_kwh: f64::NAN, ..Action::default() },
            Action { spreads: Some(0.0), ..Action::default() },
            Action { hysteresis_grams_per_kwh: -1.0, ..Action::default() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}

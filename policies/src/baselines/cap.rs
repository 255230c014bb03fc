//! `cap`: a quota of CPU that shrinks as the grid gets dirtier.

use carbon_kube_core::MilliCpu;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::search::Range;
use super::slots;
use crate::policy::Policy;
use crate::signal::{Signal, ZoneSignal};

/// Deferrable pods may hold `alwaysCores` and as many more as there are thresholds over the
/// intensity now: th(i) = U (1 - (1 - 1/A)(1 + 1/(A K))^(i-1)), i = 1 ... K, with A = 1 / (1 +
/// W((L'/U - 1)/e)), L' = 1.1 L, W the Lambert function; L and U are what the coming day is
/// expected to have (CAP, Lechowicz et al. 2025, as its Kubernetes prototype sets it). Running pods
/// are not stopped. With several zones the cleanest counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Cap {
    /// Cores that deferrable pods may hold in the cleanest hours.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub cores: u32,
    /// Cores of these that they may hold at any time.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub always_cores: u32,
}

impl Default for Cap {
    fn default() -> Self {
        Self { cores: 100, always_cores: 20 }
    }
}

/// L' over L: hours a little above the least count as such.
const NEAR_LEAST: f64 = 1.1;

impl Policy for Cap {
    fn name(&self) -> &'static str {
        "cap"
    }

    fn quota(&self, signal: &Signal<'_>) -> Option<MilliCpu> {
        // One that is unknown might be the cleanest.
        let zones = signal.zones.iter().map(|zone| self.allowed(zone, signal));
        let allowed = zones.collect::<Option<Vec<u32>>>()?.into_iter().max()?;
        (allowed < self.cores).then(|| MilliCpu(u64::from(allowed) * 1_000))
    }
}

impl Cap {
    /// Cores that a zone allows now; `None` where its intensity or its forecast is unknown.
    fn allowed(&self, zone: &ZoneSignal<'_>, signal: &Signal<'_>) -> Option<u32> {
        let intensity = zone.intensity?.get();
        let day = slots::day_from(zone, signal.now, signal)?;
        let range = Range::over(&day)?;
        let more = self.cores.saturating_sub(self.always_cores);
        let now = slots::rank(intensity);
        let threshold = thresholds(range, more);
        let (mut open, mut shut) = (0, more);
        while open < shut {
            let middle = open + (shut - open) / 2;
            let is_open = slots::rank(threshold(middle)) >= now;
            if is_open { open = middle + 1 } else { shut = middle }
        }
        Some(self.always_cores.saturating_add(open).min(self.cores))
    }
}

/// th(i + 1) by i, falling up to `count`. Where the day is flat, all of them are U.
fn thresholds(range: Range, count: u32) -> impl Fn(u32) -> f64 {
    let Range { low, high } = range;
    let near = (NEAR_LEAST * low).min(high);
    let ratio = 1.0 / (1.0 + lambert((near / high.max(1e-9) - 1.0) / std::f64::consts::E));
    let growth = 1.0 + 1.0 / (ratio * f64::from(count.max(1)));
    move |i| high * (1.0 - (1.0 - 1.0 / ratio) * growth.powf(f64::from(i)))
}

/// The principal branch of Lambert's W, the w with w e^w = x, for x from -1/e to 0, by Halley's
/// method from the series around -1/e.
fn lambert(x: f64) -> f64 {
    let p = (2.0 * (std::f64::consts::E * x + 1.0)).max(0.0).sqrt();
    let mut w = -1.0 + p - p * p / 3.0;
    for _ in 0..32 {
        let e = w.exp();
        let residual = w * e - x;
        let slope = e * (w + 1.0) - (w + 2.0) * residual / (2.0 * w + 2.0).max(1e-12);
        if residual == 0.0 || slope == 0.0 {
            break;
        }
        w -= residual / slope;
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambert_inverts_w_e_to_the_w() {
        for w in [-0.9, -0.5, -0.1, -1e-6] {
            let x: f64 = w * f64::exp(w);
            assert!((lambert(x) - w).abs() < 1e-9, "{w}: {}", lambert(x));
        }
    }

    #[test]
    fn thresholds_fall_from_what_the_ratio_allows_to_a_little_over_the_least() {
        let of = |low, high, count| {
            let threshold = thresholds(Range { low, high }, count);
            (0..count).map(threshold).collect::<Vec<f64>>()
        };
        let all = of(100.0, 400.0, 50);
        assert!(all.is_sorted_by(|a, b| a > b));
        assert!(all[0] < 400.0 && (100.0..130.0).contains(&all[49]), "{all:?}");
        let flat = of(200.0, 200.0, 3);
        assert!(flat.iter().all(|threshold| (threshold - 200.0).abs() < 1e-6), "{flat:?}");
    }
}

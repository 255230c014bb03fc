//! Physical and Kubernetes quantities as types; the arithmetic between them is an `impl`.
//!
//! A bare `f64` appears only where a number enters or leaves: a file, a tensor, a metric.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Span;

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(f64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0.0);

            /// The bare number, in the unit of the type.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl Mul<f64> for $name {
            type Output = Self;
            fn mul(self, factor: f64) -> Self {
                Self(self.0 * factor)
            }
        }

        impl Div for $name {
            type Output = f64;
            fn div(self, other: Self) -> f64 {
                self.0 / other.0
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
                Self(values.map(|value| value.0).sum())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)?;
                f.write_str(concat!(" ", $unit))
            }
        }
    };
}

quantity!(
    /// Electric power, in watts.
    Watts, "W"
);
quantity!(
    /// Electric energy, in kilowatt-hours.
    KilowattHours, "kWh"
);
quantity!(
    /// Emissions, in grams of CO2 equivalent.
    GramsCo2e, "gCO2e"
);
quantity!(
    /// Carbon intensity of electricity, in grams of CO2 equivalent per kilowatt-hour.
    GramsPerKwh, "g/kWh"
);
quantity!(
    /// Money, in US dollars.
    UsDollars, "USD"
);

impl GramsPerKwh {
    /// More than any grid emits: 10 kg/kWh is ten times the dirtiest plant. Above it a value is
    /// taken for a unit mix-up (kg/MWh, lb/MWh, mg/kWh), never for a grid.
    pub const ABSURD: f64 = 10_000.0;

    /// Returns `None` for a negative, non-finite or absurd value: a grid has no such intensity.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && (0.0..Self::ABSURD).contains(&value)).then_some(Self(value))
    }

    /// The same, cut to what a grid can have. For arithmetic on values that were valid before.
    #[must_use]
    pub fn saturating(value: f64) -> Self {
        Self(if value.is_nan() { 0.0 } else { value.clamp(0.0, Self::ABSURD) })
    }
}

impl Watts {
    /// Returns `None` for a negative or non-finite value.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }
}

impl KilowattHours {
    /// Energy of so many joules.
    #[must_use]
    pub fn from_joules(joules: f64) -> Self {
        Self(joules / 3.6e6)
    }
}

impl GramsCo2e {
    /// So many grams.
    #[must_use]
    pub const fn from_grams(grams: f64) -> Self {
        Self(grams)
    }

    /// Kilograms, for reports.
    #[must_use]
    pub fn kilograms(self) -> f64 {
        self.0 / 1_000.0
    }
}

impl UsDollars {
    /// So many dollars.
    #[must_use]
    pub const fn from_dollars(dollars: f64) -> Self {
        Self(dollars)
    }
}

impl Mul<Span> for Watts {
    type Output = KilowattHours;
    fn mul(self, span: Span) -> KilowattHours {
        KilowattHours(self.0 / 1_000.0 * span.hours())
    }
}

impl Mul<GramsPerKwh> for KilowattHours {
    type Output = GramsCo2e;
    fn mul(self, intensity: GramsPerKwh) -> GramsCo2e {
        GramsCo2e(self.0 * intensity.0)
    }
}

impl KilowattHours {
    /// So many kilowatt-hours.
    #[must_use]
    pub const fn from_kwh(kwh: f64) -> Self {
        Self(kwh)
    }
}

/// CPU in thousandths of a core, Kubernetes' own resolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MilliCpu(pub u64);

/// GPUs in thousandths. Kubernetes counts whole ones; clusters that share them give out parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MilliGpu(pub u32);

impl MilliGpu {
    /// One GPU.
    pub const ONE: Self = Self(1_000);

    /// So many whole GPUs.
    #[must_use]
    pub const fn whole(count: u32) -> Self {
        Self(count.saturating_mul(1_000))
    }

    /// The amount of a number of GPUs: whole, or a part of one in thousandths. `None` for anything
    /// else, such as one and a half, which no device gives out.
    #[must_use]
    pub fn new(gpus: f64) -> Option<Self> {
        let milli = (gpus * 1_000.0).round();
        let exact = (gpus * 1_000.0 - milli).abs() < 1e-6 && (0.0..4e9).contains(&milli);
        let amount = Self(if exact { milli as u32 } else { 0 });
        (exact && (amount.0 < 1_000 || amount.0.is_multiple_of(1_000))).then_some(amount)
    }

    /// In GPUs.
    #[must_use]
    pub fn gpus(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

/// Memory or data, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// Why a text is not a Kubernetes quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Neither a number nor a number with a known suffix.
    #[error("`{0}` is not a Kubernetes quantity such as `500m`, `2`, `1.5` or `4Gi`")]
    Malformed(String),
    /// A negative amount of a resource.
    #[error("`{0}` is negative; a resource amount is zero or more")]
    Negative(String),
    /// More than 2^53 units: beyond it a number is no longer exact.
    #[error("`{0}` is larger than any machine has")]
    TooLarge(String),
}

/// Suffixes of `k8s.io/apimachinery/pkg/api/resource`, longest first so that `Mi` wins over `M`.
const SUFFIXES: [(&str, f64); 16] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    // Of `1E3` the exponent is not the end, so that stays a thousand.
    ("E", 1e18),
    ("", 1.0),
];

/// Reads a Kubernetes quantity and returns it in thousandths, rounded up as Kubernetes does.
///
/// # Errors
///
/// [`QuantityError`] for anything that the API server would refuse, and for negative amounts.
pub fn parse_quantity_milli(text: &str) -> Result<u64, QuantityError> {
    let trimmed = text.trim();
    let (number, scale) = SUFFIXES
        .iter()
        .find_map(|(suffix, scale)| trimmed.strip_suffix(suffix).map(|number| (number, *scale)))
        .unwrap_or((trimmed, 1.0));
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let value: f64 = if plain && number.bytes().any(|b| b.is_ascii_digit()) {
        number.parse().map_err(|_| QuantityError::Malformed(text.to_owned()))?
    } else {
        return Err(QuantityError::Malformed(text.to_owned()));
    };
    if value < 0.0 {
        return Err(QuantityError::Negative(text.to_owned()));
    }
    let milli = (value * scale * 1e3 - 1e-6).ceil().max(0.0);
    if milli > 9.007e18 {
        return Err(QuantityError::TooLarge(text.to_owned()));
    }
    Ok(milli as u64)
}

impl FromStr for MilliCpu {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse_quantity_milli(text).map(Self)
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse_quantity_milli(text).map(|milli| Self(milli.div_ceil(1_000)))
    }
}

impl fmt::Display for MilliCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000) {
            write!(f, "{}", self.0 / 1_000)
        } else {
            write!(f, "{}m", self.0)
        }
    }
}

impl fmt::Display for MilliGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.gpus())
    }
}

impl fmt::Display for Bytes {
    /// The largest binary suffix that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (suffix, scale) in
            [("Ti", 1u64 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)]
        {
            if self.0 >= scale && self.0.is_multiple_of(scale) {
                return write!(f, "{}{suffix}", self.0 / scale);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl Bytes {
    /// Gigabytes (10^9 bytes), as transfer energy and egress prices count them.
    #[must_use]
    pub fn gigabytes(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_hour_on_a_clean_grid_still_emits() {
        // 100 W for one hour is 360 kJ, which is 0.1 kWh; at 30 g/kWh that is 3 g.
        let energy = Watts::new(100.0).unwrap() * Span::HOUR;
        assert!((energy / KilowattHours::from_joules(360_000.0) - 1.0).abs() < 1e-12);
        assert!(((energy * GramsPerKwh::new(30.0).unwrap()).get() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn intensity_refuses_what_no_grid_has() {
        for value in [-0.1, f64::NAN, f64::INFINITY, 412_000.0] {
            assert!(GramsPerKwh::new(value).is_none(), "{value}");
        }
        assert!(GramsPerKwh::new(0.0).is_some());
    }

    #[test]
    fn quantities_read_as_the_api_server_reads_them() {
        for (text, milli) in [
            ("500m", 500),
            ("2", 2_000),
            ("1.5", 1_500),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("100u", 1),
            ("1k", 1_000_000),
        ] {
            assert_eq!(text.parse::<MilliCpu>().unwrap().0, milli, "{text}");
        }
        assert_eq!("4Gi".parse::<Bytes>().unwrap().0, 4 << 30);
        assert_eq!("0.5Mi".parse::<Bytes>().unwrap().0, 524_288);
        assert_eq!("0.001E".parse::<Bytes>().unwrap().0, 1_000_000_000_000_000);
        assert_eq!("0.00390625Ei".parse::<Bytes>().unwrap().0, 1 << 52);
        for text in ["", "Gi", "4GB", "four", "-1", "1,5", "NaN", "inf", "9e99", "0x10"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_gpu_is_whole_or_a_part_of_one() {
        for (gpus, milli) in [(0.0, 0), (0.25, 250), (1.0, 1_000), (8.0, 8_000)] {
            assert_eq!(MilliGpu::new(gpus), Some(MilliGpu(milli)));
        }
        for gpus in [1.5, 0.000_1, -1.0, f64::NAN, 1e12] {
            assert_eq!(MilliGpu::new(gpus), None, "{gpus}");
        }
        assert_eq!(
            (MilliGpu(250).to_string(), MilliGpu::whole(2).to_string()),
            ("0.25".into(), "2".into())
        );
    }

    #[test]
    fn quantities_print_what_they_read() {
        for text in ["500m", "2", "1500m"] {
            assert_eq!(text.parse::<MilliCpu>().unwrap().to_string(), text);
        }
        for text in ["4Gi", "512Mi", "1000"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
    }
}

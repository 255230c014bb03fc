//! The nouns of Carbon-Kube: units, time, grid zones, intensity series, pod and node views.
//!
//! No input or output happens here and no clock is read; what other crates need from files is
//! compiled in from `core/data/`.

pub mod cloud_region;
pub mod cluster;
mod compiled_in;
pub mod documents;
pub mod embodied;
pub mod forecast;
pub mod forecaster;
pub mod intensity;
pub mod mix;
pub mod power;
pub mod price;
pub mod seed;
pub mod time;
pub mod typical_year;
pub mod units;
pub mod view;
pub mod zone;

pub use time::{Span, Time};
pub use units::{
    Bytes, GramsCo2e, GramsPerKwh, KilowattHours, MilliCpu, MilliGpu, UsDollars, Watts,
};
pub use zone::Zone;

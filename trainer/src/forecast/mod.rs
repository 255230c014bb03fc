//! Training and judging forecasts of carbon intensity.
//!
//! ```text
//!  ZoneHours --> Ridge: normal equations per hour ahead --> a line --> stack: learners of what it misses
//!      |                                                                |
//!      '--> issues: a forecast per hour, from its past alone -----------'--> calibrate, accuracy, planning, noise
//! ```
//!
//! Inputs are made by `policies::forecast`, the same code that runs in the cluster, from the same
//! view of the past; so a model can't be trained on what it will not be given.

pub mod accuracy;
pub mod boosting;
pub mod fit;
mod inputs;
pub mod issues;
pub mod noise;
mod normal_equations;
pub mod nowcast;
pub mod perceptron;
pub mod planning;
pub mod ridge;
pub mod stack;
pub mod zone_hours;

pub use issues::Issues;
pub use ridge::{Ridge, TrainError};
pub use stack::Learners;
pub use zone_hours::ZoneHours;

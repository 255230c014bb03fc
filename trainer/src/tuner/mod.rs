//! Training of tuners: from `train.yaml` to the policy file of the best network.
//!
//! ```text
//!  TrainConfig --> Data        zones, cut into ranges of training and of validation
//!      |            |
//!      '--> Lesson -+--> fit   means and ranges of the inputs, over training alone, or
//!             |     '--> start, the policy that it starts from, as it is
//!             |
//!             +--> Training    environments, agent; judged by Validation, every so many steps
//!             '--> export      the network of the best evaluation as policy.yaml and weights
//! ```
//!
//! An agent is judged as the policy file that it would be: exported, asked through
//! [`carbon_kube_policies::Tuner`], with its ranges and its fallback. So the exported policy gives the
//! very number that the training logged.

mod config;
mod data;
mod export;
mod fit;
mod lesson;
mod parity;
mod remembered;
mod search;
mod start;
mod validation;

pub use config::{Algorithm, ForecastKind, Range, StartConfig, TrainConfig, ZoneConfig};
pub use data::{Data, DataError};
pub use export::{PolicyFolder, deployed, weights};
pub use lesson::{Lesson, LessonError};
pub use parity::{Parity, TOLERANCE, parity};
pub use search::{
    FoundTraining, SearchError, TrainingRound, TrainingSearch, TriedTraining, search_training,
};
pub use start::{Start, StartError};
pub use validation::{Judged, Validation};

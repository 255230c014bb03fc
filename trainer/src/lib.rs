//! Training. What is trained here runs in `carbon-kube-policies`, which links none of this.

pub mod agents;
pub mod checkpoint;
pub mod environment;
pub mod evaluation;
pub mod forecast;
pub mod log;
pub mod network;
pub mod replay;
pub mod training;
pub mod tuner;

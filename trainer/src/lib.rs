//! Training. What is trained here runs in `carbon-kube-policies`, which links none of this.

pub mod environment;
pub mod forecast;
pub mod network;

//! Whether a tuner's network answers as it was trained to: the forward pass of a cluster against
//! candle's. A build without the feature `train` has no candle, and says that nobody looked.

use std::path::Path;

use carbon_kube_policies::Tuner;
use serde_json::{Value, json};

use super::source::{Problem, Source};

/// A policy whose network was tried, if it has one.
pub struct Checked {
    pub source: Source,
    pub parity: Option<Parity>,
}

/// How far both passes are apart; `None` where nobody looked.
pub struct Parity(Option<(usize, f32)>);

impl Parity {
    /// For people.
    pub fn text(&self) -> String {
        match self.0 {
            Some((observations, worst)) => {
                format!(
                    "the network answers as candle does: {observations} observations, at most {worst:.1e} apart"
                )
            }
            None => "the network was not tried: this build is without `train`".to_owned(),
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        match self.0 {
            Some((observations, worst)) => {
                json!({ "observations": observations, "worst": worst })
            }
            None => Value::Null,
        }
    }
}

/// Tries the network of a policy that was read from `path`.
pub fn check(path: &Path, source: Source) -> Result<Checked, Problem> {
    let parity = source.policy.tuner.as_deref().map(measure).transpose();
    let parity = parity.map_err(|problem| Problem {
        message: format!("{}: {problem}", path.display()),
        hint: Some("export it again with this version of carbon-kube, and report it".to_owned()),
        is_read: true,
    })?;
    Ok(Checked { source, parity })
}

#[cfg(feature = "train")]
fn measure(tuner: &Tuner) -> Result<Parity, String> {
    use carbon_kube_trainer::tuner::{TOLERANCE, parity};

    /// Enough to hit every unit of a network many times; they take less than a second.
    const OBSERVATIONS: usize = 10_000;

    let found = parity(tuner, OBSERVATIONS, 1).map_err(|error| format!("candle: {error}"))?;
    if found.holds() {
        Ok(Parity(Some((found.observations, found.worst))))
    } else {
        Err(format!(
            "the network answers otherwise than candle does: {:e} apart, expected at most {TOLERANCE:e}",
            found.worst
        ))
    }
}

#[cfg(not(feature = "train"))]
fn measure(_: &Tuner) -> Result<Parity, String> {
    Ok(Parity(None))
}

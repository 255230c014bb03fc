//! A policy that a training starts from, instead of from nothing.
//!
//! What the policy means stays as it is: rule, observation with its normalisation, action, bounds and
//! control interval are its own, or its weights would answer another question.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carbon_kube_core::cluster::POLICY;
use carbon_kube_policies::Tuner;
use carbon_kube_policies::file::{
    ACTOR, Loaded, MAX_BYTES, PolicyError, TunerCard, promised_sha256,
};
use carbon_kube_policies::library;
use carbon_kube_policies::network::{Network, Output};

use super::config::Algorithm;
use crate::environment::world::WorldConfig;

/// A policy of soft actor-critic.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    policy: Loaded,
    card: TunerCard,
    tuner: Arc<Tuner>,
}

/// Why a training can't start from a policy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file can't be read.
    #[error(
        "start.policy: {}: {error}; expected the name of a shipped policy, or a folder with `{}` and `{ACTOR}`",
        path.display(), POLICY.1
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// The files are no policy.
    #[error("start.policy: {place}: {error}")]
    Refused {
        /// Its name or its folder.
        place: String,
        /// What is wrong.
        error: Box<PolicyError>,
    },
    /// A policy without a network that this could go on with.
    #[error(
        "start.policy: `{name}` is {what}; a training starts from a `kind: tuner` with `output: tanh`"
    )]
    Kind {
        /// Its name.
        name: String,
        /// What it is instead.
        what: String,
    },
    /// An algorithm that makes other networks.
    #[error("start: `{0}` can't start from a policy; only `sac` can")]
    Algorithm(&'static str),
    /// Hidden layers of other widths.
    #[error("algorithm.sac.hidden: {expected:?}, and those of `{name}` are {found:?}: give these")]
    Hidden {
        /// Name of the policy.
        name: String,
        /// Those of the settings.
        expected: Vec<usize>,
        /// Its own.
        found: Vec<usize>,
    },
}

impl Start {
    /// A policy that was read.
    ///
    /// # Errors
    ///
    /// [`StartError::Kind`] where it has no network, or one that chooses among a few answers.
    pub fn new(policy: Loaded) -> Result<Self, StartError> {
        let kind = |what: String| StartError::Kind { name: policy.file.name.clone(), what };
        match (&policy.file.tuner, &policy.tuner) {
            (Some(card), Some(tuner)) if card.output == Output::Tanh => {
                let (card, tuner) = (card.clone(), Arc::clone(tuner));
                Ok(Self { policy, card, tuner })
            }
            (Some(_), Some(_)) => Err(kind("a tuner with `output: argmax`".to_owned())),
            _ => Err(kind(format!("the rule `{}`", policy.file.kind))),
        }
    }

    /// A shipped policy by name, or a folder relative to `base`. A `SHA256SUMS` beside it is held to.
    ///
    /// # Errors
    ///
    /// [`StartError`] names the file.
    pub fn read(source: &str, base: &Path) -> Result<Self, StartError> {
        let refused =
            |error| StartError::Refused { place: source.to_owned(), error: Box::new(error) };
        if let Some(shipped) = library::find(source) {
            return Self::new(shipped.load().map_err(refused)?);
        }
        let folder = base.join(source);
        let yaml = String::from_utf8(read(&folder.join(POLICY.1))?).map_err(|error| {
            let position = error.utf8_error().valid_up_to();
            refused(PolicyError::Malformed(format!("byte {position} is no UTF-8 text")))
        })?;
        let is_missing = |error: &StartError| match error {
            StartError::Io { error, .. } => error.kind() == io::ErrorKind::NotFound,
            _ => false,
        };
        let optional = |name: &str| match read(&folder.join(name)) {
            Err(error) if is_missing(&error) => Ok(None),
            other => other.map(Some),
        };
        // A rule has no weights; a tuner without them is refused by the policy file.
        let actor = optional(ACTOR)?;
        let sums = optional("SHA256SUMS")?.unwrap_or_default();
        let sums = String::from_utf8_lossy(&sums);
        let policy = Loaded::parse_with(&yaml, actor.as_deref(), promised_sha256(&sums));
        Self::new(policy.map_err(refused)?)
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Loaded {
        &self.policy
    }

    /// Its network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.tuner.network
    }

    /// Widths of the hidden layers of its network.
    #[must_use]
    pub fn hidden(&self) -> Vec<usize> {
        let mut widths = self.network().widths();
        widths.pop();
        widths
    }

    /// The world of a training that starts from it.
    #[must_use]
    pub fn world(&self, own: WorldConfig) -> WorldConfig {
        let TunerCard { base, observation, action, control_minutes, .. } = self.card.clone();
        let bounds = self.policy.file.bounds;
        WorldConfig { base, observation, action, control_minutes, bounds, ..own }
    }

    /// Whether this algorithm makes networks of its shape.
    pub(super) fn check(&self, algorithm: &Algorithm) -> Result<(), StartError> {
        if !matches!(algorithm, Algorithm::Sac(_)) {
            return Err(StartError::Algorithm(algorithm.name()));
        }
        let (expected, found) = (algorithm.hidden().to_vec(), self.hidden());
        if expected != found {
            let name = self.policy.file.name.clone();
            return Err(StartError::Hidden { name, expected, found });
        }
        Ok(())
    }
}

/// A file, but not for ever: `/dev/zero` has no last byte.
fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(2 * MAX_BYTES as u64).read_to_end(&mut bytes))
        .map_err(|error| StartError::Io { path: path.to_owned(), error })?;
    Ok(bytes)
}

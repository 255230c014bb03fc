//! What users write on their objects, and the names that the parts of Carbon-Kube share in a
//! cluster: annotations, labels, ConfigMaps.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

/// Prefix of every annotation and label of ours.
pub const PREFIX: &str = "carbon-kube.io/";
/// Node label that says which grid zone a node draws from.
pub const GRID_ZONE_LABEL: &str = "carbon-kube.io/grid-zone";
/// Node label of the machine type, which has a row in the power tables.
pub const INSTANCE_TYPE_LABEL: &str = "node.kubernetes.io/instance-type";
/// Node label of the cloud region, which has a row in the table of regions.
pub const REGION_LABEL: &str = "topology.kubernetes.io/region";
/// Namespace label and pod annotation of the [`Mode`].
pub const MODE: &str = "carbon-kube.io/mode";
/// Annotation of a policy's ConfigMap: SHA-256 of its `policy.yaml`.
pub const POLICY_SHA256: &str = "carbon-kube.io/policy-sha256";

/// ConfigMap of the grid's intensity, and its key.
pub const INTENSITY: (&str, &str) = ("carbon-kube-intensity", "intensity.json");
/// ConfigMap of the zones' thresholds, and its key.
pub const THRESHOLD: (&str, &str) = ("carbon-kube-threshold", "threshold.json");
/// ConfigMap of the policy, and its key.
pub const POLICY: (&str, &str) = ("carbon-kube-policy", "policy.yaml");
/// ConfigMap of the forecast model; the poller runs it.
pub const FORECAST: &str = "carbon-kube-forecast";
/// ConfigMap of the tuner job's results, and its key.
pub const STATUS: (&str, &str) = ("carbon-kube-status", "status.json");

/// The namespace that is never touched, whatever it says.
pub const UNTOUCHED_NAMESPACE: &str = "kube-system";

/// Whether a policy acts on a pod.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It does not look at it.
    #[default]
    Off,
    /// It records what it would do, and does nothing.
    Observe,
    /// It acts.
    Enforce,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        })
    }
}

impl FromStr for Mode {
    type Err = WishError;

    fn from_str(text: &str) -> Result<Self, WishError> {
        match text {
            "off" => Ok(Self::Off),
            "observe" => Ok(Self::Observe),
            "enforce" => Ok(Self::Enforce),
            _ => Err(WishError { key: "mode", problem: "is not `off`, `observe` or `enforce`" }),
        }
    }
}

/// An annotation that can't be honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("annotation `{PREFIX}{key}` {problem}")]
pub struct WishError {
    /// The key without the prefix.
    pub key: &'static str,
    /// What is wrong with its value.
    pub problem: &'static str,
}

/// What the annotations of a pod ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Overrides the namespace's mode.
    pub mode: Option<Mode>,
    /// The longest that the pod may wait, from its creation.
    pub max_delay: Option<Span>,
    /// The instant by which the pod must have ended.
    pub deadline: Option<Time>,
    /// How long the pod runs.
    pub expected_duration: Option<Span>,
    /// May be paused and resumed.
    pub interruptible: bool,
    /// May be moved while running.
    pub migratable: bool,
}

impl Wishes {
    /// Reads annotations. A key that is not ours is passed over, and so is one that nobody knows:
    /// a later version may.
    ///
    /// # Errors
    ///
    /// The first value that can't be understood. Whoever asks should then leave the pod alone: half
    /// understood wishes could hold it too long.
    pub fn read<'a>(
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, WishError> {
        let mut wishes = Self::default();
        for (key, value) in annotations {
            if let Some(key) = key.strip_prefix(PREFIX) {
                wishes.honour(key, value)?;
            }
        }
        Ok(wishes)
    }

    fn honour(&mut self, key: &str, value: &str) -> Result<(), WishError> {
        match key {
            "mode" => self.mode = Some(value.parse()?),
            "max-delay" => self.max_delay = Some(duration("max-delay", value)?),
            "expected-duration" => {
                self.expected_duration = Some(duration("expected-duration", value)?);
            }
            "deadline" => {
                let problem = "is not an instant such as `2026-06-01T18:00:00Z`";
                self.deadline =
                    Some(value.parse().map_err(|_| WishError { key: "deadline", problem })?);
            }
            "interruptible" => self.interruptible = yes_or_no("interruptible", value)?,
            "migratable" => self.migratable = yes_or_no("migratable", value)?,
            _ => {}
        }
        Ok(())
    }

    /// From which instant on the pod must run without a break; `None` where it does not wait.
    ///
    /// The maximum delay counts from creation, so that neither a restart nor a second replica
    /// changes it. A deadline needs the expected duration: without one nobody knows when the pod
    /// has to start, and it does not wait at all.
    #[must_use]
    pub fn must_run_by(&self, created: Time) -> Option<Time> {
        let by_delay = self.max_delay.map(|delay| created.saturating_add(delay));
        let Some(deadline) = self.deadline else {
            return by_delay;
        };
        let by_deadline = deadline - self.expected_duration?;
        Some(by_delay.map_or(by_deadline, |by_delay| by_delay.min(by_deadline)))
    }
}

fn duration(key: &'static str, value: &str) -> Result<Span, WishError> {
    let problem = "is not a duration such as `90s`, `15m`, `24h` or `1h30m`";
    value.parse().map_err(|_| WishError { key, problem })
}

fn yes_or_no(key: &'static str, value: &str) -> Result<bool, WishError> {
    value.parse().map_err(|_| WishError { key, problem: "is neither `true` nor `false`" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(annotations: &[(&str, &str)]) -> Result<Wishes, String> {
        Wishes::read(annotations.iter().copied()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_pod_may_wait_for_its_maximum_delay_and_never_past_its_deadline() {
        let created: Time = "2026-06-01T06:00:00Z".parse().unwrap();
        let limit = |annotations: &[(&str, &str)]| {
            read(annotations).unwrap().must_run_by(created).map(|limit| limit.to_string())
        };
        let delay = ("carbon-kube.io/max-delay", "6h");
        let deadline = ("carbon-kube.io/deadline", "2026-06-01T14:00:00+02:00");
        let length = ("carbon-kube.io/expected-duration", "2h");
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[delay]).unwrap(), "2026-06-01T12:00:00Z");
        // 14:00 in Berlin is 12:00 UTC; two hours of work start at 10:00.
        assert_eq!(limit(&[deadline, length]).unwrap(), "2026-06-01T10:00:00Z");
        assert_eq!(limit(&[delay, deadline, length]).unwrap(), "2026-06-01T10:00:00Z");
        assert_eq!(limit(&[delay, deadline]), None, "nobody knows when it has to start");
    }

    #[test]
    fn a_value_that_is_not_understood_is_an_error_and_an_unknown_key_is_not() {
        for (key, value) in [
            ("max-delay", "soon"),
            ("max-delay", "-1h"),
            ("deadline", "tomorrow"),
            ("mode", "Enforce"),
            ("interruptible", "yes"),
        ] {
            let error = read(&[(&format!("{PREFIX}{key}"), value)]).unwrap_err();
            assert!(error.starts_with(&format!("annotation `{PREFIX}{key}` is ")), "{error}");
        }
        let others = [("carbon-kube.io/budget", "9"), ("example.com/mode", "enforce")];
        assert_eq!(read(&others).unwrap(), Wishes::default());
    }
}

//! `status.json`: what the last run of the tuner job found, for the services that are always there to show.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DocumentError, VERSION, version};
use crate::intensity::Signal;
use crate::time::{Span, Time};

/// The most policies of a document: each becomes a label of a metric.
const MOST_POLICIES: usize = 64;

/// The longest name of a policy: that of a label's value in Kubernetes.
const LONGEST_NAME: usize = 63;

/// `status.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusDocument {
    /// [`VERSION`].
    pub version: u64,
    /// When the run ended.
    pub finished_at: Time,
    /// What came of it.
    pub result: TunerResult,
    /// Why, for people.
    pub reason: String,
    /// How many policies the tuner has promoted since this document was first written.
    pub promotions: u64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_promotion: Option<Promotion>,
    /// The policy that the run found in force; absent where there was none that could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyName>,
    /// What was judged on; absent where nothing could be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
    /// What each policy would have done, the one in force first; empty where nothing could be judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyResult>,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TunerResult {
    /// Nothing was good enough to take the place of the policy in force.
    Kept,
    /// Another policy is good enough; the job only recommends.
    Recommended,
    /// Another policy has taken its place.
    Promoted,
    /// Another policy is good enough, and was not put in force: somebody changed it meanwhile.
    Conflict,
    /// It could not be judged; the policy in force stays.
    NotJudged,
}

/// A policy by name and checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyName {
    /// Its name.
    pub name: String,
    /// SHA-256 of its `policy.yaml`, in hex.
    pub sha256: String,
}

/// A change of the policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// When.
    pub at: Time,
    /// The policy that came.
    pub policy: PolicyName,
    /// The policy that went: what to go back to.
    pub previous: PolicyName,
}

/// What a run judged on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// Start of the history that was used.
    pub from: Time,
    /// Start of the held-out days.
    pub held_out_from: Time,
    /// Their end.
    pub to: Time,
    /// Average or marginal.
    pub signal: Signal,
    /// Emission factors behind the values.
    pub factor_set: String,
    /// The zones.
    pub zones: Vec<String>,
    /// Zones with a history that was not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Where the pods come from.
    pub workload: String,
    /// Jobs that arrived on the held-out days.
    pub jobs: u64,
    /// Days of zones that policies were compared on.
    pub blocks: u64,
    /// Root of every draw.
    pub seed: u64,
}

/// What a policy would have done on the held-out days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyResult {
    /// `in-force`, or a name for what else was tried.
    pub policy: String,
    /// Emissions of the jobs over idle nodes, in grams.
    pub grams: f64,
    /// 1 less grams over those of `default-scheduler`; below 0 where it is worse.
    pub saving_ratio: f64,
    /// Mean delay of the jobs that ended, in hours.
    pub delay_hours: f64,
    /// Jobs that ended after their limit, or not at all, over all jobs.
    pub missed_ratio: f64,
    /// Grams that it saves over those of the policy in force, in parts of the latter; absent of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub better_ratio: Option<Bounded>,
}

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounded {
    /// The number.
    pub value: f64,
    /// Lower end; absent where there is too little for an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl fmt::Display for TunerResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Recommended => "recommended",
            Self::Promoted => "promoted",
            Self::Conflict => "conflict",
            Self::NotJudged => "not-judged",
        })
    }
}

impl TunerResult {
    /// Every result.
    pub const ALL: [Self; 5] =
        [Self::Kept, Self::Recommended, Self::Promoted, Self::Conflict, Self::NotJudged];
}

impl PolicyResult {
    /// What the policy in force is called.
    pub const IN_FORCE: &'static str = "in-force";

    /// The mean delay of its jobs.
    #[must_use]
    pub fn delay(&self) -> Span {
        Span::from_hours(self.delay_hours)
    }

    fn check(&self) -> Result<(), String> {
        let name = &self.policy;
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_name) {
            return Err(format!("`{}` can't name a policy", name.escape_debug()));
        }
        // Nothing can save more than everything, or wait for longer than a century.
        for (field, value, low, high) in [
            ("grams", self.grams, 0.0, f64::MAX),
            ("savingRatio", self.saving_ratio, -1e6, 1.0),
            ("delayHours", self.delay_hours, -1e6, 1e6),
            ("missedRatio", self.missed_ratio, 0.0, 1.0),
        ] {
            if !(low..=high).contains(&value) {
                return Err(format!(
                    "policy `{name}`: {field} {value} is not within {low} to {high}"
                ));
            }
        }
        Ok(())
    }
}

impl StatusDocument {
    /// Reads a document. Unlike those of the grid it counts as a whole or not at all.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] for what is none, or says what can't be.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        version(text)?;
        let document: Self = serde_json::from_str(text)
            .map_err(|error| DocumentError::Malformed(error.to_string()))?;
        document.check().map_err(DocumentError::Malformed)?;
        Ok(document)
    }

    /// The present version.
    pub const VERSION: u64 = VERSION;

    fn check(&self) -> Result<(), String> {
        if self.policies.len() > MOST_POLICIES {
            return Err(format!("{} policies; at most {MOST_POLICIES}", self.policies.len()));
        }
        let mut names = BTreeSet::new();
        for policy in &self.policies {
            policy.check()?;
            if !names.insert(&policy.policy) {
                return Err(format!("policy `{}` is there twice", policy.policy));
            }
        }
        Ok(())
    }
}

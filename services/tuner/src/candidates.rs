//! What is tried beside the policy in force. Each candidate is a policy file from the start: what is simulated is
//! read from the same bytes that would be put in force.

use std::io;
use std::path::Path;

use carbon_kube_core::cluster::POLICY;
use carbon_kube_policies::baselines::Percentile;
use carbon_kube_policies::file::{
    ACTOR, Bounds, Loaded, PolicyError, PolicyFile, Provenance, VERSION, promised_sha256,
};
use carbon_kube_policies::{Deployed, Settings};
use serde_json::Value;

/// A policy as its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Files {
    /// `policy.yaml`.
    pub yaml: String,
    /// `actor.safetensors`, of a tuner.
    pub actor: Option<Vec<u8>>,
    /// What they say.
    pub loaded: Loaded,
}

/// A policy that may take the place of the one in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// What the status calls it.
    pub name: String,
    /// Its files.
    pub files: Files,
}

/// Why a candidate can't be made.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// A folder that can't be read.
    #[error("candidates.folders: {path}: {error}")]
    Folder {
        /// The folder.
        path: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// Files that are no policy.
    #[error("candidates: `{name}`: {error}")]
    Policy {
        /// The folder or the rule.
        name: String,
        /// What is wrong.
        error: PolicyError,
    },
    /// A description that can't be written.
    #[error("candidates: `{name}` can't be written: {problem}")]
    Written {
        /// The rule.
        name: String,
        /// Why.
        problem: String,
    },
}

impl Files {
    /// Reads and checks the files of a policy. `promised` is the checksum of the description, where there is one.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] says what is wrong.
    pub fn parse(
        yaml: String,
        actor: Option<Vec<u8>>,
        promised: Option<&str>,
    ) -> Result<Self, PolicyError> {
        let loaded = Loaded::parse_with(&yaml, actor.as_deref(), promised)?;
        let actor = actor.filter(|_| loaded.actor.is_some());
        Ok(Self { yaml, actor, loaded })
    }

    /// What a folder has; `None` where it has no description.
    ///
    /// # Errors
    ///
    /// Outside, where a file is there and can't be read; inside, what is wrong with the policy.
    pub fn of_folder(folder: &Path) -> io::Result<Option<Result<Self, PolicyError>>> {
        let present = |read: io::Result<Vec<u8>>| match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let file = |name: &str| present(std::fs::read(folder.join(name)));
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(io::Error::other);
        let Some(yaml) = file(POLICY.1)?.map(text).transpose()? else { return Ok(None) };
        let sums = file("SHA256SUMS")?.map(text).transpose()?;
        let promised = sums.as_deref().and_then(promised_sha256);
        Ok(Some(Self::parse(yaml, file(ACTOR)?, promised)))
    }

    /// A rule as a policy file. The bounds and the fallback of the policy in force stay: they say what the
    /// cluster puts up with, not what is clever.
    ///
    /// # Errors
    ///
    /// [`CandidateError`] for settings out of their range.
    pub fn of_rule(
        name: &str,
        rule: &Settings,
        in_force: Option<&Loaded>,
    ) -> Result<Self, CandidateError> {
        let tagged = serde_json::to_value(rule).map_err(|error| CandidateError::Written {
            name: name.to_owned(),
            problem: error.to_string(),
        })?;
        let kind = rule.name();
        let settings = match tagged.get(kind) {
            Some(Value::Object(settings)) => settings.clone(),
            _ => serde_json::Map::new(),
        };
        let file = PolicyFile {
            version: VERSION,
            name: name.to_owned(),
            kind: kind.to_owned(),
            settings,
            tuner: None,
            bounds: in_force.map_or_else(Bounds::default, |policy| policy.file.bounds),
            fallback: in_force.map_or_else(
                || "default-scheduler".to_owned(),
                |policy| policy.file.fallback.clone(),
            ),
            provenance: Provenance::default(),
        };
        Self::of_file(&file, None)
    }

    /// The same policy under this name, with another provenance.
    ///
    /// # Errors
    ///
    /// [`CandidateError`] for a name that is none.
    pub fn with(&self, name: &str, provenance: Provenance) -> Result<Self, CandidateError> {
        let file = PolicyFile { name: name.to_owned(), provenance, ..self.loaded.file.clone() };
        Self::of_file(&file, self.actor.clone())
    }

    fn of_file(file: &PolicyFile, actor: Option<Vec<u8>>) -> Result<Self, CandidateError> {
        let name = || file.name.clone();
        let yaml = serde_saphyr::to_string(file).map_err(|error| CandidateError::Written {
            name: name(),
            problem: error.to_string(),
        })?;
        Self::parse(yaml, actor, None)
            .map_err(|error| CandidateError::Policy { name: name(), error })
    }

    /// The policy itself.
    #[must_use]
    pub fn policy(&self) -> Deployed {
        self.loaded.policy()
    }
}

/// Rules by name: one that is listed again gets a number.
///
/// # Errors
///
/// [`CandidateError`] for settings out of their range.
pub fn of_rules(
    rules: &[Settings],
    in_force: Option<&Loaded>,
) -> Result<Vec<Candidate>, CandidateError> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for rule in rules {
        let kind = rule.name();
        let before = candidates.iter().filter(|one| one.files.loaded.file.kind == kind).count();
        let name = if before == 0 { kind.to_owned() } else { format!("{kind}-{}", before + 1) };
        let files = Files::of_rule(&name, rule, in_force)?;
        candidates.push(Candidate { name, files });
    }
    Ok(candidates)
}

/// Policies of folders, by their own names.
///
/// # Errors
///
/// [`CandidateError`] for a folder without a policy that can be read.
pub fn of_folders<P: AsRef<Path>>(folders: &[P]) -> Result<Vec<Candidate>, CandidateError> {
    let one = |folder: &P| -> Result<Candidate, CandidateError> {
        let path = folder.as_ref().display().to_string();
        let missing =
            || io::Error::new(io::ErrorKind::NotFound, format!("no `{}` in it", POLICY.1));
        let files = Files::of_folder(folder.as_ref())
            .and_then(|files| files.ok_or_else(missing))
            .map_err(|error| CandidateError::Folder { path: path.clone(), error })?
            .map_err(|error| CandidateError::Policy { name: path, error })?;
        Ok(Candidate { name: files.loaded.file.name.clone(), files })
    };
    folders.iter().map(one).collect()
}

/// The settings that are tried on the days before the held-out ones.
///
/// # Errors
///
/// [`CandidateError`] for settings out of their range.
pub fn of_percentiles(
    percentiles: &[f64],
    in_force: Option<&Loaded>,
) -> Result<Vec<Candidate>, CandidateError> {
    let one = |&percentile: &f64| -> Result<Candidate, CandidateError> {
        // A name takes no point.
        let name = format!("percentile-p{percentile}").replace('.', "-");
        let rule = Percentile { percentile, ..Percentile::default() }.into();
        let files = Files::of_rule(&name, &rule, in_force)?;
        Ok(Candidate { name, files })
    };
    percentiles.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use carbon_kube_policies::library;

    use super::*;

    #[test]
    fn a_rule_becomes_a_file_that_says_the_same_within_the_bounds_in_force() {
        let mut in_force = library::find("percentile-v1").unwrap().load().unwrap();
        in_force.file.bounds.max_grams_per_kwh = 400.0;
        let rules: Vec<Settings> =
            serde_json::from_str(r#"["plan", {"threshold": {"gramsPerKwh": 90}}, "plan"]"#)
                .unwrap();
        let candidates = of_rules(&rules, Some(&in_force)).unwrap();
        let names: Vec<&str> = candidates.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["plan", "threshold", "plan-2"]);
        for (candidate, rule) in candidates.iter().zip(&rules) {
            assert_eq!(&candidate.files.policy().rule, rule);
            assert_eq!(candidate.files.policy().bounds, in_force.file.bounds);
        }
        // As YAML, read by whoever has it in force.
        let again = Files::parse(candidates[1].files.yaml.clone(), None, None).unwrap();
        assert_eq!(again, candidates[1].files);
    }

    #[test]
    fn a_policy_keeps_what_it_does_under_another_name_with_another_provenance() {
        for shipped in library::ALL {
            let yaml = shipped.yaml.to_owned();
            let files = Files::parse(yaml, shipped.actor.map(<[u8]>::to_vec), None).unwrap();
            let provenance = Provenance { seeds: vec![7], ..Provenance::default() };
            let other = files.with("other", provenance.clone()).unwrap();
            let file = &other.loaded.file;
            assert_eq!((file.name.as_str(), &file.provenance), ("other", &provenance));
            assert_eq!((other.policy(), &other.actor), (files.policy(), &files.actor));
            assert_eq!(file.fallback, files.loaded.file.fallback);
            assert!(files.with("No Name", provenance).is_err());
        }
    }

    #[test]
    fn every_rule_there_is_can_be_a_candidate() {
        assert_eq!(of_rules(&Settings::all(), None).unwrap().len(), Settings::all().len());
    }

    #[test]
    fn a_percentile_has_a_name_that_a_label_can_carry() {
        let found = of_percentiles(&[20.0, 12.5], None).unwrap();
        assert_eq!(
            (found[0].name.as_str(), found[1].name.as_str()),
            ("percentile-p20", "percentile-p12-5")
        );
        assert!(of_percentiles(&[130.0], None).is_err());
    }

    #[test]
    fn a_folder_without_a_policy_is_said_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let problem = of_folders(&[folder.path()]).unwrap_err().to_string();
        assert!(problem.contains("no `policy.yaml` in it"), "{problem}");
        std::fs::write(folder.path().join("policy.yaml"), "version: 9").unwrap();
        let problem = of_folders(&[folder.path()]).unwrap_err().to_string();
        assert!(problem.contains("version 9"), "{problem}");
        let shipped = library::find("percentile-v1").unwrap();
        std::fs::write(folder.path().join("policy.yaml"), shipped.yaml).unwrap();
        std::fs::write(folder.path().join("SHA256SUMS"), shipped.checksums).unwrap();
        assert_eq!(of_folders(&[folder.path()]).unwrap()[0].name, "percentile-v1");
    }
}

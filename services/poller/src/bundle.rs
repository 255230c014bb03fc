//! A policy or a forecast model as its files, wherever they come from, and the one in force.
//!
//! ```text
//!  folder    policy.yaml, actor.safetensors, SHA256SUMS ---.
//!                                                           >-- Bundle --offer--> InForce
//!  ConfigMap data, binaryData, checksum annotation --------'
//! ```
//!
//! A bundle that can't be used leaves the one before in force, and says so once.

use std::io;
use std::path::Path;
use std::sync::Arc;

use carbon_kube_core::cluster::{POLICY, POLICY_SHA256};
use carbon_kube_policies::file::{self, ACTOR, promised_sha256_of};
use carbon_kube_policies::forecast::{file as forecast_file, library as forecast_library};
use carbon_kube_policies::library;
use k8s_openapi::api::core::v1::ConfigMap;
use tracing::{info, warn};

/// Which files make a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Name in logs and metrics.
    pub name: &'static str,
    /// ConfigMap that has it in a cluster.
    pub config_map: &'static str,
    /// The description, a text.
    pub yaml: &'static str,
    /// The weights.
    pub weights: &'static str,
    /// Annotation with the checksum of the description.
    pub sha256: &'static str,
}

/// A policy.
pub const POLICY_FORM: Form = Form {
    name: "policy",
    config_map: POLICY.0,
    yaml: POLICY.1,
    weights: ACTOR,
    sha256: POLICY_SHA256,
};

/// A forecast model.
pub const FORECAST_FORM: Form = Form {
    name: "forecast",
    config_map: forecast_file::CONFIG_MAP,
    yaml: forecast_file::YAML,
    weights: forecast_file::WEIGHTS,
    sha256: forecast_file::SHA256_ANNOTATION,
};

impl Form {
    /// Names of the shipped ones.
    #[must_use]
    pub fn shipped(&self) -> Vec<&'static str> {
        if *self == FORECAST_FORM {
            forecast_library::ALL.map(|shipped| shipped.name).to_vec()
        } else {
            library::ALL.map(|shipped| shipped.name).to_vec()
        }
    }
}

/// The files of a policy or of a forecast model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    yaml: String,
    weights: Option<Vec<u8>>,
    promised: Option<String>,
}

impl Bundle {
    /// What a folder has; `None` where it has no description.
    ///
    /// # Errors
    ///
    /// A file that is there, as far as can be told, and can't be read: that is not to be gone.
    pub fn of_folder(form: Form, folder: &Path) -> io::Result<Option<Self>> {
        let text = |name: &str| present(std::fs::read_to_string(folder.join(name)));
        let Some(yaml) = text(form.yaml)? else { return Ok(None) };
        let promised = text("SHA256SUMS")?;
        let promised = promised.as_deref().and_then(|sums| promised_sha256_of(sums, form.yaml));
        Ok(Some(Self {
            yaml,
            weights: present(std::fs::read(folder.join(form.weights)))?,
            promised: promised.map(str::to_owned),
        }))
    }

    /// A shipped one by name; `None` where there is none of that name.
    #[must_use]
    pub fn of_library(form: Form, name: &str) -> Option<Self> {
        let (yaml, weights, checksums) = if form == FORECAST_FORM {
            let shipped = forecast_library::find(name)?;
            (shipped.yaml, Some(shipped.weights), shipped.checksums)
        } else {
            let shipped = library::find(name)?;
            (shipped.yaml, shipped.actor, shipped.checksums)
        };
        Some(Self {
            yaml: yaml.to_owned(),
            weights: weights.map(<[u8]>::to_vec),
            promised: promised_sha256_of(checksums, form.yaml).map(str::to_owned),
        })
    }

    /// What a ConfigMap has; an empty description where the key is missing, which is refused.
    #[must_use]
    pub fn of_config_map(form: Form, map: ConfigMap) -> Self {
        let yaml = map.data.and_then(|mut data| data.remove(form.yaml));
        let weights = map.binary_data.and_then(|mut data| data.remove(form.weights));
        let annotations = map.metadata.annotations;
        Self {
            yaml: yaml.unwrap_or_default(),
            weights: weights.map(|bytes| bytes.0),
            promised: annotations.and_then(|mut all| all.remove(form.sha256)),
        }
    }
}

/// What was read; `None` where there is no such file.
fn present<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a bundle is read as.
pub trait Readable: Sized {
    /// Its form.
    const FORM: Form;

    /// Reads and checks it.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn read(bundle: &Bundle) -> Result<Self, String>;

    /// Name and checksum, for logs.
    fn describe(&self) -> (&str, &str);
}

impl Readable for file::Loaded {
    const FORM: Form = POLICY_FORM;

    fn read(bundle: &Bundle) -> Result<Self, String> {
        let Bundle { yaml, weights, promised } = bundle;
        Self::parse_with(yaml, weights.as_deref(), promised.as_deref()).map_err(|e| e.to_string())
    }

    fn describe(&self) -> (&str, &str) {
        (&self.file.name, &self.sha256)
    }
}

impl Readable for forecast_file::Loaded {
    const FORM: Form = FORECAST_FORM;

    fn read(bundle: &Bundle) -> Result<Self, String> {
        let weights = bundle.weights.as_deref().unwrap_or_default();
        Self::parse(&bundle.yaml, weights, bundle.promised.as_deref()).map_err(|e| e.to_string())
    }

    fn describe(&self) -> (&str, &str) {
        (&self.file.name, &self.sha256)
    }
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is the one that was offered before, or there is none as before.
    Same,
    /// It is in force now.
    Taken,
    /// It can't be used; the one before stays in force.
    Refused,
    /// There is none any more.
    Gone,
}

/// The policy or the forecast model in force.
pub struct InForce<T> {
    current: Option<Arc<T>>,
    /// What was offered last, whatever became of it.
    offered: Option<Bundle>,
}

impl<T> Default for InForce<T> {
    fn default() -> Self {
        Self { current: None, offered: None }
    }
}

impl<T: Readable> InForce<T> {
    /// The one in force.
    #[must_use]
    pub fn current(&self) -> Option<&Arc<T>> {
        self.current.as_ref()
    }

    /// Takes a bundle up if it can be used.
    pub fn offer(&mut self, bundle: Option<Bundle>) -> Offered {
        if bundle == self.offered {
            return Offered::Same;
        }
        self.offered = bundle;
        let document = T::FORM.name;
        let Some(bundle) = &self.offered else {
            info!(document, "there is none any more");
            self.current = None;
            return Offered::Gone;
        };
        match T::read(bundle) {
            Ok(read) => {
                let (name, sha256) = read.describe();
                info!(document, name, sha256, "in force");
                self.current = Some(Arc::new(read));
                Offered::Taken
            }
            Err(problem) => {
                warn!(document, problem, "refused; the one before stays in force");
                Offered::Refused
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_can_be_named() {
        for policy in library::ALL {
            let bundle = Bundle::of_library(POLICY_FORM, policy.name).unwrap();
            assert_eq!(file::Loaded::read(&bundle).unwrap().file.name, policy.name);
        }
        let bundle = Bundle::of_library(FORECAST_FORM, forecast_library::DEFAULT).unwrap();
        assert!(forecast_file::Loaded::read(&bundle).is_ok());
        assert_eq!(Bundle::of_library(FORECAST_FORM, "percentile-v1"), None);
    }

    fn bundle(yaml: &str, promised: Option<&str>) -> Option<Bundle> {
        let promised = promised.map(str::to_owned);
        Some(Bundle { yaml: yaml.to_owned(), weights: None, promised })
    }

    #[test]
    fn a_bundle_that_can_not_be_used_leaves_the_one_before() {
        let mut policy: InForce<file::Loaded> = InForce::default();
        assert_eq!(policy.offer(None), Offered::Same);
        let good = library::find("percentile-v1").unwrap().yaml;
        assert_eq!(policy.offer(bundle(good, None)), Offered::Taken);
        assert_eq!(policy.offer(bundle(good, None)), Offered::Same);
        for (yaml, promised) in [("version: 9", None), ("", None), (good, Some("00"))] {
            assert_eq!(policy.offer(bundle(yaml, promised)), Offered::Refused);
            assert_eq!(policy.offer(bundle(yaml, promised)), Offered::Same, "it is said once");
            assert_eq!(policy.current().unwrap().file.name, "percentile-v1");
        }
        assert_eq!(policy.offer(None), Offered::Gone);
        assert!(policy.current().is_none());
    }

    #[test]
    fn a_folder_and_a_config_map_make_the_same_bundle() {
        let folder =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/library/forecast-open-v1");
        let of_folder = Bundle::of_folder(FORECAST_FORM, Path::new(folder)).unwrap().unwrap();
        let read = forecast_file::Loaded::read(&of_folder).unwrap();
        let weights = of_folder.weights.clone().unwrap();
        let manifest = forecast_file::config_map(&read, &of_folder.yaml, &weights, "carbon-kube");
        let map = serde_json::from_value(manifest).unwrap();
        assert_eq!(Bundle::of_config_map(FORECAST_FORM, map), of_folder);
        assert_eq!(Bundle::of_folder(POLICY_FORM, Path::new(folder)).unwrap(), None);
    }

    #[test]
    fn a_file_that_can_not_be_read_is_not_gone() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Bundle::of_folder(POLICY_FORM, folder.path());
        assert_eq!(read().unwrap(), None);
        std::fs::write(folder.path().join(POLICY_FORM.yaml), b"\xff").unwrap();
        assert!(read().is_err(), "no text");
        std::fs::write(folder.path().join(POLICY_FORM.yaml), "version: 1").unwrap();
        assert_eq!(read().unwrap().unwrap().weights, None);
        std::fs::create_dir(folder.path().join(POLICY_FORM.weights)).unwrap();
        assert!(read().is_err(), "weights that are a folder");
    }
}

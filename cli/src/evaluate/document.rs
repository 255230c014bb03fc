//! What `evaluate --format json` writes, and `report --evaluation` reads.

use std::fs;
use std::path::Path;

use carbon_kube_trainer::evaluation::table::{Evaluation, VERSION};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// An evaluation, and what is to be known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The tables and what they say.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// How policies saw the future.
    pub forecast: String,
    /// What the reader has to know: leaks, for one.
    pub notes: Vec<String>,
}

impl Document {
    /// The document for programs.
    pub fn json(&self) -> String {
        let json = serde_json::to_value(self).expect("names and numbers, and all keys are text");
        format!("{json:#}\n")
    }

    /// The document in a file.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let name = file.display();
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::new(format!("{name}: can't read: {error}")))?;
        let hint = "name what `carbon-kube evaluate --format json` wrote";
        let document: Self = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("{name}: no evaluation: {error}")).hint(hint))?;
        let found = document.evaluation.version;
        if found != VERSION {
            return Err(Failure::new(format!(
                "{name}: version {found} of the format; this program reads {VERSION}"
            )));
        }
        Ok(document)
    }
}

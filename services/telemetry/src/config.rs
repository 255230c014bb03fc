//! The configuration file of a service: one YAML document, read strictly, checked as a whole.
//!
//! ```text
//!  file --load--> text --parse--> types --check--> a configuration that can be used
//! ```
//!
//! A file of comments alone is a working configuration: every field has its default.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use carbon_kube_core::Span;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The configuration of a program.
pub trait Configuration: Default + Serialize + DeserializeOwned + JsonSchema {
    /// Name of the program, for hints.
    const PROGRAM: &'static str;

    /// What the types can't say: ranges, and fields that don't go together.
    ///
    /// # Errors
    ///
    /// The field's path, and what is wrong with it.
    fn check(&self) -> Result<(), (String, String)>;

    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names file, place and problem.
    fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: name.clone(), error })?;
        Self::parse(&name, &text)
    }

    /// Reads the text of a configuration; `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names place and problem.
    fn parse(path: &str, text: &str) -> Result<Self, ConfigError> {
        // A file of comments is an empty document, which is not a mapping.
        let nothing = text.lines().all(|line| line.trim().is_empty() || line.starts_with('#'));
        let config: Self = if nothing {
            Self::default()
        } else {
            serde_saphyr::from_str(text).map_err(|error| {
                let message = error.to_string();
                let line = message.lines().next().unwrap_or_default();
                let problem = line.trim_start_matches("error: ").to_owned();
                ConfigError::Malformed { path: path.to_owned(), problem, program: Self::PROGRAM }
            })?
        };
        config.check().map_err(|(field, problem)| ConfigError::Value {
            path: path.to_owned(),
            field,
            problem,
        })?;
        Ok(config)
    }
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// Not YAML, an unknown key, or a value of the wrong type.
    #[error("{path}: {problem}\nhint: `{program} --schema` prints every field")]
    Malformed {
        /// The file.
        path: String,
        /// What, with line and column.
        problem: String,
        /// Who can say more.
        program: &'static str,
    },
    /// A value out of its range.
    #[error("{path}: {field}: {problem}")]
    Value {
        /// The file.
        path: String,
        /// The field's path.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Where the documents of a program go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputName {
    /// ConfigMaps of the cluster that this pod runs in, or of `KUBECONFIG`.
    #[default]
    Cluster,
    /// Files of this folder, replaced as a whole: what an extender with `source: {folder: DIR}` reads.
    File(PathBuf),
    /// Standard output, as JSON.
    Stdout,
}

/// As a flag has it: `cluster`, `stdout` or `file:DIR`.
impl FromStr for OutputName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("file:")) {
            ("cluster", _) => Ok(Self::Cluster),
            ("stdout", _) => Ok(Self::Stdout),
            (_, Some(folder)) if !folder.is_empty() => Ok(Self::File(folder.into())),
            _ => Err("expected `cluster`, `stdout` or `file:DIR`".to_owned()),
        }
    }
}

/// A length of time, such as `90s`, `15m` or `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub Span);

impl Duration {
    /// As the standard library has it; a negative one is none at all.
    #[must_use]
    pub fn std(self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0.millis()).unwrap_or(0))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A length of time, such as `90s`, `15m` or `1h30m`.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Example {
        count: u32,
        output: OutputName,
    }

    impl Configuration for Example {
        const PROGRAM: &'static str = "example";

        fn check(&self) -> Result<(), (String, String)> {
            match self.count {
                0..=9 => Ok(()),
                count => Err(("count".to_owned(), format!("is {count}; expected 0 to 9"))),
            }
        }
    }

    #[test]
    fn a_file_of_comments_has_every_default() {
        for text in ["", "# nothing\n\n", "{}"] {
            assert_eq!(Example::parse("e.yaml", text).unwrap(), Example::default());
        }
    }

    #[test]
    fn a_wrong_file_says_where_what_and_who_knows_more() {
        for (text, expected) in [
            ("cuont: 3", "e.yaml: line 1 column 1: unknown field `cuont`"),
            ("count: many", "hint: `example --schema` prints every field"),
            ("count: 10", "e.yaml: count: is 10; expected 0 to 9"),
        ] {
            let message = Example::parse("e.yaml", text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
        let missing = Example::load(Path::new("/no/such/file.yaml")).unwrap_err().to_string();
        assert!(missing.starts_with("/no/such/file.yaml: "), "{missing}");
    }

    #[test]
    fn an_output_is_the_same_as_a_flag_and_in_a_file() {
        for (flag, file) in
            [("cluster", "cluster"), ("stdout", "stdout"), ("file:a/b", "{file: a/b}")]
        {
            let example = Example::parse("e.yaml", &format!("output: {file}")).unwrap();
            assert_eq!(flag.parse(), Ok(example.output));
        }
        assert!("file:".parse::<OutputName>().is_err());
        assert!("elsewhere".parse::<OutputName>().is_err());
    }
}

//! Keys: they come from the environment or a file, and go nowhere but into a request.
//!
//! What holds one prints as `[REDACTED]` and is wiped from memory when it is dropped (`secrecy`).
//! A file is read anew for each use, so that a mounted Secret can be replaced while a service runs.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::error::ProviderError;

/// The longest key that is taken from a file, in bytes: beyond it the path names another file.
const LONGEST: u64 = 8_192;

/// Where a key comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySource {
    /// A variable of the environment.
    pub env: Option<String>,
    /// A file, such as one of a mounted Secret; wins over the variable.
    pub file: Option<PathBuf>,
}

impl KeySource {
    /// The key as it is now.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Configuration`] names the variable or the file, never what is in it.
    pub fn read(&self) -> Result<SecretString, ProviderError> {
        let text = match (&self.file, &self.env) {
            (Some(path), _) => read_file(path)?,
            (None, Some(name)) => std::env::var(name).map_err(|_| {
                ProviderError::Configuration(format!("no key: the variable `{name}` is not set"))
            })?,
            (None, None) => {
                let problem = "no key: give `keyFile` or `keyEnv`".to_owned();
                return Err(ProviderError::Configuration(problem));
            }
        };
        let key = text.trim();
        // A header can't carry anything else, and its error would show the value.
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let from = self.describe();
            return Err(ProviderError::Configuration(format!("{from} holds no key in one word")));
        }
        Ok(key.into())
    }

    /// Where the key comes from, for people.
    fn describe(&self) -> String {
        match (&self.file, &self.env) {
            (Some(path), _) => format!("the file {}", path.display()),
            (None, Some(name)) => format!("the variable `{name}`"),
            (None, None) => "nothing".to_owned(),
        }
    }
}

fn read_file(path: &PathBuf) -> Result<String, ProviderError> {
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text)).map_err(
        |error| {
            let problem = format!("no key: {}: {}", path.display(), error.kind());
            ProviderError::Configuration(problem)
        },
    )?;
    Ok(text)
}

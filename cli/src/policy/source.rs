//! Where a policy comes from: the library, a rule, a folder, a file, a manifest.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use carbon_kube_core::cluster::POLICY;
use carbon_kube_core::zone::nearest_name;
use carbon_kube_policies::file::{ACTOR, Loaded, PolicyError, promised_sha256};
use carbon_kube_policies::{Settings, library};

use super::{manifest, rule};
use crate::failure::Failure;

/// The name of a policy's file of checksums.
pub const CHECKSUMS: &str = "SHA256SUMS";

/// A policy, and the bytes that its checksum is over.
#[derive(Debug)]
pub struct Source {
    /// What was read, and found to be right.
    pub policy: Loaded,
    /// `policy.yaml`.
    pub yaml: String,
    /// Whether a checksum was there to hold it against.
    pub promised: bool,
}

/// Why there is no policy, with the place where none is.
#[derive(Debug)]
pub struct Problem {
    /// The place, what is wrong there.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether it was read: then it is wrong, otherwise nobody knows.
    pub is_read: bool,
}

impl Problem {
    fn unreadable(place: &Path, error: &io::Error) -> Self {
        let message = format!("{}: can't read the policy: {error}", place.display());
        let hint = (error.kind() == ErrorKind::NotFound)
            .then(|| "give a folder with `policy.yaml`, that file, or an exported manifest".into());
        Self { message, hint, is_read: false }
    }

    fn refused(place: &Path, error: &PolicyError) -> Self {
        let hint = hint(error).map(str::to_owned);
        Self { message: format!("{}: {error}", place.display()), hint, is_read: true }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::new(problem.message).maybe_hint(problem.hint)
    }
}

/// What to do about a refused policy, where its message does not say it already.
fn hint(error: &PolicyError) -> Option<&'static str> {
    match error {
        PolicyError::TooLarge(_) => {
            Some("a policy has some hundred bytes: is this the right file?")
        }
        PolicyError::Malformed(_) => Some(
            "`carbon-kube policy export percentile-v1 --format dir -o DIR` makes one to start from",
        ),
        PolicyError::Version(_) => {
            Some("read it with the version of carbon-kube that wrote it, or a newer one")
        }
        PolicyError::Kind { hint, .. } => {
            hint.is_empty().then_some("`carbon-kube policy list` shows the rules")
        }
        PolicyError::Settings { .. } => {
            Some("`carbon-kube scenario schema` has the settings of every rule, with their ranges")
        }
        PolicyError::Checksum { .. } => Some(
            "if the change is yours, say so with `sha256sum policy.yaml > SHA256SUMS` in its \
             folder; for a ConfigMap, export it again",
        ),
        PolicyError::NoFile => Some("`carbon-kube policy export` makes a ConfigMap that has it"),
        PolicyError::NoActor => Some("give the folder that holds both, or an exported manifest"),
        PolicyError::ActorChecksum { .. } | PolicyError::Actor(_) => {
            Some("copy `actor.safetensors` again from where the policy was exported")
        }
        PolicyError::Name(_) | PolicyError::Bounds { .. } | PolicyError::Tuner(_) => None,
    }
}

/// The policy that a command's argument means: a shipped one, a rule with its defaults, or a path.
/// A folder with a name of ours is `./percentile`.
pub fn find(text: &str) -> Result<Source, Failure> {
    if let Some(shipped) = library::find(text) {
        let policy = shipped.load().expect("shipped policies are right, as a test shows");
        return Ok(Source { policy, yaml: shipped.yaml.to_owned(), promised: true });
    }
    if let Some(settings) = Settings::by_name(text) {
        return Ok(rule::policy(&settings));
    }
    let path = Path::new(text);
    if path.exists() || text.contains(std::path::is_separator) {
        return Ok(read(path)?);
    }
    Err(unknown(text))
}

fn unknown(text: &str) -> Failure {
    let shipped = library::ALL.map(|policy| policy.name);
    let rules = Settings::all();
    let known: Vec<&str> = shipped.into_iter().chain(rules.iter().map(Settings::name)).collect();
    let hint = match nearest_name(text, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are `{}`, and folders with `{}`", known.join("`, `"), POLICY.1),
    };
    Failure::new(format!("there is no policy `{text}`")).hint(hint)
}

/// Reads a folder, a policy file, or a manifest. A checksum that lies beside it is held to.
pub fn read(path: &Path) -> Result<Source, Problem> {
    let file = if path.is_dir() { path.join(POLICY.1) } else { path.to_owned() };
    let bytes = bytes(&file).map_err(|error| match error.kind() {
        ErrorKind::NotFound if file != path => no_file(path),
        _ => Problem::unreadable(&file, &error),
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        let what = format!("byte {position} is no UTF-8 text");
        Problem::refused(&file, &PolicyError::Malformed(what))
    })?;
    if let Some(found) = manifest::read(&text) {
        return found.map_err(|error| Problem::refused(&file, &error));
    }
    let promised = checksum(&file)?;
    let actor = actor(&file)?;
    let policy = Loaded::parse_with(&text, actor.as_deref(), promised.as_deref())
        .map_err(|error| Problem::refused(&file, &error))?;
    Ok(Source { policy, yaml: text, promised: promised.is_some() })
}

fn no_file(folder: &Path) -> Problem {
    let message = format!("{}: there is no `{}` in this folder", folder.display(), POLICY.1);
    Problem { message, hint: None, is_read: false }.hint(
        "`carbon-kube policy export percentile-v1 --format dir -o DIR` makes a folder to start from",
    )
}

/// The weights that lie beside a policy file, where there are any.
fn actor(file: &Path) -> Result<Option<Vec<u8>>, Problem> {
    let weights = file.with_file_name(ACTOR);
    match bytes(&weights) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::unreadable(&weights, &error)),
    }
}

/// The checksum that is promised for a file called `policy.yaml`. A file of checksums that says
/// nothing about it promised nothing and yet was meant to: that is wrong.
fn checksum(file: &Path) -> Result<Option<String>, Problem> {
    if file.file_name().is_none_or(|name| name != POLICY.1) {
        return Ok(None);
    }
    let sums = file.with_file_name(CHECKSUMS);
    let text = match bytes(&sums) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Problem::unreadable(&sums, &error)),
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    };
    if let Some(sum) = promised_sha256(&text) {
        return Ok(Some(sum.to_owned()));
    }
    let message = format!("{}: there is no line for `{}`", sums.display(), POLICY.1);
    Err(Problem { message, hint: None, is_read: true }
        .hint("write it with `sha256sum policy.yaml > SHA256SUMS` in its folder"))
}

/// More bytes than any policy may have, with room for what a manifest adds.
const MOST_BYTES: u64 = 8 << 20;

/// Reads a file, but not for ever: `/dev/zero` has no last byte.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

//! Checkpoints: directories that are there as a whole or not at all.
//!
//! ```text
//! DIR/step-000000020000/     model.safetensors         weights
//!                            optimizer.safetensors     moments
//!                            replay.safetensors        transitions
//!                            environments.safetensors  where each environment is
//!                            state.json                version, counters, streams, checksums
//! DIR/best/                  model.safetensors, state.json
//! ```
//!
//! A checkpoint is written under another name, synchronised, and renamed; only then do the oldest
//! go. So a full disk, a failed write or a power cut loses none that was there before.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::agents::{Saved, Vectors};

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const REPLAY: &str = "replay.safetensors";
const ENVIRONMENTS: &str = "environments.safetensors";
const STATE: &str = "state.json";
const BEST: &str = "best";
const BEFORE: &str = "best.before";

/// Everything that a training goes on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Name of the algorithm.
    pub algorithm: String,
    /// SHA-256 of the settings: of training and of the agent.
    pub settings_sha256: String,
    /// Where the training is.
    pub progress: Progress,
    /// The agent.
    pub agent: Saved,
    /// The environments, in their order.
    pub environments: Vec<SavedEnvironment>,
}

/// Where a training is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Progress {
    /// Steps of all environments together.
    pub steps: u64,
    /// Episodes that are over.
    pub episodes: u64,
    /// Updates that were made.
    pub updates: u64,
    /// Updates that are due, below 1 between two steps.
    pub updates_due: f64,
    /// The best evaluation so far.
    pub best: Option<Best>,
}

/// The best evaluation of a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Best {
    /// Steps until then.
    pub steps: u64,
    /// Mean return of its episodes.
    pub mean_return: f64,
}

/// Where an environment is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedEnvironment {
    /// Its own state.
    pub state: Vec<u8>,
    /// What the agent sees.
    pub observation: Vec<f32>,
    /// Episodes begun.
    pub episodes: u64,
    /// Rewards of the running episode.
    pub episode_return: f64,
}

/// Why a checkpoint can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// Written by another version of this program.
    #[error("{}: a checkpoint of version {found}; this program reads version {VERSION}", path.display())]
    Version {
        /// Where.
        path: PathBuf,
        /// The version.
        found: u64,
    },
    /// Not a checkpoint, or one that was changed.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A checkpoint of another training.
    #[error("{}: {reason}", path.display())]
    Other {
        /// Where.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct State {
    version: u32,
    algorithm: String,
    settings_sha256: String,
    progress: Progress,
    counters: BTreeMap<String, u64>,
    streams: BTreeMap<String, String>,
    environments: Vec<Episode>,
    /// By file, in hexadecimal digits.
    sha256: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Episode {
    episodes: u64,
    episode_return: f64,
}

/// The directory of a training's checkpoints.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
    keep: usize,
}

impl Store {
    /// Keeps the last `keep` checkpoints, at least one, in this directory, which it creates.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`].
    pub fn open(directory: &Path, keep: usize) -> Result<Self, CheckpointError> {
        fs::create_dir_all(directory).map_err(at(directory))?;
        Ok(Self { directory: directory.into(), keep: keep.max(1) })
    }

    /// Writes a checkpoint; then the oldest beyond those to keep go.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`]; all earlier checkpoints are still there.
    pub fn write(&self, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
        let name = format!("step-{:012}", checkpoint.progress.steps);
        let path = self.directory.join(&name);
        let files = [
            (MODEL, vectors(&checkpoint.agent.model)),
            (OPTIMIZER, vectors(&checkpoint.agent.optimizer)),
            (REPLAY, vectors(&checkpoint.agent.replay)),
            (ENVIRONMENTS, environments(&checkpoint.environments)),
        ];
        let temporary = self.write_aside(&name, checkpoint, &files)?;
        // The same step again: the one before goes aside until the new one is in its place.
        let before = self.directory.join(format!(".before-{name}"));
        if path.exists() {
            let _ = fs::remove_dir_all(&before);
            self.rename(&path, &before)?;
        }
        self.rename(&temporary, &path)?;
        let _ = fs::remove_dir_all(&before);
        for old in self.list()?.iter().rev().skip(self.keep) {
            fs::remove_dir_all(old).map_err(at(old))?;
        }
        Ok(path)
    }

    /// Writes the weights of the best policy so far, in the place of those before.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`]; those before are still there.
    pub fn write_best(&self, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
        let files = [(MODEL, vectors(&checkpoint.agent.model))];
        let temporary = self.write_aside(BEST, checkpoint, &files)?;
        let (path, before) = (self.directory.join(BEST), self.directory.join(BEFORE));
        // Directories can't be exchanged in one step: in between, the one before has another name,
        // by which `best` finds it.
        if path.exists() {
            if before.exists() {
                fs::remove_dir_all(&before).map_err(at(&before))?;
            }
            self.rename(&path, &before)?;
        }
        self.rename(&temporary, &path)?;
        if before.exists() {
            fs::remove_dir_all(&before).map_err(at(&before))?;
        }
        Ok(path)
    }

    /// The directory of the best policy.
    #[must_use]
    pub fn best(&self) -> Option<PathBuf> {
        [BEST, BEFORE].map(|name| self.directory.join(name)).into_iter().find(|path| path.exists())
    }

    /// All checkpoints, oldest first.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`].
    pub fn list(&self) -> Result<Vec<PathBuf>, CheckpointError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(at(&self.directory))? {
            let entry = entry.map_err(at(&self.directory))?;
            if entry.file_name().to_string_lossy().starts_with("step-") {
                found.push(entry.path());
            }
        }
        // Names have 12 digits, so their order is that of the steps; a directory's is none.
        found.sort();
        Ok(found)
    }

    /// The last checkpoint.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Io`].
    pub fn last(&self) -> Result<Option<PathBuf>, CheckpointError> {
        Ok(self.list()?.pop())
    }

    /// Writes files into a new directory that is no checkpoint yet.
    fn write_aside(
        &self,
        name: &str,
        checkpoint: &Checkpoint,
        files: &[(&str, Vec<u8>)],
    ) -> Result<PathBuf, CheckpointError> {
        let temporary = self.directory.join(format!("writing-{name}"));
        if temporary.exists() {
            // Of a run that was stopped in the middle.
            fs::remove_dir_all(&temporary).map_err(at(&temporary))?;
        }
        let written = write_all(&temporary, &state(checkpoint, files), files);
        if written.is_err() {
            // The space is needed: what failed is perhaps a full disk.
            let _ = fs::remove_dir_all(&temporary);
        }
        written.map(|()| temporary)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), CheckpointError> {
        fs::rename(from, to).map_err(at(to))?;
        synchronise(&self.directory)
    }
}

/// Reads a checkpoint.
///
/// # Errors
///
/// [`CheckpointError::Version`] where another version wrote it, [`CheckpointError::Damaged`] where a
/// file is not what it was, [`CheckpointError::Io`].
pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let state = read_state(path)?;
    let file = |name: &str| read_file(path, name, &state);
    let states = file(ENVIRONMENTS)?;
    let damaged = |error: safetensors::SafeTensorError| CheckpointError::Damaged {
        path: path.join(ENVIRONMENTS),
        reason: error.to_string(),
    };
    let states = SafeTensors::deserialize(&states).map_err(damaged)?;
    let environment = |(at, episode): (usize, &Episode)| {
        let tensor = |name: &str| states.tensor(&format!("{name}.{at}")).map_err(damaged);
        Ok(SavedEnvironment {
            state: tensor("state")?.data().to_vec(),
            observation: numbers(tensor("observation")?.data()),
            episodes: episode.episodes,
            episode_return: episode.episode_return,
        })
    };
    let environments =
        state.environments.iter().enumerate().map(environment).collect::<Result<_, _>>()?;
    let vectors = |name: &str| read_vectors(&path.join(name), &file(name)?);
    Ok(Checkpoint {
        agent: Saved {
            model: vectors(MODEL)?,
            optimizer: vectors(OPTIMIZER)?,
            replay: vectors(REPLAY)?,
            counters: state.counters.clone(),
            streams: state.streams.clone(),
        },
        environments,
        algorithm: state.algorithm,
        settings_sha256: state.settings_sha256,
        progress: state.progress,
    })
}

/// Reads the weights of a checkpoint or of the best policy, and when they were that.
///
/// # Errors
///
/// As [`read`].
pub fn read_model(path: &Path) -> Result<(Vectors, Progress), CheckpointError> {
    let state = read_state(path)?;
    let bytes = read_file(path, MODEL, &state)?;
    Ok((read_vectors(&path.join(MODEL), &bytes)?, state.progress))
}

/// SHA-256 of a text, in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of all weights, names included: two trainings with the same one ended the same.
#[must_use]
pub fn weights_sha256(saved: &Saved) -> String {
    sha256(&vectors(&saved.model))
}

fn at(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    let path = path.to_path_buf();
    move |source| CheckpointError::Io { path: path.clone(), source }
}

fn state(checkpoint: &Checkpoint, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let episode = |environment: &SavedEnvironment| Episode {
        episodes: environment.episodes,
        episode_return: environment.episode_return,
    };
    let state = State {
        version: VERSION,
        algorithm: checkpoint.algorithm.clone(),
        settings_sha256: checkpoint.settings_sha256.clone(),
        progress: checkpoint.progress.clone(),
        counters: checkpoint.agent.counters.clone(),
        streams: checkpoint.agent.streams.clone(),
        environments: checkpoint.environments.iter().map(episode).collect(),
        sha256: files.iter().map(|(name, bytes)| ((*name).into(), sha256(bytes))).collect(),
    };
    serde_json::to_vec_pretty(&state).expect("texts and numbers always have a JSON form")
}

fn write_all(
    directory: &Path,
    state: &[u8],
    files: &[(&str, Vec<u8>)],
) -> Result<(), CheckpointError> {
    fs::create_dir(directory).map_err(at(directory))?;
    let all = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).chain([(STATE, state)]);
    for (name, bytes) in all {
        let path = directory.join(name);
        let mut file = File::create(&path).map_err(at(&path))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&path))?;
    }
    synchronise(directory)
}

/// Brings the names of a directory to the disk.
fn synchronise(directory: &Path) -> Result<(), CheckpointError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(at(directory))
}

fn read_state(path: &Path) -> Result<State, CheckpointError> {
    let file = path.join(STATE);
    let bytes = fs::read(&file).map_err(at(&file))?;
    let damaged = |error: serde_json::Error| CheckpointError::Damaged {
        path: file.clone(),
        reason: format!("not the state of a training: {error}"),
    };
    // The version first: the rest may look different in another one.
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(VERSION) => {
            Err(CheckpointError::Version { path: path.into(), found })
        }
        _ => serde_json::from_slice(&bytes).map_err(damaged),
    }
}

fn read_file(path: &Path, name: &str, state: &State) -> Result<Vec<u8>, CheckpointError> {
    let file = path.join(name);
    let bytes = fs::read(&file).map_err(at(&file))?;
    if state.sha256.get(name) != Some(&sha256(&bytes)) {
        let reason = format!("its SHA-256 is not the one in {STATE}");
        return Err(CheckpointError::Damaged { path: file, reason });
    }
    Ok(bytes)
}

/// Flat vectors as safetensors, in the order of their names.
fn vectors(vectors: &Vectors) -> Vec<u8> {
    let bytes: Vec<(&String, Vec<u8>)> =
        vectors.iter().map(|(name, numbers)| (name, bytes(numbers))).collect();
    let views = bytes.iter().map(|(name, bytes)| (name.as_str(), Dtype::F32, bytes.as_slice()));
    serialise(views)
}

fn environments(environments: &[SavedEnvironment]) -> Vec<u8> {
    let named: Vec<(String, Dtype, Vec<u8>)> = environments
        .iter()
        .enumerate()
        .flat_map(|(at, environment)| {
            [
                (format!("state.{at}"), Dtype::U8, environment.state.clone()),
                (format!("observation.{at}"), Dtype::F32, bytes(&environment.observation)),
            ]
        })
        .collect();
    serialise(named.iter().map(|(name, kind, bytes)| (name.as_str(), *kind, bytes.as_slice())))
}

fn serialise<'a>(tensors: impl Iterator<Item = (&'a str, Dtype, &'a [u8])>) -> Vec<u8> {
    let view = |(name, kind, bytes): (&'a str, Dtype, &'a [u8])| {
        let width = if kind == Dtype::F32 { 4 } else { 1 };
        let view = TensorView::new(kind, vec![bytes.len() / width], bytes);
        (name, view.expect("as many bytes as the shape says"))
    };
    let views: Vec<_> = tensors.map(view).collect();
    safetensors::serialize(views, None).expect("a header of names and places")
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn read_vectors(path: &Path, bytes: &[u8]) -> Result<Vectors, CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason };
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let mut vectors = Vectors::new();
    for (name, tensor) in tensors.iter() {
        if tensor.dtype() != Dtype::F32 {
            return Err(damaged(format!("`{name}` doesn't hold 32-bit numbers")));
        }
        vectors.insert(name.into(), numbers(tensor.data()));
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(steps: u64) -> Checkpoint {
        let mut agent = Saved::default();
        agent.model.insert("actor".into(), vec![1.5, -2.25, steps as f32]);
        agent.optimizer.insert("actor.first".into(), vec![0.1]);
        agent.replay.insert("transitions".into(), Vec::new());
        agent.counters.insert("updates".into(), steps);
        agent.put_stream("noise", &carbon_kube_core::seed::stream(steps, "noise"));
        Checkpoint {
            algorithm: "sac".into(),
            settings_sha256: "ab".into(),
            progress: Progress { steps, updates_due: 0.1, ..Progress::default() },
            agent,
            environments: vec![SavedEnvironment {
                state: vec![1, 2, 3],
                observation: vec![0.1, 0.2],
                episodes: 4,
                episode_return: -0.3,
            }],
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 2).unwrap();
        let path = store.write(&checkpoint(7)).unwrap();
        assert_eq!(read(&path).unwrap(), checkpoint(7));
    }

    #[test]
    fn the_last_ones_and_the_best_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 2).unwrap();
        store.write_best(&checkpoint(1)).unwrap();
        (1..=4).for_each(|steps| drop(store.write(&checkpoint(steps)).unwrap()));
        store.write_best(&checkpoint(3)).unwrap();
        assert_eq!(names(directory.path()), ["best", "step-000000000003", "step-000000000004"]);
        let (model, progress) = read_model(&store.best().unwrap()).unwrap();
        assert_eq!((model["actor"][2], progress.steps), (3.0, 3));
        // Stopped between the two renames.
        fs::rename(directory.path().join("best"), directory.path().join("best.before")).unwrap();
        assert_eq!(read_model(&store.best().unwrap()).unwrap().1.steps, 3);
    }

    #[test]
    fn a_failed_write_loses_no_earlier_checkpoint() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 1).unwrap();
        let path = store.write(&checkpoint(1)).unwrap();
        // The second file can't be created, as on a full disk: its directory is missing.
        let files = [(MODEL, vec![0; 10]), ("missing/replay.safetensors", vec![0; 10])];
        let error = store.write_aside("step-2", &checkpoint(2), &files).unwrap_err();
        assert!(error.to_string().contains("missing/replay.safetensors"), "{error}");
        assert_eq!(names(directory.path()), ["step-000000000001"]);
        assert_eq!(read(&path).unwrap(), checkpoint(1));
    }

    #[test]
    fn what_a_stopped_run_left_behind_is_no_checkpoint() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 1).unwrap();
        let left = directory.path().join("writing-step-000000000002");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(MODEL), b"half").unwrap();
        assert_eq!(store.last().unwrap(), None);
        let path = store.write(&checkpoint(2)).unwrap();
        assert_eq!(read(&path).unwrap(), checkpoint(2));
    }

    #[test]
    fn another_version_and_a_changed_file_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 1).unwrap();
        let path = store.write(&checkpoint(1)).unwrap();
        let state = path.join(STATE);
        let text = fs::read_to_string(&state).unwrap();
        fs::write(&state, r#"{"version": 2, "shape": "unknown"}"#).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.ends_with("a checkpoint of version 2; this program reads version 1"));
        fs::write(&state, text).unwrap();
        let mut model = fs::read(path.join(MODEL)).unwrap();
        *model.last_mut().unwrap() ^= 1;
        fs::write(path.join(MODEL), model).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.ends_with("its SHA-256 is not the one in state.json"), "{error}");
    }
}

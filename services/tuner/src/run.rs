//! One run: read, judge, promote, say.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use carbon_kube_core::documents::{
    HISTORY, HistoryDocument, PolicyName, Promotion, StatusDocument, TunerResult,
};
use carbon_kube_core::intensity::IntensitySeries;
use carbon_kube_core::{Time, Zone};
use carbon_kube_datasets::ReadError;
use carbon_kube_datasets::intensity::{self, Request};
use carbon_kube_policies::file::{Loaded, sha256};
use carbon_kube_telemetry::{api_server, shutdown};
use kube::Client;
use tokio::task::JoinError;
use tracing::{info, warn};

use crate::candidates::{self, CandidateError, Files};
use crate::config::{Config, OutputName, PromotionMode};
use crate::history;
use crate::judge::{self, InForce, Inputs, JudgeError, Judgement, judge};
use crate::output::cluster::Cluster;
use crate::output::{Output, OutputError, Promoted};
use crate::workload::{Workload, WorkloadError};

/// The longest that an answer of the API server is waited for.
const API_TIMEOUT: Duration = Duration::from_secs(30);

/// Why it could not run. What can't be judged is none of these: it is a status.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Neither a pod's own account nor a kubeconfig.
    #[error(
        "no API server: {0}\nhint: run in a pod, set KUBECONFIG, or give `history.folder` or `history.files` with \
         `--output stdout`"
    )]
    Kubeconfig(#[from] kube::config::InferConfigError),
    /// The same, as the client is built.
    #[error("no API server: {0}")]
    Client(#[from] kube::Error),
    /// Something can't be read or written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A file with intensities.
    #[error("history.files: {0}")]
    History(#[from] ReadError),
    /// The pods.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A candidate.
    #[error(transparent)]
    Candidate(#[from] CandidateError),
    /// The judgement.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The operating system lets nobody listen for signals.
    #[error("signals: {0}")]
    Signals(io::Error),
    /// The judgement ended without an answer.
    #[error("the judgement failed: {0}")]
    Ended(#[from] JoinError),
}

/// Reads, judges, promotes and writes; the status as it was written.
///
/// # Errors
///
/// [`RunError`]; SIGTERM during the judgement is one, and then nothing was written.
pub async fn run(config: Config) -> Result<StatusDocument, RunError> {
    let cluster = match config.needs_cluster() {
        true => Some(connect(&config).await?),
        false => None,
    };
    let inputs = inputs(&config, cluster.as_ref()).await?;
    let output = match (&config.output, cluster) {
        (OutputName::Cluster, Some(cluster)) => Output::Cluster(Box::new(cluster)),
        (OutputName::File(folder), _) => Output::Folder(folder.clone()),
        _ => Output::Stdout,
    };
    let inputs = Inputs { before: before(&output).await?, ..inputs };
    let in_force = match &inputs.in_force {
        InForce::Policy(files) => Some(files.loaded.clone()),
        InForce::None | InForce::Unreadable(_) => None,
    };
    let mode = config.promotion.mode;
    let judgement = judged(inputs, config).await?;
    conclude(&output, judgement, mode, in_force.as_ref()).await
}

/// Does what follows from a judgement: puts the better policy in the place of `in_force` where it may, and writes
/// the status.
///
/// # Errors
///
/// [`RunError`], where the API server or the folder does not take it.
pub async fn conclude(
    output: &Output,
    judgement: Judgement,
    mode: PromotionMode,
    in_force: Option<&Loaded>,
) -> Result<StatusDocument, RunError> {
    let Judgement { mut status, better } = judgement;
    if let (PromotionMode::Promote, Some(files), Some(previous)) = (mode, better, in_force) {
        promote(output, &mut status, &files, judge::name(previous)).await?;
    }
    status.finished_at = wall_clock();
    output.write(&status).await?;
    info!(result = %status.result, reason = status.reason, promotions = status.promotions, "judged");
    Ok(status)
}

async fn promote(
    output: &Output,
    status: &mut StatusDocument,
    files: &Files,
    previous: PolicyName,
) -> Result<(), RunError> {
    match output.promote(files).await? {
        Promoted::Done => {
            status.result = TunerResult::Promoted;
            status.promotions = status.promotions.saturating_add(1);
            let policy = judge::name(&files.loaded);
            info!(
                policy = policy.name,
                sha256 = policy.sha256,
                previous = previous.sha256,
                "promoted"
            );
            status.last_promotion = Some(Promotion { at: wall_clock(), policy, previous });
        }
        Promoted::Changed => {
            status.result = TunerResult::Conflict;
            status.reason +=
                "; the policy was changed while it was judged, and stays what it is now";
            warn!("the policy was changed while it was judged; it stays");
        }
        Promoted::Nowhere => {
            status.reason += "; this output can't put it in force";
        }
    }
    Ok(())
}

/// Judges on a thread of its own, so that SIGTERM is heard.
async fn judged(inputs: Inputs, config: Config) -> Result<Judgement, RunError> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let mut working = tokio::task::spawn_blocking(move || judge(&inputs, &config, &told));
    let ended = tokio::select! {
        ended = &mut working => ended,
        signal = shutdown::requested() => {
            signal.map_err(RunError::Signals)?;
            info!("asked to end");
            stop.store(true, Ordering::Relaxed);
            working.await
        }
    };
    Ok(ended??)
}

async fn connect(config: &Config) -> Result<Cluster, RunError> {
    let (mut server, namespace) = api_server::infer(config.cluster.namespace.as_deref()).await?;
    server.read_timeout = Some(API_TIMEOUT);
    Ok(Cluster::new(Client::try_from(server)?, &namespace))
}

/// Everything but what the last run has said.
async fn inputs(config: &Config, cluster: Option<&Cluster>) -> Result<Inputs, RunError> {
    let of_cluster = cluster.filter(|_| config.history.is_of_cluster());
    let (history, history_sha256) = match (&config.history.folder, of_cluster) {
        (Some(folder), _) => document(&read(folder, HISTORY)?),
        (None, Some(cluster)) => match cluster.history().await? {
            Some(text) => document(&text),
            None => (Err("the poller has written none".to_owned()), None),
        },
        (None, None) => (Ok(files(config)?), None),
    };
    let in_force = match (&config.policy.folder, cluster) {
        (Some(folder), _) => of_folder(folder)?,
        // A promotion is about what the output has in force, wherever the history comes from.
        (None, Some(cluster)) => cluster.policy().await?,
        (None, None) => InForce::None,
    };
    Ok(Inputs {
        history,
        history_sha256,
        in_force,
        workload: Workload::read(config.workload.scenario.as_deref())?,
        others: candidates::of_folders(&config.candidates.folders)?,
        before: None,
        now: wall_clock(),
    })
}

type History = (Result<Vec<IntensitySeries>, String>, Option<String>);

fn document(text: &str) -> History {
    let series = HistoryDocument::parse(text)
        .map_err(|error| format!("{HISTORY} {error}"))
        .and_then(|document| history::series(&document).map_err(|error| error.to_string()));
    (series, Some(sha256(text.as_bytes())))
}

fn files(config: &Config) -> Result<Vec<IntensitySeries>, RunError> {
    let one = |(zone, paths): (&Zone, &Vec<PathBuf>)| -> Result<IntensitySeries, RunError> {
        // By its canonical name, whatever it is called in the file.
        let zone = zone.as_str().parse().unwrap_or_else(|_| zone.clone());
        let signal = config.history.signal.unwrap_or_default();
        let request = Request { signal, ..Request::of(zone) };
        Ok(intensity::read(paths, &request)?.series)
    };
    config.history.files.iter().map(one).collect()
}

fn of_folder(folder: &Path) -> Result<InForce, RunError> {
    let files = Files::of_folder(folder)
        .map_err(|error| OutputError::File { path: folder.display().to_string(), error })?;
    Ok(match files {
        None => InForce::None,
        Some(Ok(files)) => InForce::Policy(Box::new(files)),
        Some(Err(error)) => InForce::Unreadable(error.to_string()),
    })
}

fn read(folder: &Path, name: &str) -> Result<String, OutputError> {
    let path = folder.join(name);
    std::fs::read_to_string(&path)
        .map_err(|error| OutputError::File { path: path.display().to_string(), error })
}

/// A status that can't be read begins anew: it counts promotions, and decides nothing.
async fn before(output: &Output) -> Result<Option<StatusDocument>, RunError> {
    let Some(text) = output.before().await? else { return Ok(None) };
    match StatusDocument::parse(&text) {
        Ok(status) => Ok(Some(status)),
        Err(error) => {
            warn!(%error, "the last status can't be read; promotions are counted from 0");
            Ok(None)
        }
    }
}

/// The time of day.
fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

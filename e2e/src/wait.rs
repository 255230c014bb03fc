//! Waiting for the cluster to come to a state.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::time::{Instant, sleep};

/// Between two looks. Short beside what a control plane takes for anything, long enough to leave it
/// the processor.
const INTERVAL: Duration = Duration::from_millis(50);

/// Looks again and again until `look` gives a value.
///
/// `Ok(None)` and `Err` both mean "not yet"; the error is kept for the message. An API server that
/// is down is so often what is being waited for that an error can't be the end.
///
/// # Errors
/// When `within` has passed, with `what` was waited for and the last error.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + within;
    let mut last_error = None;
    loop {
        // A look that hangs (a paused server) must not outlast the whole wait.
        match tokio::time::timeout_at(end, look()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => last_error = None,
            Ok(Err(error)) => last_error = Some(error),
            Err(_) => last_error = last_error.or_else(|| Some(anyhow!("the last look hung"))),
        }
        if Instant::now() + INTERVAL >= end {
            match last_error {
                Some(error) => return Err(error.context(format!("not within {within:?}: {what}"))),
                None => bail!("not within {within:?}: {what}"),
            }
        }
        sleep(INTERVAL).await;
    }
}

//! Ctrl-C, so that what is finished can be kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Failure, INTERRUPTED};

/// A flag that Ctrl-C sets; a second Ctrl-C ends the process at once.
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .map_err(|error| Failure::new(format!("can't watch for Ctrl-C: {error}")))?;
    Ok(stop)
}

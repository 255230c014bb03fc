//! Standard output, which may be a closed pipe.

use std::io::{ErrorKind, Write};

use crate::failure::Failure;

/// Prints a result. A reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a remark for people on standard error.
pub fn remark(text: &str) {
    // A remark that nobody can read is not worth a failure.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

//! Why a command could not do its work: what, where, and what to do next.

use std::io::Write;
use std::process::ExitCode;

/// A failed command; printed on standard error, the hint on a line of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

/// Exit status of a command that could not run.
pub const COULD_NOT_RUN: u8 = 2;

/// Exit status of a command that ran and found something wrong.
pub const CHECK_FAILED: u8 = 1;

/// Exit status of a command that Ctrl-C ended: 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;

impl Failure {
    /// The command could not run.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: COULD_NOT_RUN }
    }

    /// With a hint what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// With the option in front that has the wrong value.
    #[must_use]
    pub fn of(self, option: &str) -> Self {
        Self { message: format!("{option}: {}", self.message), ..self }
    }

    /// With a hint where there is one.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<impl Into<String>>) -> Self {
        Self { hint: hint.map(Into::into), ..self }
    }

    /// One more hint, after that of whoever failed.
    pub fn also(self, hint: &str) -> Self {
        let hint = match self.hint {
            Some(first) => format!("{first}; {hint}"),
            None => hint.to_owned(),
        };
        Self { hint: Some(hint), ..self }
    }

    /// The problems of a scenario were printed; nothing is left to say.
    pub fn reported() -> Self {
        Self { message: String::new(), hint: None, code: COULD_NOT_RUN }
    }

    /// Message and hint.
    pub fn text(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("\nhint: {hint}"));
        format!("{}{}", self.message, hint.unwrap_or_default())
    }

    /// Prints the failure and gives the exit status.
    pub fn report(&self) -> ExitCode {
        let mut stderr = std::io::stderr().lock();
        // Nobody is left to tell where standard error is closed.
        if !self.message.is_empty() {
            let _ = writeln!(stderr, "error: {}", self.message);
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(stderr, "hint: {hint}");
        }
        ExitCode::from(self.code)
    }
}

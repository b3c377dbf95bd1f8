//! Why the program ends without having done what it was asked, and with which status.

use std::process::ExitCode;

use blockjob::block::BlockError;
use blockjob::jobs::error::JobError;

/// The status of a program that could not do what it was asked.
pub(crate) const FAILED: u8 = 1;
/// The status of a program that was asked something it refuses, and so has changed nothing.
pub(crate) const BAD_INPUT: u8 = 2;

/// An end with one line for the user.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    line: String,
    hint: Option<String>,
}

impl Failure {
    /// The user asked for what makes no sense. Nothing has been created, truncated or lost.
    pub(crate) fn bad_input(line: impl Into<String>) -> Self {
        Failure {
            status: BAD_INPUT,
            line: line.into(),
            hint: None,
        }
    }

    /// It was tried, and did not work.
    pub(crate) fn failed(line: impl Into<String>) -> Self {
        Failure {
            status: FAILED,
            line: line.into(),
            hint: None,
        }
    }

    /// The same with a line of advice below it.
    pub(crate) fn with_hint(mut self, hint: String) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The line of advice, if there is one.
    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// One line, without the name of the program and without an end of line.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

/// An image that cannot be used as it was asked to be. The hint becomes part of the one line.
impl From<BlockError> for Failure {
    fn from(error: BlockError) -> Self {
        match error.hint() {
            Some(hint) => Self::bad_input(format!("{error}. {hint}")),
            None => Self::bad_input(error.to_string()),
        }
    }
}

/// A job that could not be started.
impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        Self::bad_input(error.to_string())
    }
}

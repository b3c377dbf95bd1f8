//! What can go wrong with a job, in the peer's words.

use std::io;

use crate::id::JobId;
use crate::state::JobStatus;
use crate::verb::JobVerb;

/// `EIO` as Linux numbers it: a request failed on the medium.
pub const EIO: i32 = 5;
/// `ENOSPC` as Linux numbers it: the medium is full, which [`OnError::Enospc`] treats apart.
///
/// [`OnError::Enospc`]: crate::error_policy::OnError::Enospc
pub const ENOSPC: i32 = 28;
/// `ECANCELED` as Linux numbers it: the result of a job that was cancelled.
pub const ECANCELED: i32 = 125;

/// Why a job could not be made, did not take a command, or failed.
///
/// The text of each is the reference daemon's, so that a monitor can pass it on as it is. It was
/// recorded (`docs/peer-verbs.md`), but for [`IdRequired`](Self::IdRequired),
/// [`CannotComplete`](Self::CannotComplete) and [`ChangeUnsupported`](Self::ChangeUnsupported), which
/// no command was seen to bring about and which follow QEMU's source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The name is not well formed ([`id_wellformed`]).
    ///
    /// [`id_wellformed`]: crate::id::id_wellformed
    #[error("Invalid job ID '{id}'")]
    InvalidId {
        /// The name as it was given.
        id: String,
    },
    /// Another job has this name.
    #[error("Job ID '{id}' already in use")]
    IdInUse {
        /// The name that is taken.
        id: JobId,
    },
    /// A job that users can see was to be made without a name.
    #[error("An explicit job ID is required")]
    IdRequired,
    /// A `job-*` command named a job that is not there.
    #[error("Job not found")]
    NotFound,
    /// A `block-job-*` command named a job that is not there, or that is no block job.
    #[error("Block job '{id}' not found")]
    BlockJobNotFound {
        /// The name as it was given; it need not be well formed.
        id: String,
    },
    /// The job does not take this verb in its state ([`verb_allowed`]).
    ///
    /// [`verb_allowed`]: crate::verb::verb_allowed
    #[error("Job '{id}' in state '{status}' cannot accept command verb '{verb}'")]
    VerbRefused {
        /// The job that was asked.
        id: JobId,
        /// The state that it is in.
        status: JobStatus,
        /// What was asked.
        verb: JobVerb,
    },
    /// The user paused a job that the user, or its error policy, has paused already.
    #[error("Job is already paused")]
    AlreadyPaused,
    /// The user resumed a job that the user had not paused. It is asked before the table of verbs.
    #[error("Can't resume a job that was not paused")]
    NotPaused,
    /// `block-job-cancel` without `force` on a job that the user paused: it could not finish.
    #[error("The block job for device '{id}' is currently paused")]
    PausedCannotCancel {
        /// The job that was asked.
        id: JobId,
    },
    /// The job is being cancelled, or is of a type that ends by itself.
    #[error("The active block job '{id}' cannot be completed")]
    CannotComplete {
        /// The job that was asked.
        id: JobId,
    },
    /// The speed is below zero.
    #[error("Parameter 'speed' expects a non-negative value")]
    NegativeSpeed,
    /// The job's type has no option that can be changed while it works.
    #[error("Job type does not support change")]
    ChangeUnsupported,
    /// Anything else that is wrong with a request, already in words.
    #[error("{text}")]
    Invalid {
        /// What is wrong, as a sentence without a full stop.
        text: String,
    },
    /// The job was cancelled.
    #[error("{}", errno_text(ECANCELED))]
    Cancelled,
    /// The job failed, and knows more about it than the error number says.
    #[error("{text}")]
    Failed {
        /// The error number, positive.
        errno: i32,
        /// What went wrong, as a sentence without a full stop.
        text: String,
    },
    /// A request failed, and the error policy said to report it.
    #[error("{}", errno_text(*errno))]
    Io {
        /// The error number, positive.
        errno: i32,
    },
}

impl JobError {
    /// The error number of a job that ended this way, positive, or `None` for an error that is an
    /// answer to a command and no result of a job.
    #[must_use]
    pub const fn errno(&self) -> Option<i32> {
        match self {
            Self::Io { errno } | Self::Failed { errno, .. } => Some(*errno),
            Self::Cancelled => Some(ECANCELED),
            _ => None,
        }
    }

    /// The class that QMP gives this error. The counterpart of `QapiErrorClass` in `qapi/error.json`.
    #[must_use]
    pub const fn qmp_class(&self) -> &'static str {
        match self {
            Self::BlockJobNotFound { .. } => "DeviceNotActive",
            _ => "GenericError",
        }
    }
}

/// The system's words for `errno` (positive), as in the `error` member of `BLOCK_JOB_COMPLETED`. In
/// C it is `strerror` that has them.
#[must_use]
pub fn errno_text(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    // The standard library appends the number, which the peer does not show.
    match text.rsplit_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_the_words_that_qemu_has_for_it() {
        let id = JobId::new("j0").expect("the id is well formed");
        let answers = [
            (
                JobError::IdInUse { id: id.clone() },
                "Job ID 'j0' already in use",
            ),
            (JobError::NotFound, "Job not found"),
            (
                JobError::BlockJobNotFound { id: "j0".into() },
                "Block job 'j0' not found",
            ),
            (JobError::AlreadyPaused, "Job is already paused"),
            (
                JobError::NotPaused,
                "Can't resume a job that was not paused",
            ),
            (
                JobError::PausedCannotCancel { id: id.clone() },
                "The block job for device 'j0' is currently paused",
            ),
            (
                JobError::CannotComplete { id },
                "The active block job 'j0' cannot be completed",
            ),
            (
                JobError::NegativeSpeed,
                "Parameter 'speed' expects a non-negative value",
            ),
            (JobError::Io { errno: EIO }, "Input/output error"),
            (JobError::Io { errno: ENOSPC }, "No space left on device"),
            (JobError::Cancelled, "Operation canceled"),
        ];
        for (error, text) in answers {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn only_a_missing_block_job_is_of_a_class_of_its_own() {
        let missing = JobError::BlockJobNotFound { id: "x".into() };
        assert_eq!(missing.qmp_class(), "DeviceNotActive");
        assert_eq!(JobError::NotFound.qmp_class(), "GenericError");
    }

    #[test]
    fn the_error_number_of_a_result_survives_as_a_number() {
        assert_eq!(JobError::Io { errno: ENOSPC }.errno(), Some(ENOSPC));
        assert_eq!(JobError::Cancelled.errno(), Some(ECANCELED));
        assert_eq!(JobError::NotPaused.errno(), None);
        let text = "Could not open the target".to_owned();
        let failed = JobError::Failed { errno: EIO, text };
        assert_eq!(failed.errno(), Some(EIO));
        assert_eq!(failed.to_string(), "Could not open the target");
    }
}

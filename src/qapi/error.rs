//! `QmpError`: why a command was refused or failed, as the wire says it.

use blockjob_block::BlockError;
use blockjob_jobs::error::JobError;
use thiserror::Error;

/// What a client may branch on; nearly everything is the first.
///
/// QEMU: `QapiErrorClass` (qapi/error.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Read the text.
    GenericError,
    /// There is no such command, or not now.
    CommandNotFound,
    /// The block job is not there.
    DeviceNotActive,
    /// The device is not there.
    DeviceNotFound,
    /// An encryption key is missing; never sent by us.
    KvmMissingCap,
}

impl ErrorClass {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GenericError => "GenericError",
            Self::CommandNotFound => "CommandNotFound",
            Self::DeviceNotActive => "DeviceNotActive",
            Self::DeviceNotFound => "DeviceNotFound",
            Self::KvmMissingCap => "KVMMissingCap",
        }
    }
}

/// Why a command was refused or failed. Its text is one sentence without a full stop, the peer's own
/// where the peer has one.
///
/// QEMU: `Error` (include/qapi/error.h).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{desc}")]
pub struct QmpError {
    /// What a client may branch on.
    pub class: ErrorClass,
    /// What a person reads.
    pub desc: String,
    /// A line of advice for a person at a terminal; not on the QMP wire.
    pub hint: Option<String>,
}

/// What commands and visitors return.
pub type QmpResult<T> = Result<T, QmpError>;

impl QmpError {
    /// An error of the class that nearly all have.
    ///
    /// QEMU: `error_setg` (include/qapi/error.h).
    pub fn generic(desc: impl Into<String>) -> Self {
        Self::new(ErrorClass::GenericError, desc)
    }

    /// An error of any class.
    ///
    /// QEMU: `error_set` (include/qapi/error.h).
    pub fn new(class: ErrorClass, desc: impl Into<String>) -> Self {
        QmpError {
            class,
            desc: desc.into(),
            hint: None,
        }
    }

    /// The same error with `prefix` before its text.
    ///
    /// QEMU: `error_prepend` (util/error.c).
    #[must_use]
    pub fn prepend(mut self, prefix: &str) -> Self {
        self.desc.insert_str(0, prefix);
        self
    }

    /// The same error with a line of advice.
    ///
    /// QEMU: `error_append_hint` (util/error.c).
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<BlockError> for QmpError {
    fn from(error: BlockError) -> Self {
        QmpError {
            hint: error.hint().map(str::to_owned),
            ..Self::generic(error.to_string())
        }
    }
}

impl From<JobError> for QmpError {
    /// A block job that is not there has a class of its own; a job that is not there has not.
    fn from(error: JobError) -> Self {
        let class = match error {
            JobError::BlockJobNotFound { .. } => ErrorClass::DeviceNotActive,
            _ => ErrorClass::GenericError,
        };
        Self::new(class, error.to_string())
    }
}

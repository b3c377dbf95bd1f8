//! What a guest's device or a job does when a request fails, and what is remembered of it.

use nix::libc::ENOSPC;

/// The policy that a user sets for one side of a job. The counterpart of `BlockdevOnError` in
/// `qapi/block-core.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// Fail with the error. The default of a job's both sides.
    #[default]
    Report,
    /// Go on as if nothing had happened.
    Ignore,
    /// Pause if the medium is full, else fail.
    Enospc,
    /// Pause, so that the user can mend the cause and resume.
    Stop,
    /// Whatever suits the user of the policy.
    Auto,
}

impl OnError {
    /// Every policy once, in QAPI's order.
    pub const ALL: [Self; 5] = [
        Self::Report,
        Self::Ignore,
        Self::Enospc,
        Self::Stop,
        Self::Auto,
    ];

    /// The name as QAPI writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Ignore => "ignore",
            Self::Enospc => "enospc",
            Self::Stop => "stop",
            Self::Auto => "auto",
        }
    }

    /// The policy of QAPI's name `name`, or `None` if there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == name)
    }

    /// What a job does about `errno` (positive). The counterpart of the choice in
    /// `block_job_error_action` (`blockjob.c`), where [`Auto`](Self::Auto) is
    /// [`Enospc`](Self::Enospc) for reads and writes alike.
    #[must_use]
    pub const fn job_action(self, errno: i32) -> ErrorAction {
        match self {
            Self::Report => ErrorAction::Report,
            Self::Ignore => ErrorAction::Ignore,
            Self::Stop => ErrorAction::Stop,
            Self::Enospc | Self::Auto if errno == ENOSPC => ErrorAction::Stop,
            Self::Enospc | Self::Auto => ErrorAction::Report,
        }
    }

    /// What a guest's device does about `errno` (positive) of an `operation`. The counterpart of
    /// `blk_get_error_action` (`block/block-backend.c`). QEMU replaces [`Auto`](Self::Auto) by the
    /// backend's default before it gets there: report for reads, enospc for writes.
    #[must_use]
    pub const fn backend_action(self, operation: IoOperation, errno: i32) -> ErrorAction {
        match (self, operation) {
            (Self::Auto, IoOperation::Read) => ErrorAction::Report,
            _ => self.job_action(errno),
        }
    }
}

/// What is done about one error. The counterpart of `BlockErrorAction` in `qapi/block-core.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorAction {
    /// The error is passed over.
    Ignore,
    /// The error becomes the result.
    Report,
    /// Whoever made the request pauses, and may repeat it when resumed.
    Stop,
}

impl ErrorAction {
    /// The name as QAPI writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "ignore",
            Self::Report => "report",
            Self::Stop => "stop",
        }
    }
}

/// Which way a request went. The counterpart of `IoOperationType` in `qapi/block-core.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IoOperation {
    /// From the medium.
    Read,
    /// To the medium: a write, but also a flush, zeroes or a discard.
    Write,
}

impl IoOperation {
    /// The name as QAPI writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The kind of the first error that made a job stop, until the user resumes it. The counterpart of
/// `BlockDeviceIoStatus` in `qapi/block-core.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IoStatus {
    /// No error since the last resume.
    #[default]
    Ok,
    /// An error other than a full medium.
    Failed,
    /// The medium was full.
    Nospace,
}

impl IoStatus {
    /// The name as QAPI writes it, as in `query-block-jobs`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Nospace => "nospace",
        }
    }

    /// Takes note of `errno` (positive), unless an earlier error is noted: the first is the cause
    /// that the user has to mend, the others follow from requests that were in flight with it. The
    /// counterpart of `block_job_iostatus_set_err_locked` (`blockjob.c`).
    ///
    /// A job calls it for errors of [`ErrorAction::Stop`] only: of those that are reported or ignored
    /// the status shows nothing.
    pub const fn observe(&mut self, errno: i32) {
        if matches!(self, Self::Ok) {
            *self = if errno == ENOSPC {
                Self::Nospace
            } else {
                Self::Failed
            };
        }
    }

    /// Forgets the error, as a resume by the user does. The counterpart of
    /// `block_job_iostatus_reset` (`blockjob.c`).
    pub const fn reset(&mut self) {
        *self = Self::Ok;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::libc::EIO;

    #[test]
    fn a_job_does_what_the_peer_was_seen_to_do_for_each_policy_and_error() {
        let recorded = [
            ("report", EIO, "report"),
            ("report", ENOSPC, "report"),
            ("ignore", EIO, "ignore"),
            ("ignore", ENOSPC, "ignore"),
            ("stop", EIO, "stop"),
            ("stop", ENOSPC, "stop"),
            ("enospc", EIO, "report"),
            ("enospc", ENOSPC, "stop"),
            ("auto", EIO, "report"),
            ("auto", ENOSPC, "stop"),
        ];
        for (policy, errno, action) in recorded {
            let policy = OnError::from_name(policy).expect("the policy has a name of QAPI's");
            assert_eq!(
                policy.job_action(errno).as_str(),
                action,
                "{policy:?} {errno}"
            );
        }
    }

    #[test]
    fn a_backend_left_to_itself_stops_only_for_a_write_to_a_full_medium() {
        for operation in [IoOperation::Read, IoOperation::Write] {
            for errno in [EIO, ENOSPC] {
                let stops = operation == IoOperation::Write && errno == ENOSPC;
                let action = OnError::Auto.backend_action(operation, errno);
                assert_eq!(action == ErrorAction::Stop, stops, "{operation:?} {errno}");
                assert_eq!(
                    action == ErrorAction::Report,
                    !stops,
                    "{operation:?} {errno}"
                );
                // A policy that somebody chose does not look at the direction.
                assert_eq!(
                    OnError::Enospc.backend_action(operation, errno),
                    OnError::Enospc.job_action(errno)
                );
            }
        }
    }

    #[test]
    fn only_the_exact_names_of_the_policies_are_known() {
        for policy in OnError::ALL {
            assert_eq!(OnError::from_name(policy.as_str()), Some(policy));
        }
        for name in ["", "Stop", "stop ", "nospc"] {
            assert_eq!(OnError::from_name(name), None);
        }
    }

    #[test]
    fn the_first_error_stays_until_the_user_resumes() {
        let mut status = IoStatus::default();
        assert_eq!(status.as_str(), "ok");
        status.observe(ENOSPC);
        status.observe(EIO);
        assert_eq!(status.as_str(), "nospace");
        status.reset();
        status.observe(EIO);
        status.observe(ENOSPC);
        assert_eq!(status.as_str(), "failed");
    }
}

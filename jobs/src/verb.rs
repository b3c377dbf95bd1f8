//! What a user may ask of a job, and in which states.
//!
//! The table is one function, [`verb_allowed`]. A test compares it with the drawing below, and with
//! what the reference daemon answered to every verb in the seven states that a user can see
//! (`docs/peer-verbs.md`); the columns of the other four follow QEMU's source.
//!
//! ```text
//!           undefined created running paused ready standby waiting pending aborting concluded null
//! cancel        .        x       x      x      x      x       x       x       .         .      .
//! pause         .        x       x      x      x      x       .       .       .         .      .
//! resume        .        x       x      x      x      x       .       .       .         .      .
//! set-speed     .        x       x      x      x      x       .       .       .         .      .
//! complete      .        .       .      .      x      x       .       .       .         .      .
//! finalize      .        .       .      .      .      .       .       x       .         .      .
//! dismiss       .        .       .      .      .      .       .       .       .         x      .
//! change        .        x       x      x      x      x       .       .       .         .      .
//! ```
//!
//! The table is the first gate, not the only one. A job that passed it can still answer
//! [`AlreadyPaused`], [`PausedCannotCancel`] or [`CannotComplete`]. `resume` is the exception in
//! order: whether the user paused the job is asked *before* the table, so a `resume` that is out of
//! place answers [`NotPaused`] in every state.
//!
//! [`AlreadyPaused`]: JobError::AlreadyPaused
//! [`PausedCannotCancel`]: JobError::PausedCannotCancel
//! [`CannotComplete`]: JobError::CannotComplete
//! [`NotPaused`]: JobError::NotPaused

use std::fmt;

use crate::error::JobError;
use crate::id::JobId;
use crate::state::JobStatus;

/// What can be asked of a job, under QAPI's names. The counterpart of `JobVerb` in `qapi/job.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobVerb {
    /// Stop the work and undo or abandon it.
    Cancel,
    /// Stand still at the next pause point.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Set another limit on the speed.
    SetSpeed,
    /// Finish a job that is ready.
    Complete,
    /// Let a finished transaction take effect.
    Finalize,
    /// Forget a job whose outcome is final.
    Dismiss,
    /// Change an option of the job's type while it works.
    Change,
}

impl JobVerb {
    /// Every verb once, in QAPI's order.
    pub const ALL: [Self; 8] = [
        Self::Cancel,
        Self::Pause,
        Self::Resume,
        Self::SetSpeed,
        Self::Complete,
        Self::Finalize,
        Self::Dismiss,
        Self::Change,
    ];

    /// The name as QAPI writes it, as in the text of a refusal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::SetSpeed => "set-speed",
            Self::Complete => "complete",
            Self::Finalize => "finalize",
            Self::Dismiss => "dismiss",
            Self::Change => "change",
        }
    }
}

impl fmt::Display for JobVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a job in `status` takes `verb`. The counterpart of `JobVerbTable` (`job.c`).
#[must_use]
pub const fn verb_allowed(verb: JobVerb, status: JobStatus) -> bool {
    use JobStatus as S;
    match verb {
        JobVerb::Cancel => matches!(
            status,
            S::Created | S::Running | S::Paused | S::Ready | S::Standby | S::Waiting | S::Pending
        ),
        JobVerb::Pause | JobVerb::Resume | JobVerb::SetSpeed | JobVerb::Change => matches!(
            status,
            S::Created | S::Running | S::Paused | S::Ready | S::Standby
        ),
        JobVerb::Complete => matches!(status, S::Ready | S::Standby),
        JobVerb::Finalize => matches!(status, S::Pending),
        JobVerb::Dismiss => matches!(status, S::Concluded),
    }
}

/// Lets `verb` pass if job `id`, which is in `status`, takes it. The counterpart of
/// `job_apply_verb` (`job.c`).
///
/// # Errors
///
/// [`JobError::VerbRefused`] if [`verb_allowed`] says no.
pub fn apply_verb(id: &JobId, status: JobStatus, verb: JobVerb) -> Result<(), JobError> {
    if verb_allowed(verb, status) {
        return Ok(());
    }
    Err(JobError::VerbRefused {
        id: id.clone(),
        status,
        verb,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a table whose first line names states and whose other lines start with a name.
    fn rows<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
        lines
            .map(|line| {
                line.split([' ', '|', '`'])
                    .filter(|cell| !cell.is_empty())
                    .collect()
            })
            .collect()
    }

    fn status_named(name: &str) -> JobStatus {
        JobStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == name)
            .expect("the heading of a column is the name of a state")
    }

    fn verb_named(name: &str) -> JobVerb {
        JobVerb::ALL
            .into_iter()
            .find(|verb| verb.as_str() == name)
            .expect("the heading of a row is the name of a verb")
    }

    #[test]
    fn the_drawn_table_is_the_table() {
        let drawn = rows(
            include_str!("verb.rs")
                .lines()
                .filter_map(|line| line.strip_prefix("//! "))
                .skip_while(|line| *line != "```text")
                .skip(1)
                .take_while(|line| *line != "```"),
        );
        let (heading, body) = drawn.split_first().expect("the table has a heading");
        assert_eq!(*heading, JobStatus::ALL.map(JobStatus::as_str));
        assert_eq!(body.len(), JobVerb::ALL.len());
        for (verb, row) in JobVerb::ALL.into_iter().zip(body) {
            assert_eq!(row[0], verb.as_str());
            for (status, cell) in JobStatus::ALL.into_iter().zip(&row[1..]) {
                assert_eq!(
                    verb_allowed(verb, status),
                    *cell == "x",
                    "{verb} in {status}"
                );
            }
        }
    }

    #[test]
    fn the_table_says_what_the_reference_daemon_answered() {
        let recorded = rows(
            include_str!("../../docs/peer-verbs.md")
                .lines()
                .skip_while(|line| !line.starts_with("| verb |"))
                .take_while(|line| line.starts_with('|'))
                .filter(|line| !line.starts_with("|-")),
        );
        let (heading, body) = recorded.split_first().expect("the table has a heading");
        let mut compared = 0;
        for row in body {
            let verb = verb_named(row[0]);
            // The second column is the command; states start in the third.
            for (&name, &cell) in heading[2..].iter().zip(&row[2..]) {
                let allowed = verb_allowed(verb, status_named(name));
                match cell {
                    "ok" | "already" | "held" => assert!(allowed, "{verb} in {name}"),
                    "verb" => assert!(!allowed, "{verb} in {name}"),
                    // Asked before the table, so it tells nothing about it.
                    "unpaused" => assert_eq!(verb, JobVerb::Resume),
                    other => panic!("no such answer was recorded: {other}"),
                }
                compared += 1;
            }
        }
        // Fifteen commands in seven states.
        assert_eq!(compared, 15 * 7);
    }

    #[test]
    fn each_verb_is_taken_in_as_many_states_as_in_qemu() {
        let counts = JobVerb::ALL.map(|verb| {
            JobStatus::ALL
                .into_iter()
                .filter(|status| verb_allowed(verb, *status))
                .count()
        });
        assert_eq!(counts, [7, 5, 5, 5, 2, 1, 1, 5]);
    }

    #[test]
    fn nothing_can_be_asked_of_a_job_that_is_not_there_or_is_aborting() {
        for verb in JobVerb::ALL {
            for status in [JobStatus::Undefined, JobStatus::Aborting, JobStatus::Null] {
                assert!(!verb_allowed(verb, status), "{verb} in {status}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_job_the_state_and_the_verb() {
        let id = JobId::new("j0").expect("the id is well formed");
        assert!(apply_verb(&id, JobStatus::Standby, JobVerb::Complete).is_ok());
        let refused = apply_verb(&id, JobStatus::Waiting, JobVerb::SetSpeed)
            .expect_err("a job that waits has no speed");
        assert_eq!(
            refused.to_string(),
            "Job 'j0' in state 'waiting' cannot accept command verb 'set-speed'"
        );
    }
}

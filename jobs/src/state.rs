//! What state a job is in, and which changes of state are legal.
//!
//! The table is one function, [`can_transition`]. The drawing below is the same table: a test reads
//! it out of this file and compares every arrow, so the two cannot drift apart.
//!
//! ```mermaid
//! stateDiagram-v2
//!     undefined --> created
//!     created --> running
//!     created --> aborting
//!     created --> null
//!     running --> paused
//!     running --> ready
//!     running --> waiting
//!     running --> aborting
//!     paused --> running
//!     ready --> standby
//!     ready --> waiting
//!     ready --> aborting
//!     standby --> ready
//!     waiting --> pending
//!     waiting --> aborting
//!     pending --> aborting
//!     pending --> concluded
//!     aborting --> aborting
//!     aborting --> concluded
//!     concluded --> null
//! ```
//!
//! Three things in it are easy to get wrong:
//!
//! - A paused job has no way out but back. Cancelling or failing it first returns it to `running` (or
//!   from `standby` to `ready`), and watchers see that event before `aborting`.
//! - `aborting --> aborting` is legal because a job that fails while its transaction is already
//!   aborting is told twice. It is the only arrow that changes nothing, and so the only one without
//!   an event.
//! - `created --> null` is the job that could not be set up: it was announced, so it has to be
//!   taken back, but it never ran and has no outcome to conclude with.
//!
//! What a user may ask of a job in each state is the other table, [`verb_allowed`].
//!
//! [`verb_allowed`]: crate::verb::verb_allowed

use std::fmt;

/// The state of a job, under QAPI's names. The counterpart of `JobStatus` in `qapi/job.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobStatus {
    /// The job is being put together; no user has seen it yet.
    Undefined,
    /// The job has a name and can be looked up, but its coroutine has not been entered.
    Created,
    /// The job is working.
    Running,
    /// The job stands still at a pause point, before it was ready.
    Paused,
    /// The job has caught up and keeps up; it waits to be told to complete.
    Ready,
    /// The job stands still at a pause point, after it was ready.
    Standby,
    /// The work is done; the job waits for the others of its transaction.
    Waiting,
    /// The whole transaction is done; it waits for somebody to finalize it.
    Pending,
    /// The job failed or was cancelled and is being cleaned up.
    Aborting,
    /// The outcome is final; the job only waits to be dismissed.
    Concluded,
    /// The job is no longer in the list of jobs.
    Null,
}

impl JobStatus {
    /// Every state once, in QAPI's order.
    pub const ALL: [Self; 11] = [
        Self::Undefined,
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Ready,
        Self::Standby,
        Self::Waiting,
        Self::Pending,
        Self::Aborting,
        Self::Concluded,
        Self::Null,
    ];

    /// The name as QAPI writes it, as in `query-jobs`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Ready => "ready",
            Self::Standby => "standby",
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::Aborting => "aborting",
            Self::Concluded => "concluded",
            Self::Null => "null",
        }
    }

    /// Whether the job has caught up, standing still or not. The counterpart of `job_is_ready`
    /// (`job.c`); it is what `query-block-jobs` shows as `ready`.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Ready | Self::Standby)
    }

    /// Whether the job's own work is over, whatever came of it. The counterpart of
    /// `job_is_completed` (`job.c`).
    #[must_use]
    pub const fn is_completed(self) -> bool {
        matches!(
            self,
            Self::Waiting | Self::Pending | Self::Aborting | Self::Concluded | Self::Null
        )
    }

    /// The state in which a job of this state stands still at a pause point, or `None` if a job of
    /// this state reaches none. The counterpart of the choice in `job_pause_point` (`job.c`).
    #[must_use]
    pub const fn when_paused(self) -> Option<Self> {
        match self {
            Self::Running => Some(Self::Paused),
            Self::Ready => Some(Self::Standby),
            _ => None,
        }
    }

    /// The state in which a job of this state goes on after its pause point, or `None` if a job of this
    /// state stands at none.
    #[must_use]
    pub const fn when_resumed(self) -> Option<Self> {
        match self {
            Self::Paused => Some(Self::Running),
            Self::Standby => Some(Self::Ready),
            _ => None,
        }
    }

    /// Changes this state to `to` and returns whether that is news, that is, whether watchers are
    /// due a [`StatusChange`]. The counterpart of `job_state_transition` (`job.c`).
    ///
    /// # Panics
    ///
    /// In debug builds, if [`can_transition`] forbids the change: the caller has lost track of the
    /// job, and nothing it does next can be trusted.
    ///
    /// [`StatusChange`]: crate::event::JobEvent::StatusChange
    #[must_use = "a change of state is owed to the watchers"]
    pub fn transition(&mut self, to: Self) -> bool {
        let from = *self;
        debug_assert!(
            can_transition(from, to),
            "a job cannot go from '{from}' to '{to}'"
        );
        *self = to;
        from != to
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a job may go from `from` to `to`. The counterpart of `JobSTT` (`job.c`): 20 of the 121
/// pairs are legal.
#[must_use]
pub const fn can_transition(from: JobStatus, to: JobStatus) -> bool {
    use JobStatus as S;
    match from {
        S::Undefined => matches!(to, S::Created),
        S::Created => matches!(to, S::Running | S::Aborting | S::Null),
        S::Running => matches!(to, S::Paused | S::Ready | S::Waiting | S::Aborting),
        S::Paused => matches!(to, S::Running),
        S::Ready => matches!(to, S::Standby | S::Waiting | S::Aborting),
        S::Standby => matches!(to, S::Ready),
        S::Waiting => matches!(to, S::Pending | S::Aborting),
        S::Pending => matches!(to, S::Aborting | S::Concluded),
        S::Aborting => matches!(to, S::Aborting | S::Concluded),
        S::Concluded => matches!(to, S::Null),
        S::Null => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every legal pair, in the order of [`JobStatus::ALL`].
    fn legal_pairs() -> Vec<(JobStatus, JobStatus)> {
        let all = JobStatus::ALL;
        all.into_iter()
            .flat_map(|from| all.into_iter().map(move |to| (from, to)))
            .filter(|&(from, to)| can_transition(from, to))
            .collect()
    }

    #[test]
    fn every_arrow_of_the_drawing_is_legal_and_every_legal_change_is_drawn() {
        let mut drawn: Vec<(String, String)> = include_str!("state.rs")
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .filter_map(|line| line.split_once(" --> "))
            .filter(|(from, _)| !from.contains('`'))
            .map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned()))
            .collect();
        let mut table: Vec<(String, String)> = legal_pairs()
            .into_iter()
            .map(|(from, to)| (from.to_string(), to.to_string()))
            .collect();
        drawn.sort();
        table.sort();
        assert_eq!(drawn, table);
    }

    #[test]
    fn the_table_is_the_one_of_qemu_row_by_row() {
        // One row per state that is left, one column per state that is entered, both in the order
        // of `ALL`: the letters are U C R P Y S W D X E N.
        let rows = [
            ".C.........",
            "..R.....X.N",
            "...PY.W.X..",
            "..R........",
            ".....SW.X..",
            "....Y......",
            ".......DX..",
            "........XE.",
            "........XE.",
            "..........N",
            "...........",
        ];
        for (from, row) in JobStatus::ALL.into_iter().zip(rows) {
            for (to, cell) in JobStatus::ALL.into_iter().zip(row.chars()) {
                assert_eq!(can_transition(from, to), cell != '.', "{from} -> {to}");
            }
        }
        assert_eq!(legal_pairs().len(), 20);
    }

    #[test]
    fn every_state_but_the_first_is_reached_and_every_state_but_the_last_is_left() {
        for status in JobStatus::ALL {
            let mut pairs = legal_pairs().into_iter().filter(|(from, to)| from != to);
            assert_eq!(
                pairs.clone().any(|(_, to)| to == status),
                status != JobStatus::Undefined,
                "{status}"
            );
            assert_eq!(
                pairs.any(|(from, _)| from == status),
                status != JobStatus::Null,
                "{status}"
            );
        }
    }

    #[test]
    fn a_completed_job_never_works_again() {
        for (from, to) in legal_pairs() {
            assert!(!from.is_completed() || to.is_completed(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_pause_can_be_entered_and_left_and_keeps_readiness() {
        let mut pauses = 0;
        for status in JobStatus::ALL {
            let Some(paused) = status.when_paused() else {
                continue;
            };
            pauses += 1;
            assert!(can_transition(status, paused) && can_transition(paused, status));
            assert_eq!(status.is_ready(), paused.is_ready());
            assert_eq!(paused.when_resumed(), Some(status));
        }
        assert_eq!(pauses, 2);
    }

    #[test]
    fn aborting_twice_is_the_only_change_that_is_no_news() {
        for (from, to) in legal_pairs() {
            let mut status = from;
            let news = status.transition(to);
            assert_eq!(status, to);
            assert_eq!(
                news,
                from != JobStatus::Aborting || to != JobStatus::Aborting
            );
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "a job cannot go from 'paused' to 'aborting'")]
    fn a_paused_job_cannot_abort_before_it_runs_again() {
        let mut status = JobStatus::Paused;
        let _ = status.transition(JobStatus::Aborting);
    }
}

//! The two tables, written down a second time: from QAPI's `JobStatus` and `JobVerb`, and from what
//! the reference daemon answers. A table of the engine that is wrong is found by this one.

use std::borrow::Cow;

use blockjob_jobs::state::JobStatus::{self, *};

use crate::event::Asked;
use crate::monitor::Verb;

/// For each state those that may follow.
const FOLLOWS: [(JobStatus, &[JobStatus]); 11] = [
    (Undefined, &[Created]),
    (Created, &[Running, Aborting, Null]),
    (Running, &[Paused, Ready, Waiting, Aborting]),
    (Paused, &[Running]),
    (Ready, &[Standby, Waiting, Aborting]),
    (Standby, &[Ready]),
    (Waiting, &[Pending, Aborting]),
    (Pending, &[Aborting, Concluded]),
    (Aborting, &[Aborting, Concluded]),
    (Concluded, &[Null]),
    (Null, &[]),
];

/// Whether `to` may follow `from`.
pub(super) fn legal(from: JobStatus, to: JobStatus) -> bool {
    let row = FOLLOWS.iter().find(|(state, _)| *state == from);
    row.is_some_and(|(_, follows)| follows.contains(&to))
}

/// The states in which each verb is taken.
const AT_WORK: &[JobStatus] = &[Created, Running, Paused, Ready, Standby];
const UNTIL_DECIDED: &[JobStatus] = &[Created, Running, Paused, Ready, Standby, Waiting, Pending];

/// QAPI's name of the verb; none if it is not one of jobs.
pub(super) const fn verb_name(verb: Verb) -> Option<&'static str> {
    Some(match verb {
        Verb::Pause => "pause",
        Verb::Resume => "resume",
        Verb::SetSpeed => "set-speed",
        Verb::Complete => "complete",
        Verb::Cancel | Verb::ForceCancel => "cancel",
        Verb::Finalize => "finalize",
        Verb::Dismiss => "dismiss",
        _ => return None,
    })
}

/// Part of the words in which `verb` is refused to a job that was found like this; none if it is
/// granted.
pub(super) fn refusal(verb: Verb, asked: Option<&Asked>) -> Option<Cow<'static, str>> {
    let Some(asked) = asked.filter(|asked| asked.status != Null) else {
        return Some("Job not found".into());
    };
    let name = verb_name(verb)?;
    let table = || {
        let taken = match verb {
            Verb::Complete => &[Ready, Standby],
            Verb::Finalize => &[Pending][..],
            Verb::Dismiss => &[Concluded],
            Verb::Cancel | Verb::ForceCancel => UNTIL_DECIDED,
            _ => AT_WORK,
        };
        let status = asked.status;
        let refused = format!("in state '{status}' cannot accept command verb '{name}'");
        (!taken.contains(&status)).then_some(Cow::from(refused))
    };
    match verb {
        // Asked before the table.
        Verb::Resume if !asked.user_paused => Some("that was not paused".into()),
        Verb::Cancel if asked.user_paused => Some("is currently paused".into()),
        Verb::Pause => table().or(asked.user_paused.then_some("already paused".into())),
        Verb::Complete => table().or(asked
            .cancel_requested
            .then_some("cannot be completed".into())),
        _ => table(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockjob_jobs::state::can_transition;
    use blockjob_jobs::verb::{JobVerb, verb_allowed};

    #[test]
    fn the_table_of_changes_is_that_of_the_engine() {
        for from in JobStatus::ALL {
            for to in JobStatus::ALL {
                assert_eq!(legal(from, to), can_transition(from, to), "{from} to {to}");
            }
        }
    }

    #[test]
    fn the_table_of_verbs_is_that_of_the_engine() {
        let verbs = [
            (Verb::Pause, JobVerb::Pause),
            (Verb::SetSpeed, JobVerb::SetSpeed),
            (Verb::Complete, JobVerb::Complete),
            (Verb::Cancel, JobVerb::Cancel),
            (Verb::ForceCancel, JobVerb::Cancel),
            (Verb::Finalize, JobVerb::Finalize),
            (Verb::Dismiss, JobVerb::Dismiss),
        ];
        for status in JobStatus::ALL {
            let asked = Asked {
                job: "job0".into(),
                status,
                user_paused: false,
                cancel_requested: false,
            };
            for (verb, of_engine) in verbs {
                let granted = refusal(verb, Some(&asked)).is_none();
                assert_eq!(
                    granted,
                    verb_allowed(of_engine, status),
                    "{verb} in {status}"
                );
            }
        }
    }
}

//! FSM fires when a change, an event, an end or an answer is not what it must be.

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::state::JobStatus::{self, *};
use blockjob_jobs::trace::JobTraceKind;
use blockjob_sim::check::Seen;
use blockjob_sim::check::fsm::Fsm;
use blockjob_sim::event::MonitorEvent;
use blockjob_sim::failure::Rule;

use crate::support::{
    PLAIN, Tell, assert_is, cancelled, change, completed, finds_edited, is_job, of_job,
};

const FORCED: JobTraceKind = JobTraceKind::Cancel { force: true };

#[track_caller]
fn finds(edit: impl FnMut(&Seen<'_>, &mut Tell<'_>) + 'static, place: &str) {
    finds_in(PLAIN, edit, place);
}

#[track_caller]
fn finds_in(config: &str, mut edit: impl FnMut(&Seen<'_>, &mut Tell<'_>) + 'static, place: &str) {
    let failure = finds_edited::<Fsm, _>(config, move |_, seen, tell| edit(seen, tell));
    assert_is(&failure, Rule::Fsm, place);
}

/// A change of state in place of another.
fn instead(
    seen: &Seen<'_>,
    tell: &mut Tell<'_>,
    before: (JobStatus, JobStatus),
    (from, to): (JobStatus, JobStatus),
) {
    if change(seen, "job0") == Some(before) {
        tell(&Seen::Job(&of_job(JobTraceKind::Status { from, to })));
    } else {
        tell(seen);
    }
}

fn told_status(seen: &Seen<'_>) -> Option<JobStatus> {
    match seen {
        Seen::JobEvent(JobEvent::StatusChange { status, .. }) => Some(*status),
        _ => None,
    }
}

fn is_end(seen: &Seen<'_>) -> bool {
    matches!(seen, Seen::JobEvent(JobEvent::Completed { .. }))
}

#[test]
fn a_change_that_is_missing_is_found() {
    finds(
        |seen, tell| {
            if change(seen, "job0") != Some((Ready, Waiting)) && told_status(seen) != Some(Waiting)
            {
                tell(seen);
            }
        },
        "lost-state",
    );
}

#[test]
fn a_change_that_the_table_forbids_is_found() {
    finds(
        |seen, tell| instead(seen, tell, (Running, Ready), (Running, Concluded)),
        "illegal-change",
    );
}

#[test]
fn a_change_that_is_not_told_is_found() {
    finds(
        |seen, tell| {
            if told_status(seen) != Some(Ready)
                && !matches!(seen, Seen::JobEvent(JobEvent::Ready(_)))
            {
                tell(seen);
            }
        },
        "change-untold",
    );
}

#[test]
fn a_change_that_is_told_twice_is_found() {
    finds(
        |seen, tell| {
            tell(seen);
            if told_status(seen) == Some(Ready) {
                tell(seen);
            }
        },
        "event-order",
    );
}

#[test]
fn a_job_that_is_ready_and_does_not_say_so_is_found() {
    finds(
        |seen, tell| {
            if !matches!(seen, Seen::JobEvent(JobEvent::Ready(_))) {
                tell(seen);
            }
        },
        "event-untold",
    );
}

#[test]
fn a_job_that_says_that_it_is_ready_before_it_tells_the_change_is_found() {
    let mut late = None;
    finds(
        move |seen, tell| match seen {
            Seen::JobEvent(event) if told_status(seen) == Some(Ready) => {
                late = Some((*event).clone())
            }
            Seen::JobEvent(JobEvent::Ready(_)) => {
                tell(seen);
                let event = late.take().expect("the change comes first");
                tell(&Seen::JobEvent(&event));
            }
            _ => tell(seen),
        },
        "event-order",
    );
}

#[test]
fn a_job_that_goes_on_after_it_has_told_its_end_is_found() {
    let mut ended = false;
    finds(
        move |seen, tell| {
            ended |= is_end(seen);
            let concludes = change(seen, "job0") == Some((Pending, Concluded));
            match ended && concludes {
                true => instead(seen, tell, (Pending, Concluded), (Pending, Aborting)),
                false => tell(seen),
            }
        },
        "after-the-end",
    );
}

#[test]
fn an_end_that_is_told_while_the_coroutine_runs_is_found() {
    finds(
        |seen, tell| {
            if is_job(seen, &JobTraceKind::RunEnd) {
                tell(&Seen::JobEvent(&completed("job0", None)));
            }
            tell(seen);
        },
        "end-too-early",
    );
}

#[test]
fn an_end_that_is_told_in_the_wrong_state_is_found() {
    finds(
        |seen, tell| match is_end(seen) {
            true => tell(&Seen::JobEvent(&completed("job0", Some("bad luck")))),
            false => tell(seen),
        },
        "event-order",
    );
}

/// Has a job that succeeds abort, as far as its states go, and tell `end`.
fn aborts(seen: &Seen<'_>, tell: &mut Tell<'_>, end: JobEvent) {
    let status = |from, to| of_job(JobTraceKind::Status { from, to });
    match (change(seen, "job0"), seen) {
        (Some((Waiting, Pending)), _) => tell(&Seen::Job(&status(Waiting, Aborting))),
        (Some((Pending, Concluded)), _) => tell(&Seen::Job(&status(Aborting, Concluded))),
        (
            _,
            Seen::JobEvent(JobEvent::StatusChange {
                id,
                status: Pending,
            }),
        ) => {
            tell(&Seen::JobEvent(&JobEvent::StatusChange {
                id: id.clone(),
                status: Aborting,
            }));
        }
        _ if is_end(seen) => tell(&Seen::JobEvent(&end)),
        _ => tell(seen),
    }
}

#[test]
fn a_success_that_is_told_as_a_cancellation_is_found() {
    finds(
        |seen, tell| aborts(seen, tell, cancelled("job0")),
        "outcome-changed",
    );
}

#[test]
fn a_success_that_is_told_as_a_failure_is_found() {
    finds(
        |seen, tell| aborts(seen, tell, completed("job0", Some("bad luck"))),
        "outcome-changed",
    );
}

#[test]
fn a_cancellation_of_a_job_that_has_no_error_in_the_end_is_found() {
    // That it is cancelled by force after its coroutine has ended makes a cancellation of it.
    finds(
        |seen, tell| {
            aborts(seen, tell, cancelled("job0"));
            if is_job(seen, &JobTraceKind::RunEnd) {
                tell(&Seen::Job(&of_job(FORCED)));
            }
        },
        "outcome-untrue",
    );
}

#[test]
fn a_command_that_is_refused_although_the_table_grants_it_is_found() {
    let config = "granules=64,guests=1,requests=12,deeds=6,verbs=pause+resume";
    finds_in(
        config,
        |seen, tell| match seen {
            Seen::Monitor(event) if event.refused.is_none() => {
                let refused = Some("I would rather not".to_owned());
                tell(&Seen::Monitor(&MonitorEvent {
                    refused,
                    ..(*event).clone()
                }));
            }
            _ => tell(seen),
        },
        "verb-answer",
    );
}

#[test]
fn a_command_that_is_granted_although_the_table_refuses_it_is_found() {
    let config = "granules=64,guests=1,requests=12,deeds=6,verbs=finalize+dismiss+complete";
    finds_in(
        config,
        |seen, tell| match seen {
            Seen::Monitor(event) if event.refused.is_some() => {
                tell(&Seen::Monitor(&MonitorEvent {
                    refused: None,
                    ..(*event).clone()
                }));
            }
            _ => tell(seen),
        },
        "verb-answer",
    );
}

//! ONCE fires when something is told twice, or not.

use blockjob_block::request::BlockTrace;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::steps::{MirrorEvent, Step};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::JobTraceKind;
use blockjob_sim::check::Seen;
use blockjob_sim::check::once::Once;
use blockjob_sim::event::GuestWhat;
use blockjob_sim::failure::Rule;

use crate::support::{PLAIN, assert_is, change, finds_edited, is_job, of_job};

/// What it finds if all that is `chosen` is told twice.
#[track_caller]
fn twice(chosen: impl Fn(&Seen<'_>) -> bool + 'static, place: &str) {
    let failure = finds_edited::<Once, _>(PLAIN, move |_, seen, tell| {
        tell(seen);
        if chosen(seen) {
            tell(seen);
        }
    });
    assert_is(&failure, Rule::Once, place);
}

/// What it finds if nothing is told of all that is `chosen`.
#[track_caller]
fn never(chosen: impl Fn(&Seen<'_>) -> bool + 'static, place: &str) {
    let failure = finds_edited::<Once, _>(PLAIN, move |_, seen, tell| {
        if !chosen(seen) {
            tell(seen);
        }
    });
    assert_is(&failure, Rule::Once, place);
}

#[test]
fn a_job_whose_coroutine_ends_twice_is_found() {
    twice(|seen| is_job(seen, &JobTraceKind::RunEnd), "run-end");
}

#[test]
fn a_job_whose_completion_runs_twice_is_found() {
    twice(
        |seen| is_job(seen, &JobTraceKind::DeferredStart),
        "deferred",
    );
}

#[test]
fn a_job_whose_completion_never_runs_is_found() {
    never(
        |seen| is_job(seen, &JobTraceKind::DeferredStart),
        "deferred-lost",
    );
}

#[test]
fn a_job_that_is_ready_twice_is_found() {
    let ready = (JobStatus::Running, JobStatus::Ready);
    twice(move |seen| change(seen, "job0") == Some(ready), "ready");
}

#[test]
fn a_job_that_is_concluded_twice_is_found() {
    let concluded = (JobStatus::Pending, JobStatus::Concluded);
    twice(
        move |seen| change(seen, "job0") == Some(concluded),
        "concluded",
    );
}

#[test]
fn a_mirror_that_lets_its_disks_go_twice_is_found() {
    let exits = |seen: &Seen<'_>| matches!(seen, Seen::Mirror(it) if it.event == MirrorEvent::Step(Step::M17));
    twice(exits, "step-exit");
}

#[test]
fn a_mirror_that_comes_to_be_ready_twice_is_found() {
    let ready = |seen: &Seen<'_>| matches!(seen, Seen::Mirror(it) if it.event == MirrorEvent::Step(Step::M13));
    twice(ready, "step-ready");
}

fn is_end(seen: &Seen<'_>) -> bool {
    matches!(seen, Seen::JobEvent(JobEvent::Completed { .. }))
}

#[test]
fn a_job_that_tells_its_end_twice_is_found() {
    twice(is_end, "end-told");
}

#[test]
fn a_job_that_does_not_tell_its_end_is_found() {
    never(is_end, "end-untold");
}

#[test]
fn an_event_of_a_job_that_nobody_knows_is_found() {
    never(|seen| matches!(seen, Seen::Job(_)), "unknown-job");
}

#[test]
fn a_request_that_is_answered_twice_is_found() {
    twice(
        |seen| matches!(seen, Seen::Guest(it) if it.what == GuestWhat::Done),
        "guest-request",
    );
}

#[test]
fn a_request_that_is_never_answered_is_found() {
    never(
        |seen| matches!(seen, Seen::Guest(it) if it.what == GuestWhat::Done),
        "guest-request-lost",
    );
}

#[test]
fn a_drained_section_that_begins_twice_is_found() {
    twice(
        |seen| matches!(seen, Seen::Block(BlockTrace::DrainBegin { .. })),
        "section-begin",
    );
}

fn is_established(seen: &Seen<'_>) -> bool {
    matches!(seen, Seen::Block(BlockTrace::Drained { .. }))
}

#[test]
fn a_drained_section_that_is_established_twice_is_found() {
    twice(is_established, "section-established");
}

#[test]
fn a_drained_section_that_ends_and_was_not_established_is_found() {
    never(is_established, "section-end");
}

#[test]
fn a_drained_section_that_never_ends_is_found() {
    never(
        |seen| matches!(seen, Seen::Block(BlockTrace::DrainEnd { .. })),
        "section-open",
    );
}

#[test]
fn a_job_that_comes_to_something_else_after_its_end_is_found() {
    // It is told to be concluded before it has an outcome, and comes to one later.
    let failure = finds_edited::<Once, _>(PLAIN, |_, seen, tell| {
        let end = JobTraceKind::Status {
            from: JobStatus::Pending,
            to: JobStatus::Concluded,
        };
        if is_end(seen) || is_job(seen, &end) {
            return;
        }
        tell(seen);
        if is_job(seen, &JobTraceKind::DeferredStart) {
            tell(&Seen::JobEvent(&crate::support::completed("job0", None)));
            tell(&Seen::Job(&of_job(end)));
        }
    });
    assert_is(&failure, Rule::Once, "outcome");
}

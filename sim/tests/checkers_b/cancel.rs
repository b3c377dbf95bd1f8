//! CANCEL fires when a job goes on although it was cancelled.

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::steps::{MirrorEvent, Step};
use blockjob_jobs::state::JobStatus::{Ready, Running};
use blockjob_jobs::trace::JobTraceKind;
use blockjob_sim::check::Seen;
use blockjob_sim::check::cancel::Cancel;
use blockjob_sim::failure::Rule;

use crate::support::{
    PLAIN, assert_is, cancelled, change, finds, finds_edited, finds_edited_when, of_job, pair,
    runs, when,
};

const FORCED: JobTraceKind = JobTraceKind::Cancel { force: true };
const SOFTLY: JobTraceKind = JobTraceKind::Cancel { force: false };

#[test]
fn a_job_that_takes_granules_after_it_was_cancelled_is_found() {
    let failure = finds_edited::<Cancel, _>(PLAIN, |_, seen, tell| {
        tell(seen);
        if matches!(seen, Seen::Mirror(it) if it.event == MirrorEvent::Step(Step::M8)) {
            tell(&Seen::Job(&of_job(FORCED)));
        }
    });
    assert_is(&failure, Rule::Cancel, "copies-on");
}

#[test]
fn a_job_that_goes_on_with_what_it_took_before_it_was_cancelled_is_found() {
    // It takes all of the disk at once, and has to wait before each part: no step shows that it goes
    // on.
    let config = "granules=16,inflight=1";
    let failure = finds_edited::<Cancel, _>(config, |_, seen, tell| {
        tell(seen);
        if matches!(seen, Seen::Mirror(it) if it.event == MirrorEvent::Step(Step::M11)) {
            tell(&Seen::Job(&of_job(FORCED)));
        }
    });
    assert_is(&failure, Rule::Cancel, "copies-on");
}

#[test]
fn a_guest_that_waits_for_its_turn_although_the_job_was_cancelled_is_found() {
    // All write to the same place, so all but one wait.
    let config = "granules=1,guests=4,depth=4,requests=12,span=1,step=4,copymode=write-blocking";
    let failure = finds_edited::<Cancel, _>(config, |_, seen, tell| {
        tell(seen);
        if change(seen, "job0") == Some((Running, Ready)) {
            tell(&Seen::Job(&of_job(FORCED)));
        }
    });
    assert_is(&failure, Rule::Cancel, "keeps-a-guest");
}

#[test]
fn a_job_that_sleeps_although_it_was_cancelled_is_found() {
    let config = "granules=4,guests=1,requests=6,rest=50000000";
    let failure = finds_edited::<Cancel, _>(config, |_, seen, tell| {
        tell(seen);
        if change(seen, "job0") == Some((Running, Ready)) {
            tell(&Seen::Job(&of_job(FORCED)));
        }
    });
    assert_is(&failure, Rule::Cancel, "asleep");
}

#[test]
fn a_job_that_goes_round_its_loop_although_it_was_cancelled_is_found() {
    let config = "granules=4,guests=1,requests=4,rest=900000000";
    let failure = finds_edited_when::<Cancel, _>(config, false, |_, seen, tell| {
        if !matches!(seen, Seen::Mirror(it) if matches!(it.event, MirrorEvent::MirrorIteration { .. }))
        {
            tell(seen);
        }
        if change(seen, "job0") == Some((Running, Ready)) {
            tell(&Seen::Job(&of_job(FORCED)));
        }
    });
    assert_is(&failure, Rule::Cancel, "goes-on");
}

#[test]
fn a_job_that_was_cancelled_and_does_not_end_is_found() {
    let failure = finds::<Cancel>(PLAIN, |cast| {
        when(cast, runs, |cast| async move {
            // The job drains its source before it ends.
            let node = pair(&cast).source_node();
            let busy = node.begin_internal();
            let job = pair(&cast).job().expect("it runs").clone();
            cast.main.schedule_oneshot("mischief", move || {
                job.cancel(true);
            });
            cast.main.sleep(20_000_000_000).await;
            drop(busy);
        });
    });
    assert_is(&failure, Rule::Cancel, "lingers");
}

#[test]
fn a_soft_cancel_of_a_job_that_is_not_ready_is_found() {
    let failure = finds_edited::<Cancel, _>(PLAIN, |_, seen, tell| {
        tell(seen);
        if matches!(seen, Seen::Mirror(it) if it.event == MirrorEvent::Step(Step::M5)) {
            tell(&Seen::Job(&of_job(SOFTLY)));
        }
    });
    assert_is(&failure, Rule::Cancel, "soft-too-early");
}

#[test]
fn a_soft_cancel_that_abandons_the_copy_is_found() {
    let config = "granules=4,guests=1,requests=6,end=cancel";
    let failure = finds_edited::<Cancel, _>(config, |_, seen, tell| match seen {
        Seen::JobEvent(JobEvent::Completed { .. }) => tell(&Seen::JobEvent(&cancelled("job0"))),
        _ => tell(seen),
    });
    assert_is(&failure, Rule::Cancel, "soft-abandons");
}

#[test]
fn a_soft_cancel_that_switches_the_disk_is_found() {
    let failure = finds_edited::<Cancel, _>(PLAIN, |_, seen, tell| {
        // Nobody has told it to complete.
        if !matches!(seen, Seen::Monitor(_)) {
            tell(seen);
        }
        if change(seen, "job0") == Some((Running, Ready)) {
            tell(&Seen::Job(&of_job(SOFTLY)));
        }
    });
    assert_is(&failure, Rule::Cancel, "soft-pivots");
}

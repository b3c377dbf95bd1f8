//! TXN fires when the jobs of a transaction do not end together.

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::state::JobStatus::{Pending, Waiting};
use blockjob_sim::check::Seen;
use blockjob_sim::check::txn::Txn;
use blockjob_sim::failure::Rule;

use crate::support::{TXN, Tell, assert_is, cancelled, change, finds_edited};

#[track_caller]
fn finds(mut edit: impl FnMut(&Seen<'_>, &mut Tell<'_>) + 'static, place: &str) {
    let failure = finds_edited::<Txn, _>(TXN, move |_, seen, tell| edit(seen, tell));
    assert_is(&failure, Rule::Txn, place);
}

fn ends(seen: &Seen<'_>, name: &str) -> bool {
    match seen {
        Seen::JobEvent(JobEvent::Completed { job, .. }) => job.device.as_str() == name,
        _ => false,
    }
}

fn is_waiting(seen: &Seen<'_>, name: &str) -> bool {
    matches!(change(seen, name), Some((_, Waiting)))
}

fn is_pending(seen: &Seen<'_>, name: &str) -> bool {
    matches!(change(seen, name), Some((_, Pending)))
}

#[test]
fn a_job_that_is_pending_before_the_others_are_done_is_found() {
    finds(
        |seen, tell| {
            if !is_waiting(seen, "job0") {
                tell(seen);
            }
        },
        "pending-too-early",
    );
}

#[test]
fn a_job_that_succeeds_before_the_others_are_done_is_found() {
    finds(
        |seen, tell| {
            let of_other = is_waiting(seen, "job0") || is_pending(seen, "job0");
            if !of_other && !is_pending(seen, "job1") {
                tell(seen);
            }
        },
        "commits-too-early",
    );
}

#[test]
fn a_job_that_succeeds_alone_is_found() {
    finds(
        |seen, tell| match ends(seen, "job1") {
            true => tell(&Seen::JobEvent(&cancelled("job1"))),
            false => tell(seen),
        },
        "ends-differ",
    );
}

#[test]
fn a_disk_that_is_switched_although_another_job_was_cancelled_is_found() {
    finds(
        |seen, tell| match (ends(seen, "job0"), ends(seen, "job1")) {
            (true, _) => {}
            (_, true) => tell(&Seen::JobEvent(&cancelled("job1"))),
            _ => tell(seen),
        },
        "pivots-alone",
    );
}

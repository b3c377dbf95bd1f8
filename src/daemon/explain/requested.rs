//! What has been asked of a job, by whom.

use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::state::JobStatus;

use super::scene::Scene;
use super::words;
use crate::qapi::types::explain::{XJobCancel, XJobPause, XJobPauseBy, XJobRequested};

pub(super) fn requested(scene: &Scene, job: &Job) -> XJobRequested {
    let cancel = match (job.cancel_requested(), job.is_cancelled()) {
        (_, true) => Some(XJobCancel::Force),
        (true, false) => Some(XJobCancel::Soft),
        (false, false) => None,
    };
    let txn = job.txn().map(|txn| txn.jobs()).unwrap_or_default();
    let by_hand = txn.iter().any(|job| !job.auto_finalize());
    XJobRequested {
        pause_count: job.pause_count(),
        pauses: pauses(scene, job),
        cancel,
        complete: MirrorJob::of(job).is_some_and(|mirror| mirror.is_told_to_complete()),
        finalize_pending: job.status() == JobStatus::Pending && by_hand,
    }
}

fn pauses(scene: &Scene, job: &Job) -> Vec<XJobPause> {
    if job.pause_count() == 0 {
        return Vec::new();
    }
    let mut pauses = Vec::new();
    if !job.is_started() {
        pauses.push(XJobPause {
            by: XJobPauseBy::Start,
            who: "nobody has started it".to_owned(),
            since_ms: None,
        });
    }
    if job.is_user_paused() {
        let cause = job.stop_cause();
        pauses.push(XJobPause {
            by: cause.map_or(XJobPauseBy::User, |_| XJobPauseBy::Error),
            who: match cause {
                Some(_) => "the error policy".to_owned(),
                None => "the user".to_owned(),
            },
            since_ms: cause.map(|cause| scene.age_ms(cause.since_ns)),
        });
    }
    let sections = scene.sections_over(job).into_iter();
    // Its own ones hold others, and come when it is to do nothing more.
    for section in sections.filter(|section| !scene.is_own(job, section)) {
        pauses.push(XJobPause {
            by: XJobPauseBy::Section,
            who: words::section(&section),
            since_ms: Some(scene.age_ms(section.since_ns())),
        });
    }
    pauses
}

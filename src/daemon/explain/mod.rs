//! Why a job is where it is: read off what the engine shows of itself, at the moment of the question.
//!
//! Nothing is recorded for it but when things began. The chain of those who wait for each other is
//! that of the simulator's picture of a run (`chain.rs`); there it is drawn of all at once and tells
//! deadlocks, here it is followed from one job to whoever can do something about it.

mod below;
mod chain;
mod convergence;
mod requested;
mod scene;
mod sentences;
mod words;

use std::rc::Rc;

use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::mirror::conflicts::OperationInfo;
use blockjob_jobs::state::JobStatus;

use super::Daemon;
use crate::qapi::types::explain::{XJobExplanation, XJobMirror, XJobStop, XMirrorOperation};
use scene::Scene;

/// Why `job`, which is one of the daemon's, is where it is. It only looks.
pub fn explain(daemon: &Daemon, job: &Rc<Job>) -> XJobExplanation {
    let scene = Scene::of(daemon);
    let progress = job.progress();
    let mirror = MirrorJob::of(job);
    let mut explanation = XJobExplanation {
        id: job.label().to_string(),
        job_type: job.job_type(),
        status: job.status(),
        since_ms: scene.age_ms(job.status_since_ns()),
        requested: requested::requested(&scene, job),
        current_progress: progress.current(),
        total_progress: progress.total(),
        speed: job.speed_bytes_per_s(),
        stop: job.stop_cause().map(|cause| XJobStop {
            operation: cause.operation,
            error: blockjob_jobs::error::errno_text(cause.errno),
            since_ms: scene.age_ms(cause.since_ns),
        }),
        error: job.error_text(),
        mirror: mirror.as_ref().map(|mirror| seen(&scene, job, mirror)),
        waits_for: chain::follow(&scene, job),
        sections: scene.drained_sections(),
        requests: scene.requests_of(job),
        summary: String::new(),
        sentences: Vec::new(),
    };
    // A job that stands still, or has done its work, will not catch up any further.
    let works = matches!(job.status(), JobStatus::Running | JobStatus::Ready);
    let convergence = mirror.filter(|_| works && job.pause_count() == 0);
    let convergence = convergence.and_then(|mirror| convergence::lines(&mirror));
    explanation.summary = sentences::summary(&explanation);
    explanation.sentences = sentences::sentences(&explanation, convergence);
    explanation
}

fn operation(operation: &OperationInfo) -> XMirrorOperation {
    XMirrorOperation {
        id: operation.id,
        kind: operation.kind,
        offset: operation.range.start,
        bytes: operation.range.end - operation.range.start,
        waits_for: operation.waits_for,
        let_go: operation.let_go,
    }
}

fn seen(scene: &Scene, job: &Job, mirror: &MirrorJob) -> XJobMirror {
    let disks = mirror.disks();
    let names = disks.map(|(source, target)| {
        let (source, target) = (source.name(), target.name());
        (source.to_owned(), target.to_owned())
    });
    let (source, target) = names.unzip();
    let step = mirror.last_step();
    let stats = mirror.stats();
    // The one that has stopped it is told with what a person must do.
    let last_error = mirror.last_error().filter(|_| job.stop_cause().is_none());
    XJobMirror {
        source,
        target,
        copy_mode: mirror.copy_mode(),
        len: mirror.len_bytes(),
        step: step.map(|(step, _)| step.to_string()),
        step_since_ms: step.map(|(_, since_ns)| scene.age_ms(since_ns)),
        step_means: step.map(|(step, _)| words::step(step).to_owned()),
        in_flight: mirror.in_flight() as u64,
        in_flight_bytes: mirror.bytes_in_flight(),
        dirty_bytes: mirror.dirty_bytes(),
        copied_bytes: stats.copied_bytes,
        verified_bytes: mirror.verified_bytes(),
        recopied_bytes: stats.recopied_bytes,
        last_error: last_error
            .as_ref()
            .map(|(operation, text, _)| words::failed(*operation, text)),
        last_error_since_ms: last_error
            .as_ref()
            .map(|(_, _, at_ns)| scene.age_ms(*at_ns)),
        memory_bytes: mirror.held_room_bytes(),
        operations: mirror.operations().iter().map(operation).collect(),
    }
}

//! What jobs and mirrors report.

use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_jobs::trace::JobTraceKind;

use super::{Flat, Value};

pub(super) fn job(job: &str, what: &JobTraceKind) -> Flat {
    use JobTraceKind as Kind;
    match *what {
        Kind::Status { from, to } => {
            flat!(
                "job-status",
                job = job,
                from = from.as_str(),
                to = to.as_str()
            )
        }
        Kind::PausePoint { pause_count } => {
            flat!(
                "job-pause-point",
                job = job,
                pause_count = u64::from(pause_count)
            )
        }
        Kind::Sleep { deadline_ns } => flat!("job-sleep", job = job, deadline_ns = deadline_ns),
        Kind::Yield => flat!("job-yield", job = job),
        Kind::Enter => flat!("job-enter", job = job),
        Kind::Pause { pause_count } => {
            flat!("job-pause", job = job, pause_count = u64::from(pause_count))
        }
        Kind::Resume { pause_count } => {
            flat!(
                "job-resume",
                job = job,
                pause_count = u64::from(pause_count)
            )
        }
        Kind::Cancel { force } => flat!("job-cancel", job = job, force = force),
        Kind::Defer => flat!("job-defer", job = job),
        Kind::DeferredStart => flat!("job-deferred-start", job = job),
        Kind::RunEnd => flat!("job-run-end", job = job),
        ref other => flat!("job-other", job = job, what = format!("{other:?}")),
    }
}

pub(super) fn mirror(job: &str, event: MirrorEvent) -> Flat {
    use MirrorEvent as Event;
    match event {
        Event::Step(step) => flat!("mirror-step", job = job, step = step.to_string()),
        Event::MirrorStart => flat!("mirror-start", job = job),
        Event::MirrorYield {
            dirty_bytes,
            buf_free_bytes,
            in_flight,
        } => flat!(
            "mirror-yield",
            job = job,
            dirty_bytes = dirty_bytes,
            buf_free_bytes = buf_free_bytes,
            in_flight = in_flight as u64,
        ),
        Event::MirrorIteration { offset, bytes } => {
            flat!(
                "mirror-iteration",
                job = job,
                offset = offset,
                bytes = bytes
            )
        }
        Event::MirrorIterationDone { offset, bytes } => {
            flat!(
                "mirror-iteration-done",
                job = job,
                offset = offset,
                bytes = bytes
            )
        }
        Event::MirrorActiveBegin { offset, bytes } => {
            flat!("mirror-active", job = job, offset = offset, bytes = bytes)
        }
        Event::MirrorActiveEnd { offset, bytes } => {
            flat!(
                "mirror-active-done",
                job = job,
                offset = offset,
                bytes = bytes
            )
        }
        Event::MirrorBeforeFlush => flat!("mirror-before-flush", job = job),
        Event::MirrorBeforeDrain { dirty_bytes } => {
            flat!("mirror-before-drain", job = job, dirty_bytes = dirty_bytes)
        }
        Event::MirrorBeforeSleep {
            dirty_bytes,
            synced,
            delay_ns,
        } => flat!(
            "mirror-before-sleep",
            job = job,
            dirty_bytes = dirty_bytes,
            synced = synced,
            delay_ns = delay_ns,
        ),
        other => flat!("mirror-other", job = job, what = format!("{other:?}")),
    }
}

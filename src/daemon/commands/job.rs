//! The `job-*` commands.
//!
//! QEMU: job-qmp.c.

use std::rc::Rc;

use crate::command;
use crate::daemon::Daemon;
use crate::qapi::types::job::{JobArgument, JobInfo};
use crate::qapi::{Command, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("job-pause", "Has a job stand still at its next pause point.",
        JobArgument => (), qmp_job_pause),
    command!("query-jobs", "Says what jobs there are and how far they are.",
        () => Vec<JobInfo>, qmp_query_jobs),
];

/// QEMU: `qmp_job_pause` (job-qmp.c).
fn qmp_job_pause(daemon: &Rc<Daemon>, args: JobArgument) -> QmpResult<()> {
    let job = daemon.jobs().find(&args.id)?;
    Ok(job.user_pause()?)
}

/// QEMU: `qmp_query_jobs`, `job_query_single` (job-qmp.c).
fn qmp_query_jobs(daemon: &Rc<Daemon>, (): ()) -> QmpResult<Vec<JobInfo>> {
    let jobs = daemon.jobs().jobs();
    let infos = jobs.iter().filter_map(|job| {
        let progress = job.progress();
        Some(JobInfo {
            id: job.id()?.to_string(),
            job_type: job.job_type(),
            status: job.status(),
            current_progress: progress.current().cast_signed(),
            total_progress: progress.total().cast_signed(),
            error: job.error_text(),
        })
    });
    Ok(infos.collect())
}

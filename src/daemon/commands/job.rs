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
    command!("job-resume", "Lets a job go on that the user, or an error, has paused.",
        JobArgument => (), qmp_job_resume),
    command!("job-cancel", "Has a job abandon its work, by force.",
        JobArgument => (), qmp_job_cancel),
    command!("job-complete", "Has a job that is ready come to its end.",
        JobArgument => (), qmp_job_complete),
    command!("job-finalize", "Lets the finished transaction of a job take effect.",
        JobArgument => (), qmp_job_finalize),
    command!("job-dismiss", "Forgets a job that is concluded.",
        JobArgument => (), qmp_job_dismiss),
    command!("query-jobs", "Says what jobs there are and how far they are.",
        () => Vec<JobInfo>, qmp_query_jobs),
];

/// QEMU: `qmp_job_pause` (job-qmp.c).
fn qmp_job_pause(daemon: &Rc<Daemon>, args: JobArgument) -> QmpResult<()> {
    Ok(daemon.jobs().find(&args.id)?.user_pause()?)
}

/// QEMU: `qmp_job_resume` (job-qmp.c).
fn qmp_job_resume(daemon: &Rc<Daemon>, args: JobArgument) -> QmpResult<()> {
    Ok(daemon.jobs().find(&args.id)?.user_resume()?)
}

/// QEMU: `qmp_job_cancel` (job-qmp.c).
fn qmp_job_cancel(daemon: &Rc<Daemon>, args: JobArgument) -> QmpResult<()> {
    Ok(daemon.jobs().find(&args.id)?.user_cancel(true)?)
}

/// QEMU: `qmp_job_complete` (job-qmp.c).
fn qmp_job_complete(daemon: &Rc<Daemon>, args: JobArgument) -> QmpResult<()> {
    Ok(daemon.jobs().find(&args.id)?.complete()?)
}

/// QEMU: `qmp_job_finalize` (job-qmp.c).
fn qmp_job_finalize(daemon: &Rc<Daemon>, args: JobArgument) -> QmpResult<()> {
    Ok(daemon.jobs().find(&args.id)?.finalize()?)
}

/// QEMU: `qmp_job_dismiss` (job-qmp.c).
fn qmp_job_dismiss(daemon: &Rc<Daemon>, args: JobArgument) -> QmpResult<()> {
    Ok(daemon.jobs().find(&args.id)?.dismiss()?)
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

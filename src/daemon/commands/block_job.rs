//! The `block-job-*` commands.
//!
//! QEMU: blockdev.c, blockjob.c.

use std::rc::Rc;

use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::driver::{JobChange, MirrorCopyMode};
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::MirrorJob;

use crate::command;
use crate::daemon::Daemon;
use crate::daemon::convergence::convergence;
use crate::qapi::types::block_job::{
    BlockJobArgument, BlockJobCancel, BlockJobChangeKind, BlockJobChangeOptions,
    BlockJobIdArgument, BlockJobInfo, BlockJobInfoBase, BlockJobInfoKind, BlockJobInfoMirror,
    BlockJobSetSpeed, XVerifying,
};
use crate::qapi::{Command, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("block-job-set-speed", "Limits how fast a job works.",
        BlockJobSetSpeed => (), qmp_block_job_set_speed),
    command!("block-job-cancel", "Ends a job: one that is ready in good order, any other by force.",
        BlockJobCancel => (), qmp_block_job_cancel),
    command!("block-job-pause", "Has a job stand still at its next pause point.",
        BlockJobArgument => (), qmp_block_job_pause),
    command!("block-job-resume", "Lets a job go on that the user, or an error, has paused.",
        BlockJobArgument => (), qmp_block_job_resume),
    command!("block-job-complete", "Has a job that is ready come to its end.",
        BlockJobArgument => (), qmp_block_job_complete),
    command!("block-job-finalize", "Lets the finished transaction of a job take effect.",
        BlockJobIdArgument => (), qmp_block_job_finalize),
    command!("block-job-dismiss", "Forgets a job that is concluded.",
        BlockJobIdArgument => (), qmp_block_job_dismiss),
    command!("block-job-change", "Changes an option of a job while it works.",
        BlockJobChangeOptions => (), qmp_block_job_change),
    command!("query-block-jobs", "Says what block jobs there are and what they do.",
        () => Vec<BlockJobInfo>, qmp_query_block_jobs),
];

/// QEMU: `find_block_job_locked` (blockdev.c).
fn find(daemon: &Rc<Daemon>, id: &str) -> QmpResult<Rc<Job>> {
    Ok(daemon.jobs().find_block_job(id)?)
}

/// QEMU: `qmp_block_job_set_speed` (blockdev.c).
fn qmp_block_job_set_speed(daemon: &Rc<Daemon>, args: BlockJobSetSpeed) -> QmpResult<()> {
    Ok(find(daemon, &args.device)?.set_speed(args.speed)?)
}

/// QEMU: `qmp_block_job_cancel` (blockdev.c).
fn qmp_block_job_cancel(daemon: &Rc<Daemon>, args: BlockJobCancel) -> QmpResult<()> {
    let force = args.force.unwrap_or(false);
    Ok(find(daemon, &args.device)?.block_job_cancel(force)?)
}

/// QEMU: `qmp_block_job_pause` (blockdev.c).
fn qmp_block_job_pause(daemon: &Rc<Daemon>, args: BlockJobArgument) -> QmpResult<()> {
    Ok(find(daemon, &args.device)?.user_pause()?)
}

/// QEMU: `qmp_block_job_resume` (blockdev.c).
fn qmp_block_job_resume(daemon: &Rc<Daemon>, args: BlockJobArgument) -> QmpResult<()> {
    Ok(find(daemon, &args.device)?.user_resume()?)
}

/// QEMU: `qmp_block_job_complete` (blockdev.c).
fn qmp_block_job_complete(daemon: &Rc<Daemon>, args: BlockJobArgument) -> QmpResult<()> {
    Ok(find(daemon, &args.device)?.complete()?)
}

/// QEMU: `qmp_block_job_finalize` (blockdev.c).
fn qmp_block_job_finalize(daemon: &Rc<Daemon>, args: BlockJobIdArgument) -> QmpResult<()> {
    Ok(find(daemon, &args.id)?.finalize()?)
}

/// QEMU: `qmp_block_job_dismiss` (blockdev.c).
fn qmp_block_job_dismiss(daemon: &Rc<Daemon>, args: BlockJobIdArgument) -> QmpResult<()> {
    Ok(find(daemon, &args.id)?.dismiss()?)
}

/// QEMU: `qmp_block_job_change` (blockdev.c).
fn qmp_block_job_change(daemon: &Rc<Daemon>, args: BlockJobChangeOptions) -> QmpResult<()> {
    let job = find(daemon, &args.base.id)?;
    // As the peer: the job itself knows of what type it is, and what is not said is the first value.
    let copy_mode = match args.u {
        BlockJobChangeKind::Mirror(mirror) => mirror.copy_mode,
        BlockJobChangeKind::Nothing => MirrorCopyMode::Background,
    };
    Ok(job.change(JobChange::Mirror { copy_mode })?)
}

/// QEMU: `qmp_query_block_jobs` (blockdev.c).
fn qmp_query_block_jobs(daemon: &Rc<Daemon>, (): ()) -> QmpResult<Vec<BlockJobInfo>> {
    let jobs = daemon.jobs().jobs();
    Ok(jobs.iter().filter_map(block_job_query).collect())
}

/// QEMU: `block_job_query_locked` (blockjob.c).
fn block_job_query(job: &Rc<Job>) -> Option<BlockJobInfo> {
    let block_job = job.block_job()?;
    let progress = job.progress();
    let u = match MirrorJob::of(job) {
        Some(mirror) => BlockJobInfoKind::Mirror(Box::new(BlockJobInfoMirror {
            actively_synced: is_actively_synced(job, block_job),
            x_convergence: MirrorJob::of(job).map(|mirror| convergence(&mirror)),
            x_guest_writes: mirror.guest_writes(),
            x_verifying: mirror.verified_bytes().map(|verified_bytes| XVerifying {
                verified_bytes,
                len: mirror.len_bytes(),
            }),
        })),
        None => BlockJobInfoKind::Nothing,
    };
    let base = BlockJobInfoBase {
        job_type: job.job_type(),
        device: job.id()?.to_string(),
        len: progress.total().cast_signed(),
        offset: progress.current().cast_signed(),
        busy: job.is_busy(),
        paused: job.pause_count() > 0,
        speed: job.speed_bytes_per_s().cast_signed(),
        io_status: job.io_status(),
        ready: job.is_ready(),
        status: job.status(),
        auto_finalize: job.auto_finalize(),
        auto_dismiss: job.auto_dismiss(),
        error: job.error_text(),
    };
    Some(BlockJobInfo { base, u })
}

/// QEMU: `mirror_query` (block/mirror.c).
fn is_actively_synced(job: &Rc<Job>, block_job: &BlockJob) -> bool {
    // From a disk of no bytes no write can be missing on the other side.
    let nodes = block_job.nodes();
    let empty = nodes.last().is_some_and(|main_node| main_node.is_empty());
    let mirror = MirrorJob::of(job);
    (job.is_ready() && empty) || mirror.is_some_and(|mirror| mirror.is_actively_synced())
}

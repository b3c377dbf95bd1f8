//! `blockdev-mirror`, and what it shares with `drive-mirror`.
//!
//! QEMU: blockdev.c, block/mirror.c.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::error_policy::OnError;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::{MirrorBackingMode, MirrorOptions, MirrorSync, mirror_start};

use crate::command;
use crate::daemon::Daemon;
use crate::daemon::receipts::{self, Filenames};
use crate::qapi::types::mirror::{BlockdevMirror, MirrorSyncMode};
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("blockdev-mirror", "Copies a disk that is in use onto a node, and keeps the copy up to date.",
        BlockdevMirror => (), qmp_blockdev_mirror),
];

const NS_PER_US: u64 = 1_000;

/// What both commands leave to [`blockdev_mirror_common`].
pub(super) struct CommonArgs {
    pub(super) job_id: Option<String>,
    pub(super) replaces: Option<String>,
    pub(super) sync: MirrorSyncMode,
    pub(super) backing_mode: MirrorBackingMode,
    pub(super) zero_target: bool,
    pub(super) target_was_there: bool,
    pub(super) speed: Option<i64>,
    pub(super) granularity: Option<u32>,
    pub(super) buf_size: Option<i64>,
    pub(super) on_source_error: Option<OnError>,
    pub(super) on_target_error: Option<OnError>,
    pub(super) unmap: Option<bool>,
    pub(super) copy_mode: Option<MirrorCopyMode>,
    pub(super) guest_latency_us: Option<u64>,
    pub(super) filter_node_name: Option<String>,
    pub(super) auto_finalize: Option<bool>,
    pub(super) auto_dismiss: Option<bool>,
    pub(super) verify: Option<bool>,
}

/// QEMU: `qmp_blockdev_mirror` (blockdev.c).
fn qmp_blockdev_mirror(daemon: &Rc<Daemon>, args: BlockdevMirror) -> QmpResult<()> {
    let source = qmp_get_root_bs(daemon, &args.device)?;
    let target = daemon.graph().lookup(&args.target)?;
    let _job = blockdev_mirror_common(
        daemon,
        &source,
        &target,
        CommonArgs {
            job_id: args.job_id,
            replaces: args.replaces,
            sync: args.sync,
            backing_mode: MirrorBackingMode::Leave,
            zero_target: args.sync == MirrorSyncMode::Full,
            target_was_there: true,
            speed: args.speed,
            granularity: args.granularity,
            buf_size: args.buf_size,
            on_source_error: args.on_source_error,
            on_target_error: args.on_target_error,
            unmap: None,
            copy_mode: args.copy_mode,
            guest_latency_us: args.x_guest_latency_us,
            filter_node_name: args.filter_node_name,
            auto_finalize: args.auto_finalize,
            auto_dismiss: args.auto_dismiss,
            verify: args.x_verify,
        },
    )?;
    Ok(())
}

/// The node of that name, or of the drive of that name, if nobody but drives uses it.
///
/// QEMU: `qmp_get_root_bs` (blockdev.c).
pub(super) fn qmp_get_root_bs(daemon: &Rc<Daemon>, name: &str) -> QmpResult<Rc<Node>> {
    let node = daemon.graph().lookup(name)?;
    if !node.is_root_node() {
        return Err(QmpError::generic("Need a root block node"));
    }
    Ok(node)
}

/// The checks that both commands share, and the start of the job. Polls.
///
/// QEMU: `blockdev_mirror_common` (blockdev.c), `mirror_start` (block/mirror.c).
pub(super) fn blockdev_mirror_common(
    daemon: &Rc<Daemon>,
    source: &Rc<Node>,
    target: &Rc<Node>,
    args: CommonArgs,
) -> QmpResult<Rc<Job>> {
    let sync = match args.sync {
        MirrorSyncMode::Full => Some(MirrorSync::Full),
        MirrorSyncMode::Top => Some(MirrorSync::Top),
        MirrorSyncMode::None => Some(MirrorSync::None),
        MirrorSyncMode::Incremental | MirrorSyncMode::Bitmap => None,
    };
    let options = MirrorOptions {
        job_id: args.job_id,
        sync: sync.unwrap_or_default(),
        granularity: args.granularity.unwrap_or(0).into(),
        buf_size: args.buf_size.unwrap_or(0).cast_unsigned(),
        speed: args.speed.unwrap_or(0).cast_unsigned(),
        on_source_error: args.on_source_error.unwrap_or(OnError::Report),
        on_target_error: args.on_target_error.unwrap_or(OnError::Report),
        unmap: args.unmap.unwrap_or(true),
        copy_mode: args.copy_mode.unwrap_or_default(),
        guest_latency_ns: args.guest_latency_us.map(|us| us.saturating_mul(NS_PER_US)),
        replaces: args.replaces,
        filter_node_name: args.filter_node_name,
        backing_mode: args.backing_mode,
        zero_target: args.zero_target,
        target_was_there: args.target_was_there,
        auto_finalize: args.auto_finalize.unwrap_or(true),
        auto_dismiss: args.auto_dismiss.unwrap_or(true),
        verify: args.verify.unwrap_or(false),
        ..MirrorOptions::new()
    };
    if sync.is_none() {
        options.check_common(source, target)?;
        let name = args.sync.as_str();
        let text = format!("Sync mode '{name}' not supported");
        return Err(QmpError::generic(text));
    }
    // As they are before the job puts its filter on top of the source.
    let names = Filenames::of(daemon, source, target);
    let (job, mirror) = mirror_start(daemon.jobs(), daemon.pool(), source, target, &options)?;
    receipts::keep(daemon, &job, &mirror, names);
    Ok(job)
}

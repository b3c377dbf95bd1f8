//! `drive-mirror`: makes or opens the target, and mirrors onto it.
//!
//! QEMU: `qmp_drive_mirror` (blockdev.c).

use std::rc::Rc;

use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{BlockError, ErrorKind, Node};
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::{MirrorBackingMode, OpenBacking};

use super::mirror::{CommonArgs, blockdev_mirror_common, qmp_get_root_bs};
use crate::command;
use crate::daemon::Daemon;
use crate::daemon::open::options::Options;
use crate::daemon::open::{
    NewImage, OpenFlags, create_image, filename, flush_before_close, open_backing_chain, open_image,
};
use crate::qapi::types::mirror::{DriveMirror, MirrorSyncMode, NewImageMode};
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("drive-mirror", "Copies a disk that is in use onto a file, and keeps the copy up to date.",
        DriveMirror => (), qmp_drive_mirror),
];

/// What becomes of the arguments when the source is known.
struct Plan {
    mode: NewImageMode,
    /// None to find out what an existing image looks like.
    format: Option<String>,
    sync: MirrorSyncMode,
    /// What the target is to be above in the end.
    backing: Option<Rc<Node>>,
    flags: OpenFlags,
}

/// QEMU: `qmp_drive_mirror` (blockdev.c).
fn qmp_drive_mirror(daemon: &Rc<Daemon>, args: DriveMirror) -> QmpResult<()> {
    let source = qmp_get_root_bs(daemon, &args.device)?;
    // Before a target is made for nothing.
    source.check_op(BlockOp::MirrorSource)?;
    let plan = plan(daemon, &source, &args);
    let size = source
        .len()
        .map_err(|error| BlockError::from_errno(error.errno(), "bdrv_getlength failed"))?;
    if args.replaces.is_some() && args.node_name.is_none() {
        return Err(QmpError::generic(
            "a node-name must be provided when replacing a named node of the graph",
        ));
    }
    if plan.mode == NewImageMode::AbsolutePaths {
        create_target(daemon, &plan, &args.target, size)?;
    }
    let target = open_target(daemon, &plan, &args)?;
    // Or is as good as that: a device keeps what it holds when an image is made on it.
    let target_was_there = plan.mode == NewImageMode::Existing || !target.has_zero_init();
    let job = blockdev_mirror_common(
        daemon,
        &source,
        &target,
        CommonArgs {
            job_id: args.job_id,
            replaces: args.replaces,
            sync: plan.sync,
            backing_mode: backing_mode(daemon, plan.mode),
            zero_target: plan.sync == MirrorSyncMode::Full && target_was_there,
            target_was_there,
            speed: args.speed,
            granularity: args.granularity,
            buf_size: args.buf_size,
            on_source_error: args.on_source_error,
            on_target_error: args.on_target_error,
            unmap: args.unmap,
            copy_mode: args.copy_mode,
            guest_latency_us: args.x_guest_latency_us,
            filter_node_name: None,
            auto_finalize: args.auto_finalize,
            auto_dismiss: args.auto_dismiss,
            verify: args.x_verify,
        },
    )?;
    job.carry(FlushedTarget(target.name().to_owned()));
    flush_when_finished(daemon, &job, target);
    Ok(())
}

/// The name of a target that is to be flushed. The job carries it to wherever it goes.
#[derive(Clone)]
struct FlushedTarget(String);

/// If nobody but the job uses it, the target is closed when the job ends, and must be whole then.
fn flush_when_finished(daemon: &Rc<Daemon>, job: &Rc<Job>, target: Rc<Node>) {
    let weak = Rc::downgrade(daemon);
    job.on_finished(move |_, _| {
        if let Some(daemon) = weak.upgrade() {
            flush_before_close(&daemon, &target);
        }
    });
}

/// Has that done here which was asked for elsewhere: `job` has come from another context, with its
/// target.
pub fn flush_target_on(daemon: &Rc<Daemon>, job: &Rc<Job>) {
    let target = job.carried::<FlushedTarget>();
    let target = target.and_then(|target| daemon.graph().find_node(&target.0));
    if let Some(target) = target {
        flush_when_finished(daemon, job, target);
    }
}

fn plan(daemon: &Rc<Daemon>, source: &Rc<Node>, args: &DriveMirror) -> Plan {
    let mode = args.mode.unwrap_or(NewImageMode::AbsolutePaths);
    let format = match (&args.format, mode) {
        (Some(format), _) => Some(format.clone()),
        (None, NewImageMode::Existing) => None,
        (None, NewImageMode::AbsolutePaths) => Some(source.driver().format_name().to_owned()),
    };
    let below = source.skip_filters().backing().map(|edge| edge.node());
    let sync = match (args.sync, &below) {
        (MirrorSyncMode::Top, None) => MirrorSyncMode::Full,
        (sync, _) => sync,
    };
    let backing = match sync {
        MirrorSyncMode::None => Some(source.clone()),
        _ => below,
    };
    // The target is opened as the source was, but for what is said here.
    let facts = daemon.facts.of(source);
    let flags = OpenFlags {
        writable: true,
        direct: facts.cache_direct.get(),
        no_flush: facts.cache_no_flush.get(),
        unmap: facts.discard_unmap.get(),
        no_backing: true,
        ..OpenFlags::default()
    };
    Plan {
        mode,
        format,
        sync,
        backing,
        flags,
    }
}

fn create_target(daemon: &Rc<Daemon>, plan: &Plan, target: &str, size_bytes: u64) -> QmpResult<()> {
    // A filter that a job has put there is no part of the name.
    let backing = plan.backing.as_ref();
    let backing = backing.filter(|_| plan.sync != MirrorSyncMode::Full);
    let backing = backing.map(|node| {
        let node = node.skip_implicit_filters();
        (
            filename::of(daemon, &node).shown(),
            node.driver().format_name(),
        )
    });
    let backing = backing.as_ref().map(|(name, format)| (&**name, *format));
    let format = plan.format.as_deref().unwrap_or_default();
    create_image(
        daemon,
        &NewImage {
            filename: target,
            format,
            size: Some(size_bytes),
            backing,
        },
    )
}

/// The mirror itself sees to what the target lacks, so its backing file is not opened yet.
fn open_target(daemon: &Rc<Daemon>, plan: &Plan, args: &DriveMirror) -> QmpResult<Rc<Node>> {
    let mut options = Options::new();
    if let Some(name) = &args.node_name {
        options.put("node-name", name);
    }
    if let Some(format) = &plan.format {
        options.put("driver", format);
    }
    open_image(daemon, Some(&args.target), options, plan.flags)
}

fn backing_mode(daemon: &Rc<Daemon>, mode: NewImageMode) -> MirrorBackingMode {
    if mode == NewImageMode::AbsolutePaths {
        return MirrorBackingMode::SourceChain;
    }
    // The mirror may have moved by then, and it is the daemon there that opens the file.
    daemon.open_door();
    let common = daemon.common().clone();
    MirrorBackingMode::OpenChain(OpenBacking::anywhere(move |target| {
        let Some(daemon) = common.daemon_here() else {
            return Ok(());
        };
        open_backing_chain(&daemon, target)
            .map_err(|error| BlockError::new(ErrorKind::Io, error.desc))
    }))
}

//! `blockdev-snapshot` and `blockdev-snapshot-sync`: an overlay takes the place of a node.
//!
//! QEMU: `external_snapshot_action`, `external_snapshot_commit` (blockdev.c).

use std::rc::Rc;

use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{Node, Perm};

use super::blockdev::lookup;
use crate::command;
use crate::daemon::open::options::Options;
use crate::daemon::open::{NewImage, OpenFlags};
use crate::daemon::{Daemon, open};
use crate::qapi::types::mirror::NewImageMode;
use crate::qapi::types::snapshot::{BlockdevSnapshot, BlockdevSnapshotSync};
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("blockdev-snapshot", "Puts a node above another one, which becomes its backing file.",
        BlockdevSnapshot => (), qmp_blockdev_snapshot),
    command!("blockdev-snapshot-sync", "Makes an image and puts it above a node.",
        BlockdevSnapshotSync => (), qmp_blockdev_snapshot_sync),
];

fn fail<T>(text: &str) -> QmpResult<T> {
    Err(QmpError::generic(text))
}

/// QEMU: `qmp_blockdev_snapshot` (blockdev.c).
fn qmp_blockdev_snapshot(daemon: &Rc<Daemon>, args: BlockdevSnapshot) -> QmpResult<()> {
    let old = lookup(daemon, Some(&args.node), Some(&args.node))?;
    let drained = old.drained_begin("snapshot");
    prepare(daemon, &old)?;
    let overlay = daemon.graph().lookup(&args.overlay)?;
    append(daemon, &old, &overlay)?;
    drop(drained);
    Ok(())
}

/// QEMU: `qmp_blockdev_snapshot_sync` (blockdev.c).
fn qmp_blockdev_snapshot_sync(daemon: &Rc<Daemon>, args: BlockdevSnapshotSync) -> QmpResult<()> {
    let old = lookup(daemon, args.device.as_deref(), args.node_name.as_deref())?;
    let drained = old.drained_begin("snapshot");
    prepare(daemon, &old)?;
    let overlay = open_overlay(daemon, &old, &args)?;
    append(daemon, &old, &overlay)?;
    drop(drained);
    if overlay.parents().is_empty() {
        // Nobody has used the old one, so nobody uses the new one, and this was its whole life.
        open::flush_before_close(daemon, &overlay);
    }
    Ok(())
}

/// What must hold for a node that becomes a backing file, and what it has in memory is written.
fn prepare(daemon: &Rc<Daemon>, old: &Rc<Node>) -> QmpResult<()> {
    old.check_op(BlockOp::ExternalSnapshot)?;
    if old.is_read_only() {
        return Ok(());
    }
    let node = old.clone();
    let flushed = daemon
        .context()
        .run("snapshot", async move { node.flush().await });
    flushed.or_else(|_| fail("An IO error has occurred"))
}

/// Makes the image, unless it is there, and opens it without its backing file.
fn open_overlay(
    daemon: &Rc<Daemon>,
    old: &Rc<Node>,
    args: &BlockdevSnapshotSync,
) -> QmpResult<Rc<Node>> {
    let format = args.format.as_deref().unwrap_or("qcow2");
    let name = args.snapshot_node_name.as_deref();
    if args.node_name.is_some() && name.is_none() {
        return fail("New overlay node-name missing");
    }
    if name.is_some_and(|name| daemon.graph().lookup(name).is_ok()) {
        return fail("New overlay node-name already in use");
    }
    if args.mode != Some(NewImageMode::Existing) {
        let size = old
            .len()
            .map_err(|error| QmpError::from(error).prepend("bdrv_getlength failed: "))?;
        let backing = open::filename::of(daemon, old).shown();
        open::create_image(
            daemon,
            &NewImage {
                filename: &args.snapshot_file,
                format,
                size: Some(size),
                backing: Some((&backing, old.driver().format_name())),
            },
        )?;
    }
    let mut options = Options::new();
    if let Some(name) = name {
        options.put("node-name", name);
    }
    options.put("driver", format);
    let flags = OpenFlags {
        no_backing: true,
        ..open::flags_of(daemon, old)
    };
    open::open_image(daemon, Some(&args.snapshot_file), options, flags)
}

/// Puts `overlay` above `old`, which is not written to any more.
fn append(daemon: &Rc<Daemon>, old: &Rc<Node>, overlay: &Rc<Node>) -> QmpResult<()> {
    if overlay
        .cumulative_perms()
        .used
        .contains(Perm::CONSISTENT_READ)
    {
        return fail("The overlay is already in use");
    }
    let format = overlay.driver().format_name();
    if overlay.driver().is_filter() && format != "raw" {
        return fail("Filters cannot be used as overlays");
    }
    if overlay.backing().is_some() {
        return fail("The overlay already has a backing image");
    }
    if !open::format::Format::find(format).is_some_and(|format| format.supports_backing()) {
        return fail("The overlay does not support backing images");
    }
    daemon.graph().append(
        overlay,
        "backing",
        blockjob_block::child::ChildRole::Cow,
        old,
    )?;
    daemon.facts.of(overlay).no_backing.set(false);
    // Whoever goes on writing to it may do so: the overlay is in place all the same.
    let _ = open::reopen_read_only(daemon, old);
    Ok(())
}

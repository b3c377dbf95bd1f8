//! `blockdev-add` and `blockdev-del`.
//!
//! QEMU: blockdev.c.

use std::rc::Rc;

use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{BlockBackend, Node};

use crate::command;
use crate::daemon::{Daemon, open};
use crate::qapi::types::node_options::{BlockdevDel, BlockdevOptions};
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("blockdev-add", "Opens an image, or makes another node.",
        BlockdevOptions => (), qmp_blockdev_add),
    command!("blockdev-del", "Gives up a node that nobody uses.",
        BlockdevDel => (), qmp_blockdev_del),
];

/// QEMU: `qmp_blockdev_add` (blockdev.c).
fn qmp_blockdev_add(daemon: &Rc<Daemon>, options: BlockdevOptions) -> QmpResult<()> {
    open::blockdev_add(daemon, &options)?;
    Ok(())
}

/// The node that a command means, by the name of its drive or by its own.
///
/// QEMU: `bdrv_lookup_bs` (block.c).
///
/// # Errors
///
/// There is none.
pub(super) fn lookup(
    daemon: &Daemon,
    device: Option<&str>,
    node_name: Option<&str>,
) -> QmpResult<Rc<Node>> {
    let graph = daemon.graph();
    if let Some(backend) = device.and_then(|device| graph.find_backend(device)) {
        return backend.node().ok_or_else(|| {
            QmpError::generic(format!("Device '{}' has no medium", backend.name()))
        });
    }
    let node = node_name.and_then(|name| graph.find_node(name));
    node.ok_or_else(|| {
        QmpError::generic(format!(
            "Cannot find device='{}' nor node-name='{}'",
            device.unwrap_or_default(),
            node_name.unwrap_or_default()
        ))
    })
}

/// True if a drive, a guest or a job has the node as its own.
///
/// QEMU: `bdrv_has_blk` (block/block-backend.c).
pub(super) fn has_backend(daemon: &Daemon, node: &Rc<Node>) -> bool {
    let uses =
        |backend: &Rc<BlockBackend>| backend.node().is_some_and(|its| Rc::ptr_eq(&its, node));
    daemon.graph().backends().iter().any(uses)
}

/// QEMU: `qmp_blockdev_del` (blockdev.c).
fn qmp_blockdev_del(daemon: &Rc<Daemon>, args: BlockdevDel) -> QmpResult<()> {
    let fail = |text: String| Err(QmpError::generic(text));
    let name = &args.node_name;
    let Some(node) = daemon.graph().find_node(name) else {
        return fail(format!("Failed to find node with node-name='{name}'"));
    };
    if has_backend(daemon, &node) {
        return fail(format!("Node {name} is in use"));
    }
    node.check_op(BlockOp::DriveDel)?;
    if !daemon.owned.has_node(&node) {
        return fail(format!("Node {name} is not owned by the monitor"));
    }
    if !node.parents().is_empty() {
        return fail(format!("Block device {name} is in use"));
    }
    open::flush_before_close(daemon, &node);
    drop(daemon.owned.remove_node(&node));
    Ok(())
}

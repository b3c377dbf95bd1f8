//! `block_resize`.
//!
//! QEMU: blockdev.c.

use std::rc::Rc;

use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{BlockBackend, Perm, PermPair};

use super::blockdev::lookup;
use crate::command;
use crate::daemon::Daemon;
use crate::qapi::types::snapshot::BlockResize;
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[command!(
    "block_resize", "Gives a node another length.", BlockResize => (), qmp_block_resize)];

/// The most bytes that any disk has.
///
/// QEMU: `BDRV_MAX_LENGTH` (include/block/block-common.h).
const MAX_LENGTH: u64 = i64::MAX.cast_unsigned() >> 30 << 30;

/// QEMU: `qmp_block_resize` (blockdev.c).
fn qmp_block_resize(daemon: &Rc<Daemon>, args: BlockResize) -> QmpResult<()> {
    let node = lookup(daemon, args.device.as_deref(), args.node_name.as_deref())?;
    let Ok(size) = u64::try_from(args.size) else {
        return Err(QmpError::generic("Parameter 'size' expects a >0 size"));
    };
    node.check_op(BlockOp::Resize)?;
    let backend = if node.is_read_only() {
        None
    } else {
        let perms = PermPair::new(Perm::RESIZE, Perm::ALL);
        let backend = BlockBackend::new(daemon.graph(), "", perms)?;
        backend.insert(&node)?;
        Some(backend)
    };
    let root = backend.as_ref().and_then(|backend| backend.root());
    let Some(root) = root else {
        return Err(QmpError::generic("Image is read-only"));
    };
    if size > MAX_LENGTH {
        let text = format!("offset({size}) exceeds maximum({MAX_LENGTH})");
        return Err(QmpError::generic(text));
    }
    let drained = node.drained_begin("block_resize");
    let result = daemon
        .context()
        .run("block_resize", async move { root.truncate(size).await });
    drop(drained);
    if let Some(backend) = backend {
        backend.remove();
    }
    Ok(result?)
}

//! `query-block`: the drives.
//!
//! QEMU: `qmp_query_block`, `bdrv_query_info` (block/qapi.c).

use std::rc::Rc;

use blockjob_block::BlockBackend;

use super::image_info::Behind;
use super::query_nodes::block_device_info;
use crate::command;
use crate::daemon::Daemon;
use crate::daemon::drive_device::iostatus_is_enabled;
use crate::qapi::types::query_block::BlockInfo;
use crate::qapi::{Command, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[command!("query-block", "Says what drives there are.",
        () => Vec<BlockInfo>, qmp_query_block)];

/// QEMU: `qmp_query_block` (block/qapi.c).
fn qmp_query_block(daemon: &Rc<Daemon>, (): ()) -> QmpResult<Vec<BlockInfo>> {
    let drives = daemon.owned.drives();
    drives
        .iter()
        .map(|drive| query_info(daemon, drive))
        .collect()
}

/// QEMU: `bdrv_query_info` (block/qapi.c).
fn query_info(daemon: &Rc<Daemon>, drive: &Rc<BlockBackend>) -> QmpResult<BlockInfo> {
    // A filter that a job has put there is not what the user knows.
    let node = drive.node().map(|node| node.skip_implicit_filters());
    let inserted = match &node {
        Some(node) => Some(block_device_info(daemon, node, Behind::Explicit)?),
        None => None,
    };
    Ok(BlockInfo {
        device: drive.name().to_owned(),
        qdev: None,
        device_type: "unknown".to_owned(),
        removable: node.is_none(),
        locked: false,
        inserted,
        tray_open: None,
        io_status: drive.iostatus().filter(|_| iostatus_is_enabled(drive)),
    })
}

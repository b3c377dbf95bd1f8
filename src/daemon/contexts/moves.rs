//! Nodes go to another context, with everybody who uses them.
//!
//! QEMU: `bdrv_try_change_aio_context` (block.c).

use std::rc::Rc;

use blockjob_block::moving::set_aio_context;
use blockjob_runtime::{AioHandle, Resident};

use super::home::Door;
use super::{gone, places};
use crate::daemon::Daemon;
use crate::qapi::{QmpError, QmpResult};

/// Has the node or drive `name`, and all that is connected with it, live in `target` from now on. Called
/// in the main context, outside of coroutines.
///
/// # Errors
///
/// Somebody of them cannot move, and says why.
pub(in crate::daemon) fn move_to(
    daemon: &Rc<Daemon>,
    name: &str,
    target: &AioHandle,
) -> QmpResult<()> {
    let Some(home) = places::place_of(daemon, name) else {
        return Ok(());
    };
    if home == *target {
        return Ok(());
    }
    let lost = || QmpError::generic("The I/O thread has ended");
    let common = daemon.common();
    let from = common.door_of(&home).ok_or_else(lost)?;
    let to = common.door_of(target).ok_or_else(lost)?;
    let node = node_of(daemon, &from, name)?;
    let moved = set_aio_context(daemon.context(), &node, &from, &to);
    daemon.tell_events();
    Ok(moved?)
}

/// The node of that name, or of the drive of that name.
fn node_of(daemon: &Daemon, from: &Resident<Door>, name: &str) -> QmpResult<String> {
    let wanted = name.to_owned();
    let find = move |door: &Rc<Door>| {
        let daemon = door.daemon()?;
        let node = daemon.graph().lookup(&wanted).ok()?;
        Some(node.name().to_owned())
    };
    let node = daemon.context().call_resident(from, "node of", find);
    let node = node.map_err(gone)?;
    node.ok_or_else(|| QmpError::generic(format!("Device '{name}' has no medium")))
}

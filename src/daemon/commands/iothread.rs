//! `x-blockdev-set-iothread`.
//!
//! QEMU: blockdev.c.

use std::rc::Rc;

use super::blockdev::has_backend;
use crate::command;
use crate::daemon::{Daemon, contexts};
use crate::qapi::types::iothread::{StrOrNull, XBlockdevSetIothread};
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[command!(
    "x-blockdev-set-iothread",
    "Has a node, and all that is connected with it, live in another thread.",
    XBlockdevSetIothread => (), qmp_x_blockdev_set_iothread)];

fn fail<T>(text: String) -> QmpResult<T> {
    Err(QmpError::generic(text))
}

/// QEMU: `qmp_x_blockdev_set_iothread` (blockdev.c).
fn qmp_x_blockdev_set_iothread(daemon: &Rc<Daemon>, args: XBlockdevSetIothread) -> QmpResult<()> {
    let name = args.node_name;
    let Some(home) = contexts::place_of_node(daemon, &name) else {
        return fail(format!("Failed to find node with node-name='{name}'"));
    };
    if !args.force.unwrap_or(false) {
        let node_name = name.clone();
        let in_use = contexts::call(daemon, &home, move |daemon| {
            let node = daemon.graph().find_node(&node_name);
            node.is_some_and(|node| has_backend(daemon, &node))
        })?;
        if in_use {
            return fail(format!(
                "Node {name} is associated with a BlockBackend and could be in use (use force=true to \
                 override this check)"
            ));
        }
    }
    let target = match args.iothread {
        StrOrNull::None(_) => daemon.context().handle(),
        StrOrNull::Str(id) => match daemon.contexts.find(&id) {
            Some(io) => io.handle().clone(),
            None => return fail(format!("Cannot find iothread {id}")),
        },
    };
    contexts::move_to(daemon, &name, &target)
}

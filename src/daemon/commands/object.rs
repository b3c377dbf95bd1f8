//! `object-add` and `object-del`.
//!
//! QEMU: qom/qom-qmp-cmds.c.

use std::rc::Rc;

use crate::command;
use crate::daemon::Daemon;
use crate::qapi::types::qom::{ObjectDel, ObjectOptions};
use crate::qapi::{Command, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("object-add", "Makes an I/O thread, a throttle group or a secret.", ObjectOptions => (), qmp_object_add),
    command!("object-del", "Forgets an object that nobody uses.", ObjectDel => (), qmp_object_del),
];

/// QEMU: `qmp_object_add` (qom/qom-qmp-cmds.c).
fn qmp_object_add(daemon: &Rc<Daemon>, options: ObjectOptions) -> QmpResult<()> {
    daemon.add_object(&options)
}

/// QEMU: `qmp_object_del` (qom/qom-qmp-cmds.c).
fn qmp_object_del(daemon: &Rc<Daemon>, args: ObjectDel) -> QmpResult<()> {
    daemon.remove_object(&args.id)
}

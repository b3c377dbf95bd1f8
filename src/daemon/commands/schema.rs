//! What commands there are, and what they take.
//!
//! QEMU: monitor/qmp-cmds-control.c.

use std::rc::Rc;

use super::COMMANDS as ALL;
use crate::command;
use crate::daemon::Daemon;
use crate::monitor::qmp_capabilities;
use crate::qapi::types::EVENTS;
use crate::qapi::types::control::{CommandInfo, QmpCapabilities};
use crate::qapi::types::introspect::SchemaInfo;
use crate::qapi::{Command, QmpResult, introspect};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("qmp_capabilities", "Agrees upon capabilities, and lets a session begin.",
        QmpCapabilities => (), qmp_capabilities),
    command!("query-commands", "Says what commands there are.",
        () => Vec<CommandInfo>, qmp_query_commands),
    command!("query-qmp-schema", "Says what commands and events there are, with all their types.",
        () => Vec<SchemaInfo>, qmp_query_qmp_schema),
];

/// QEMU: `qmp_query_commands` (monitor/qmp-cmds-control.c).
fn qmp_query_commands(_daemon: &Rc<Daemon>, (): ()) -> QmpResult<Vec<CommandInfo>> {
    Ok(introspect::query_commands(ALL.iter().copied().flatten()))
}

/// QEMU: `qmp_query_qmp_schema` (monitor/qmp-cmds-control.c).
fn qmp_query_qmp_schema(_daemon: &Rc<Daemon>, (): ()) -> QmpResult<Vec<SchemaInfo>> {
    let commands = ALL.iter().copied().flatten();
    Ok(introspect::query_qmp_schema(commands, EVENTS))
}

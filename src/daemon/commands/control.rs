//! The version, and lines for the human monitor.
//!
//! QEMU: monitor/qmp-cmds-control.c, monitor/qmp-cmds.c.

use std::rc::Rc;

use crate::command;
use crate::daemon::{Daemon, hmp};
use crate::monitor::version_info;
use crate::qapi::types::control::{HumanMonitorCommand, VersionInfo};
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("query-version", "Says whose protocol this is, and which program.",
        () => VersionInfo, qmp_query_version),
    command!("human-monitor-command", "Runs a line of the human monitor and returns what it prints.",
        HumanMonitorCommand => String, qmp_human_monitor_command),
];

/// QEMU: `qmp_query_version` (monitor/qmp-cmds-control.c).
fn qmp_query_version(_daemon: &Rc<Daemon>, (): ()) -> QmpResult<VersionInfo> {
    Ok(version_info())
}

/// QEMU: `qmp_human_monitor_command` (monitor/qmp-cmds.c).
fn qmp_human_monitor_command(daemon: &Rc<Daemon>, args: HumanMonitorCommand) -> QmpResult<String> {
    if args.cpu_index.is_some() {
        let text = "Parameter 'cpu-index' expects a CPU number";
        return Err(QmpError::generic(text));
    }
    // As a terminal gets it: the human monitor ends each line so, whoever reads it.
    Ok(hmp::run(daemon, &args.command_line).replace('\n', "\r\n"))
}

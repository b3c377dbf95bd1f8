//! The monitor itself.
//!
//! QEMU: qapi/control.json, qapi/misc.json.

use crate::{qapi_enum, qapi_struct};

qapi_enum! {
    /// What a client may ask of a session beyond the usual.
    pub enum QMPCapability {
        /// Commands that are executed before those that were sent earlier.
        "oob" Oob,
    }
}

qapi_struct! {
    /// The arguments of `qmp_capabilities`.
    pub struct QmpCapabilities {
        /// What the client wants.
        "enable" enable: Option<Vec<QMPCapability>>,
    }
}

qapi_struct! {
    /// A version in three numbers.
    pub struct VersionTriple {
        /// The first.
        "major" major: i64,
        /// The second.
        "minor" minor: i64,
        /// The third.
        "micro" micro: i64,
    }
}

qapi_struct! {
    /// What `query-version` says, and the greeting of a session.
    pub struct VersionInfo {
        /// The version of QEMU whose protocol this is.
        "qemu" qemu: VersionTriple,
        /// Who made this.
        "package" package: String,
    }
}

qapi_struct! {
    /// An element of what `query-commands` says.
    pub struct CommandInfo {
        /// The command.
        "name" name: String,
    }
}

qapi_struct! {
    /// The arguments of `human-monitor-command`.
    pub struct HumanMonitorCommand {
        /// The line as a person would type it.
        "command-line" command_line: String,
        /// For which processor. There is none.
        "cpu-index" cpu_index: Option<i64>,
    }
}

//! What we say we are.
//!
//! QEMU: `qmp_query_version` (monitor/qmp-cmds-control.c).

use crate::qapi::types::control::{VersionInfo, VersionTriple};

/// This program's name and version, for people.
pub const PACKAGE: &str = concat!("blockjob ", env!("CARGO_PKG_VERSION"));

/// The answer to `query-version`, which is in the greeting, too.
///
/// The numbers are those of the QEMU whose QMP we speak: clients decide by them what they may send.
/// Who we are is the package.
pub fn version_info() -> VersionInfo {
    VersionInfo {
        qemu: VersionTriple {
            major: 10,
            minor: 0,
            micro: 2,
        },
        package: PACKAGE.to_owned(),
    }
}

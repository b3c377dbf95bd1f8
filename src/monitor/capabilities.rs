//! What client and server agree upon before the first command.
//!
//! QEMU: `qmp_capabilities`, `qmp_caps_accept` (monitor/qmp-cmds-control.c).

use std::rc::Rc;

use crate::qapi::types::control::QmpCapabilities;
use crate::qapi::{ErrorClass, QmpError, QmpResult};

/// `qmp_capabilities`, for a table of commands. It is the one command of a session that has not
/// agreed upon capabilities, and the session answers it; everybody else is too late.
///
/// # Errors
///
/// Always.
pub fn qmp_capabilities<C>(_context: &Rc<C>, _args: QmpCapabilities) -> QmpResult<()> {
    Err(already_complete())
}

pub(crate) fn already_complete() -> QmpError {
    QmpError::new(
        ErrorClass::CommandNotFound,
        "Capabilities negotiation is already complete, command ignored",
    )
}

pub(crate) fn expecting() -> QmpError {
    QmpError::new(
        ErrorClass::CommandNotFound,
        "Expecting capabilities negotiation with 'qmp_capabilities'",
    )
}

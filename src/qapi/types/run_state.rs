//! Whether guests run.
//!
//! QEMU: qapi/run-state.json.

use crate::{qapi_enum, qapi_event, qapi_struct};

qapi_enum! {
    /// Whether guests run, and why not.
    pub enum RunState {
        /// A request has failed whose policy is to stop.
        "io-error" IoError,
        /// Somebody said `stop`.
        "paused" Paused,
        /// They run.
        "running" Running,
    }
}

qapi_struct! {
    /// What `query-status` says.
    pub struct StatusInfo {
        /// Whether guests run.
        "running" running: bool,
        /// The same, and why not.
        "status" status: RunState,
    }
}

qapi_enum! {
    /// Why the program ends.
    pub enum ShutdownCause {
        /// `quit` over QMP.
        "host-qmp-quit" HostQmpQuit,
        /// A signal.
        "host-signal" HostSignal,
        /// A person at the human monitor.
        "host-ui" HostUi,
    }
}

qapi_event! {
    /// The program ends.
    pub struct Shutdown = "SHUTDOWN" {
        /// Whether a guest wanted that.
        "guest" guest: bool,
        /// Why.
        "reason" reason: ShutdownCause,
    }
}

qapi_event! {
    /// Guests do not run any more.
    pub struct Stop = "STOP" {}
}

qapi_event! {
    /// Guests run again.
    pub struct Resume = "RESUME" {}
}

//! Whether guests run, and whether the daemon is to end.
//!
//! QEMU: `runstate_is_running` (system/runstate.c), `exit_requested` (storage-daemon/qemu-storage-daemon.c).

use std::cell::Cell;

/// The state of the whole program.
#[derive(Default)]
pub struct RunState {
    stopped: Cell<bool>,
    exit_requested: Cell<bool>,
}

impl RunState {
    /// Whether guests may send requests.
    pub fn is_running(&self) -> bool {
        !self.stopped.get()
    }

    /// Guests may, or may not, send requests from now on. Returns whether that is a change.
    pub fn set_running(&self, running: bool) -> bool {
        self.stopped.replace(!running) == running
    }

    /// Whether somebody has asked the daemon to end.
    pub fn exit_requested(&self) -> bool {
        self.exit_requested.get()
    }

    /// The daemon is to end.
    pub fn request_exit(&self) {
        self.exit_requested.set(true);
    }
}

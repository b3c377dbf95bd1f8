//! Whether guests run, and whether the daemon is to end.
//!
//! QEMU: `runstate_is_running` (system/runstate.c), `exit_requested` (storage-daemon/qemu-storage-daemon.c).

use std::cell::Cell;

use crate::qapi::types::run_state;

/// The state of the whole program.
pub struct RunState {
    state: Cell<run_state::RunState>,
    exit_requested: Cell<bool>,
    end_told: Cell<bool>,
}

impl Default for RunState {
    /// Guests run.
    fn default() -> Self {
        RunState {
            state: Cell::new(run_state::RunState::Running),
            exit_requested: Cell::new(false),
            end_told: Cell::new(false),
        }
    }
}

impl RunState {
    /// Whether guests may send requests, and why not.
    pub fn get(&self) -> run_state::RunState {
        self.state.get()
    }

    /// Whether guests may send requests.
    pub fn is_running(&self) -> bool {
        self.get() == run_state::RunState::Running
    }

    /// What holds from now on.
    pub fn set(&self, state: run_state::RunState) {
        self.state.set(state);
    }

    /// Whether somebody has asked the daemon to end.
    pub fn exit_requested(&self) -> bool {
        self.exit_requested.get()
    }

    /// Somebody tells clients that the daemon ends. True the first time.
    pub fn tell_end(&self) -> bool {
        !self.end_told.replace(true)
    }

    /// The daemon is to end.
    pub fn request_exit(&self) {
        self.exit_requested.set(true);
    }
}

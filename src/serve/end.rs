//! The end of the daemon.
//!
//! QEMU: the end of `main` (storage-daemon/qemu-storage-daemon.c).

use std::rc::Rc;

use blockjob::daemon::Daemon;
use blockjob::daemon::commands::run;
use blockjob::qapi::types::run_state::ShutdownCause;

use super::steps::Doors;

/// Cancels the jobs, gives up the nodes, ends the threads, and last of all the monitors: clients hear of it
/// all.
pub(super) fn shut_down(daemon: &Rc<Daemon>, doors: Doors) {
    doors.rest();
    // After `quit` most of it is done; jobs may have been started since.
    run::shut_down(daemon, ShutdownCause::HostSignal);
    daemon.end_iothreads();
    daemon.owned.clear();
    doors.close();
}

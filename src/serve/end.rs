//! The end of the daemon.
//!
//! QEMU: the end of `main` (storage-daemon/qemu-storage-daemon.c).

use std::rc::Rc;

use blockjob::daemon::Daemon;

use super::steps::Doors;

/// Cancels the jobs, gives up the nodes, and last of all the monitors: clients hear of it all.
pub(super) fn shut_down(daemon: &Rc<Daemon>, doors: Doors) {
    let drained = daemon.graph().drain_all_begin("quit");
    daemon.jobs().cancel_sync_all();
    drop(drained);
    daemon.owned.clear();
    doors.close();
}

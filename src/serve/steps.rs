//! What each option makes.
//!
//! QEMU: `process_options` (storage-daemon/qemu-storage-daemon.c).

use std::rc::Rc;

use blockjob::daemon::Daemon;

use super::args::Step;
use crate::failure::Failure;

/// The monitors and where they are reached.
pub(super) struct Doors {}

impl Doors {
    /// None yet.
    pub(super) fn new(_daemon: &Rc<Daemon>) -> Self {
        Doors {}
    }

    /// Says what is still to be said, and closes them.
    pub(super) fn close(self) {}
}

/// Does one option.
pub(super) fn apply(_daemon: &Rc<Daemon>, _doors: &Doors, step: &Step) -> Result<(), Failure> {
    Err(Failure::failed(format!(
        "--{} {}: not yet",
        step.option, step.text
    )))
}

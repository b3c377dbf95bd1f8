//! What a backend does when a request of its device fails, and the I/O status that it shows.
//!
//! The backend does not do it by itself: a device asks, because only it knows how to stop and to
//! repeat the request later.
//!
//! QEMU: `blk_get_error_action`, `blk_error_action`, `blk_iostatus_*` (block/block-backend.c).

use std::cell::Cell;

use super::BlockBackend;
use crate::error::errno_text;
use crate::error_policy::{ErrorAction, IoOperation, IoStatus, OnError};

/// A failed request of a device, as its watchers are told of it.
///
/// QEMU: the event `BLOCK_IO_ERROR` (qapi/block-core.json).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoError {
    /// What failed.
    pub operation: IoOperation,
    /// What is done about it.
    pub action: ErrorAction,
    /// The medium was full.
    pub nospace: bool,
    /// The system's text for the errno.
    pub reason: String,
}

/// The policies and the status of a backend.
pub(super) struct Errors {
    on_read: Cell<OnError>,
    on_write: Cell<OnError>,
    /// None if the device has no I/O status.
    status: Cell<Option<IoStatus>>,
}

impl Default for Errors {
    /// As a device that was given no policy: reads report, writes stop if the medium is full.
    fn default() -> Self {
        Errors {
            on_read: Cell::new(OnError::Auto),
            on_write: Cell::new(OnError::Auto),
            status: Cell::new(None),
        }
    }
}

impl Errors {
    pub(super) fn set_status(&self, status: Option<IoStatus>) {
        self.status.set(status);
    }
}

impl BlockBackend {
    /// Sets what failed reads and writes lead to.
    ///
    /// QEMU: `blk_set_on_error` (block/block-backend.c).
    pub fn set_on_error(&self, on_read: OnError, on_write: OnError) {
        self.errors.on_read.set(on_read);
        self.errors.on_write.set(on_write);
    }

    /// What a failed `operation` leads to.
    ///
    /// QEMU: `blk_get_on_error` (block/block-backend.c).
    pub fn on_error(&self, operation: IoOperation) -> OnError {
        match operation {
            IoOperation::Read => self.errors.on_read.get(),
            IoOperation::Write => self.errors.on_write.get(),
        }
    }

    /// The device has an I/O status from now on, and it is good.
    ///
    /// QEMU: `blk_iostatus_enable` (block/block-backend.c).
    pub fn iostatus_enable(&self) {
        self.errors.status.set(Some(IoStatus::default()));
    }

    /// The I/O status, if the device has one.
    ///
    /// QEMU: `blk_iostatus` (block/block-backend.c).
    pub fn iostatus(&self) -> Option<IoStatus> {
        self.errors.status.get()
    }

    /// Forgets the error that stopped the device.
    ///
    /// QEMU: `blk_iostatus_reset` (block/block-backend.c).
    pub fn iostatus_reset(&self) {
        if let Some(mut status) = self.errors.status.get() {
            status.reset();
            self.errors.status.set(Some(status));
        }
    }

    /// A request of the device, an `operation`, failed with `errno` (positive): notes it, tells the
    /// device, and returns what is done about it. Upon [`ErrorAction::Stop`] the device keeps the
    /// request, to repeat it.
    ///
    /// QEMU: `blk_error_action` (block/block-backend.c).
    pub fn error_action(&self, operation: IoOperation, errno: i32) -> ErrorAction {
        let action = self.on_error(operation).backend_action(operation, errno);
        if action == ErrorAction::Stop
            && let Some(mut status) = self.errors.status.get()
        {
            // The first error counts: what stopped the device is what the user must mend.
            status.observe(errno);
            self.errors.status.set(Some(status));
        }
        let device = self.device.borrow().clone();
        if let Some(device) = device {
            device.io_error(&IoError {
                operation,
                action,
                nospace: errno == nix::libc::ENOSPC,
                reason: errno_text(errno),
            });
        }
        action
    }
}

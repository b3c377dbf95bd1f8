//! What stands for the guest's device on a named drive: it says what becomes of failed requests.
//!
//! QEMU: `send_qmp_error_event`, `blk_error_action` (block/block-backend.c).

use std::rc::{Rc, Weak};

use blockjob_block::BlockBackend;
use blockjob_block::backend::{DeviceOps, IoError};
use blockjob_block::error_policy::{ErrorAction, IoOperation, OnError};

use super::Daemon;
use super::commands::run::vm_stop;
use crate::qapi::types::block_job::BlockIoError;
use crate::qapi::types::run_state::RunState;

/// The device of a drive.
struct DriveDevice {
    daemon: Weak<Daemon>,
    drive: Weak<BlockBackend>,
}

/// Gives `drive` a device with an I/O status, by whose policy guests are stopped.
pub fn attach(daemon: &Rc<Daemon>, drive: &Rc<BlockBackend>) {
    drive.iostatus_enable();
    drive.set_device_ops(Some(Rc::new(DriveDevice {
        daemon: Rc::downgrade(daemon),
        drive: Rc::downgrade(drive),
    })));
}

/// Whether anybody hears of the I/O status of `drive`: it has one, and a policy that it shows.
///
/// QEMU: `blk_iostatus_is_enabled` (block/block-backend.c).
pub fn iostatus_is_enabled(drive: &BlockBackend) -> bool {
    let on_read = drive.on_error(IoOperation::Read);
    let on_write = drive.on_error(IoOperation::Write);
    // Left to itself a drive stops when a write finds it full.
    let stops_writes = matches!(on_write, OnError::Enospc | OnError::Stop | OnError::Auto);
    drive.iostatus().is_some() && (stops_writes || on_read == OnError::Stop)
}

impl DeviceOps for DriveDevice {
    fn io_error(&self, error: &IoError) {
        let (Some(daemon), Some(drive)) = (self.daemon.upgrade(), self.drive.upgrade()) else {
            return;
        };
        daemon.emit(&BlockIoError {
            qom_path: String::new(),
            device: drive.name().to_owned(),
            node_name: drive.node().map(|node| node.name().to_owned()),
            operation: error.operation,
            action: error.action,
            nospace: iostatus_is_enabled(&drive).then_some(error.nospace),
            reason: error.reason.clone(),
        });
        if error.action == ErrorAction::Stop {
            // The device is in the middle of a request, and to stop means to wait for requests.
            let daemon = self.daemon.clone();
            let context = drive.graph().map(|graph| graph.context().clone());
            if let Some(context) = context {
                context.schedule_oneshot("vm_stop", move || {
                    if let Some(daemon) = daemon.upgrade() {
                        vm_stop(&daemon, RunState::IoError);
                    }
                });
            }
        }
    }
}

//! How a backend moves, with whoever speaks through it.

use std::rc::Rc;

use crate::backend::BlockBackend;
use crate::directory::ReservedName;
use crate::error_policy::{IoStatus, OnError};
use crate::moving::{Arrival, PackedNode, PackedUser};
use crate::perm::PermPair;

/// What a device of a backend has handed over.
pub trait PackedDevice: Send {
    /// The device again. It makes itself known with
    /// [`BlockBackend::set_device_ops`], and is told then that the backend is drained.
    fn unpack(self: Box<Self>, backend: &Rc<BlockBackend>, arrival: &Arrival<'_>);
}

/// A backend on its way.
///
/// QEMU: `blk_root_change_aio_ctx` (block/block-backend.c).
pub struct PackedBackend {
    pub(crate) name: String,
    pub(crate) reserved: Option<ReservedName>,
    pub(crate) perms: PermPair,
    pub(crate) queue_requests: bool,
    pub(crate) allow_move: bool,
    pub(crate) on_error: (OnError, OnError),
    pub(crate) status: Option<IoStatus>,
    pub(crate) root: Option<PackedNode>,
    pub(crate) device: Option<Box<dyn PackedDevice>>,
}

impl PackedBackend {
    /// The backend again, on its node, for whoever owned it.
    pub fn unpack_owned(mut self, arrival: &Arrival<'_>) -> Rc<BlockBackend> {
        let (root, device) = (self.root, self.device.take());
        let backend = BlockBackend::arrive(arrival.place().graph(), self);
        if let Some(root) = root {
            let inserted = backend.insert(&arrival.node(root));
            inserted.expect("permissions are not looked at before all have arrived");
        }
        if let Some(device) = device {
            device.unpack(&backend, arrival);
        }
        backend
    }
}

impl PackedUser for PackedBackend {
    fn unpack(self: Box<Self>, arrival: &Arrival<'_>) {
        let backend = self.unpack_owned(arrival);
        arrival.keep_backend(backend);
    }
}

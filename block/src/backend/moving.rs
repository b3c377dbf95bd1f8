//! A backend leaves its context.
//!
//! QEMU: `blk_root_change_aio_ctx`, `blk_set_allow_aio_context_change` (block/block-backend.c).

use std::rc::Weak;

use super::{BlockBackend, cannot_move};
use crate::child::ChildParent;
use crate::error::BlockResult;
use crate::error_policy::IoOperation;
use crate::moving::{PackedBackend, Packer};

impl BlockBackend {
    /// Whether it moves to another context along with its node although nobody speaks through it who
    /// could say so.
    ///
    /// QEMU: `blk_set_allow_aio_context_change` (block/block-backend.c).
    pub fn set_allow_move(&self, allow_move: bool) {
        self.allow_move.set(allow_move);
    }

    /// It belongs to a job, which is asked whether it can move and packs it, in its stead: see
    /// [`pack_owned`](Self::pack_owned).
    pub fn set_owner(&self, owner: Option<Weak<dyn ChildParent>>) {
        *self.owner.borrow_mut() = owner;
    }

    /// Whether it can move, as far as it knows itself.
    pub(super) fn check_move(&self) -> BlockResult<()> {
        match self.device.borrow().clone() {
            Some(device) => device.can_move(),
            // Who waits in the queue is a coroutine of this context.
            None if self.allow_move.get() && self.queued() == 0 => Ok(()),
            None => Err(cannot_move()),
        }
    }

    /// Hands over what it is, and with it its device. It gives its node up, and requests that wait are
    /// told that it has moved; a device has taken back its own.
    ///
    /// # Panics
    ///
    /// If requests are in flight, or its node does not move.
    pub fn pack_owned(&self, packer: &Packer<'_>) -> PackedBackend {
        assert_eq!(self.in_flight(), 0, "{self:?} is busy");
        let root = self.root.borrow_mut().take();
        let node = root.as_ref().map(|root| packer.node(&root.node()));
        let device = self.device.borrow_mut().take();
        let device = device.map(|device| device.pack(packer));
        // Nobody lets them go any more.
        self.quiesce_counter.set(0);
        for request in self.queued.take() {
            request.released.send(false);
        }
        if let Some(graph) = self.graph() {
            graph.forget_backend(self);
        }
        PackedBackend {
            name: self.name.clone(),
            reserved: self.reserved.take(),
            perms: self.perms(),
            queue_requests: self.queue_requests.get(),
            allow_move: self.allow_move.get(),
            on_error: (
                self.on_error(IoOperation::Read),
                self.on_error(IoOperation::Write),
            ),
            status: self.iostatus(),
            root: node,
            device,
        }
    }
}

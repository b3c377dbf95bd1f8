//! An image moves to another context.
//!
//! `imago` wants a storage object that any thread may use, and so can itself be handed from one to another:
//! it moves as it is, with its caches, and nothing need be written back or opened again. What is known of the
//! file and not yet in it moves along.
//!
//! QEMU: `qcow2_detach_aio_context`, `qcow2_attach_aio_context` (block/qcow2.c), for a timer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_runtime::CoRwlock;

use super::Qcow2Driver;
use super::image::{Image, Imago};
use super::ranges::Ranges;
use super::server::PackedServer;
use super::write::Made;
use crate::driver::Driver;
use crate::graph::Graph;
use crate::moving::PackedDriver;

/// An image on its way. While its node is drained nobody holds one of its locks.
struct PackedImage {
    server: PackedServer,
    /// None if whoever had it alone was dropped.
    imago: Option<Imago>,
    writable: bool,
    dirty: bool,
    given_up: Vec<Made>,
}

impl Image {
    pub(super) fn pack_up(&self) -> Box<dyn PackedDriver> {
        let imago = self.imago.take();
        let imago = imago.map(|imago| {
            let alone = Rc::try_unwrap(imago);
            alone.expect("who uses it is in flight, and the node is drained")
        });
        Box::new(PackedImage {
            server: self.server.pack(),
            imago,
            writable: self.writable.get(),
            dirty: self.dirty.get(),
            given_up: self.given_up.take(),
        })
    }
}

impl PackedDriver for PackedImage {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(Qcow2Driver::new(Rc::new(Image {
            server: Rc::new(self.server.unpack()),
            ranges: Ranges::default(),
            gate: CoRwlock::new(),
            lock: CoRwlock::new(),
            imago: RefCell::new(self.imago.map(Rc::new)),
            writable: Cell::new(self.writable),
            dirty: Cell::new(self.dirty),
            given_up: RefCell::new(self.given_up),
        })))
    }
}

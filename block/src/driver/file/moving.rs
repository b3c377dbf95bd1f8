//! An image in a file moves to another context.
//!
//! The open file moves as it is. Locks belong to the open file, and not to who has it, so there is no moment
//! in which they are not held. What was found out about the file and the system stays true. Lanes are threads
//! of a context's pool; the other one has its own.
//!
//! QEMU: `raw_aio_attach_aio_context` (block/file-posix.c).

use std::rc::Rc;

use blockjob_runtime::sync::Arc;

use super::at_once::AtOnce;
use super::driver::{FileDriver, Image};
use super::known_data::KnownData;
use crate::driver::Driver;
use crate::graph::Graph;
use crate::moving::PackedDriver;

/// An open file on its way.
struct PackedFile {
    image: Arc<Image>,
    known_data: KnownData,
    at_once: AtOnce,
}

impl FileDriver {
    pub(super) fn pack_up(&self) -> Box<dyn PackedDriver> {
        let (image, known_data, at_once) = self.parts();
        Box::new(PackedFile {
            image,
            known_data,
            at_once,
        })
    }
}

impl PackedDriver for PackedFile {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(FileDriver::again(self.image, self.known_data, self.at_once))
    }
}

//! A filter that says that it has written what it was given, and has written something else.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use blockjob_block::driver::{Driver, IoFuture, ReadResult, ZeroFlags};
use blockjob_block::{BlockResult, Node};
use bytes::{Bytes, BytesMut};

/// What is done to a request that touches a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// One bit of the byte is written the other way round.
    Flip(u64),
    /// A write of data is acknowledged and not done.
    DropWrite(u64),
    /// Zeroes are acknowledged and not written.
    DropZeroes(u64),
}

/// The lies that are told from now on.
pub(crate) type Lies = Rc<RefCell<Vec<Lie>>>;

/// The driver.
pub(crate) struct Liar(pub(crate) Lies);

fn touches(offset: u64, bytes: u64, at: u64) -> bool {
    (offset..offset + bytes).contains(&at)
}

impl Driver for Liar {
    fn format_name(&self) -> &'static str {
        "liar"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_filter(&self) -> bool {
        true
    }

    fn length(&self, node: &Node) -> BlockResult<u64> {
        node.filtered().expect("it is above a disk").node().len()
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        let below = node.filtered().expect("it is above a disk");
        Box::pin(async move { below.read(offset, buf).await })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        let below = node.filtered().expect("it is above a disk");
        let mut written = data.to_vec();
        for lie in self.0.borrow().iter() {
            match *lie {
                Lie::Flip(at) if touches(offset, data.len() as u64, at) => {
                    written[(at - offset) as usize] ^= 1;
                }
                Lie::DropWrite(at) if touches(offset, data.len() as u64, at) => {
                    return Box::pin(async { Ok(()) });
                }
                _ => {}
            }
        }
        Box::pin(async move { below.write(offset, Bytes::from(written)).await })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        let below = node.filtered().expect("it is above a disk");
        let lies = self.0.borrow();
        let dropped = |lie: &Lie| matches!(*lie, Lie::DropZeroes(at) if touches(offset, bytes, at));
        if lies.iter().any(dropped) {
            return Box::pin(async { Ok(()) });
        }
        Box::pin(async move { below.write_zeroes(offset, bytes, flags).await })
    }
}

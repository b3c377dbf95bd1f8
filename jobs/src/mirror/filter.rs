//! The filter `mirror_top`: the node on top of the source, through which its users reach it while the
//! job lives.
//!
//! It passes everything on, and in `copy-mode=write-blocking` what is written goes to the target as
//! well (`active.rs`). What else it is good for: the users are above it, so the job can take the
//! source from them in one place; the job reads through it, and so has no access to the source that
//! users have not; and those who ask what the guest's disk is made of see that it is being mirrored.
//!
//! The dirty bitmap is kept by the source below it and not by the filter: a write to the source that
//! does not come through the filter, from whoever has come to use the source directly since the job
//! began, is seen there as well.
//!
//! QEMU: `bdrv_mirror_top` (block/mirror.c).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::{Rc, Weak};

use blockjob_block::child::{Child, ChildRole};
use blockjob_block::driver::{Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use blockjob_block::moving::PackedDriver;
use blockjob_block::{BlockError, BlockResult, ErrorKind, Graph, Node};
use bytes::{Bytes, BytesMut};

use super::active::GuestWrite;
use super::state::MirrorJob;

/// The driver of the filter. Its child is called `backing`, as QEMU's is.
#[derive(Default)]
pub struct MirrorTop {
    /// Writes, zeroes and discards that have come, counted as they begin. The job has it as well, for
    /// it outlives the filter.
    guest_writes: Rc<Cell<u64>>,
    /// Who copies what is written, once the job is set up.
    mirror: RefCell<Weak<MirrorJob>>,
}

/// What the filter calls its child.
const CHILD: &str = "backing";

impl MirrorTop {
    /// Makes a filter and puts it on top of `source`, whose users are the filter's from then on. With
    /// a `name` users can speak of it; without one it is implicit. Called in its context, outside
    /// of coroutines; polls until the source is drained.
    ///
    /// QEMU: `mirror_start_job` (block/mirror.c).
    ///
    /// # Errors
    ///
    /// The name is not well formed or is taken, or a user of the source does not get on with a filter.
    pub(super) fn append(
        graph: &Rc<Graph>,
        name: Option<&str>,
        source: &Rc<Node>,
        guest_writes: &Rc<Cell<u64>>,
    ) -> BlockResult<Rc<Node>> {
        let driver = MirrorTop {
            guest_writes: guest_writes.clone(),
            mirror: RefCell::default(),
        };
        let filter = graph.add_node(name, Box::new(driver), false, &[])?;
        filter.set_implicit(name.is_none());
        graph.append(&filter, CHILD, ChildRole::Filtered, source)?;
        Ok(filter)
    }

    /// What comes to `filter` from now on goes through `mirror`. Called while nothing can come.
    pub(super) fn connect(filter: &Node, mirror: &Rc<MirrorJob>) {
        let driver = filter.driver().as_any().downcast_ref::<MirrorTop>();
        let driver = driver.expect("the filter was made here");
        *driver.mirror.borrow_mut() = Rc::downgrade(mirror);
    }

    /// QEMU: `bdrv_mirror_top_do_write` (block/mirror.c).
    async fn do_write(&self, node: &Node, range: Range<u64>, write: GuestWrite) -> BlockResult<()> {
        let below = Self::below(node)?;
        let mirror = self.mirror.borrow().upgrade();
        match mirror {
            Some(mirror) => mirror.guest_write(&below, range, write).await,
            None => write.below(&below, range).await,
        }
    }

    /// The job, if it wants to know how long the guest's requests take.
    fn measuring(&self) -> Option<Rc<MirrorJob>> {
        let mirror = self.mirror.borrow().upgrade();
        mirror.filter(|mirror| mirror.options.guest_latency_ns.is_some())
    }

    fn count_guest_write(&self) {
        self.guest_writes.set(self.guest_writes.get() + 1);
    }

    /// What counts the guest's writes that come to `filter`.
    pub(super) fn counter(filter: &Node) -> Rc<Cell<u64>> {
        let driver = filter.driver().as_any().downcast_ref::<MirrorTop>();
        driver
            .expect("the filter was made here")
            .guest_writes
            .clone()
    }

    fn below(node: &Node) -> BlockResult<Rc<Child>> {
        // It has none only before it is put in its place and after it was taken away.
        node.filtered().ok_or_else(|| {
            let text = format!("Node '{}' is above nothing", node.name());
            BlockError::new(ErrorKind::NotFound, text)
        })
    }
}

/// The filter on its way, without its job.
struct PackedTop {
    guest_writes: u64,
}

impl PackedDriver for PackedTop {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(MirrorTop {
            guest_writes: Rc::new(Cell::new(self.guest_writes)),
            mirror: RefCell::default(),
        })
    }
}

impl Driver for MirrorTop {
    fn format_name(&self) -> &'static str {
        "mirror_top"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_filter(&self) -> bool {
        true
    }

    /// The job decides, which is connected again where it arrives.
    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        self.mirror.take();
        Box::new(PackedTop {
            guest_writes: self.guest_writes.get(),
        })
    }

    /// A guest's request comes in one piece, so that it is counted once: the source splits it.
    fn limits(&self, node: &Node) -> Limits {
        let below = node.filtered().map(|below| below.node().limits());
        Limits {
            request_alignment: 1,
            max_transfer: 0,
            max_write_zeroes: 0,
            max_discard: 0,
            ..below.unwrap_or_default()
        }
    }

    fn length(&self, node: &Node) -> BlockResult<u64> {
        Self::below(node)?.node().len()
    }

    /// QEMU: `bdrv_mirror_top_preadv` (block/mirror.c).
    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            let below = match Self::below(node) {
                Ok(below) => below,
                Err(error) => return (buf, Err(error)),
            };
            match self.measuring() {
                Some(mirror) => mirror.measured(below.read(offset, buf)).await,
                None => below.read(offset, buf).await,
            }
        })
    }

    /// QEMU: `bdrv_mirror_top_pwritev` (block/mirror.c).
    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        self.count_guest_write();
        let range = offset..offset + data.len() as u64;
        Box::pin(self.do_write(node, range, GuestWrite::Data(data)))
    }

    /// QEMU: `bdrv_mirror_top_pwrite_zeroes` (block/mirror.c).
    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        self.count_guest_write();
        let range = offset..offset + bytes;
        Box::pin(self.do_write(node, range, GuestWrite::Zeroes(flags)))
    }

    /// QEMU: `bdrv_mirror_top_pdiscard` (block/mirror.c).
    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        self.count_guest_write();
        let range = offset..offset + bytes;
        Box::pin(self.do_write(node, range, GuestWrite::Discard))
    }
}

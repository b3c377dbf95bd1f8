//! The driver `mem`: a disk in memory, for tests, demonstrations and simulated worlds.
//!
//! QEMU has none; its tests use `null-co`, which remembers nothing, and files in `/dev/shm`.

mod disk;
mod fill;

use std::any::Any;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

pub use disk::MemDisk;
pub use fill::Fill;

use super::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::moving::PackedDriver;
use crate::node::Node;

/// Pages of this many bytes unless a cluster size was asked for.
const PAGE_BYTES: u64 = 64 << 10;

/// How a `mem` node is made.
#[derive(Debug, Clone)]
pub struct MemOptions {
    len: u64,
    fill: Fill,
    has_zero_init: Option<bool>,
    limits: Limits,
    latency_ns: u64,
    growable: bool,
}

impl MemOptions {
    /// A disk of `len` bytes that reads as zeroes, promises so, and answers at once.
    pub fn new(len: u64) -> Self {
        MemOptions {
            len,
            fill: Fill::Zeroes,
            has_zero_init: None,
            limits: Limits::default(),
            latency_ns: 0,
            growable: false,
        }
    }

    /// What it shows until it is written to.
    #[must_use]
    pub fn fill(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    /// What [`Driver::has_zero_init`] answers. Without this it is the truth.
    #[must_use]
    pub fn has_zero_init(mut self, answer: bool) -> Self {
        self.has_zero_init = Some(answer);
        self
    }

    /// The unit of allocation in bytes, a power of two: what block status and discards can tell
    /// apart, and what [`Limits::cluster_size`] says. Without this it is 64 KiB, and not said.
    #[must_use]
    pub fn cluster_size(mut self, cluster_size_bytes: u64) -> Self {
        self.limits.cluster_size = cluster_size_bytes;
        self
    }

    /// What requests must be multiples of, in bytes, a power of two.
    #[must_use]
    pub fn request_alignment(mut self, request_alignment_bytes: u64) -> Self {
        self.limits.request_alignment = request_alignment_bytes;
        self
    }

    /// How long each read, write, write of zeroes, discard and flush takes, in nanoseconds of the
    /// context's clock. What it does is done at the end of that time; a request whose future is
    /// dropped before has never happened.
    #[must_use]
    pub fn latency_ns(mut self, latency_ns: u64) -> Self {
        self.latency_ns = latency_ns;
        self
    }

    /// Whether writes behind the end make it longer, as those to a regular file do, or fail.
    #[must_use]
    pub fn growable(mut self, growable: bool) -> Self {
        self.growable = growable;
        self
    }

    /// The driver.
    ///
    /// # Panics
    ///
    /// If the cluster size is not a power of two.
    pub fn build(self) -> MemDriver {
        let page_bytes = match self.limits.cluster_size {
            0 => PAGE_BYTES,
            cluster_size => cluster_size,
        };
        MemDriver {
            disk: Rc::new(MemDisk::new(self.len, self.fill, page_bytes)),
            has_zero_init: self.has_zero_init.unwrap_or(self.fill == Fill::Zeroes),
            limits: self.limits,
            latency_ns: self.latency_ns,
            growable: self.growable,
        }
    }
}

/// The driver `mem`.
pub struct MemDriver {
    disk: Rc<MemDisk>,
    has_zero_init: bool,
    limits: Limits,
    latency_ns: u64,
    growable: bool,
}

impl MemDriver {
    /// What it stores. It can be looked at and changed while the node is in use.
    pub fn disk(&self) -> Rc<MemDisk> {
        self.disk.clone()
    }

    async fn latency(&self, node: &Node) {
        if self.latency_ns > 0 {
            node.context().sleep(self.latency_ns).await;
        }
    }

    /// Makes room for a write, or says that there is none.
    fn reach(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        if self.growable
            && let Some(end) = offset.checked_add(bytes)
            && end > self.disk.len()
        {
            self.disk.set_len(end);
        }
        self.check(offset, bytes)
    }

    fn check(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        if self.disk.contains(offset, bytes) {
            return Ok(());
        }
        Err(BlockError::new(
            ErrorKind::OutOfRange,
            format!(
                "Request of {bytes} bytes at offset {offset} ends behind the disk of {} bytes",
                self.disk.len()
            ),
        ))
    }
}

impl Driver for MemDriver {
    fn format_name(&self) -> &'static str {
        "mem"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, _node: &Node) -> Limits {
        self.limits
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(self.disk.len())
    }

    fn has_zero_init(&self, _node: &Node) -> bool {
        self.has_zero_init
    }

    fn read<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        mut buf: BytesMut,
    ) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            self.latency(node).await;
            self.disk.read_at(offset, &mut buf);
            (buf, Ok(()))
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.latency(node).await;
            self.reach(offset, data.len() as u64)?;
            self.disk.write_at(offset, &data);
            Ok(())
        })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.latency(node).await;
            self.reach(offset, bytes)?;
            self.disk.zero_at(offset, bytes, flags.may_unmap);
            Ok(())
        })
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.latency(node).await;
            self.check(offset, bytes)?;
            self.disk.discard_at(offset, bytes);
            Ok(())
        })
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.latency(node).await;
            Ok(())
        })
    }

    fn block_status<'a>(
        &'a self,
        _node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move { Ok(self.disk.status_at(offset, bytes)) })
    }

    fn truncate<'a>(&'a self, _node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.disk.set_len(len);
            Ok(())
        })
    }

    fn can_move(&self, node: &Node) -> BlockResult<()> {
        if Rc::strong_count(&self.disk) == 1 {
            return Ok(());
        }
        // He would look at an empty one.
        let text = format!("Somebody looks into the memory of node '{}'", node.name());
        Err(BlockError::new(ErrorKind::InUse, text))
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        Box::new(PackedMem {
            disk: self.disk.take(),
            has_zero_init: self.has_zero_init,
            limits: self.limits,
            latency_ns: self.latency_ns,
            growable: self.growable,
        })
    }
}

/// The memory itself, and how it is shown.
struct PackedMem {
    disk: MemDisk,
    has_zero_init: bool,
    limits: Limits,
    latency_ns: u64,
    growable: bool,
}

impl PackedDriver for PackedMem {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(MemDriver {
            disk: Rc::new(self.disk),
            has_zero_init: self.has_zero_init,
            limits: self.limits,
            latency_ns: self.latency_ns,
            growable: self.growable,
        })
    }
}

//! The drivers: what a node does its work with.
//!
//! A driver sees whole, aligned requests: the node has checked range and permissions, tracked the
//! request, padded it to [`Limits::request_alignment`] and split it at the driver's limits before.
//! Futures of a driver may be dropped at any await; the I/O that they have begun goes on and owns
//! its buffer.
//!
//! QEMU: `BlockDriver` (include/block/block_int-common.h).

use std::pin::Pin;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use crate::child::{Child, ChildRole};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::moving::PackedDriver;
use crate::node::Node;
use crate::perm::{PermPair, cow_perms, filter_perms, storage_perms};

pub mod blkdebug;
pub mod copy_on_read;
pub mod file;
pub mod mem;
pub mod nbd;
pub mod null_co;
pub mod overlay;
mod pages;
pub mod qcow2;
pub mod quorum;
pub mod raw;
pub mod throttle;
pub mod transfer;

/// What the methods of a driver return: `!Send`, because a node stays in its context.
pub type IoFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The outcome of a read: the buffer comes back in any case, filled if the result is good.
pub type ReadResult = (BytesMut, BlockResult<()>);

/// What a driver can take in one request. Zero means no limit, except where it says otherwise.
///
/// QEMU: `BlockLimits`, `BlockDriverInfo` (include/block/block_int-common.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Offsets and lengths are multiples of this power of two; at least 1.
    pub request_alignment: u64,
    /// The longest read or write, in bytes.
    pub max_transfer: u64,
    /// The longest write of zeroes, in bytes.
    pub max_write_zeroes: u64,
    /// The longest discard, in bytes.
    pub max_discard: u64,
    /// The unit of allocation, in bytes; 0 if the driver has none.
    pub cluster_size: u64,
    /// Where a buffer in memory should begin, in bytes; at least 1.
    pub memory_alignment: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request_alignment: 1,
            max_transfer: 0,
            max_write_zeroes: 0,
            max_discard: 0,
            cluster_size: 0,
            memory_alignment: 1,
        }
    }
}

/// How zeroes are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZeroFlags {
    /// The range may be deallocated if it then reads as zeroes (QEMU:
    /// `BDRV_REQ_MAY_UNMAP` in `include/block/block-common.h`).
    pub may_unmap: bool,
    /// Fail with [`ErrorKind::NotSupported`] rather than write literal zeroes
    /// (QEMU: `BDRV_REQ_NO_FALLBACK` in `include/block/block-common.h`).
    pub no_fallback: bool,
}

/// What is known of a range, of the node itself and not of its backing chain.
///
/// QEMU: `BDRV_BLOCK_*` (include/block/block-common.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockStatus {
    /// This node, and not its backing node, says what the range reads as
    /// (`BDRV_BLOCK_ALLOCATED`).
    pub allocated: bool,
    /// The range reads as zeroes (`BDRV_BLOCK_ZERO`).
    pub zero: bool,
    /// The range takes up space (`BDRV_BLOCK_DATA`).
    pub data: bool,
    /// For how many bytes from the start of the request this holds; at least 1, and at most the
    /// bytes asked for.
    pub bytes: u64,
}

impl BlockStatus {
    /// Data of the node's own, about which nothing more is known.
    pub const fn data(bytes: u64) -> Self {
        BlockStatus {
            allocated: true,
            zero: false,
            data: true,
            bytes,
        }
    }

    /// Zeroes of the node's own that take up no space.
    pub const fn zero(bytes: u64) -> Self {
        BlockStatus {
            allocated: true,
            zero: true,
            data: false,
            bytes,
        }
    }

    /// Nothing of the node's own: the backing node answers.
    pub const fn unallocated(bytes: u64) -> Self {
        BlockStatus {
            allocated: false,
            zero: false,
            data: false,
            bytes,
        }
    }
}

/// A driver: one per node, for the life of the node.
///
/// All methods are called in the home context of `node`. Methods with a default body pass to the
/// child that [`Node::filtered`] names, if the driver is a filter, and else do what is said there.
///
/// QEMU: `BlockDriver` (include/block/block_int-common.h).
pub trait Driver: 'static {
    /// The name, as in `driver=...`.
    fn format_name(&self) -> &'static str;

    /// For downcasting in `blockdev-*` commands and tests.
    fn as_any(&self) -> &dyn std::any::Any;

    /// True if the node shows what its `file` or `backing` child shows, byte for byte.
    fn is_filter(&self) -> bool {
        false
    }

    /// What it can take. Asked when the node is made and when the graph below it changes.
    fn limits(&self, node: &Node) -> Limits {
        match (self.is_filter(), node.filtered()) {
            // The child pads what is not aligned for it: it knows best where its end is.
            (true, Some(child)) => Limits {
                request_alignment: 1,
                ..child.node().limits()
            },
            _ => Limits::default(),
        }
    }

    /// The length in bytes, asked for afresh (`bdrv_co_getlength`).
    fn length(&self, node: &Node) -> BlockResult<u64>;

    /// True if a new image of this kind reads as zeroes (`bdrv_has_zero_init`).
    fn has_zero_init(&self, node: &Node) -> bool {
        match (self.is_filter(), node.filtered()) {
            (true, Some(child)) => child.node().has_zero_init(),
            _ => false,
        }
    }

    /// What it does with a child, given what its own parents do with it.
    ///
    /// QEMU: `bdrv_default_perms` (block.c).
    fn child_perms(&self, role: ChildRole, parents: PermPair, read_only: bool) -> PermPair {
        match role {
            ChildRole::Filtered => filter_perms(parents),
            ChildRole::Cow => cow_perms(parents),
            ChildRole::Data => storage_perms(parents, read_only),
        }
    }

    /// Prepares to be used with `perms`, or says why not; then either
    /// [`set_perms`](Self::set_perms) or [`abort_perms`](Self::abort_perms) follows.
    ///
    /// QEMU: `bdrv_check_perm` of `BlockDriver` (include/block/block_int-common.h).
    fn check_perms(&self, node: &Node, perms: PermPair) -> BlockResult<()> {
        let _ = (node, perms);
        Ok(())
    }

    /// The permissions that were checked last hold from now on.
    ///
    /// QEMU: `bdrv_set_perm` of `BlockDriver` (include/block/block_int-common.h).
    fn set_perms(&self, node: &Node, perms: PermPair) {
        let _ = (node, perms);
    }

    /// The permissions that were checked last do not come to hold.
    ///
    /// QEMU: `bdrv_abort_perm_update` of `BlockDriver` (include/block/block_int-common.h).
    fn abort_perms(&self, node: &Node) {
        let _ = node;
    }

    /// Fills `buf` from `offset`.
    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult>;

    /// Writes `data` at `offset`.
    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>>;

    /// Makes a range read as zeroes. [`ErrorKind::NotSupported`] has the node write literal ones.
    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        match (self.is_filter(), node.filtered()) {
            (true, Some(child)) => {
                Box::pin(async move { child.write_zeroes(offset, bytes, flags).await })
            }
            _ => not_supported("write zeroes"),
        }
    }

    /// Says that the content of a range is not needed any more. May do nothing.
    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        match (self.is_filter(), node.filtered()) {
            (true, Some(child)) => Box::pin(async move { child.discard(offset, bytes).await }),
            _ => not_supported("discard"),
        }
    }

    /// Returns when what was written before is safe from a crash. By default flushes the children
    /// that hold data.
    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        let children = node.children();
        Box::pin(async move {
            for child in children {
                if child.role() != ChildRole::Cow {
                    child.node().flush().await?;
                }
            }
            Ok(())
        })
    }

    /// What is known of a range, of this node alone. By default: data.
    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        match (self.is_filter(), node.filtered()) {
            // A filter holds nothing itself: whoever walks the chain goes on below it.
            (true, Some(_)) => Box::pin(async move { Ok(BlockStatus::unallocated(bytes)) }),
            _ => Box::pin(async move {
                let _ = offset;
                Ok(BlockStatus::data(bytes))
            }),
        }
    }

    /// Changes the length.
    fn truncate<'a>(&'a self, node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        match (self.is_filter(), node.filtered()) {
            (true, Some(child)) => Box::pin(async move { child.truncate(len).await }),
            _ => Box::pin(async move {
                Err(BlockError::new(
                    ErrorKind::NotSupported,
                    "Image format driver does not support resize",
                ))
            }),
        }
    }

    /// The node is being drained, for the first of possibly many: finish what goes on in the
    /// background. What it starts itself is counted with [`Node::begin_internal`].
    fn drained_begin(&self, node: &Node) {
        let _ = node;
    }

    /// The last drained section of the node ends.
    fn drained_end(&self, node: &Node) {
        let _ = node;
    }

    /// Somebody gives up on what is in flight: requests that may hang for as long as somebody outside
    /// says nothing are to fail soon. By default passes it to the children that hold data.
    ///
    /// QEMU: `bdrv_cancel_in_flight` of `BlockDriver` (include/block/block_int-common.h).
    fn cancel_in_flight(&self, node: &Node) {
        for child in node.children() {
            if child.role() != ChildRole::Cow {
                child.node().cancel_in_flight();
            }
        }
    }

    /// A child was attached or is about to be detached.
    fn child_changed(&self, node: &Node, child: &Child) {
        let _ = (node, child);
    }

    /// Nodes that must live in the same context although no edge leads to them: the other members of a
    /// throttle group.
    fn ties(&self, node: &Node) -> Vec<Rc<Node>> {
        let _ = node;
        Vec::new()
    }

    /// Whether the node may live in another context from now on, or why not. Must only look.
    fn can_move(&self, node: &Node) -> BlockResult<()> {
        let text = format!(
            "Node '{}' cannot change its context: the driver '{}' does not support it",
            node.name(),
            self.format_name()
        );
        Err(BlockError::new(ErrorKind::NotSupported, text))
    }

    /// Hands over what it holds. Called once, after [`can_move`](Self::can_move) has allowed it; the node
    /// is drained and still has its children. The driver is not used any more after this.
    ///
    /// QEMU: `bdrv_detach_aio_context` of `BlockDriver` (include/block/block_int-common.h).
    ///
    /// # Panics
    ///
    /// If it never allows it.
    fn pack(&self, node: &Node) -> Box<dyn PackedDriver> {
        unreachable!("the driver of {node:?} has not said that it can move");
    }

    /// The node is there, with its children, after it has moved. It is drained, and so are they.
    ///
    /// QEMU: `bdrv_attach_aio_context` of `BlockDriver` (include/block/block_int-common.h).
    fn arrived(&self, node: &Node) {
        let _ = node;
    }
}

fn not_supported<'a, T: 'a>(what: &'static str) -> IoFuture<'a, BlockResult<T>> {
    Box::pin(async move {
        Err(BlockError::new(
            ErrorKind::NotSupported,
            format!("the driver cannot {what}"),
        ))
    })
}

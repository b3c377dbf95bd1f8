//! The driver `blkdebug`: a filter that injects errors and holds requests.
//!
//! The node has one child, `image`, with the role [`Filtered`](crate::child::ChildRole::Filtered).
//! The driver itself raises the events of its requests, which in QEMU the node above does.
//!
//! QEMU: block/blkdebug.c, docs/devel/blkdebug.rst.

mod config;
mod control;
mod event;
mod options;
mod rules;

use std::any::Any;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

pub use control::Blkdebug;
pub use event::{Event, IoType};
pub use options::BlkdebugOptions;
pub use rules::{InjectError, SetState};

use self::rules::Rules;
use super::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use crate::child::{Child, ChildRole};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::moving::PackedDriver;
use crate::node::Node;
use crate::perm::{Perm, PermPair, filter_perms};

/// Limits in bytes; 0 leaves what the image says.
#[derive(Debug, Clone, Copy, Default)]
struct LimitOptions {
    align: u64,
    max_transfer: u64,
    opt_write_zero: u64,
    max_write_zero: u64,
    opt_discard: u64,
    max_discard: u64,
}

/// The driver `blkdebug`.
pub struct BlkdebugDriver {
    control: Blkdebug,
    limits: LimitOptions,
    take_child_perms: Perm,
    unshare_child_perms: Perm,
}

impl BlkdebugDriver {
    /// The rules, and the requests that are held. It can be kept while the node is in use.
    pub fn control(&self) -> Blkdebug {
        self.control.clone()
    }

    fn image(&self, node: &Node) -> Rc<Child> {
        node.filtered()
            .expect("a blkdebug node is made with its image and keeps it")
    }

    /// A request in pieces that a driver may decline: too short ones it does.
    ///
    /// QEMU: `blkdebug_co_pwrite_zeroes`, `blkdebug_co_pdiscard` (block/blkdebug.c).
    fn decline_short(&self, node: &Node, bytes: u64, preferred: u64) -> BlockResult<()> {
        if bytes >= preferred.max(node.limits().request_alignment) {
            return Ok(());
        }
        Err(BlockError::new(
            ErrorKind::NotSupported,
            format!("blkdebug does not pass on {bytes} bytes where {preferred} are preferred"),
        ))
    }
}

impl Driver for BlkdebugDriver {
    fn format_name(&self) -> &'static str {
        "blkdebug"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_filter(&self) -> bool {
        true
    }

    /// QEMU: `blkdebug_refresh_limits` (block/blkdebug.c).
    fn limits(&self, node: &Node) -> Limits {
        // While the filter is being dropped it has no image.
        let image = node.filtered().map(|image| image.node().limits());
        let image = image.unwrap_or_default();
        let or = |own, inherited| if own == 0 { inherited } else { own };
        Limits {
            request_alignment: or(self.limits.align, 1),
            max_transfer: or(self.limits.max_transfer, image.max_transfer),
            max_write_zeroes: or(self.limits.max_write_zero, image.max_write_zeroes),
            max_discard: or(self.limits.max_discard, image.max_discard),
            ..image
        }
    }

    fn length(&self, node: &Node) -> BlockResult<u64> {
        match node.filtered() {
            Some(image) => image.node().len(),
            None => Err(BlockError::new(
                ErrorKind::NotFound,
                format!("Node '{}' has no image any more", node.name()),
            )),
        }
    }

    /// QEMU: `blkdebug_child_perm` (block/blkdebug.c).
    fn child_perms(&self, _role: ChildRole, parents: PermPair, _read_only: bool) -> PermPair {
        let default = filter_perms(parents);
        PermPair {
            used: default.used | self.take_child_perms,
            shared: default.shared.without(self.unshare_child_perms),
        }
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            self.control.event(Event::READ_AIO).await;
            let bytes = buf.len() as u64;
            match self.control.check(IoType::Read, offset, bytes).await {
                Ok(()) => self.image(node).read(offset, buf).await,
                Err(error) => (buf, Err(error)),
            }
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.control.event(Event::WRITE_AIO).await;
            self.control.event(Event::PWRITEV).await;
            let bytes = data.len() as u64;
            let mut result = self.control.check(IoType::Write, offset, bytes).await;
            if result.is_ok() {
                result = self.image(node).write(offset, data).await;
            }
            self.control.event(Event::PWRITEV_DONE).await;
            result
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
            self.decline_short(node, bytes, self.limits.opt_write_zero)?;
            self.control.event(Event::PWRITEV_ZERO).await;
            let mut result = self.control.check(IoType::WriteZeroes, offset, bytes).await;
            if result.is_ok() {
                result = self.image(node).write_zeroes(offset, bytes, flags).await;
            }
            self.control.event(Event::PWRITEV_DONE).await;
            result
        })
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.decline_short(node, bytes, self.limits.opt_discard)?;
            self.control.event(Event::PDISCARD).await;
            self.control.check(IoType::Discard, offset, bytes).await?;
            self.image(node).discard(offset, bytes).await
        })
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.control.event(Event::FLUSH_TO_OS).await;
            self.control.event(Event::FLUSH_TO_DISK).await;
            self.control.check(IoType::Flush, 0, 0).await?;
            self.image(node).node().flush().await
        })
    }

    fn block_status<'a>(
        &'a self,
        _node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            self.control
                .check(IoType::BlockStatus, offset, bytes)
                .await?;
            // A filter holds nothing itself: whoever walks the chain goes on below it.
            Ok(BlockStatus::unallocated(bytes))
        })
    }

    /// A request that is suspended waits for somebody of this context.
    fn can_move(&self, node: &Node) -> BlockResult<()> {
        let Some(tag) = self.control.held_tags().into_iter().next() else {
            return Ok(());
        };
        let text = format!("Node '{}' has a request suspended as '{tag}'", node.name());
        Err(BlockError::new(ErrorKind::InUse, text))
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        Box::new(PackedBlkdebug {
            rules: self.control.take_rules(),
            limits: self.limits,
            take_child_perms: self.take_child_perms,
            unshare_child_perms: self.unshare_child_perms,
        })
    }
}

/// The rules, and the state they are in. Whoever has kept the control asks the driver for it again.
struct PackedBlkdebug {
    rules: Rules,
    limits: LimitOptions,
    take_child_perms: Perm,
    unshare_child_perms: Perm,
}

impl PackedDriver for PackedBlkdebug {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(BlkdebugDriver {
            control: Blkdebug::with_rules(self.rules),
            limits: self.limits,
            take_child_perms: self.take_child_perms,
            unshare_child_perms: self.unshare_child_perms,
        })
    }
}

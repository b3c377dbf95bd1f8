//! The drivers `null-co` and `null-aio`: they take everything and keep nothing.
//!
//! The two differ in how they end a request that takes no time: `null-co` inside of the call that began
//! it, `null-aio` after a turn of the event loop.
//!
//! QEMU: block/null.c.

use std::any::Any;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::{BlockStatus, Driver, IoFuture, ReadResult, ZeroFlags};
use crate::error::BlockResult;
use crate::graph::Graph;
use crate::moving::PackedDriver;
use crate::node::Node;

/// How a `null-co` or `null-aio` node is made; its fields are QEMU's options.
#[derive(Debug, Clone)]
pub struct NullCoOptions {
    /// The length in bytes; 1 GiB by default.
    pub size: u64,
    /// How long each request takes, in nanoseconds of the context's clock; 0 by default.
    pub latency_ns: u64,
    /// Whether reads return zeroes. Without it, the default, they leave the buffer as it is.
    pub read_zeroes: bool,
}

impl Default for NullCoOptions {
    fn default() -> Self {
        NullCoOptions {
            size: 1 << 30,
            latency_ns: 0,
            read_zeroes: false,
        }
    }
}

/// The driver `null-co`, or `null-aio`.
pub struct NullCoDriver {
    options: NullCoOptions,
    aio: bool,
}

impl NullCoDriver {
    /// A disk that remembers nothing.
    pub fn new(options: NullCoOptions) -> Self {
        NullCoDriver {
            options,
            aio: false,
        }
    }

    /// The driver `null-aio`, with the same options.
    ///
    /// QEMU: `null_aio_common` (block/null.c).
    pub fn aio(options: NullCoOptions) -> Self {
        NullCoDriver { options, aio: true }
    }

    /// How it was made.
    pub fn options(&self) -> &NullCoOptions {
        &self.options
    }

    fn done<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            if self.options.latency_ns > 0 {
                node.context().sleep(self.options.latency_ns).await;
            } else if self.aio {
                futures_lite::future::yield_now().await;
            }
            Ok(())
        })
    }
}

impl Driver for NullCoDriver {
    fn format_name(&self) -> &'static str {
        if self.aio { "null-aio" } else { "null-co" }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(self.options.size)
    }

    fn read<'a>(
        &'a self,
        node: &'a Node,
        _offset: u64,
        mut buf: BytesMut,
    ) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            let result = self.done(node).await;
            if self.options.read_zeroes {
                buf.fill(0);
            }
            (buf, result)
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        _offset: u64,
        _data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        self.done(node)
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        _offset: u64,
        _bytes: u64,
        _flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        self.done(node)
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        _offset: u64,
        _bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        self.done(node)
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        self.done(node)
    }

    /// As QEMU says: zeroes if reads return them, else nothing that anybody holds.
    fn block_status<'a>(
        &'a self,
        _node: &'a Node,
        _offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            Ok(if self.options.read_zeroes {
                BlockStatus::zero(bytes)
            } else {
                BlockStatus::unallocated(bytes)
            })
        })
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        Box::new(PackedNullCo(NullCoDriver {
            options: self.options.clone(),
            aio: self.aio,
        }))
    }
}

/// It is what it was made of.
struct PackedNullCo(NullCoDriver);

impl PackedDriver for PackedNullCo {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(self.0)
    }
}

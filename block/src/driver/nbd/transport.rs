//! The seam to whatever carries the bytes.

use std::any::Any;
use std::pin::Pin;

use blockjob_runtime::AioContext;
use futures_lite::{AsyncRead, AsyncWrite};

use crate::error::BlockResult;

/// A stream of bytes in both directions. Dropping it closes it.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin {
    /// For [`Transport::pack_stream`], which knows what it is made of.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> ByteStream for T {
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// What opens a stream; it owns what it needs, and may be dropped half-way.
pub type Connecting = Pin<Box<dyn Future<Output = BlockResult<Box<dyn ByteStream>>>>>;

/// Opens streams to one server.
///
/// QEMU: `NBDClientConnection` (nbd/client-connection.c), which knows sockets.
pub trait Transport {
    /// Begins to open a stream.
    fn connect(&self) -> Connecting;

    /// What leads to the same server from another context; without it, the node cannot move. Asked more
    /// than once.
    fn pack(&self) -> Option<Box<dyn PackedTransport>> {
        None
    }

    /// A stream that this has opened, for another context; without it, it is closed, and there a new one
    /// is opened.
    fn pack_stream(&self, stream: Box<dyn ByteStream>) -> Option<Box<dyn PackedStream>> {
        drop(stream);
        None
    }
}

/// A [`Transport`] on its way.
pub trait PackedTransport: Send {
    /// The transport again, in `context`.
    fn unpack(self: Box<Self>, context: &AioContext) -> Box<dyn Transport>;
}

/// An open stream on its way. Bytes that come meanwhile wait in it.
pub trait PackedStream: Send {
    /// The stream again, in `context`.
    ///
    /// # Errors
    ///
    /// It cannot be had there. Then the connection is lost, as others are.
    fn unpack(self: Box<Self>, context: &AioContext) -> BlockResult<Box<dyn ByteStream>>;
}

//! The seam to whatever carries the bytes.

use std::pin::Pin;

use futures_lite::{AsyncRead, AsyncWrite};

use crate::error::BlockResult;

/// A stream of bytes in both directions. Dropping it closes it.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> ByteStream for T {}

/// What opens a stream; it owns what it needs, and may be dropped half-way.
pub type Connecting = Pin<Box<dyn Future<Output = BlockResult<Box<dyn ByteStream>>>>>;

/// Opens streams to one server.
///
/// QEMU: `NBDClientConnection` (nbd/client-connection.c), which knows sockets.
pub trait Transport {
    /// Begins to open a stream.
    fn connect(&self) -> Connecting;
}

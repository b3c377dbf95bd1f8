//! The driver itself: requests of the node to commands and back.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

use blockjob_runtime::AioContext;
use bytes::{Bytes, BytesMut};

use super::NbdOptions;
use super::connect::attempt;
use super::engine::Engine;
use super::reconnect::{FIRST_PAUSE_NS, HANDSHAKE_NS};
use super::request::Pending;
use super::transport::Transport;
use crate::driver::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::moving::PackedDriver;
use crate::nbd::client::{Command, ExportInfo, Outcome};
use crate::nbd::proto::{MAX_PAYLOAD, base_allocation, flag};
use crate::node::Node;

/// Offsets and lengths are multiples of this if the server does not say of what (QEMU:
/// `BDRV_SECTOR_SIZE` in include/block/block-common.h).
const SECTOR_BYTES: u32 = 512;

/// The driver `nbd`: an export of a server.
///
/// A request whose future is dropped goes on and owns its buffer; the node counts it as in flight
/// until it has ended.
///
/// QEMU: `bdrv_nbd` (block/nbd.c).
pub struct NbdDriver {
    pub(super) engine: Rc<Engine>,
    /// The oldest connection over which something was written that no flush has made safe.
    pub(super) unflushed: Cell<Option<u64>>,
}

impl NbdDriver {
    /// Connects to a server and asks for an export. With an
    /// [`open_timeout_ns`](NbdOptions::open_timeout_ns) it tries again until that is over.
    ///
    /// QEMU: `nbd_open` (block/nbd.c).
    ///
    /// # Errors
    ///
    /// Why the last attempt failed, in QEMU's words where it has them; a hint says what the server
    /// says.
    pub async fn connect(
        context: &AioContext,
        transport: Box<dyn Transport>,
        options: NbdOptions,
    ) -> BlockResult<NbdDriver> {
        let deadline_ns = context.now_ns().saturating_add(options.open_timeout_ns);
        let mut pause_ns = FIRST_PAUSE_NS;
        let connected = loop {
            let left_ns = deadline_ns.saturating_sub(context.now_ns());
            let timeout_ns = match options.open_timeout_ns {
                0 => HANDSHAKE_NS,
                _ => left_ns.max(1),
            };
            match attempt(context, &*transport, &options.export, timeout_ns).await {
                Ok(connected) => break connected,
                Err(error) => {
                    let left_ns = deadline_ns.saturating_sub(context.now_ns());
                    if left_ns == 0 {
                        return Err(error);
                    }
                    context.sleep(pause_ns.min(left_ns)).await;
                    if deadline_ns <= context.now_ns() {
                        return Err(error);
                    }
                    pause_ns = (2 * pause_ns).min(1_000_000_000);
                }
            }
        };
        Ok(NbdDriver {
            engine: Engine::new(context, transport, options, connected),
            unflushed: Cell::new(None),
        })
    }

    /// What the server said of the export when the node was made.
    pub fn info(&self) -> &ExportInfo {
        &self.engine.info
    }

    /// True while there is a connection.
    pub fn is_connected(&self) -> bool {
        self.engine.is_up()
    }

    /// The smallest unit of requests, in bytes.
    fn min_block(&self) -> u32 {
        let info = self.info();
        match info.min_block {
            0 if info.size.is_multiple_of(u64::from(SECTOR_BYTES)) => SECTOR_BYTES,
            0 => 1,
            min => min,
        }
    }

    /// Nothing grows at the other end. Servers say so too, but not all with the same error.
    fn check_room(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        let size = self.info().size;
        if offset <= size && bytes <= size - offset {
            return Ok(());
        }
        Err(BlockError::from_errno(
            ErrorKind::NoSpace.errno(),
            format!("The export ends at {size}"),
        ))
    }

    /// Changes the export. A server that is another one after a connection was lost may have forgotten
    /// that, until it has been flushed.
    fn written<'a>(&'a self, node: &'a Node, command: Command) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            // Taken before: if it is sent again, that is one flush too many, and not one too few.
            let connection = Some(self.engine.connections());
            self.note_unflushed(connection);
            let (_, outcome) = self.run(node, command).await;
            // Again: a flush that was under way meanwhile need not have seen it.
            self.note_unflushed(connection);
            outcome.map(drop)
        })
    }

    fn note_unflushed(&self, connection: Option<u64>) {
        let oldest = match (self.unflushed.get(), connection) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.unflushed.set(oldest);
    }

    /// Whether writes over `connection`, or an older one, may be gone.
    fn is_lost(&self, connection: Option<u64>) -> BlockResult<()> {
        match connection {
            Some(connection) if connection != self.engine.connections() => Err(BlockError::new(
                ErrorKind::LostWrites,
                "The connection to the NBD server was lost with writes that were not flushed",
            )),
            _ => Ok(()),
        }
    }

    /// QEMU: `nbd_co_request` (block/nbd.c).
    async fn run(&self, node: &Node, command: Command) -> (Command, BlockResult<Outcome>) {
        let answer = Some(self.engine.submit(command));
        Pending { node, answer }.await
    }
}

impl Drop for NbdDriver {
    fn drop(&mut self) {
        self.engine.close();
    }
}

fn nothing_to_do<'a>() -> IoFuture<'a, BlockResult<()>> {
    Box::pin(async { Ok(()) })
}

/// The length of a request as it goes over the wire. The limits see to it that it fits.
fn wire_len(bytes: u64) -> BlockResult<u32> {
    u32::try_from(bytes).map_err(|_| {
        let text = format!("{bytes} bytes are too many for one NBD request");
        BlockError::new(ErrorKind::Invalid, text)
    })
}

impl Driver for NbdDriver {
    fn format_name(&self) -> &'static str {
        "nbd"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    /// QEMU: `nbd_refresh_limits` (block/nbd.c).
    fn limits(&self, _node: &Node) -> Limits {
        let min = self.min_block();
        let max = match self.info().max_block {
            0 => MAX_PAYLOAD,
            max => max.min(MAX_PAYLOAD) / min * min,
        };
        Limits {
            request_alignment: u64::from(min),
            max_transfer: u64::from(max),
            max_write_zeroes: u64::from(max),
            max_discard: u64::from(i32::MAX as u32 / min * min),
            ..Limits::default()
        }
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(self.info().size)
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            if let Err(error) = wire_len(buf.len() as u64) {
                return (buf, Err(error));
            }
            match self.run(node, Command::Read { offset, buf }).await {
                (Command::Read { buf, .. }, outcome) => (buf, outcome.map(drop)),
                (other, _) => unreachable!("a read came back as {other:?}"),
            }
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        let bytes = data.len() as u64;
        if let Err(error) = wire_len(bytes).and_then(|_| self.check_room(offset, bytes)) {
            return Box::pin(async move { Err(error) });
        }
        let fua = false;
        self.written(node, Command::Write { offset, data, fua })
    }

    /// QEMU: `nbd_client_co_pwrite_zeroes` (block/nbd.c).
    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        let info = self.info();
        let fast = flags.no_fallback;
        let possible =
            info.has(flag::SEND_WRITE_ZEROES) && (!fast || info.has(flag::SEND_FAST_ZERO));
        let bytes = self.check_room(offset, bytes).and(wire_len(bytes));
        Box::pin(async move {
            if !possible {
                return Err(BlockError::new(
                    ErrorKind::NotSupported,
                    "the NBD server cannot write zeroes so",
                ));
            }
            let command = Command::WriteZeroes {
                offset,
                bytes: bytes?,
                may_unmap: flags.may_unmap,
                fast,
            };
            self.written(node, command).await
        })
    }

    /// QEMU: `nbd_client_co_pdiscard` (block/nbd.c).
    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        if !self.info().has(flag::SEND_TRIM) || bytes == 0 {
            return nothing_to_do();
        }
        match wire_len(bytes) {
            Ok(bytes) => self.written(node, Command::Trim { offset, bytes }),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }

    /// Fails once with [`ErrorKind::LostWrites`] after a connection was lost with writes that were not
    /// flushed: a server that was killed and is there again may have forgotten them. QEMU's does not
    /// notice.
    ///
    /// QEMU: `nbd_client_co_flush` (block/nbd.c).
    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            // What is written from now on is for the next flush.
            let unflushed = self.unflushed.take();
            self.is_lost(unflushed)?;
            if !self.info().has(flag::SEND_FLUSH) {
                return Ok(());
            }
            let (_, outcome) = self.run(node, Command::Flush).await;
            // It may have been sent again, to a server that knew nothing of them.
            self.is_lost(unflushed)?;
            if outcome.is_err() {
                self.note_unflushed(unflushed);
            }
            outcome.map(drop)
        })
    }

    /// QEMU: `nbd_client_co_block_status` (block/nbd.c).
    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        if self.info().allocation_context.is_none() {
            return Box::pin(async move { Ok(BlockStatus::data(bytes)) });
        }
        let min = self.min_block();
        let asked = bytes.min(u64::from(u32::MAX / min * min)) as u32;
        let command = Command::BlockStatus {
            offset,
            bytes: asked,
        };
        Box::pin(async move {
            let outcome = self.run(node, command).await.1?;
            let Outcome::Status(extent) = outcome else {
                unreachable!("a block status came back as {outcome:?}");
            };
            let zero = extent.flags & base_allocation::ZERO != 0;
            let hole = extent.flags & base_allocation::HOLE != 0;
            Ok(BlockStatus {
                allocated: true,
                zero,
                // Nobody says what is in a hole that does not read as zeroes: it must be read.
                data: !(hole && zero),
                bytes: u64::from(extent.len),
            })
        })
    }

    /// QEMU: `nbd_co_truncate` (block/nbd.c).
    fn truncate<'a>(&'a self, _node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        let size = self.info().size;
        Box::pin(async move {
            if len <= size {
                // It stays as long as it is, and nobody is promised that it does not.
                return Ok(());
            }
            Err(BlockError::new(ErrorKind::Invalid, "Cannot grow NBD nodes"))
        })
    }

    fn cancel_in_flight(&self, _node: &Node) {
        self.engine.cancel_in_flight();
    }

    fn can_move(&self, node: &Node) -> BlockResult<()> {
        if self.engine.transport.pack().is_some() {
            return Ok(());
        }
        let text = format!(
            "Node '{}' cannot change its context: nobody knows the way to its server from there",
            node.name()
        );
        Err(BlockError::new(ErrorKind::NotSupported, text))
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        self.pack_up()
    }
}

//! One client's stream of bytes: what comes in goes to whoever reads, what goes out is gathered.
//!
//! QEMU: `NBDClient` (nbd/server.c), as far as it is a channel.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use blockjob_block::nbd::server::Outbox;
use blockjob_runtime::Coroutine;
use bytes::BytesMut;
use futures_lite::{AsyncRead, AsyncWrite};

/// A stream to a client: a socket, or a pipe in memory.
pub trait Channel: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Channel for T {}

/// Pieces that go out in one system call at most.
const MAX_SLICES: usize = 32;

/// One client's stream. It is closed once, by either side.
pub(super) struct Connection {
    channel: RefCell<Option<Box<dyn Channel>>>,
    pub(super) outbox: RefCell<Outbox>,
    /// Who reads from it and who writes to it: woken when it is closed.
    pub(super) reader: RefCell<Option<Coroutine>>,
    pub(super) writer: RefCell<Option<Coroutine>>,
    writer_woken: Cell<bool>,
}

impl Connection {
    pub(super) fn new(channel: Box<dyn Channel>) -> Self {
        Connection {
            channel: RefCell::new(Some(channel)),
            outbox: RefCell::default(),
            reader: RefCell::default(),
            writer: RefCell::default(),
            writer_woken: Cell::new(false),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.channel.borrow().is_none()
    }

    /// Hangs up. Nothing is read or written from now on.
    pub(super) fn close(&self) {
        let Some(mut channel) = self.channel.take() else {
            return;
        };
        // The client sees the end at once, also if something still holds the descriptor.
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _gone = Pin::new(&mut channel).poll_close(&mut cx);
        drop(channel);
        self.wake_reader();
        self.wake_writer();
    }

    pub(super) fn wake_reader(&self) {
        if let Some(reader) = &*self.reader.borrow() {
            reader.wake();
        }
    }

    /// Has the writer look soon: once, however many replies are put until then.
    pub(super) fn wake_writer(&self) {
        if self.writer_woken.replace(true) {
            return;
        }
        if let Some(writer) = &*self.writer.borrow() {
            writer.wake();
        }
    }

    /// The writer looks.
    pub(super) fn writer_looks(&self) {
        self.writer_woken.set(false);
    }

    /// Reads some bytes; 0 at the end, of whatever kind.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        let mut channel = self.channel.borrow_mut();
        let Some(channel) = &mut *channel else {
            return Poll::Ready(0);
        };
        Pin::new(channel)
            .poll_read(cx, buffer)
            .map(|result| result.unwrap_or(0))
    }

    /// Writes until the outbox is empty. Buffers that have gone are given to `recycle`.
    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        mut recycle: impl FnMut(BytesMut),
    ) -> Poll<io::Result<()>> {
        let mut outbox = self.outbox.borrow_mut();
        while !outbox.is_empty() {
            let mut channel = self.channel.borrow_mut();
            let Some(channel) = &mut *channel else {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            };
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let filled = outbox.slices(&mut slices);
            let sent = ready!(Pin::new(channel).poll_write_vectored(cx, &slices[..filled]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outbox.sent(sent, &mut recycle);
        }
        Poll::Ready(Ok(()))
    }
}

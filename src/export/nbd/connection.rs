//! One client's stream of bytes: what comes in goes to whoever reads, what goes out is gathered.
//!
//! QEMU: `NBDClient` (nbd/server.c), as far as it is a channel.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use blockjob_block::nbd::server::Outbox;
use blockjob_runtime::Coroutine;
use bytes::BytesMut;
use futures_lite::{AsyncRead, AsyncWrite};

use super::room::Ticket;
use super::socket::Socket;

/// A stream to a client that stays in the context where it is: a pipe in memory.
pub trait Channel: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Channel for T {}

/// Pieces that go out in one system call at most.
const MAX_SLICES: usize = 32;

/// How a client is connected.
pub(super) enum Line {
    /// By a socket, which can go to another context.
    Socket(Socket),
    /// By something else.
    Other(Box<dyn Channel>),
}

impl Line {
    fn channel(&mut self) -> Pin<&mut dyn Channel> {
        match self {
            Line::Socket(socket) => Pin::new(socket),
            Line::Other(channel) => Pin::new(channel),
        }
    }
}

/// One client's stream. It is closed once, by either side, or goes to another context.
pub(super) struct Connection {
    line: RefCell<Option<Line>>,
    pub(super) outbox: RefCell<Outbox>,
    /// Who reads from it and who writes to it: woken when it is closed.
    pub(super) reader: RefCell<Option<Coroutine>>,
    pub(super) writer: RefCell<Option<Coroutine>>,
    writer_woken: Cell<bool>,
    /// The client's place with the server.
    pub(super) ticket: RefCell<Option<Ticket>>,
}

impl Connection {
    pub(super) fn new(line: Line, ticket: Ticket) -> Self {
        Connection {
            line: RefCell::new(Some(line)),
            ticket: RefCell::new(Some(ticket)),
            outbox: RefCell::default(),
            reader: RefCell::default(),
            writer: RefCell::default(),
            writer_woken: Cell::new(false),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.line.borrow().is_none()
    }

    /// Hangs up. Nothing is read or written from now on.
    pub(super) fn close(&self) {
        let Some(mut line) = self.line.take() else {
            return;
        };
        // The client sees the end at once, also if something still holds the descriptor.
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _gone = line.channel().poll_close(&mut cx);
        drop(line);
        self.wake_reader();
        self.wake_writer();
    }

    /// True unless the client is connected by something that cannot go to another context.
    pub(super) fn can_move(&self) -> bool {
        !matches!(&*self.line.borrow(), Some(Line::Other(_)))
    }

    /// Takes the socket out, with the client's place: for everybody here the connection is closed, and the
    /// client notices nothing. None if it is closed already.
    pub(super) fn take_socket(&self) -> Option<(OwnedFd, Ticket)> {
        if !self.can_move() {
            return None;
        }
        let Some(Line::Socket(socket)) = self.line.take() else {
            return None;
        };
        let taken = socket.into_fd().zip(self.ticket.take());
        self.wake_reader();
        self.wake_writer();
        taken
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
        let mut line = self.line.borrow_mut();
        let Some(line) = &mut *line else {
            return Poll::Ready(0);
        };
        line.channel()
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
            let mut line = self.line.borrow_mut();
            let Some(line) = &mut *line else {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            };
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let filled = outbox.slices(&mut slices);
            let sent = ready!(line.channel().poll_write_vectored(cx, &slices[..filled]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outbox.sent(sent, &mut recycle);
        }
        Poll::Ready(Ok(()))
    }
}

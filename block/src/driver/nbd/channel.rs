//! One connection in transmission: what goes out and what comes in, in one poll.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::outbox::Outbox;
use super::request::{Job, Ticket, server_error};
use super::transport::ByteStream;
use crate::nbd::client::{Command, ExportInfo, Finished, Outcome, Transmission, Violation};
use crate::nbd::proto::{RequestHeader, cmd};

/// What is read at a time, in bytes, where it is not known yet whose it is.
const INBOX_BYTES: usize = 64 << 10;
/// Data for which at least so much room is left is read to where it belongs. Less than this comes
/// together with what follows it.
const DIRECT_BYTES: usize = 16 << 10;
/// So many turns in a row, and then it is the turn of others.
const MAX_TURNS: usize = 32;

/// Why a connection has ended.
#[derive(Debug)]
pub(super) enum End {
    /// The server has closed it.
    Closed,
    /// The stream has failed.
    Failed(io::Error),
    /// The server has broken the protocol.
    Violation(Violation),
}

impl End {
    /// As words in a message.
    pub(super) fn reason(&self) -> String {
        match self {
            End::Closed => "it has closed the connection".to_owned(),
            End::Failed(error) => match error.raw_os_error() {
                Some(errno) => crate::error::errno_text(errno),
                None => error.to_string(),
            },
            End::Violation(violation) => violation.to_string(),
        }
    }
}

/// A connection after its handshake.
pub(super) struct Channel {
    stream: Box<dyn ByteStream>,
    transmission: Transmission,
    out: Outbox,
    inbox: Box<[u8]>,
    /// Who waits for which request.
    tickets: BTreeMap<u64, Ticket>,
    /// Who polls this.
    waker: Option<Waker>,
    /// The server has answered something.
    pub(super) answered: bool,
}

impl Channel {
    pub(super) fn new(stream: Box<dyn ByteStream>, info: &ExportInfo) -> Channel {
        Channel {
            stream,
            transmission: Transmission::new(info),
            out: Outbox::default(),
            inbox: vec![0; INBOX_BYTES].into_boxed_slice(),
            tickets: BTreeMap::new(),
            waker: None,
            answered: false,
        }
    }

    /// The stream, in between two requests; nothing if it is in the middle of one.
    pub(super) fn into_stream(self) -> Option<Box<dyn ByteStream>> {
        let between = !self.is_busy() && self.out.is_empty();
        between.then_some(self.stream)
    }

    /// True if the server owes an answer.
    pub(super) fn is_busy(&self) -> bool {
        self.transmission.in_flight() > 0
    }

    /// Has whoever polls this look again, because there is more to send.
    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Sends as much as goes out, of `waiting` as well, and receives as much as is there. Ends with the
    /// connection.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, waiting: &mut VecDeque<Job>) -> Poll<End> {
        self.waker = Some(cx.waker().clone());
        for _ in 0..MAX_TURNS {
            self.begin(waiting);
            let wrote = match self.out.poll_write(&mut *self.stream, cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(End::Failed(error)),
                Poll::Ready(Ok(wrote)) => wrote,
                Poll::Pending => false,
            };
            let read = match self.poll_read(cx) {
                Poll::Ready(Err(end)) => return Poll::Ready(end),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if !wrote && !read {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn begin(&mut self, waiting: &mut VecDeque<Job>) {
        while !self.transmission.is_full()
            && let Some(Job { command, ticket }) = waiting.pop_front()
        {
            let data = command.payload().cloned();
            match self.transmission.begin(command) {
                Ok((cookie, header)) => {
                    self.out.push(header, data);
                    self.tickets.insert(cookie, ticket);
                }
                Err(command) => {
                    waiting.push_front(Job { command, ticket });
                    return;
                }
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let stream = Pin::new(&mut *self.stream);
        let room = self.transmission.room();
        let direct = room.len() >= DIRECT_BYTES;
        let into = if direct { room } else { &mut *self.inbox };
        let bytes = match stream.poll_read(cx, into) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(End::Closed)),
            Poll::Ready(Ok(bytes)) => bytes,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(End::Failed(error))),
        };
        let result = match direct {
            true => self.transmission.filled(bytes),
            false => self.transmission.feed(&self.inbox[..bytes]),
        };
        // What was whole before the stream broke counts.
        self.deliver();
        Poll::Ready(result.map_err(End::Violation))
    }

    fn deliver(&mut self) {
        for finished in self.transmission.take_finished() {
            let Finished {
                cookie,
                command,
                outcome,
            } = finished;
            self.answered = true;
            let ticket = self.tickets.remove(&cookie);
            let ticket = ticket.expect("each request that was begun has a ticket");
            let outcome = match outcome {
                Outcome::Failed(error) => Err(server_error(&error)),
                outcome => Ok(outcome),
            };
            ticket.answer(command, outcome);
        }
    }

    /// What the server still owes, oldest first, after the end.
    pub(super) fn take_unfinished(&mut self) -> Vec<Job> {
        let commands = self.transmission.take_unfinished();
        let with_ticket = commands
            .into_iter()
            .map(|(cookie, command): (u64, Command)| {
                let ticket = self.tickets.remove(&cookie);
                let ticket = ticket.expect("each request that was begun has a ticket");
                Job { command, ticket }
            });
        with_ticket.collect()
    }

    /// Takes leave of the server, as far as that goes without waiting.
    ///
    /// QEMU: `nbd_teardown_connection` (block/nbd.c).
    pub(super) fn say_goodbye(&mut self) {
        if !self.out.is_at_a_boundary() {
            return;
        }
        let goodbye = RequestHeader {
            flags: 0,
            kind: cmd::DISC,
            cookie: 0,
            offset: 0,
            len: 0,
        };
        let mut cx = Context::from_waker(Waker::noop());
        // It is a courtesy: a server that does not hear it sees the end of the stream.
        let stream = Pin::new(&mut *self.stream);
        let _ = stream.poll_write(&mut cx, &goodbye.encode());
    }
}

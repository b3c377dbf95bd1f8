//! The transmission phase with one client: requests in, replies out.
//!
//! The reader takes as many requests from one read as have come, and gives each a coroutine of its
//! own; the writer sends the replies of one pass of the event loop together. What a client can have
//! of us is bounded: requests under way, bytes in their buffers, and replies that it has not taken.
//!
//! QEMU: `nbd_trip`, `nbd_client_receive_next_request` (nbd/server.c).

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use blockjob_block::nbd::proto::{MAX_PAYLOAD, MAX_REQUESTS};
use blockjob_block::nbd::server::{Inbox, Mode, Next, Replies, Request, Requests, check};

use super::connection::Connection;
use super::export::NbdExport;

/// Bytes in buffers of one client's requests at most, from the request to the sent reply: two of the
/// longest.
const MAX_BUFFER_BYTES: u64 = 2 * MAX_PAYLOAD as u64;
/// Replies that wait to be sent at most, before nothing more is read. The writer has its turn then, and
/// so has everybody else in the event loop, whatever a client sends.
const MAX_UNSENT: usize = 64;
/// Read at a time: some dozens of small requests, with what they write.
const CHUNK_BYTES: usize = 128 << 10;

/// The transmission with one client.
pub(super) struct Session {
    pub(super) export: Rc<NbdExport>,
    pub(super) connection: Rc<Connection>,
    pub(super) mode: Mode,
    requests: RefCell<Requests>,
    in_flight: Cell<usize>,
    buffer_bytes: Cell<u64>,
    unsent: Cell<usize>,
    /// The reader waits for room, and not for bytes.
    stalled: Cell<bool>,
    /// Nothing more comes from the client.
    ended: Cell<bool>,
}

/// How far a client has come. It can go to another context.
pub(super) struct Standing {
    pub(super) mode: Mode,
    /// What was read and has not begun.
    requests: Requests,
    /// Bytes of buffers in replies that have not gone.
    buffer_bytes: u64,
    unsent: usize,
}

impl Standing {
    /// At the beginning, after the handshake.
    pub(super) fn new(mode: Mode, mut inbox: Inbox) -> Self {
        inbox.set_chunk(CHUNK_BYTES);
        Standing {
            mode,
            requests: Requests::new(inbox),
            buffer_bytes: 0,
            unsent: 0,
        }
    }
}

impl Session {
    /// Goes on with a client from where it stands. Replies that have not gone are in the outbox of the
    /// connection.
    pub(super) fn new(
        export: &Rc<NbdExport>,
        connection: &Rc<Connection>,
        standing: Standing,
    ) -> Rc<Self> {
        Rc::new(Session {
            export: export.clone(),
            connection: connection.clone(),
            mode: standing.mode,
            requests: RefCell::new(standing.requests),
            in_flight: Cell::new(0),
            buffer_bytes: Cell::new(standing.buffer_bytes),
            unsent: Cell::new(standing.unsent),
            stalled: Cell::new(false),
            ended: Cell::new(false),
        })
    }

    /// Takes out how far the client has come, in a drained section; this session comes to its end.
    ///
    /// # Panics
    ///
    /// If a request is under way.
    pub(super) fn take_standing(&self) -> Standing {
        assert_eq!(self.in_flight.get(), 0, "a request is under way");
        Standing {
            mode: self.mode,
            requests: self.requests.replace(Requests::new(Inbox::new(0))),
            buffer_bytes: self.buffer_bytes.replace(0),
            unsent: self.unsent.replace(0),
        }
    }

    /// Serves the client to its end, in the coroutine that reads.
    pub(super) async fn run(self: &Rc<Self>) {
        let writer = {
            let session = self.clone();
            let write = async move { session.write().await };
            self.export.context().coroutine("nbd_reply", write)
        };
        self.connection.writer.replace(Some(writer.clone()));
        writer.wake();
        while let Some(request) = poll_fn(|cx| self.poll_request(cx)).await {
            self.begin(request);
        }
        self.ended.set(true);
        self.connection.wake_writer();
        // The writer hangs up when all is answered; and requests end, also after that.
        poll_fn(
            |_cx| match self.connection.is_closed() && self.in_flight.get() == 0 {
                true => Poll::Ready(()),
                false => Poll::Pending,
            },
        )
        .await;
        self.connection.writer.replace(None);
    }

    /// The next request; none if the client has gone, or has lost its place.
    fn poll_request(&self, cx: &mut Context<'_>) -> Poll<Option<Request>> {
        let mut requests = self.requests.borrow_mut();
        loop {
            if self.connection.is_closed() {
                return Poll::Ready(None);
            }
            self.stalled.set(true);
            if self.export.is_quiesced()
                || self.in_flight.get() >= MAX_REQUESTS
                || self.unsent.get() >= MAX_UNSENT
            {
                return Poll::Pending;
            }
            match requests.next(MAX_BUFFER_BYTES - self.buffer_bytes.get()) {
                Ok(Next::Request(request)) => {
                    self.stalled.set(false);
                    return Poll::Ready(Some(request));
                }
                Ok(Next::WaitForRoom(_)) => return Poll::Pending,
                Ok(Next::Read) => {}
                Err(_lost) => return Poll::Ready(None),
            }
            self.stalled.set(false);
            match self.connection.poll_read(cx, requests.space()) {
                Poll::Ready(0) => return Poll::Ready(None),
                Poll::Ready(bytes) => requests.filled(bytes),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Answers a request, or starts what answers it.
    fn begin(self: &Rc<Self>, request: Request) {
        let header = &request.header;
        let export = &self.export;
        if let Err(refusal) = check(header, export.flags(), export.size(), self.mode) {
            self.reply(|replies| replies.error(header.cookie, &refusal, None));
            return;
        }
        self.in_flight.set(self.in_flight.get() + 1);
        self.add_buffer(Requests::cost_bytes(header));
        export.begin_request();
        let session = self.clone();
        let trip = async move {
            session.answer(request).await;
            session.end();
        };
        self.export.context().coroutine("nbd_trip", trip).enter();
    }

    fn end(&self) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.export.end_request();
        self.go_on();
        if self.ended.get() {
            self.connection.wake_writer();
            self.connection.wake_reader();
        }
    }

    /// Puts a reply on its way.
    pub(super) fn reply<T>(&self, put: impl FnOnce(&mut Replies<'_>) -> T) -> T {
        let mut outbox = self.connection.outbox.borrow_mut();
        let mut replies = Replies {
            outbox: &mut outbox,
            structured: self.mode.structured,
        };
        let result = put(&mut replies);
        self.unsent.set(self.unsent.get() + 1);
        drop(outbox);
        self.connection.wake_writer();
        result
    }

    fn add_buffer(&self, bytes: u64) {
        self.buffer_bytes.set(self.buffer_bytes.get() + bytes);
    }

    /// So many bytes of buffers are not needed any more.
    pub(super) fn end_buffer(&self, bytes: u64) {
        self.buffer_bytes.set(self.buffer_bytes.get() - bytes);
    }

    /// Has the reader look again, if it waits for something that may hold now.
    pub(super) fn go_on(&self) {
        if self.stalled.replace(false) {
            self.connection.wake_reader();
        }
    }

    /// Sends replies until the client has gone and all is answered.
    async fn write(self: Rc<Self>) {
        poll_fn(|cx| self.poll_write(cx)).await;
        self.connection.close();
    }

    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.writer_looks();
        let sent = self.connection.poll_send(cx, |buffer| {
            self.end_buffer(buffer.len() as u64);
            self.export.pool().put(buffer);
        });
        match sent {
            Poll::Ready(Err(_gone)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) => self.unsent.set(0),
            Poll::Pending => {}
        }
        self.go_on();
        let over = self.ended.get() && self.in_flight.get() == 0;
        match self.connection.is_closed() || (over && sent.is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

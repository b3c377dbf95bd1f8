//! A session: one client of one monitor, from the greeting to the end.
//!
//! What arrives goes through three places. The reading coroutine parses it into `heard`; from there
//! requests are admitted to `queue` while there is room; the dispatcher takes them from the queue, one
//! at a time. While there is no room nothing is read, so what a client may have us keep is bounded: it
//! waits in its own socket.
//!
//! QEMU: `MonitorQMP` (monitor/monitor-internal.h), `handle_qmp_command` (monitor/qmp.c).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use super::chardev::Io;
use super::dispatcher::Shared;
use super::latch::Latch;
use super::options::{MonitorMode, MonitorOptions};
use super::output::Output;
use super::protocol::{Heard, Protocol};
use super::say;

/// How many requests may wait in a session that has agreed upon `oob`; in others it is one, and only
/// while none is executed.
///
/// QEMU: `QMP_REQ_QUEUE_LEN_MAX` (monitor/monitor-internal.h).
const QUEUE_LEN_MAX: usize = 8;
/// How much is read at a time, in bytes.
const READ_BYTES: usize = 4096;
/// While so many bytes of replies wait for a client, nothing more is read from it.
const OUTPUT_HIGH_BYTES: usize = 64 << 10;
/// A client that has let so many bytes wait is sent away at the next event.
const OUTPUT_END_BYTES: usize = 16 << 20;

pub(crate) struct Session {
    /// Of which monitor, for messages.
    name: String,
    shared: Weak<Shared>,
    protocol: RefCell<Protocol>,
    output: Output,
    /// Parsed, and not admitted yet. Not much: only what came in one piece.
    heard: RefCell<VecDeque<Heard>>,
    /// Admitted, and not begun yet.
    queue: RefCell<VecDeque<Heard>>,
    /// Requests that go ahead of the queue, and have not begun yet.
    out_of_band: Cell<usize>,
    /// A request of the queue is being executed.
    running: Cell<bool>,
    /// The dispatcher knows that there is something in the queue.
    pub(super) enlisted: Cell<bool>,
    /// The client has said all that it is going to say.
    heard_all: Cell<bool>,
    /// It is over.
    pub(super) closed: Latch,
    /// The reading coroutine, if it waits.
    reader: RefCell<Option<Waker>>,
}

impl Session {
    pub(super) fn new(
        name: &str,
        shared: &Rc<Shared>,
        options: &MonitorOptions,
        output: Option<Rc<Io>>,
    ) -> Rc<Session> {
        let protocol = match options.mode {
            MonitorMode::Control => Protocol::control(options.pretty),
            MonitorMode::Readline => Protocol::readline(),
        };
        Rc::new(Session {
            name: name.to_owned(),
            shared: Rc::downgrade(shared),
            protocol: RefCell::new(protocol),
            output: Output::new(output),
            heard: RefCell::default(),
            queue: RefCell::default(),
            out_of_band: Cell::new(0),
            running: Cell::new(false),
            enlisted: Cell::new(false),
            heard_all: Cell::new(false),
            closed: Latch::default(),
            reader: RefCell::default(),
        })
    }

    /// Greets the client, and reads from it until it is gone and has all its answers.
    pub(super) async fn serve(self: &Rc<Self>, input: Option<Rc<Io>>) {
        let greeting = self.protocol.borrow().greeting();
        self.send(&greeting);
        let mut buffer = vec![0; READ_BYTES];
        while let Some(input) = &input {
            let Some(bytes) = poll_fn(|cx| self.poll_read(cx, input, &mut buffer)).await else {
                break;
            };
            self.protocol
                .borrow_mut()
                .feed(&buffer[..bytes], &mut self.heard.borrow_mut());
            self.admit();
            // A client that never rests must not keep the others waiting.
            futures_lite::future::yield_now().await;
        }
        if input.is_none() {
            // It says nothing, and listens for as long as there is a monitor.
            self.closed.wait().await;
        }
        self.close();
    }

    /// The next bytes, when there is room for what they may say; `None` at the end.
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        input: &Io,
        buffer: &mut [u8],
    ) -> Poll<Option<usize>> {
        self.reader.replace(Some(cx.waker().clone()));
        if self.closed.is_closed() {
            return Poll::Ready(None);
        }
        if !self.heard_all.get() {
            if !self.may_read() {
                return Poll::Pending;
            }
            match ready!(input.poll_read(cx, buffer)) {
                Ok(bytes @ 1..) => return Poll::Ready(Some(bytes)),
                // One who closes a connection that holds unread replies resets it.
                Ok(0) | Err(_) => self.heard_all.set(true),
            }
        }
        // It may still read the answers to what it said.
        match self.is_idle() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }

    fn wake_reader(&self) {
        let reader = self.reader.take();
        reader.into_iter().for_each(Waker::wake);
    }

    fn may_read(&self) -> bool {
        self.out_of_band.get() == 0 && self.heard.borrow().is_empty() && self.may_admit()
    }

    fn may_admit(&self) -> bool {
        let protocol = self.protocol.borrow();
        let room = match protocol.oob_enabled() {
            true => self.queue.borrow().len() < QUEUE_LEN_MAX,
            // What comes next is understood by what capabilities are agreed upon.
            false if protocol.is_negotiating() => self.out_of_band.get() == 0,
            false => self.queue.borrow().is_empty() && !self.running.get(),
        };
        room && self.output.pending_bytes() <= OUTPUT_HIGH_BYTES
    }

    fn is_idle(&self) -> bool {
        self.heard.borrow().is_empty()
            && self.queue.borrow().is_empty()
            && !self.running.get()
            && self.out_of_band.get() == 0
            && self.output.pending_bytes() == 0
    }

    /// Lets requests into the queue while there is room.
    fn admit(self: &Rc<Self>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        while self.may_admit() && !self.closed.is_closed() {
            let Some(heard) = self.heard.borrow_mut().pop_front() else {
                break;
            };
            // A negotiation touches nothing but the session: a client can come while a command of
            // another one waits, and ask out of band what for.
            if heard.is_oob() || self.protocol.borrow().is_negotiating() {
                self.out_of_band.set(self.out_of_band.get() + 1);
                shared.enlist_oob(self, heard);
            } else {
                self.queue.borrow_mut().push_back(heard);
                shared.enlist(self);
            }
        }
    }

    /// The next request to execute. Until [`finish`](Self::finish) no other one of this session is.
    pub(super) fn begin(&self) -> Option<Heard> {
        let heard = self.queue.borrow_mut().pop_front()?;
        self.running.set(true);
        Some(heard)
    }

    /// True if there is another request in the queue.
    pub(super) fn has_more(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// The request that was begun has its reply.
    pub(super) fn finish(self: &Rc<Self>) {
        self.running.set(false);
        self.go_on();
    }

    /// A request that went ahead of the queue has its reply.
    pub(super) fn finish_oob(self: &Rc<Self>) {
        self.out_of_band.set(self.out_of_band.get() - 1);
        self.go_on();
    }

    /// There may be room again.
    fn go_on(self: &Rc<Self>) {
        self.admit();
        if self.heard_all.get() || self.may_read() {
            self.wake_reader();
        }
    }

    pub(super) fn protocol(&self) -> &RefCell<Protocol> {
        &self.protocol
    }

    /// How many bytes the client has not taken.
    pub(super) fn pending_bytes(&self) -> usize {
        self.output.pending_bytes()
    }

    /// Sends something that the client asked for.
    pub(super) fn send(self: &Rc<Self>, text: &str) {
        if self.closed.is_closed() {
            return;
        }
        match self.output.send(text.as_bytes()) {
            Ok(false) => {}
            Ok(true) => self.start_draining(),
            // It is gone.
            Err(_) => self.close(),
        }
    }

    /// Sends something that the client did not ask for, unless it has not listened for long.
    pub(super) fn send_event(self: &Rc<Self>, text: &str) {
        let pending = self.pending_bytes();
        if pending <= OUTPUT_END_BYTES {
            return self.send(text);
        }
        if !self.closed.is_closed() {
            let name = &self.name;
            say::line(&format!(
                "the client of monitor '{name}' does not read what it is told: it is disconnected, with \
                 {pending} bytes on their way"
            ));
            self.close();
        }
    }

    fn start_draining(self: &Rc<Self>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let session = self.clone();
        let drain = async move {
            let drained = session.output.drain(|| session.go_on()).await;
            if drained.is_err() {
                session.close();
            }
        };
        shared.ctx.coroutine("monitor output", drain).wake();
    }

    /// Ends the session: requests that have not begun are forgotten.
    pub(super) fn close(&self) {
        if self.closed.is_closed() {
            return;
        }
        self.closed.close();
        self.heard.take();
        self.queue.take();
        self.output.close();
        self.wake_reader();
    }
}

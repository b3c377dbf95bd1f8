//! The state of the driver: which connection there is, and what waits for one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use blockjob_runtime::{AioContext, CoQueue, Timer};

use super::NbdOptions;
use super::channel::{Channel, End};
use super::connect::Connected;
use super::reconnect::{self, FIRST_PAUSE_NS};
use super::request::{Answer, Job, gone};
use super::transport::Transport;
use crate::nbd::client::{Command, ExportInfo};
use crate::oneshot::Receiver;

/// See the module `nbd`.
///
/// QEMU: `NBDClientState` (block/nbd.c).
pub(super) enum Link {
    Up(Box<Channel>),
    Waiting,
    Down,
    Over,
}

pub(super) struct State {
    pub(super) link: Link,
    /// What was not sent yet, or is to be sent again.
    pub(super) waiting: VecDeque<Job>,
    /// Why there is no connection.
    pub(super) reason: String,
}

pub(super) struct Engine {
    pub(super) context: AioContext,
    pub(super) transport: Box<dyn Transport>,
    pub(super) options: NbdOptions,
    /// What the first connection has found. Those that follow must find no less.
    pub(super) info: ExportInfo,
    pub(super) state: RefCell<State>,
    /// Ends `Waiting`.
    pub(super) delay: RefCell<Option<Timer>>,
    /// How many connections there have been: so that who serves one does not serve the next.
    pub(super) connections: Cell<u64>,
    /// How long the next pause between two attempts is, in nanoseconds.
    pub(super) pause_ns: Cell<u64>,
    /// A coroutine tries to connect.
    pub(super) connecting: Cell<bool>,
    /// When the last attempt ended, in nanoseconds.
    pub(super) attempted_ns: Cell<u64>,
    /// Ends a pause.
    pub(super) kick: CoQueue,
}

impl Engine {
    pub(super) fn new(
        context: &AioContext,
        transport: Box<dyn Transport>,
        options: NbdOptions,
        connected: Connected,
    ) -> Rc<Engine> {
        let engine = Self::unconnected(context, transport, options, connected.info.clone());
        engine.install(connected);
        engine
    }

    /// Without a connection, and nobody who tries to get one.
    pub(super) fn unconnected(
        context: &AioContext,
        transport: Box<dyn Transport>,
        options: NbdOptions,
        info: ExportInfo,
    ) -> Rc<Engine> {
        let engine = Rc::new(Engine {
            context: context.clone(),
            transport,
            options,
            info,
            state: RefCell::new(State {
                link: Link::Down,
                waiting: VecDeque::new(),
                reason: String::new(),
            }),
            delay: RefCell::new(None),
            connections: Cell::new(0),
            pause_ns: Cell::new(FIRST_PAUSE_NS),
            connecting: Cell::new(false),
            attempted_ns: Cell::new(0),
            kick: CoQueue::new(),
        });
        let weak = Rc::downgrade(&engine);
        let timer = context.timer("nbd reconnect delay", move || {
            if let Some(engine) = weak.upgrade() {
                engine.delay_is_over();
            }
        });
        engine.delay.replace(Some(timer));
        engine
    }

    /// Goes on with a new connection.
    pub(super) fn install(self: &Rc<Self>, connected: Connected) {
        let channel = Channel::new(connected.stream, &connected.info);
        let number = self.connections.get() + 1;
        self.connections.set(number);
        self.state.borrow_mut().link = Link::Up(Box::new(channel));
        if let Some(delay) = &*self.delay.borrow() {
            delay.disarm();
        }
        // It does not keep the driver alive: when that is dropped, it sees that its connection is gone.
        let weak = Rc::downgrade(self);
        let serve = poll_fn(move |cx| Self::poll_channel(&weak, number, cx));
        self.context.coroutine("nbd connection", serve).wake();
    }

    fn poll_channel(weak: &Weak<Self>, number: u64, cx: &mut Context<'_>) -> Poll<()> {
        let Some(engine) = weak.upgrade() else {
            return Poll::Ready(());
        };
        let mut state = engine.state.borrow_mut();
        let State { link, waiting, .. } = &mut *state;
        let channel = match link {
            Link::Up(channel) if engine.connections.get() == number => channel,
            _ => return Poll::Ready(()),
        };
        match channel.poll(cx, waiting) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(end) => {
                drop(state);
                engine.lost(&end);
                Poll::Ready(())
            }
        }
    }

    /// The connection has ended.
    ///
    /// QEMU: `nbd_channel_error` (block/nbd.c).
    fn lost(self: &Rc<Self>, end: &End) {
        let now_ns = self.context.now_ns();
        let delay_ns = self.options.reconnect_delay_ns;
        let reason = end.reason();
        let mut failed = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            let next = match end {
                End::Violation(_) => Link::Over,
                _ if delay_ns > 0 => Link::Waiting,
                _ => Link::Down,
            };
            let waits = matches!(next, Link::Waiting);
            let Link::Up(mut channel) = std::mem::replace(&mut state.link, next) else {
                return;
            };
            state.reason.clone_from(&reason);
            if channel.answered {
                self.pause_ns.set(FIRST_PAUSE_NS);
            }
            for mut job in channel.take_unfinished().into_iter().rev() {
                // A request under which one connection after another breaks must end, too.
                let first_ns = *job.ticket.lost_ns.get_or_insert(now_ns);
                if waits && now_ns < first_ns.saturating_add(delay_ns) {
                    state.waiting.push_front(job);
                } else {
                    failed.insert(0, job);
                }
            }
            if !waits {
                failed.extend(state.waiting.drain(..));
            }
            let proved = channel.answered;
            drop(state);
            tracing::warn!(%reason, "the connection to an NBD server has ended");
            if !matches!(end, End::Violation(_)) {
                if waits && let Some(delay) = &*self.delay.borrow() {
                    delay.arm(now_ns.saturating_add(delay_ns));
                }
                reconnect::start(self, !proved);
            }
        }
        for job in failed {
            job.fail(gone(&reason));
        }
    }

    /// Nobody waits any longer.
    ///
    /// QEMU: `reconnect_delay_timer_cb` (block/nbd.c).
    fn delay_is_over(&self) {
        let mut state = self.state.borrow_mut();
        if !matches!(state.link, Link::Waiting) {
            return;
        }
        state.link = Link::Down;
        let reason = state.reason.clone();
        let failed = std::mem::take(&mut state.waiting);
        drop(state);
        for job in failed {
            job.fail(gone(&reason));
        }
    }

    /// Sends a command, or has it wait, or fails it.
    ///
    /// QEMU: `nbd_co_send_request` (block/nbd.c).
    pub(super) fn submit(&self, command: Command) -> Receiver<Answer> {
        let (job, answer) = Job::new(command);
        let mut state = self.state.borrow_mut();
        let State {
            link,
            waiting,
            reason,
        } = &mut *state;
        match link {
            Link::Up(channel) => {
                waiting.push_back(job);
                channel.wake();
            }
            Link::Waiting => waiting.push_back(job),
            Link::Down | Link::Over => {
                let error = gone(reason);
                drop(state);
                job.fail(error);
                reconnect::hurry(self);
            }
        }
        answer
    }

    /// Fails what is in flight, also what a server is silent about, which then loses its connection.
    ///
    /// QEMU: `nbd_cancel_in_flight` (block/nbd.c), which only gives up the wait for a connection.
    pub(super) fn cancel_in_flight(self: &Rc<Self>) {
        let mut state = self.state.borrow_mut();
        let mut failed = Vec::new();
        match &mut state.link {
            Link::Waiting => {}
            Link::Up(channel) if channel.is_busy() => failed = channel.take_unfinished(),
            Link::Up(_) => {
                // Nothing was sent of what waits, so the connection is good.
                let unsent = std::mem::take(&mut state.waiting);
                drop(state);
                unsent.into_iter().for_each(Job::cancel);
                return;
            }
            Link::Down | Link::Over => return,
        }
        failed.extend(state.waiting.drain(..));
        let before = std::mem::replace(&mut state.link, Link::Down);
        state.reason = "requests were cancelled".to_owned();
        drop(state);
        if let Link::Up(mut channel) = before {
            // Whoever serves it must see that it is gone.
            channel.wake();
        }
        if let Some(delay) = &*self.delay.borrow() {
            delay.disarm();
        }
        failed.into_iter().for_each(Job::cancel);
        reconnect::start(self, false);
    }

    /// How many connections there have been.
    pub(super) fn connections(&self) -> u64 {
        self.connections.get()
    }

    /// True while there is a connection.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state.borrow().link, Link::Up(_))
    }

    /// True while a new connection is of use to somebody, now or later.
    pub(super) fn wants_connection(&self) -> bool {
        matches!(self.state.borrow().link, Link::Waiting | Link::Down)
    }

    /// True while requests wait for a connection.
    pub(super) fn has_waiting(&self) -> bool {
        !self.state.borrow().waiting.is_empty()
    }

    /// Says why the last attempt did not help.
    pub(super) fn note_reason(&self, reason: String) {
        self.state.borrow_mut().reason = reason;
    }

    /// Takes leave of the server. No request is in flight any more.
    ///
    /// QEMU: `nbd_close` (block/nbd.c).
    pub(super) fn close(&self) {
        let mut state = self.state.borrow_mut();
        let before = std::mem::replace(&mut state.link, Link::Over);
        drop(state);
        if let Link::Up(mut channel) = before {
            channel.say_goodbye();
            channel.wake();
        }
        self.kick.wake_all();
    }
}

//! All descriptors of a context.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use slab::Slab;

use super::source::{Direction, Source, Wait};

/// So many changes are taken from the system at a time; what is more comes at the next look.
const EVENTS: usize = 256;
/// Stands for no descriptor, but for what ends a wait.
const UNPARK: u64 = u64::MAX;

/// The descriptors that a [`Reactor`](crate::reactor::Reactor) watches for its context. Clones are the
/// same. There is nothing that others can do with it but hand it on: see
/// [`Reactor::descriptors`](crate::reactor::Reactor::descriptors).
#[derive(Clone)]
pub struct Descriptors {
    set: Rc<Set>,
}

struct Set {
    epoll: OwnedFd,
    sources: RefCell<Slab<Rc<Source>>>,
    /// Kept for its capacity; empty between two looks.
    events: RefCell<Vec<epoll::Event>>,
    /// Those for whom the last looks have found something.
    woken: RefCell<Vec<Waker>>,
    /// The wait was ended from outside, or the next one is.
    unparked: Cell<bool>,
}

/// What a look has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The time has passed.
    Nothing,
    /// Something has changed, or a signal came: in doubt, the context is to look for itself.
    Something,
}

impl Descriptors {
    /// None yet. `unpark` is a descriptor that ends a wait whenever it is written to.
    pub(crate) fn new(unpark: BorrowedFd<'_>) -> io::Result<Descriptors> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // It is never read: each write is a change.
        let interest = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, unpark, EventData::new_u64(UNPARK), interest)?;
        let set = Rc::new(Set {
            epoll,
            sources: RefCell::default(),
            events: RefCell::new(Vec::with_capacity(EVENTS)),
            woken: RefCell::default(),
            unparked: Cell::new(false),
        });
        Ok(Descriptors { set })
    }

    /// True if there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.sources.borrow().is_empty()
    }

    /// Uses up the end of a wait.
    pub(crate) fn take_unparked(&self) -> bool {
        self.set.unparked.take()
    }

    /// Waits for a change, for whole milliseconds: what is between two of them is cut off. Without a
    /// number it waits for ever.
    pub(crate) fn look(&self, millis: Option<u32>) -> Look {
        let timeout = millis.map(|millis| Timespec {
            tv_sec: i64::from(millis / 1_000),
            tv_nsec: i64::from(millis % 1_000) * 1_000_000,
        });
        let mut events = self.set.events.borrow_mut();
        let spare = rustix::buffer::spare_capacity(&mut *events);
        match epoll::wait(&self.set.epoll, spare, timeout.as_ref()) {
            Ok(0) => return Look::Nothing,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("the system does not let the context wait: {error}"),
        }
        for event in events.drain(..) {
            self.set.told(event.data.u64(), event.flags);
        }
        Look::Something
    }

    /// Waits for a change, for less than a millisecond, and looks.
    pub(crate) fn look_for_ns(&self, timeout_ns: u32) -> Look {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(timeout_ns),
        };
        // The wait of epoll itself counts in milliseconds before Linux 5.11.
        let mut changed = [PollFd::new(&self.set.epoll, PollFlags::IN)];
        match rustix::event::poll(&mut changed, Some(&timeout)) {
            Ok(0) => Look::Nothing,
            Ok(_) | Err(Errno::INTR) => self.look(Some(0)),
            Err(error) => panic!("the system does not let the context wait: {error}"),
        }
    }

    /// Wakes those for whom something was found. Their context is current: so it costs no more than
    /// a place in its queue.
    pub(crate) fn deliver(&self) {
        if self.set.woken.borrow().is_empty() {
            return;
        }
        // A foreign waker may do anything, so nothing is borrowed.
        let mut woken = self.set.woken.take();
        woken.drain(..).for_each(Waker::wake);
        let mut kept = self.set.woken.borrow_mut();
        if kept.is_empty() {
            *kept = woken;
        }
    }

    /// Begins to watch a descriptor.
    pub(super) fn add(&self, fd: BorrowedFd<'_>) -> io::Result<Registration> {
        let source = Rc::new(Source::default());
        source.begin();
        let key = self.set.sources.borrow_mut().insert(source.clone());
        let data = EventData::new_u64(key as u64);
        if let Err(error) = epoll::add(&self.set.epoll, fd, data, source.interest()) {
            self.set.sources.borrow_mut().remove(key);
            return Err(error.into());
        }
        Ok(Registration {
            set: self.set.clone(),
            source,
            key,
        })
    }
}

impl Set {
    fn told(&self, data: u64, events: EventFlags) {
        if data == UNPARK {
            self.unparked.set(true);
            return;
        }
        // Nothing has been removed since the system told: that was in this call.
        let sources = self.sources.borrow();
        let Some(source) = sources.get(data as usize) else {
            return;
        };
        source.told(events, &mut self.woken.borrow_mut());
    }
}

/// A descriptor that is watched, until [`end`](Self::end).
pub(super) struct Registration {
    set: Rc<Set>,
    source: Rc<Source>,
    key: usize,
}

impl Registration {
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Ends once there was a change since the last attempt.
    pub(super) fn poll_ready(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        match self.source.wait(direction, cx) {
            Wait::Over => return Poll::Ready(Ok(())),
            Wait::Begun => {}
            Wait::Ask => {
                let data = EventData::new_u64(self.key as u64);
                epoll::modify(&self.set.epoll, fd, data, self.source.interest())?;
            }
        }
        Poll::Pending
    }

    /// Ends the watch.
    pub(super) fn end(&self, fd: impl AsFd) {
        self.set.sources.borrow_mut().remove(self.key);
        // It was watched, so it can only have been closed behind our back, which ends the watch, too.
        let _ = epoll::delete(&self.set.epoll, fd);
    }
}

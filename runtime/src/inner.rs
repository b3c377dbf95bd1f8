//! The state of a context, and what runs in a pass of its loop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use slab::Slab;

use crate::bottom_half::{BhShared, BhSlot};
use crate::clock::Clock;
use crate::context::AioContext;
use crate::coroutines::Coroutines;
use crate::decide::{Decide, Site};
use crate::event::{EventShared, EventSlot};
use crate::handle::{Remote, Shared};
use crate::pass::Passes;
use crate::reactor::Reactor;
use crate::ready::{NEXT, Peeked, Ready, ReadyQueue};
use crate::resident::Residents;
use crate::sync::Arc;
use crate::timer::TimerEntry;
use crate::timer_heap::TimerHeap;
use crate::trace::{Event, Trace, Wants};

/// The state of a context. It never leaves its thread.
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ready: RefCell<ReadyQueue>,
    pub(crate) coroutines: RefCell<Coroutines>,
    /// The slot of the coroutine that runs, or `NOBODY`.
    pub(crate) running: Cell<u32>,
    /// Whether the present run of it was asked for by name; spent by `yield_now`.
    pub(crate) entered: Cell<bool>,
    pub(crate) bottom_halves: RefCell<Slab<BhSlot>>,
    pub(crate) events: RefCell<Slab<EventSlot>>,
    pub(crate) timers: RefCell<TimerHeap<TimerEntry>>,
    /// What other threads send work to.
    pub(crate) residents: RefCell<Residents>,
    pub(crate) next_serial: Cell<u64>,
    /// Kept for its capacity; empty between two looks into the shared inbox.
    pub(crate) inbox: RefCell<Vec<Remote>>,
    /// Passes since the last look into the reactor.
    pub(crate) busy_passes: Cell<u32>,
    /// Those on the stack.
    pub(crate) passes: Passes,
    /// When the present pass began, once somebody has asked; `NOT_READ` until then.
    pub(crate) pass_ns: Cell<u64>,
    pub(crate) clock: Rc<dyn Clock>,
    pub(crate) reactor: Rc<dyn Reactor>,
    pub(crate) decide: Option<Rc<dyn Decide>>,
    pub(crate) trace: Option<Rc<dyn Trace>>,
    /// What `trace` takes; nothing if there is none.
    pub(crate) wants: Wants,
}

/// In place of a time: nobody has asked for it yet.
pub(crate) const NOT_READ: u64 = u64::MAX;

impl Inner {
    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    pub(crate) fn pass_ns(&self) -> u64 {
        if self.pass_ns.get() == NOT_READ {
            self.pass_ns.set(self.now_ns());
        }
        self.pass_ns.get()
    }

    #[inline]
    pub(crate) fn trace<'a>(&self, kind: Wants, event: impl FnOnce() -> Event<'a>) {
        if self.wants.contains(kind)
            && let Some(trace) = &self.trace
        {
            trace.event(self.now_ns(), &self.shared.name, &event());
        }
    }

    #[inline]
    pub(crate) fn decide(&self, site: &'static Site, n: usize) -> usize {
        match &self.decide {
            Some(decide) if n > 1 => self.ask(&**decide, site, n),
            _ => 0,
        }
    }

    fn ask(&self, decide: &dyn Decide, site: &'static Site, n: usize) -> usize {
        self.chosen(site, n, decide.decide(site, n))
    }

    fn chosen(&self, site: &'static Site, n: usize, chosen: usize) -> usize {
        assert!(chosen < n, "{} chose {chosen} of {n}", site.name);
        self.trace(Wants::DECISIONS, || Event::Decision { site, n, chosen });
        chosen
    }

    pub(crate) fn new_serial(&self) -> u64 {
        let serial = self.next_serial.get() + 1;
        self.next_serial.set(serial);
        serial
    }

    pub(crate) fn push_bottom_half(&self, shared: &BhShared) {
        let BhShared { slot, serial, .. } = *shared;
        self.ready.borrow_mut().push_bottom_half(slot, serial);
    }

    pub(crate) fn push_event(&self, shared: &EventShared) {
        let EventShared { slot, serial, .. } = *shared;
        self.ready.borrow_mut().push_event(slot, serial);
    }

    /// Takes a bottom half out. Its callback may own anything: the caller drops it when no borrow
    /// is held.
    pub(crate) fn take_bottom_half(&self, slot: u32, serial: u64) -> Option<BhSlot> {
        let mut bottom_halves = self.bottom_halves.borrow_mut();
        let exists = bottom_halves
            .get(slot as usize)
            .is_some_and(|bh| bh.shared.serial == serial);
        exists.then(|| bottom_halves.remove(slot as usize))
    }

    /// Takes an event source out, to be dropped as above.
    pub(crate) fn take_event(&self, slot: u32, serial: u64) -> Option<EventSlot> {
        let mut events = self.events.borrow_mut();
        let exists = events
            .get(slot as usize)
            .is_some_and(|event| event.shared.serial == serial);
        exists.then(|| events.remove(slot as usize))
    }

    /// The last mask is gone: external sources that announced something are served.
    pub(crate) fn requeue_events(&self) {
        let events = self.events.borrow();
        for (_, event) in events.iter() {
            if event.shared.external && event.shared.requeue() {
                self.push_event(&event.shared);
            }
        }
    }

    /// Moves what other threads left, and what time has brought, into the ready queue. True if
    /// another thread left anything, be it only a kick: then a pass must not wait.
    pub(crate) fn gather(&self) -> bool {
        let heard = self.shared.has_work();
        if heard {
            self.open_inbox();
        }
        self.expire_timers();
        heard
    }

    #[cold]
    fn open_inbox(&self) {
        // What belongs to users is dropped at the end, when nothing can be lost by a panic.
        let (mut bottom_halves, mut events) = (Vec::new(), Vec::new());
        let mut inbox = self.inbox.take();
        self.shared.take_work(&mut inbox);
        for work in inbox.drain(..) {
            match work {
                Remote::Coroutine(shared) => self.receive(&shared),
                Remote::BottomHalf(shared) => self.schedule_bottom_half(&shared),
                Remote::Once(once) => self.schedule_once(once),
                Remote::Event(shared) => self.push_event(&shared),
                Remote::DropBottomHalf { slot, serial } => {
                    bottom_halves.extend(self.take_bottom_half(slot, serial));
                }
                Remote::DropEvent { slot, serial } => events.extend(self.take_event(slot, serial)),
                Remote::ExternalEnabled => self.requeue_events(),
                Remote::Notice => {}
            }
        }
        self.inbox.replace(inbox);
    }

    fn expire_timers(&self) {
        if self.timers.borrow().next_deadline_ns().is_none() {
            self.pass_ns.set(NOT_READ);
            return;
        }
        let now_ns = self.now_ns();
        self.pass_ns.set(now_ns);
        loop {
            let mut timers = self.timers.borrow_mut();
            let Some(key) = timers.pop_expired(now_ns) else {
                break;
            };
            match timers.get_mut(key) {
                Some(TimerEntry::Sleep(waker)) => {
                    let waker = waker.take();
                    drop(timers);
                    waker.into_iter().for_each(Waker::wake);
                }
                Some(TimerEntry::Callback { expired, .. }) => {
                    *expired = true;
                    self.ready.borrow_mut().push_timer(key);
                }
                None => unreachable!("it was armed"),
            }
        }
    }

    /// The next entry of the pass that ends at `limit`.
    fn next_ready(&self, limit: u64) -> Option<Ready> {
        if self.decide.is_none() {
            return self.ready.borrow_mut().pop(limit);
        }
        let ready = self.ready.borrow();
        let n = ready.eligible(limit);
        if n == 0 {
            return None;
        }
        let chosen = match &self.decide {
            Some(decide) if n > 1 => {
                let who = |index| ready.who(index);
                let name = |index| self.name_of(&ready.peek(index));
                let chosen = decide.decide_named(&NEXT, n, &who, &name);
                self.chosen(&NEXT, n, chosen)
            }
            _ => 0,
        };
        drop(ready);
        self.ready.borrow_mut().remove(chosen)
    }

    /// What an entry is, for a person. One whose owner is gone has no name any more.
    fn name_of(&self, what: &Peeked) -> String {
        let gone = |what: &str| format!("{what} that is gone");
        match *what {
            Peeked::Coroutine { slot, serial } => {
                let coroutines = self.coroutines.borrow();
                let id = coroutines.get(slot, serial).map(|it| it.id.get());
                id.map_or_else(|| gone("a coroutine"), |id| id.to_string())
            }
            Peeked::BottomHalf { slot, serial } => {
                let bottom_halves = self.bottom_halves.borrow();
                let bh = bottom_halves.get(slot as usize);
                let bh = bh.filter(|bh| bh.shared.serial == serial);
                bh.map_or_else(
                    || gone("a bottom half"),
                    |bh| format!("bottom half {}", bh.shared.name),
                )
            }
            Peeked::Event { slot, serial } => {
                let events = self.events.borrow();
                let event = events.get(slot as usize);
                let event = event.filter(|event| event.shared.serial == serial);
                event.map_or_else(
                    || gone("an event source"),
                    |event| format!("event source {}", event.shared.name),
                )
            }
            Peeked::Timer(key) => match self.timers.borrow_mut().get_mut(key) {
                Some(TimerEntry::Callback { name, .. }) => format!("timer {name}"),
                _ => gone("a timer"),
            },
            Peeked::Once(name) => format!("bottom half {name}"),
        }
    }

    /// Runs what is ready, each entry once; true if anything ran.
    pub(crate) fn dispatch(&self, ctx: &AioContext) -> bool {
        let limit = self.ready.borrow().limit();
        let mut progress = false;
        while let Some(ready) = self.next_ready(limit) {
            // Coroutines first: they are most of what runs.
            if let Ready::Coroutine { slot, serial } = ready {
                progress |= self.run_queued(slot, serial);
            } else {
                progress |= self.run_callback(ctx, ready);
            }
        }
        progress
    }

    fn run_callback(&self, ctx: &AioContext, ready: Ready) -> bool {
        match ready {
            Ready::Coroutine { slot, serial } => self.run_queued(slot, serial),
            Ready::BottomHalf { slot, serial } => self.run_bottom_half(slot, serial),
            Ready::Event { slot, serial } => self.run_event(slot, serial),
            Ready::Timer(key) => self.run_timer(key),
            Ready::Once(once) => {
                let name = once.name();
                self.trace(Wants::CALLBACKS, || Event::BottomHalf { name });
                once.run(ctx);
                true
            }
        }
    }

    pub(crate) fn external_disabled(&self) -> bool {
        self.shared.external_disabled()
    }

    /// Drops everything that could run, with `self` still whole.
    pub(crate) fn clear(&self) {
        loop {
            let posted = self.shared.close();
            let ready = self.ready.borrow_mut().take_all();
            let coroutines = self.coroutines.borrow_mut().take_all();
            let bottom_halves = std::mem::take(&mut *self.bottom_halves.borrow_mut());
            let events = std::mem::take(&mut *self.events.borrow_mut());
            let timers = self.timers.borrow_mut().remove_all();
            let residents = self.residents.take();
            // Destructors may leave something behind in their turn.
            if posted.is_empty()
                && ready.is_empty()
                && coroutines.is_empty()
                && bottom_halves.is_empty()
                && events.is_empty()
                && timers.is_empty()
                && residents.is_empty()
            {
                break;
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.clear();
    }
}

//! The state of a context, and what runs in a pass of its loop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use slab::Slab;

use crate::bottom_half::BhShared;
use crate::clock::Clock;
use crate::context::AioContext;
use crate::coroutines::Coroutines;
use crate::decide::{Decide, Site};
use crate::event::EventShared;
use crate::handle::{Remote, Shared};
use crate::reactor::Reactor;
use crate::ready::{NEXT, Ready, ReadyQueue};
use crate::sync::Arc;
use crate::sync::atomic::Ordering;
use crate::timer::TimerEntry;
use crate::timer_heap::{TimerHeap, TimerKey};
use crate::trace::{CoroutineId, Event, Trace};

pub(crate) struct BhSlot {
    pub(crate) shared: Arc<BhShared>,
    /// None while it runs.
    pub(crate) callback: Option<Box<dyn FnMut()>>,
    /// Its turn came while it ran.
    pub(crate) missed: bool,
}

pub(crate) struct EventSlot {
    pub(crate) shared: Arc<EventShared>,
    /// None while it runs.
    pub(crate) handler: Option<Box<dyn FnMut()>>,
}

/// The state of a context. It never leaves its thread.
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ready: RefCell<ReadyQueue>,
    pub(crate) coroutines: RefCell<Coroutines>,
    /// The coroutine that runs, with its slot.
    pub(crate) running: Cell<Option<(u32, CoroutineId)>>,
    /// Whether the present run of it was asked for by name; spent by `yield_now`.
    pub(crate) entered: Cell<bool>,
    pub(crate) bottom_halves: RefCell<Slab<BhSlot>>,
    pub(crate) events: RefCell<Slab<EventSlot>>,
    pub(crate) timers: RefCell<TimerHeap<TimerEntry>>,
    pub(crate) next_serial: Cell<u64>,
    pub(crate) inbox: RefCell<Vec<Remote>>,
    pub(crate) clock: Rc<dyn Clock>,
    pub(crate) reactor: Rc<dyn Reactor>,
    pub(crate) decide: Option<Rc<dyn Decide>>,
    pub(crate) trace: Option<Rc<dyn Trace>>,
}

impl Inner {
    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    pub(crate) fn trace<'a>(&self, event: impl FnOnce() -> Event<'a>) {
        if let Some(trace) = &self.trace {
            trace.event(self.now_ns(), &self.shared.name, &event());
        }
    }

    pub(crate) fn decide(&self, site: &'static Site, n: usize) -> usize {
        match &self.decide {
            Some(decide) if n > 1 => {
                let chosen = decide.decide(site, n);
                assert!(chosen < n, "{} chose {chosen} of {n}", site.name);
                self.trace(|| Event::Decision { site, n, chosen });
                chosen
            }
            _ => 0,
        }
    }

    pub(crate) fn new_serial(&self) -> u64 {
        let serial = self.next_serial.get() + 1;
        self.next_serial.set(serial);
        serial
    }

    pub(crate) fn push_coroutine(&self, slot: u32, serial: u64) {
        let ready = Ready::Coroutine { slot, serial };
        self.ready.borrow_mut().push(ready);
    }

    pub(crate) fn push_bottom_half(&self, shared: &BhShared) {
        let (slot, serial) = (shared.slot, shared.serial);
        self.ready
            .borrow_mut()
            .push(Ready::BottomHalf { slot, serial });
    }

    pub(crate) fn push_event(&self, shared: &EventShared) {
        let (slot, serial) = (shared.slot, shared.serial);
        self.ready.borrow_mut().push(Ready::Event { slot, serial });
    }

    pub(crate) fn drop_bottom_half(&self, slot: usize) {
        // The callback may own anything: it is dropped when no borrow is held.
        let removed = self.bottom_halves.borrow_mut().remove(slot);
        drop(removed);
    }

    pub(crate) fn drop_event(&self, slot: usize) {
        let removed = self.events.borrow_mut().remove(slot);
        drop(removed);
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

    /// Moves what other threads left, and what time has brought, into the ready queue.
    pub(crate) fn gather(&self) {
        let mut inbox = self.inbox.take();
        self.shared.take_work(&mut inbox);
        for work in inbox.drain(..) {
            match work {
                Remote::Coroutine(shared) => shared.push(self),
                Remote::BottomHalf(shared) => self.push_bottom_half(&shared),
                Remote::Once(name, callback) => {
                    self.ready.borrow_mut().push(Ready::Once(name, callback));
                }
                Remote::Event(shared) => self.push_event(&shared),
                Remote::ExternalEnabled => self.requeue_events(),
                Remote::Kick => {}
            }
        }
        self.inbox.replace(inbox);
        self.expire_timers();
    }

    fn expire_timers(&self) {
        if self.timers.borrow().next_deadline_ns().is_none() {
            return;
        }
        let now_ns = self.now_ns();
        loop {
            let mut timers = self.timers.borrow_mut();
            let Some(key) = timers.pop_expired(now_ns) else {
                break;
            };
            match timers.value_mut(key) {
                TimerEntry::Sleep(waker) => {
                    let waker = waker.clone();
                    drop(timers);
                    waker.wake();
                }
                TimerEntry::Callback {
                    serial, expired, ..
                } => {
                    *expired = true;
                    let serial = *serial;
                    drop(timers);
                    self.ready.borrow_mut().push(Ready::Timer { key, serial });
                }
            }
        }
    }

    /// The next entry of the pass that ends at `limit`.
    fn next_ready(&self, limit: u64) -> Option<Ready> {
        if self.decide.is_none() {
            return self.ready.borrow_mut().pop(limit);
        }
        let n = self.ready.borrow().eligible(limit);
        if n == 0 {
            return None;
        }
        let chosen = self.decide(&NEXT, n);
        self.ready.borrow_mut().remove(chosen)
    }

    /// Runs what is ready, each entry once; true if anything ran.
    pub(crate) fn dispatch(&self, ctx: &AioContext) -> bool {
        let limit = self.ready.borrow().limit();
        let mut progress = false;
        while let Some(ready) = self.next_ready(limit) {
            progress |= match ready {
                Ready::Coroutine { slot, serial } => self.run_queued(slot, serial),
                Ready::BottomHalf { slot, serial } => self.run_bottom_half(slot, serial),
                Ready::Event { slot, serial } => self.run_event(slot, serial),
                Ready::Timer { key, serial } => self.run_timer(key, serial),
                Ready::Once(name, callback) => {
                    self.trace(|| Event::BottomHalf { name });
                    callback(ctx);
                    true
                }
            };
        }
        progress
    }

    fn run_bottom_half(&self, slot: usize, serial: u64) -> bool {
        let (name, mut callback) = {
            let mut bottom_halves = self.bottom_halves.borrow_mut();
            let Some(bh) = bottom_halves.get_mut(slot) else {
                return false;
            };
            if bh.shared.serial != serial {
                return false;
            }
            // Its callback is on the stack below, polling: the turn is given up and made good for
            // when the callback returns.
            if bh.callback.is_none() {
                bh.missed = true;
                return false;
            }
            if !bh.shared.begin() {
                return false;
            }
            (bh.shared.name, bh.callback.take().expect("looked"))
        };
        self.trace(|| Event::BottomHalf { name });
        callback();
        let mut bottom_halves = self.bottom_halves.borrow_mut();
        match bottom_halves.get_mut(slot) {
            Some(bh) if bh.shared.serial == serial => {
                bh.callback = Some(callback);
                if std::mem::take(&mut bh.missed) {
                    self.push_bottom_half(&bh.shared);
                }
            }
            // It deleted itself; its callback is dropped when the borrow is gone.
            _ => {
                drop(bottom_halves);
                drop(callback);
            }
        }
        true
    }

    fn run_event(&self, slot: usize, serial: u64) -> bool {
        let (name, mut handler) = {
            let mut events = self.events.borrow_mut();
            let Some(event) = events.get_mut(slot) else {
                return false;
            };
            if event.shared.serial != serial {
                return false;
            }
            event.shared.dequeue();
            let masked = event.shared.external && self.external_disabled();
            // Masked, or its handler is on the stack below: the announcement stays for later.
            if masked || event.handler.is_none() || !event.shared.take() {
                return false;
            }
            (event.shared.name, event.handler.take().expect("looked"))
        };
        self.trace(|| Event::EventSource { name });
        handler();
        let mut events = self.events.borrow_mut();
        match events.get_mut(slot) {
            Some(event) if event.shared.serial == serial => {
                event.handler = Some(handler);
                if event.shared.requeue() {
                    self.push_event(&event.shared);
                }
            }
            _ => {
                drop(events);
                drop(handler);
            }
        }
        true
    }

    fn external_disabled(&self) -> bool {
        self.shared.external_disable_cnt.load(Ordering::Acquire) > 0
    }

    fn run_timer(&self, key: TimerKey, serial: u64) -> bool {
        let Some((name, mut callback)) = TimerEntry::begin(&self.timers, key, serial) else {
            return false;
        };
        self.trace(|| Event::Timer { name });
        callback();
        let left = TimerEntry::end(&self.timers, key, serial, callback);
        drop(left);
        true
    }

    /// Drops everything that could run, with `self` still whole.
    pub(crate) fn clear(&self) {
        let dropped = (
            self.shared.close(),
            self.ready.borrow_mut().take_all(),
            self.coroutines.borrow_mut().take_all(),
            std::mem::take(&mut *self.bottom_halves.borrow_mut()),
            std::mem::take(&mut *self.events.borrow_mut()),
        );
        drop(dropped);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.clear();
    }
}

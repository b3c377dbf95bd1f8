//! Bottom halves: callbacks that run soon, from the event loop, on an empty stack.
//!
//! QEMU: `QEMUBH` (util/async.c).

use std::fmt;

use crate::current;
use crate::handle::{Remote, Shared};
use crate::inner::Inner;
use crate::ready::Once;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::trace::{Event, Wants};

/// The callback is to run.
const SCHEDULED: u32 = 1;
/// The ready queue, or the inbox on the way to it, holds an entry. It may outlive `SCHEDULED`,
/// when the bottom half is cancelled: the entry then finds nothing to do.
const QUEUED: u32 = 2;
/// The callback must not run again; its slot is free or about to be.
const DELETED: u32 = 4;

/// The part of a bottom half that every thread may touch.
pub(crate) struct BhShared {
    state: AtomicU32,
    pub(crate) slot: u32,
    /// Tells this bottom half from others that had the slot before.
    pub(crate) serial: u64,
    pub(crate) name: &'static str,
    home: Arc<Shared>,
}

impl BhShared {
    pub(crate) fn new(name: &'static str, slot: u32, serial: u64, home: Arc<Shared>) -> Self {
        BhShared {
            state: AtomicU32::new(0),
            slot,
            serial,
            name,
            home,
        }
    }

    /// The queued entry has come to its turn; true if the callback is to run.
    pub(crate) fn begin(&self) -> bool {
        // Acquire: the callback sees what was written before `schedule`.
        let before = self
            .state
            .fetch_and(!(SCHEDULED | QUEUED), Ordering::Acquire);
        before & (SCHEDULED | DELETED) == SCHEDULED
    }
}

/// A bottom half as its context has it.
pub(crate) struct BhSlot {
    pub(crate) shared: Arc<BhShared>,
    /// None while it runs.
    pub(crate) callback: Option<Box<dyn FnMut()>>,
    /// Its turn came while it ran.
    pub(crate) missed: bool,
}

impl Inner {
    /// Puts a bottom half into the ready queue that was not in it.
    pub(crate) fn schedule_bottom_half(&self, shared: &BhShared) {
        let name = shared.name;
        self.trace(Wants::SCHEDULES, || Event::BottomHalfSchedule { name });
        self.push_bottom_half(shared);
    }

    /// Puts a callback that runs once into the ready queue.
    pub(crate) fn schedule_once(&self, once: Box<dyn Once>) {
        self.trace(Wants::SCHEDULES, || Event::BottomHalfSchedule {
            name: once.name(),
        });
        self.ready.borrow_mut().push_once(once);
    }

    /// Runs a bottom half that the ready queue named, unless it was cancelled or deleted.
    pub(crate) fn run_bottom_half(&self, slot: u32, serial: u64) -> bool {
        let (name, mut running) = {
            let mut bottom_halves = self.bottom_halves.borrow_mut();
            let Some(bh) = bottom_halves.get_mut(slot as usize) else {
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
            let running = RunningBh {
                inner: self,
                slot,
                serial,
                callback: bh.callback.take(),
            };
            (bh.shared.name, running)
        };
        self.trace(Wants::CALLBACKS, || Event::BottomHalf { name });
        running.run();
        true
    }
}

/// A callback on the stack. It goes back into its bottom half, also if it panics.
struct RunningBh<'a> {
    inner: &'a Inner,
    slot: u32,
    serial: u64,
    callback: Option<Box<dyn FnMut()>>,
}

impl RunningBh<'_> {
    fn run(&mut self) {
        (self.callback.as_mut().expect("it runs once"))();
    }
}

impl Drop for RunningBh<'_> {
    fn drop(&mut self) {
        let mut bottom_halves = self.inner.bottom_halves.borrow_mut();
        // If it deleted itself, its callback is dropped after this, when no borrow is held.
        if let Some(bh) = bottom_halves.get_mut(self.slot as usize)
            && bh.shared.serial == self.serial
        {
            bh.callback = self.callback.take();
            if std::mem::take(&mut bh.missed) {
                self.inner.push_bottom_half(&bh.shared);
            }
        }
    }
}

/// A persistent bottom half. Clones name the same one, and any thread may hold them.
///
/// It lives until [`delete`](Self::delete) or the end of its context.
///
/// QEMU: `QEMUBH` (util/async.c).
#[derive(Clone)]
pub struct BottomHalf {
    pub(crate) shared: Arc<BhShared>,
}

impl BottomHalf {
    /// Has the callback run once, in the next pass of the event loop. Scheduling again before that
    /// changes nothing; scheduling from the callback itself runs it again in the pass after.
    ///
    /// QEMU: `qemu_bh_schedule` (util/async.c).
    pub fn schedule(&self) {
        // Release: see `begin`.
        let before = self
            .shared
            .state
            .fetch_or(SCHEDULED | QUEUED, Ordering::Release);
        if before & (QUEUED | DELETED) != 0 {
            // Its entry is where it was when it was cancelled.
            if before & (SCHEDULED | DELETED) == 0 {
                let name = self.shared.name;
                self.say(|| Event::BottomHalfSchedule { name });
            }
            return;
        }
        let home = &self.shared.home;
        if current::if_current(home, |inner| inner.schedule_bottom_half(&self.shared)).is_none() {
            home.post(Remote::BottomHalf(self.shared.clone()));
        }
    }

    /// Undoes a `schedule` that has not run yet.
    ///
    /// QEMU: `qemu_bh_cancel` (util/async.c).
    pub fn cancel(&self) {
        let before = self.shared.state.fetch_and(!SCHEDULED, Ordering::Relaxed);
        self.say_cancelled(before);
    }

    /// The callback never runs again. May be called from the callback, and from any thread; the
    /// callback itself is dropped in its context.
    ///
    /// QEMU: `qemu_bh_delete` (util/async.c).
    pub fn delete(&self) {
        // Relaxed: what is to be dropped is handed over by the inbox's lock.
        let before = self.shared.state.fetch_or(DELETED, Ordering::Relaxed);
        if before & DELETED != 0 {
            return;
        }
        self.say_cancelled(before);
        let BhShared { slot, serial, .. } = *self.shared;
        let home = &self.shared.home;
        match current::if_current(home, |inner| inner.take_bottom_half(slot, serial)) {
            Some(taken) => drop(taken),
            None => home.post(Remote::DropBottomHalf { slot, serial }),
        }
    }
}

impl BottomHalf {
    /// It was in state `before` and does not run any more.
    #[inline]
    fn say_cancelled(&self, before: u32) {
        if before & (SCHEDULED | DELETED) == SCHEDULED {
            let name = self.shared.name;
            self.say(|| Event::BottomHalfCancel { name });
        }
    }

    /// Reports an event, if it happens at home and somebody listens there.
    #[inline]
    fn say(&self, event: impl FnOnce() -> Event<'static>) {
        let home = &self.shared.home;
        if home.wants.contains(Wants::SCHEDULES) {
            current::if_current(home, |inner| inner.trace(Wants::SCHEDULES, event));
        }
    }
}

impl fmt::Debug for BottomHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BottomHalf({})", self.shared.name)
    }
}

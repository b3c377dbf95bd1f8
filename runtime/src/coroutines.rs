//! The coroutines of a context, and where they are kept.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;

use crate::coroutine::{CoShared, Coroutine};
use crate::handle::Shared;
use crate::inner::Inner;
use crate::sync::Arc;
use crate::sync::atomic::{Ordering, fence};
use crate::trace::{CoroutineId, Event, Wants};

pub(crate) type CoFuture = Pin<Box<dyn Future<Output = ()>>>;

/// Says of whom a coroutine was entered that it was nobody: it was the event loop, or `main`.
pub(crate) const NOBODY: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Created or yielded; the future is in its place.
    Parked,
    /// On the stack, entered by the coroutine in that slot, or [`NOBODY`]. It may itself be
    /// waiting for one that it entered.
    Running { by: u32 },
    /// Ended; the slot is free.
    Ended,
}

/// The place of one coroutine after the other. It is behind an `Rc`, so that its waker can be lent
/// to a poll while the list of slots changes.
pub(crate) struct Slot {
    pub(crate) shared: Arc<CoShared>,
    pub(crate) waker: Waker,
    pub(crate) id: Cell<CoroutineId>,
    pub(crate) phase: Cell<Phase>,
    /// The ready queue holds a live entry.
    pub(crate) scheduled: Cell<bool>,
    /// That entry was asked for by name: it ends a `yield_now`.
    pub(crate) entered: Cell<bool>,
    /// Here while the coroutine is parked.
    pub(crate) future: Cell<Option<CoFuture>>,
}

impl Slot {
    fn new(home: &Arc<Shared>, index: u32, id: CoroutineId) -> Slot {
        let shared = CoShared::new(home, index, id.serial);
        Slot {
            waker: Waker::from(shared.clone()),
            shared,
            id: Cell::new(id),
            phase: Cell::new(Phase::Ended),
            scheduled: Cell::new(false),
            entered: Cell::new(false),
            future: Cell::new(None),
        }
    }

    /// True if nothing outside of this slot can wake what lives in it.
    fn is_forgotten(&self) -> bool {
        // The slot and its waker are the only holders, and nobody can become one through them.
        Arc::strong_count(&self.shared) == 2
    }

    /// The coroutine is over, one way or the other.
    pub(crate) fn end(&self) {
        self.shared.end_life();
        self.scheduled.set(false);
        self.entered.set(false);
        self.phase.set(Phase::Ended);
    }
}

/// All coroutines of a context.
#[derive(Default)]
pub(crate) struct Coroutines {
    slots: Vec<Rc<Slot>>,
    free: Vec<u32>,
    next_serial: u64,
}

impl Coroutines {
    /// Returns what names the new coroutine, rather than its slot: it is in registers still.
    fn create(
        &mut self,
        home: &Arc<Shared>,
        name: &'static str,
        future: CoFuture,
    ) -> (Arc<CoShared>, CoroutineId) {
        self.next_serial += 1;
        let serial = self.next_serial;
        let id = CoroutineId { name, serial };
        let slot = match self.free.pop() {
            Some(index) => {
                let slot = &mut self.slots[index as usize];
                if slot.is_forgotten() {
                    // Pairs with the Release by which the last other holder let go: what it did to
                    // the state comes before what we do.
                    // ordering: kept, because loom does not see what std's `Arc` orders.
                    fence(Ordering::Acquire);
                    slot.shared.begin_life(serial);
                    slot.id.set(id);
                } else {
                    *slot = Rc::new(Slot::new(home, index, id));
                }
                slot
            }
            None => {
                let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 coroutines");
                self.slots.push(Rc::new(Slot::new(home, index, id)));
                &mut self.slots[index as usize]
            }
        };
        slot.phase.set(Phase::Parked);
        slot.future.set(Some(future));
        (slot.shared.clone(), id)
    }

    /// The slot of a coroutine that has not ended.
    pub(crate) fn get(&self, index: u32, serial: u64) -> Option<&Rc<Slot>> {
        self.slots
            .get(index as usize)
            .filter(|slot| slot.id.get().serial == serial && slot.phase.get() != Phase::Ended)
    }

    /// Who lives, or lived last, in a slot.
    pub(crate) fn id_at(&self, index: u32) -> Option<CoroutineId> {
        self.slots.get(index as usize).map(|slot| slot.id.get())
    }

    /// A slot whose coroutine has ended can be used again.
    pub(crate) fn release(&mut self, index: u32) {
        self.free.push(index);
    }

    /// Takes all futures out, so that they can be dropped without a borrow. No coroutine runs.
    pub(crate) fn take_all(&mut self) -> Vec<CoFuture> {
        self.free.clear();
        let all = self.slots.drain(..);
        let alive = all.filter(|slot| slot.phase.get() != Phase::Ended);
        let ended = alive.filter_map(|slot| {
            slot.end();
            slot.future.take()
        });
        ended.collect()
    }

    /// How many coroutines have been created and not ended.
    pub(crate) fn live(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl Inner {
    /// Makes a coroutine and returns its handle.
    pub(crate) fn create_coroutine(&self, name: &'static str, future: CoFuture) -> Coroutine {
        let (shared, id) = self
            .coroutines
            .borrow_mut()
            .create(&self.shared, name, future);
        self.trace(Wants::COROUTINES, || Event::Create { coroutine: id });
        Coroutine { shared, id }
    }

    /// Queues a coroutine of this context unless it is queued or has ended. `entered` says that it
    /// was asked for by name.
    pub(crate) fn schedule(&self, index: u32, serial: u64, entered: bool) {
        {
            let coroutines = self.coroutines.borrow();
            let Some(slot) = coroutines.get(index, serial) else {
                return;
            };
            slot.entered.set(slot.entered.get() | entered);
            if slot.scheduled.replace(true) {
                return;
            }
        }
        self.trace(Wants::WAKES, || Event::Wake {
            serial,
            by: self.current_id(),
        });
        self.ready.borrow_mut().push_coroutine(index, serial);
    }

    /// The running coroutine.
    pub(crate) fn current_id(&self) -> Option<CoroutineId> {
        match self.running.get() {
            NOBODY => None,
            index => self.coroutines.borrow().id_at(index),
        }
    }

    pub(crate) fn current_name(&self) -> String {
        match self.current_id() {
            Some(id) => id.to_string(),
            None => "(none)".to_owned(),
        }
    }
}

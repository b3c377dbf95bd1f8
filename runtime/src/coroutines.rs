//! The coroutines of a context: where they are kept, and how one gets the processor.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::coroutine::{CoShared, Coroutine, ENDED, ENTERED, SCHEDULED};
use crate::handle::Shared;
use crate::inner::Inner;
use crate::sync::Arc;
use crate::sync::atomic::{Ordering, fence};
use crate::trace::{CoroutineId, Event};

pub(crate) type CoFuture = Pin<Box<dyn Future<Output = ()>>>;

/// What is polled, and the waker to poll it with. Both leave the slot while the coroutine runs, so
/// that no borrow is held meanwhile.
struct Body {
    future: CoFuture,
    waker: Waker,
}

pub(crate) enum Phase {
    /// Created or yielded.
    Parked(CoFuture),
    /// On the stack, entered by `by`. It may itself be waiting for one that it entered.
    Running {
        by: Option<CoroutineId>,
    },
    Free,
}

pub(crate) struct Slot {
    pub(crate) phase: Phase,
    pub(crate) shared: Arc<CoShared>,
    /// None while the coroutine runs.
    waker: Option<Waker>,
    pub(crate) id: CoroutineId,
}

/// All coroutines of a context.
#[derive(Default)]
pub(crate) struct Coroutines {
    pub(crate) slots: Vec<Slot>,
    free: Vec<u32>,
    next_serial: u64,
}

impl Coroutines {
    fn create(&mut self, home: &Arc<Shared>, name: &'static str, future: CoFuture) -> u32 {
        self.next_serial += 1;
        let id = CoroutineId {
            name,
            serial: self.next_serial,
        };
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            // The slot and its waker are the only holders, and nobody can become one through them.
            if Arc::strong_count(&slot.shared) == 2 {
                // Pairs with the Release by which the last other holder let go: what it did to the
                // state comes before what we do.
                fence(Ordering::Acquire);
                slot.shared.serial.store(id.serial, Ordering::Relaxed);
                slot.shared.state.store(0, Ordering::Relaxed);
            } else {
                slot.shared = CoShared::new(home, index, id.serial);
                slot.waker = Some(Waker::from(slot.shared.clone()));
            }
            slot.phase = Phase::Parked(future);
            slot.id = id;
            index
        } else {
            let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 coroutines");
            let shared = CoShared::new(home, index, id.serial);
            self.slots.push(Slot {
                phase: Phase::Parked(future),
                waker: Some(Waker::from(shared.clone())),
                shared,
                id,
            });
            index
        }
    }

    /// Takes all futures out, so that they can be dropped without a borrow.
    pub(crate) fn take_all(&mut self) -> Vec<impl Sized + use<>> {
        self.free.clear();
        let ended = self.slots.drain(..).map(|slot| {
            slot.shared.state.fetch_or(ENDED, Ordering::Relaxed);
            slot.phase
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
        let mut coroutines = self.coroutines.borrow_mut();
        let index = coroutines.create(&self.shared, name, future);
        let slot = &coroutines.slots[index as usize];
        let coroutine = Coroutine {
            shared: slot.shared.clone(),
            id: slot.id,
        };
        drop(coroutines);
        self.trace(|| Event::Create {
            coroutine: coroutine.id,
        });
        coroutine
    }

    /// Runs a coroutine that the ready queue named, unless it has run meanwhile or ended.
    /// True if it ran.
    pub(crate) fn run_queued(&self, index: u32, serial: u64) -> bool {
        let entered = {
            let coroutines = self.coroutines.borrow();
            let slot = &coroutines.slots[index as usize];
            if slot.id.serial != serial || matches!(slot.phase, Phase::Free) {
                return false;
            }
            // The event loop never runs on top of a coroutine of its own: see `AioContext::poll`.
            debug_assert!(matches!(slot.phase, Phase::Parked(_)));
            // Acquire: pairs with the Release of whoever scheduled it.
            let before = slot
                .shared
                .state
                .fetch_and(!(SCHEDULED | ENTERED), Ordering::Acquire);
            if before & SCHEDULED == 0 {
                return false;
            }
            before & ENTERED != 0
        };
        self.resume(index, entered);
        true
    }

    pub(crate) fn enter(&self, coroutine: &Coroutine) {
        let index = coroutine.shared.slot;
        {
            let coroutines = self.coroutines.borrow();
            let slot = &coroutines.slots[index as usize];
            if slot.id != coroutine.id || matches!(slot.phase, Phase::Free) {
                drop(coroutines);
                panic!(
                    "coroutine {} entered {} after it had ended",
                    self.current_name(),
                    coroutine.id
                );
            }
            if let Phase::Running { by } = &slot.phase {
                let by = by.map_or_else(|| "the event loop".to_owned(), |by| by.to_string());
                drop(coroutines);
                panic!(
                    "coroutine {} entered {} which runs already, entered by {by}",
                    self.current_name(),
                    coroutine.id
                );
            }
            // A wake that is still queued is overtaken. Only then is there something to clear,
            // and something to acquire.
            if slot.shared.state.load(Ordering::Relaxed) & SCHEDULED != 0 {
                slot.shared
                    .state
                    .fetch_and(!(SCHEDULED | ENTERED), Ordering::Acquire);
            }
        }
        self.resume(index, true);
    }

    /// Polls a parked coroutine once. `entered` ends its `yield_now`.
    fn resume(&self, index: u32, entered: bool) {
        let by = self.current_id();
        let (id, mut body) = {
            let mut coroutines = self.coroutines.borrow_mut();
            let slot = &mut coroutines.slots[index as usize];
            let phase = std::mem::replace(&mut slot.phase, Phase::Running { by });
            let Phase::Parked(future) = phase else {
                unreachable!("both callers have looked");
            };
            let waker = slot.waker.take().expect("the waker is back when parked");
            (slot.id, Body { future, waker })
        };
        self.trace(|| Event::Enter { coroutine: id, by });
        let frame = Frame {
            inner: self,
            index,
            id,
            before: self.running.replace(Some((index, id))),
            entered_before: self.entered.replace(entered),
        };
        let poll = body
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&body.waker));
        match poll {
            Poll::Pending => frame.yielded(body),
            Poll::Ready(()) => frame.ended(body),
        }
    }

    /// The running coroutine.
    pub(crate) fn current_id(&self) -> Option<CoroutineId> {
        self.running.get().map(|(_, id)| id)
    }

    pub(crate) fn current_name(&self) -> String {
        match self.current_id() {
            Some(id) => id.to_string(),
            None => "(none)".to_owned(),
        }
    }
}

/// One coroutine on the stack. If its future panics, dropping the frame takes it off.
struct Frame<'a> {
    inner: &'a Inner,
    index: u32,
    id: CoroutineId,
    before: Option<(u32, CoroutineId)>,
    entered_before: bool,
}

impl Frame<'_> {
    fn yielded(self, body: Body) {
        {
            let mut coroutines = self.inner.coroutines.borrow_mut();
            let slot = &mut coroutines.slots[self.index as usize];
            slot.phase = Phase::Parked(body.future);
            slot.waker = Some(body.waker);
        }
        self.inner.trace(|| Event::Yield { coroutine: self.id });
        self.pop();
    }

    fn ended(self, body: Body) {
        self.inner.trace(|| Event::End { coroutine: self.id });
        // Destructors of the future still run as this coroutine.
        drop(body.future);
        self.free(Some(body.waker));
        self.pop();
    }

    fn free(&self, waker: Option<Waker>) {
        let mut coroutines = self.inner.coroutines.borrow_mut();
        let slot = &mut coroutines.slots[self.index as usize];
        slot.shared.state.fetch_or(ENDED, Ordering::Relaxed);
        slot.phase = Phase::Free;
        slot.waker = waker;
        if slot.waker.is_none() {
            slot.waker = Some(Waker::from(slot.shared.clone()));
        }
        coroutines.free.push(self.index);
    }

    fn pop(self) {
        self.inner.running.set(self.before);
        self.inner.entered.set(self.entered_before);
        std::mem::forget(self);
    }
}

impl Drop for Frame<'_> {
    /// The future panicked: it is gone, and the coroutine has ended.
    fn drop(&mut self) {
        self.free(None);
        self.inner.running.set(self.before);
        self.inner.entered.set(self.entered_before);
    }
}

//! The coroutines of a context: where they are kept, and how one gets the processor.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::coroutine::{CoShared, Coroutine};
use crate::handle::Shared;
use crate::inner::Inner;
use crate::ready::Ready;
use crate::sync::Arc;
use crate::sync::atomic::{Ordering, fence};
use crate::trace::{CoroutineId, Event};

pub(crate) type CoFuture = Pin<Box<dyn Future<Output = ()>>>;

/// What is polled, and the waker to poll it with. Both leave the slot while the coroutine runs, so
/// that no borrow is held meanwhile.
pub(crate) struct Body {
    future: CoFuture,
    waker: Waker,
}

pub(crate) enum Phase {
    /// Created or yielded.
    Parked(Body),
    /// On the stack, entered by `by`. It may itself be waiting for one that it entered.
    Running { by: Option<CoroutineId> },
    /// Ended. The waker is kept for the next coroutine in the slot.
    Free(Option<Waker>),
}

pub(crate) struct Slot {
    pub(crate) id: CoroutineId,
    pub(crate) shared: Arc<CoShared>,
    /// The ready queue holds a live entry.
    pub(crate) scheduled: bool,
    /// That entry was asked for by name: it ends a `yield_now`.
    pub(crate) entered: bool,
    pub(crate) phase: Phase,
}

/// All coroutines of a context.
#[derive(Default)]
pub(crate) struct Coroutines {
    slots: Vec<Slot>,
    free: Vec<u32>,
    next_serial: u64,
}

impl Coroutines {
    fn create(&mut self, home: &Arc<Shared>, name: &'static str, future: CoFuture) -> &Slot {
        self.next_serial += 1;
        let serial = self.next_serial;
        let id = CoroutineId { name, serial };
        let index = match self.free.pop() {
            Some(index) => index as usize,
            None => return self.create_in_new_slot(home, id, future),
        };
        let slot = &mut self.slots[index];
        let Phase::Free(waker) = &mut slot.phase else {
            unreachable!("it is in the list of free slots");
        };
        let waker = match waker.take() {
            // The slot and its waker are the only holders, and nobody can become one through them.
            Some(waker) if Arc::strong_count(&slot.shared) == 2 => {
                // Pairs with the Release by which the last other holder let go: what it did to the
                // state comes before what we do.
                fence(Ordering::Acquire);
                slot.shared.begin_life(serial);
                waker
            }
            _ => {
                slot.shared = CoShared::new(home, index as u32, serial);
                Waker::from(slot.shared.clone())
            }
        };
        slot.id = id;
        slot.phase = Phase::Parked(Body { future, waker });
        slot
    }

    fn create_in_new_slot(
        &mut self,
        home: &Arc<Shared>,
        id: CoroutineId,
        future: CoFuture,
    ) -> &Slot {
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 coroutines");
        let shared = CoShared::new(home, index, id.serial);
        let waker = Waker::from(shared.clone());
        self.slots.push(Slot {
            id,
            shared,
            scheduled: false,
            entered: false,
            phase: Phase::Parked(Body { future, waker }),
        });
        &self.slots[index as usize]
    }

    /// The slot of a coroutine that has not ended.
    pub(crate) fn get(&self, index: u32, serial: u64) -> Option<&Slot> {
        self.slots
            .get(index as usize)
            .filter(|slot| slot.is(serial))
    }

    fn get_mut(&mut self, index: u32, serial: u64) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(index as usize);
        slot.filter(|slot| slot.is(serial))
    }

    /// The slot of a coroutine that runs: it stays where it is meanwhile.
    fn running(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// Takes all futures out, so that they can be dropped without a borrow.
    pub(crate) fn take_all(&mut self) -> Vec<impl Sized + use<>> {
        self.free.clear();
        let all = self.slots.drain(..);
        let alive = all.filter(|slot| !matches!(slot.phase, Phase::Free(_)));
        let ended = alive.map(|slot| {
            slot.shared.end_life();
            slot.phase
        });
        ended.collect()
    }

    /// How many coroutines have been created and not ended.
    pub(crate) fn live(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl Slot {
    /// True if the coroutine `serial` lives here.
    fn is(&self, serial: u64) -> bool {
        self.id.serial == serial && !matches!(self.phase, Phase::Free(_))
    }

    /// Takes the body of a parked coroutine out: it gets the processor.
    fn begin(&mut self, by: Option<CoroutineId>) -> Body {
        match std::mem::replace(&mut self.phase, Phase::Running { by }) {
            Phase::Parked(body) => body,
            _ => unreachable!("both callers have looked"),
        }
    }
}

impl Inner {
    /// Makes a coroutine and returns its handle.
    pub(crate) fn create_coroutine(&self, name: &'static str, future: CoFuture) -> Coroutine {
        let coroutine = {
            let mut coroutines = self.coroutines.borrow_mut();
            let slot = coroutines.create(&self.shared, name, future);
            Coroutine {
                shared: slot.shared.clone(),
                id: slot.id,
            }
        };
        self.trace(|| Event::Create {
            coroutine: coroutine.id,
        });
        coroutine
    }

    /// Queues a coroutine of this context unless it is queued or has ended. `entered` says that it
    /// was asked for by name.
    pub(crate) fn schedule(&self, index: u32, serial: u64, entered: bool) {
        {
            let mut coroutines = self.coroutines.borrow_mut();
            let Some(slot) = coroutines.get_mut(index, serial) else {
                return;
            };
            slot.entered |= entered;
            if std::mem::replace(&mut slot.scheduled, true) {
                return;
            }
        }
        self.trace(|| Event::Wake {
            serial,
            by: self.current_id(),
        });
        self.push(Ready::Coroutine {
            slot: index,
            serial,
        });
    }

    /// Runs a coroutine that the ready queue named, unless it has run meanwhile or ended.
    /// True if it ran.
    pub(crate) fn run_queued(&self, index: u32, serial: u64) -> bool {
        let frame = {
            let mut coroutines = self.coroutines.borrow_mut();
            let Some(slot) = coroutines.get_mut(index, serial) else {
                return false;
            };
            if !std::mem::take(&mut slot.scheduled) {
                return false;
            }
            // A wake that another thread posted meanwhile, and that is still in the inbox, is
            // answered by this run.
            let posted = slot.shared.take_posted();
            let entered = std::mem::take(&mut slot.entered) | posted.is_some_and(|named| named);
            // The event loop never runs on top of a coroutine of its own: see `AioContext::poll`.
            let body = slot.begin(None);
            Frame::new(self, index, slot.id, None, entered, body)
        };
        frame.run();
        true
    }

    pub(crate) fn enter(&self, coroutine: &Coroutine) {
        let index = coroutine.shared.slot;
        let by = self.current_id();
        let frame = {
            let mut coroutines = self.coroutines.borrow_mut();
            match coroutines.get_mut(index, coroutine.id.serial) {
                Some(slot) if matches!(slot.phase, Phase::Parked(_)) => {
                    // A wake that is still queued or posted is overtaken.
                    slot.scheduled = false;
                    slot.entered = false;
                    slot.shared.take_posted();
                    let body = slot.begin(by);
                    Frame::new(self, index, slot.id, by, true, body)
                }
                slot => {
                    let why = match slot {
                        Some(slot) => slot.why_not(),
                        None => "after it had ended".to_owned(),
                    };
                    drop(coroutines);
                    panic!(
                        "coroutine {} entered {} {why}",
                        self.current_name(),
                        coroutine.id
                    );
                }
            }
        };
        frame.run();
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

impl Slot {
    /// Why a coroutine that has not ended cannot be entered.
    #[cold]
    fn why_not(&self) -> String {
        match &self.phase {
            Phase::Running { by: Some(by) } => format!("which runs already, entered by {by}"),
            _ => "which runs already, entered by the event loop".to_owned(),
        }
    }
}

/// One coroutine on the stack. Dropping the frame takes it off.
struct Frame<'a> {
    inner: &'a Inner,
    index: u32,
    id: CoroutineId,
    by: Option<CoroutineId>,
    before: Option<(u32, CoroutineId)>,
    entered_before: bool,
    /// Goes back into the slot when the coroutine yields. If it is still here when the frame is
    /// dropped, the coroutine has run to its end, or panicked.
    body: Option<Body>,
}

impl<'a> Frame<'a> {
    fn new(
        inner: &'a Inner,
        index: u32,
        id: CoroutineId,
        by: Option<CoroutineId>,
        entered: bool,
        body: Body,
    ) -> Self {
        Frame {
            inner,
            index,
            id,
            by,
            before: inner.running.replace(Some((index, id))),
            entered_before: inner.entered.replace(entered),
            body: Some(body),
        }
    }

    /// Polls the coroutine once.
    fn run(mut self) {
        let Frame { inner, id, by, .. } = self;
        inner.trace(|| Event::Enter { coroutine: id, by });
        let body = self.body.as_mut().expect("a frame runs once");
        let cx = &mut Context::from_waker(&body.waker);
        match body.future.as_mut().poll(cx) {
            Poll::Pending => {
                inner.trace(|| Event::Yield { coroutine: id });
                let body = self.body.take().expect("it was here");
                inner.coroutines.borrow_mut().running(self.index).phase = Phase::Parked(body);
            }
            // What has ended is dropped with the frame.
            Poll::Ready(()) => {}
        }
    }

    /// Off the stack; whoever entered it runs again.
    fn pop(&self) {
        self.inner.running.set(self.before);
        self.inner.entered.set(self.entered_before);
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        let Some(Body { future, waker }) = self.body.take() else {
            return self.pop();
        };
        self.inner.trace(|| Event::End { coroutine: self.id });
        // Destructors of the future still run as this coroutine. One that panics changes nothing.
        let _end = End {
            frame: self,
            waker: Some(waker),
        };
        drop(future);
    }
}

/// Ends the coroutine of a frame when it is dropped.
struct End<'a> {
    frame: &'a Frame<'a>,
    waker: Option<Waker>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        let index = self.frame.index;
        {
            let mut coroutines = self.frame.inner.coroutines.borrow_mut();
            let slot = coroutines.running(index);
            slot.shared.end_life();
            slot.scheduled = false;
            slot.entered = false;
            slot.phase = Phase::Free(self.waker.take());
            coroutines.free.push(index);
        }
        self.frame.pop();
    }
}

//! How a coroutine gets the processor, and gives it back.

use std::task::{Context, Poll};

use crate::coroutine::Coroutine;
use crate::coroutines::{CoFuture, NOBODY, Phase, Slot};
use crate::inner::Inner;
use crate::trace::{Event, Wants};

impl Inner {
    /// Runs a coroutine that the ready queue named, unless it has run meanwhile or ended.
    /// True if it ran.
    pub(crate) fn run_queued(&self, index: u32, serial: u64) -> bool {
        let slot = match self.coroutines.borrow().get(index, serial) {
            Some(slot) if slot.scheduled.replace(false) => slot.clone(),
            _ => return false,
        };
        // A wake that another thread posted meanwhile, and that is still in the inbox, is answered
        // by this run.
        let posted = slot.shared.take_posted();
        let entered = slot.entered.replace(false) | posted.is_some_and(|named| named);
        // The event loop never runs on top of a coroutine of its own: see `AioContext::poll`.
        self.resume(&slot, index, NOBODY, entered);
        true
    }

    pub(crate) fn enter(&self, coroutine: &Coroutine) {
        let index = coroutine.shared.slot;
        let found = self
            .coroutines
            .borrow()
            .get(index, coroutine.id.serial)
            .cloned();
        match found {
            Some(slot) if slot.phase.get() == Phase::Parked => {
                // A wake that is still queued or posted is overtaken.
                slot.scheduled.set(false);
                slot.entered.set(false);
                slot.shared.take_posted();
                self.resume(&slot, index, self.running.get(), true);
            }
            found => self.refuse_to_enter(coroutine, found.as_deref()),
        }
    }

    /// Ends a parked coroutine where it stands. What it holds is dropped as if it ran at the moment.
    pub(crate) fn drop_parked(&self, coroutine: &Coroutine) {
        let index = coroutine.shared.slot;
        let found = self
            .coroutines
            .borrow()
            .get(index, coroutine.id.serial)
            .cloned();
        let Some(slot) = found else {
            return;
        };
        let by = self.running.get();
        assert!(
            slot.phase.replace(Phase::Running { by }) == Phase::Parked,
            "coroutine {} dropped {}, which runs",
            self.current_name(),
            coroutine.id
        );
        let frame = Frame {
            inner: self,
            slot: &slot,
            index,
            before: self.running.replace(index),
            entered_before: self.entered.replace(false),
        };
        // Before the frame, which ends it: until then a wake finds it running, and so nothing to do.
        drop(slot.future.take());
        drop(frame);
    }

    #[cold]
    fn refuse_to_enter(&self, coroutine: &Coroutine, slot: Option<&Slot>) -> ! {
        let why = match slot.map(|slot| slot.phase.get()) {
            Some(Phase::Running { by }) => match self.coroutines.borrow().id_at(by) {
                Some(by) => format!("which runs already, entered by {by}"),
                None => "which runs already, entered by the event loop".to_owned(),
            },
            _ => "after it had ended".to_owned(),
        };
        panic!(
            "coroutine {} entered {} {why}",
            self.current_name(),
            coroutine.id
        );
    }

    /// Polls a parked coroutine once. `entered` ends its `yield_now`.
    fn resume(&self, slot: &Slot, index: u32, by: u32, entered: bool) {
        slot.phase.set(Phase::Running { by });
        let frame = Frame {
            inner: self,
            slot,
            index,
            before: self.running.replace(index),
            entered_before: self.entered.replace(entered),
        };
        self.trace(Wants::COROUTINES, || Event::Enter {
            coroutine: slot.id.get(),
            by: self.coroutines.borrow().id_at(by),
        });
        // Dropped before the frame, also by a panic: destructors still run as this coroutine.
        let mut future = slot.future.take().expect("a parked coroutine is whole");
        match future.as_mut().poll(&mut Context::from_waker(&slot.waker)) {
            Poll::Pending => frame.park(future),
            Poll::Ready(()) => {}
        }
    }
}

/// One coroutine on the stack. Dropping the frame ends it, unless it is parked: it has run to its
/// end, or has panicked, or its destructors have.
struct Frame<'a> {
    inner: &'a Inner,
    slot: &'a Slot,
    index: u32,
    before: u32,
    entered_before: bool,
}

impl Frame<'_> {
    /// Off the stack, to be entered again.
    fn park(self, future: CoFuture) {
        self.inner.trace(Wants::COROUTINES, || Event::Yield {
            coroutine: self.slot.id.get(),
        });
        self.slot.future.set(Some(future));
        self.slot.phase.set(Phase::Parked);
        self.pop();
        std::mem::forget(self);
    }

    /// Whoever entered it runs again.
    fn pop(&self) {
        self.inner.running.set(self.before);
        self.inner.entered.set(self.entered_before);
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        self.inner.trace(Wants::COROUTINES, || Event::End {
            coroutine: self.slot.id.get(),
        });
        self.slot.end();
        self.inner.coroutines.borrow_mut().release(self.index);
        self.pop();
    }
}

//! Coroutines: futures that live in one context and can be entered by hand.
//!
//! A coroutine is polled only in its home context. It gets there in two ways:
//!
//! - [`Coroutine::enter`] runs it at once, in the caller, until it yields or ends, as QEMU's
//!   `qemu_coroutine_enter` does. Entering nests and does not touch the ready queue.
//! - [`Coroutine::wake`], or a `Waker` that some future kept, puts it into the ready queue, from
//!   any thread. A wake never runs anything, so it is safe under somebody's lock.
//!
//! The rules of the shared state word, `CoShared::state`:
//!
//! 1. Whoever sets `SCHEDULED` first must queue an entry; whoever finds it set must not. So there
//!    is at most one live entry, and a wake of a woken coroutine costs one instruction.
//! 2. Only the home context clears `SCHEDULED`, before it polls. A wake that comes during the poll
//!    sets it again and is not lost.
//! 3. `ENTERED` is set with `SCHEDULED` by those who name the coroutine rather than a future in it.
//!    Only they end a [`yield_now`]; a stray waker does not.
//! 4. After `ENDED` nothing is queued.
//!
//! QEMU: util/qemu-coroutine.c, util/async.c (`aio_co_wake`).

use std::fmt;
use std::future::poll_fn;
use std::task::{Poll, Wake};

use crate::coroutines::{Phase, Slot};
use crate::current;
use crate::handle::{Remote, Shared};
use crate::inner::Inner;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::trace::{CoroutineId, Event};

pub(crate) const SCHEDULED: u32 = 1;
pub(crate) const ENTERED: u32 = 2;
pub(crate) const ENDED: u32 = 4;

/// The part of a coroutine that every thread may touch.
///
/// It outlives its coroutine and is used again for the next one in the slot, when nobody else
/// holds it: then there is no waker left that could wake the wrong one.
pub(crate) struct CoShared {
    pub(crate) state: AtomicU32,
    /// The serial of the coroutine that lives here now.
    pub(crate) serial: AtomicU64,
    pub(crate) slot: u32,
    home: Arc<Shared>,
}

impl CoShared {
    pub(crate) fn new(home: &Arc<Shared>, slot: u32, serial: u64) -> Arc<CoShared> {
        Arc::new(CoShared {
            state: AtomicU32::new(0),
            serial: AtomicU64::new(serial),
            slot,
            home: home.clone(),
        })
    }

    /// Queues the coroutine unless it is queued. `bits` says who asks: see the module's rule 3.
    fn schedule(self: &Arc<Self>, bits: u32) {
        // Release: the poll that this leads to sees what the waker wrote before. Acquire is not
        // needed: a waker reads nothing of the coroutine.
        let before = self.state.fetch_or(bits, Ordering::Release);
        if before & (SCHEDULED | ENDED) != 0 {
            return;
        }
        current::deliver(
            &self.home,
            |inner| self.push(inner),
            || Remote::Coroutine(self.clone()),
        );
    }

    /// Puts a scheduled coroutine into the ready queue of its home.
    pub(crate) fn push(&self, inner: &Inner) {
        // Relaxed: a life in a slot begins and ends in the home context, which is where we are.
        let serial = self.serial.load(Ordering::Relaxed);
        inner.trace(|| Event::Wake {
            serial,
            by: inner.current_id(),
        });
        inner.push_coroutine(self.slot, serial);
    }
}

impl Wake for CoShared {
    fn wake(self: Arc<Self>) {
        self.schedule(SCHEDULED);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.schedule(SCHEDULED);
    }
}

/// Names a coroutine. Clones name the same one, and any thread may hold them.
///
/// QEMU: `Coroutine` (include/qemu/coroutine-core.h).
#[derive(Clone)]
pub struct Coroutine {
    pub(crate) shared: Arc<CoShared>,
    pub(crate) id: CoroutineId,
}

impl Coroutine {
    /// The coroutine that runs now in the current context.
    ///
    /// QEMU: `qemu_coroutine_self` (util/coroutine-ucontext.c), which outside of any coroutine
    /// answers with the thread's leader; here that is `None`.
    pub fn current() -> Option<Coroutine> {
        current::with_current(|inner| {
            let inner = inner?;
            let (index, id) = inner.running.get()?;
            let coroutines = inner.coroutines.borrow();
            let shared = coroutines.slots[index as usize].shared.clone();
            Some(Coroutine { shared, id })
        })
    }

    /// Runs it now, in the caller, until it yields or ends.
    ///
    /// QEMU: `qemu_coroutine_enter` (util/qemu-coroutine.c).
    ///
    /// # Panics
    ///
    /// If the coroutine runs already (it, or one that it entered, is the caller), if it has ended,
    /// or if its home is not the current context. The message names both coroutines.
    pub fn enter(&self) {
        current::with_current_rc(|inner| match inner {
            Some(inner) if Arc::ptr_eq(&inner.shared, &self.shared.home) => inner.enter(self),
            current => {
                let (place, who) = match current {
                    Some(inner) => (inner.shared.name.clone(), inner.current_name()),
                    None => ("no context".to_owned(), "(none)".to_owned()),
                };
                panic!(
                    "coroutine {who} in {place} entered {}, whose home is context {}",
                    self.id, self.shared.home.name
                );
            }
        });
    }

    /// Has it run soon, from the event loop of its home; from any thread. If it runs at the moment,
    /// it will find itself entered when it next yields. If it has ended, nothing happens.
    ///
    /// QEMU: `aio_co_wake` and `aio_co_schedule` (util/async.c).
    pub fn wake(&self) {
        // While this handle exists the shared part is not used for another coroutine.
        self.shared.schedule(SCHEDULED | ENTERED);
    }

    /// True for the running coroutine and for those that wait for one that they entered.
    ///
    /// QEMU: `qemu_coroutine_entered` (util/qemu-coroutine.c).
    ///
    /// # Panics
    ///
    /// If the coroutine's home is not the current context.
    pub fn entered(&self) -> bool {
        self.with_slot(|slot| matches!(slot.phase, Phase::Running { .. }))
    }

    /// True once it has run to its end.
    ///
    /// # Panics
    ///
    /// If the coroutine's home is not the current context.
    pub fn ended(&self) -> bool {
        self.with_slot(|slot| slot.id != self.id || matches!(slot.phase, Phase::Free))
    }

    /// Its name and serial number.
    pub fn id(&self) -> CoroutineId {
        self.id
    }

    fn with_slot<R>(&self, look: impl FnOnce(&Slot) -> R) -> R {
        current::with_current(|inner| match inner {
            Some(inner) if Arc::ptr_eq(&inner.shared, &self.shared.home) => {
                look(&inner.coroutines.borrow().slots[self.shared.slot as usize])
            }
            _ => panic!(
                "{} was looked at outside of its home, context {}",
                self.id, self.shared.home.name
            ),
        })
    }
}

impl PartialEq for Coroutine {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.shared.home, &other.shared.home)
    }
}

impl Eq for Coroutine {}

impl fmt::Debug for Coroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coroutine({} in {})", self.id, self.shared.home.name)
    }
}

/// True inside of a coroutine.
///
/// QEMU: `qemu_in_coroutine` (util/coroutine-ucontext.c).
pub fn in_coroutine() -> bool {
    current::with_current(|inner| inner.is_some_and(|inner| inner.running.get().is_some()))
}

/// Gives the processor back until somebody enters or wakes the coroutine by name.
///
/// A wake that came while the coroutine ran counts: it ends the next `yield_now` at once, after one
/// turn through the event loop. A `Waker` that some other future of the coroutine kept does not.
///
/// QEMU: `qemu_coroutine_yield` (util/qemu-coroutine.c).
///
/// # Panics
///
/// When it is polled outside of a coroutine.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|_| {
        current::with_current(|inner| {
            let inner = inner.expect("yield_now runs inside of a coroutine");
            assert!(
                inner.running.get().is_some(),
                "yield_now runs inside of a coroutine"
            );
            // What entered this run is spent by the first look of whichever yield sees it.
            let entered = inner.entered.replace(false);
            if yielded && entered {
                Poll::Ready(())
            } else {
                yielded = true;
                Poll::Pending
            }
        })
    })
    .await;
}

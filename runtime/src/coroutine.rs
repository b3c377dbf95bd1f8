//! Coroutines: futures that live in one context and can be entered by hand.
//!
//! A coroutine is polled only in its home context. It gets there in two ways:
//!
//! - [`Coroutine::enter`] runs it at once, in the caller, until it yields or ends, as QEMU's
//!   `qemu_coroutine_enter` does. Entering nests and does not touch the ready queue.
//! - [`Coroutine::wake`], or a `Waker` that some future kept, puts it into the ready queue, from
//!   any thread. A wake never runs anything, so it is safe under somebody's lock.
//!
//! A wake of the home context itself touches only `Slot::scheduled`, which says that the ready queue
//! holds an entry; there is no atomic operation in it. A wake from elsewhere goes through the shared
//! state word, `CoShared::state`, whose rules are:
//!
//! 1. Whoever sets `POSTED` first must post to the inbox of the home; whoever finds it set must not.
//!    So there is at most one post under way, and a wake of a woken coroutine is one instruction.
//! 2. Only the home context clears `POSTED`: when it takes the post from its inbox, and before any
//!    poll of the coroutine. A wake that comes during the poll sets it again and is not lost.
//! 3. `ENTERED` is set with `POSTED` by those who name the coroutine rather than a future in it, as
//!    `Slot::entered` is with `Slot::scheduled`. Only they end a [`yield_now`]; a stray waker does
//!    not.
//! 4. After `ENDED` nothing is posted.
//!
//! QEMU: util/qemu-coroutine.c, `aio_co_wake` (util/async.c).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Wake};

use crate::coroutines::{NOBODY, Phase, Slot};
use crate::current;
use crate::handle::{Remote, Shared};
use crate::inner::Inner;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::trace::CoroutineId;

const POSTED: u32 = 1;
const ENTERED: u32 = 2;
const ENDED: u32 = 4;

/// The part of a coroutine that every thread may touch.
///
/// It outlives its coroutine and is used again for the next one in the slot, when nobody else
/// holds it: then there is no waker left that could wake the wrong one.
pub(crate) struct CoShared {
    state: AtomicU32,
    /// The serial of the coroutine that lives here now.
    serial: AtomicU64,
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

    /// Another coroutine, in the home context, when nobody else holds this.
    pub(crate) fn begin_life(&self, serial: u64) {
        self.serial.store(serial, Ordering::Relaxed);
        self.state.store(0, Ordering::Relaxed);
    }

    /// The coroutine has ended, in the home context.
    pub(crate) fn end_life(&self) {
        // A store is enough. A wake that comes before it has posted, and its post finds nobody; a
        // wake that comes after it sees `ENDED`.
        self.state.store(ENDED, Ordering::Relaxed);
    }

    /// Queues the coroutine unless it is queued. `named` says that it was asked for by name: see
    /// the module's rule 3.
    fn wake_as(self: &Arc<Self>, named: bool) {
        let local = |inner: &Inner| inner.schedule(self.slot, self.serial(), named);
        if current::if_current(&self.home, local).is_some() {
            return;
        }
        let bits = if named { POSTED | ENTERED } else { POSTED };
        // Release: the poll that this leads to sees what the waker wrote before. Acquire is not
        // needed: a waker reads nothing of the coroutine.
        let before = self.state.fetch_or(bits, Ordering::Release);
        if before & (POSTED | ENDED) == 0 {
            self.home.post(Remote::Coroutine(self.clone()));
        }
    }

    /// Takes what another thread posted; says whether the coroutine was asked for by name.
    pub(crate) fn take_posted(&self) -> Option<bool> {
        // Mostly there is nothing, and a look is cheap. A post that the look misses is still in
        // the inbox, or on the way to it.
        if self.state.load(Ordering::Relaxed) & POSTED == 0 {
            return None;
        }
        // Acquire: pairs with the Release in `wake_as`.
        let before = self.state.fetch_and(!(POSTED | ENTERED), Ordering::Acquire);
        Some(before & ENTERED != 0)
    }

    fn serial(&self) -> u64 {
        // Relaxed: a life in a slot begins and ends in the home context, which is where we are.
        self.serial.load(Ordering::Relaxed)
    }
}

impl Inner {
    /// A post has arrived.
    pub(crate) fn receive(&self, shared: &CoShared) {
        // It may have been answered by a run since.
        if let Some(named) = shared.take_posted() {
            self.schedule(shared.slot, shared.serial(), named);
        }
    }
}

impl Wake for CoShared {
    fn wake(self: Arc<Self>) {
        self.wake_as(false);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_as(false);
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
            let id = inner.current_id()?;
            let coroutines = inner.coroutines.borrow();
            let slot = coroutines.get(inner.running.get(), id.serial)?;
            let shared = slot.shared.clone();
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
        self.shared.wake_as(true);
    }

    /// Ends it where it stands, between two runs: what it holds is dropped, and whoever wakes it later
    /// finds nobody. If it has ended, nothing happens. For those who go on elsewhere from what they have
    /// written down; a coroutine that is to undo something must be entered and told so.
    ///
    /// # Panics
    ///
    /// If it runs (it, or one that it entered, is the caller), or if its home is not the current context.
    pub fn drop_parked(&self) {
        current::with_current_rc(|inner| match inner {
            Some(inner) if Arc::ptr_eq(&inner.shared, &self.shared.home) => inner.drop_parked(self),
            _ => panic!(
                "{} was dropped outside of its home, context {}",
                self.id, self.shared.home.name
            ),
        });
    }

    /// True for the running coroutine and for those that wait for one that they entered.
    ///
    /// QEMU: `qemu_coroutine_entered` (util/qemu-coroutine.c).
    ///
    /// # Panics
    ///
    /// If the coroutine's home is not the current context.
    pub fn entered(&self) -> bool {
        self.with_slot(|slot| matches!(slot, Some(slot) if slot.phase.get() != Phase::Parked))
    }

    /// True once it has run to its end.
    ///
    /// # Panics
    ///
    /// If the coroutine's home is not the current context.
    pub fn ended(&self) -> bool {
        self.with_slot(|slot| slot.is_none())
    }

    /// Its name and serial number.
    pub fn id(&self) -> CoroutineId {
        self.id
    }

    /// Looks at the slot, if the coroutine has not ended.
    fn with_slot<R>(&self, look: impl FnOnce(Option<&Slot>) -> R) -> R {
        current::with_current(|inner| match inner {
            Some(inner) if Arc::ptr_eq(&inner.shared, &self.shared.home) => {
                let coroutines = inner.coroutines.borrow();
                look(
                    coroutines
                        .get(self.shared.slot, self.id.serial)
                        .map(|slot| &**slot),
                )
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
    current::with_current(|inner| inner.is_some_and(|inner| inner.running.get() != NOBODY))
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
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// Ends when its coroutine is entered again; see [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        // What entered this run is spent by the first look of whichever yield sees it.
        let entered = current::with_current(|inner| match inner {
            Some(inner) if inner.running.get() != NOBODY => inner.entered.replace(false),
            _ => panic!("yield_now runs inside of a coroutine"),
        });
        if self.yielded && entered {
            Poll::Ready(())
        } else {
            self.yielded = true;
            Poll::Pending
        }
    }
}

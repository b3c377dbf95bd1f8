//! What other threads hold of a context, and the notify protocol between them.
//!
//! A context that has nothing to do says so in its inbox (`waiting`) and then waits in its
//! reactor. Whoever posts work looks at `waiting` under the same lock that guards the work:
//!
//! - if the poster comes first, the context finds the work when it takes the lock to say that it
//!   will wait, and does not wait;
//! - if the context comes first, the poster sees `waiting` and unparks it. An unpark is kept until
//!   it is used, so it does not matter whether the context sleeps already.
//!
//! The lock decides who was first, and no fence is needed. QEMU does the same with `notify_me`, an
//! event notifier and two memory barriers: `aio_notify` and `aio_poll` (util/async.c,
//! util/aio-posix.c).

use std::fmt;

use crate::bottom_half::BhShared;
use crate::bug;
use crate::context::AioContext;
use crate::coroutine::CoShared;
use crate::current;
use crate::event::EventShared;
use crate::inner::Inner;
use crate::reactor::Unpark;
use crate::ready::{Named, Once};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{Arc, Mutex};

/// Work that another thread left for a context.
pub(crate) enum Remote {
    Coroutine(Arc<CoShared>),
    BottomHalf(Arc<BhShared>),
    Once(Box<dyn Once + Send>),
    Event(Arc<EventShared>),
    /// A bottom half was deleted; its callback is dropped at home.
    DropBottomHalf {
        slot: u32,
        serial: u64,
    },
    /// An event source was removed; its handler is dropped at home.
    DropEvent {
        slot: u32,
        serial: u64,
    },
    /// External event sources may be served again.
    ExternalEnabled,
    /// Only look again: a condition that `poll_while` waits for may have changed.
    Kick,
}

struct Inbox {
    work: Vec<Remote>,
    /// The context waits in its reactor, or is about to.
    waiting: bool,
    /// The context is gone; work is dropped.
    closed: bool,
}

/// The part of a context that every thread may touch.
pub(crate) struct Shared {
    pub(crate) name: String,
    inbox: Mutex<Inbox>,
    /// Says that `inbox.work` may hold something, so that a busy context need not take the lock
    /// to find it empty. Only a hint: the last look before waiting takes the lock.
    nonempty: AtomicBool,
    /// How many users have masked the external event sources.
    pub(crate) external_disable_cnt: AtomicU32,
    unpark: Arc<dyn Unpark>,
}

impl Shared {
    pub(crate) fn new(name: String, unpark: Arc<dyn Unpark>) -> Self {
        Shared {
            name,
            inbox: Mutex::new(Inbox {
                work: Vec::new(),
                waiting: false,
                closed: false,
            }),
            nonempty: AtomicBool::new(false),
            external_disable_cnt: AtomicU32::new(0),
            unpark,
        }
    }

    /// Leaves `work` for the context and wakes it if it waits.
    pub(crate) fn post(&self, work: Remote) {
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            // Dropping work may run destructors that post again: not under the lock.
            drop(inbox);
            drop(work);
            return;
        }
        inbox.work.push(work);
        // Release is not needed for the work itself, which the lock hands over. Relaxed would do
        // for the hint as well; a missed hint costs one more pass.
        self.nonempty.store(true, Ordering::Relaxed);
        let waiting = std::mem::take(&mut inbox.waiting);
        drop(inbox);
        if waiting {
            self.unpark.unpark();
        }
    }

    /// True if something has been posted. Only a hint: see `nonempty`.
    pub(crate) fn has_work(&self) -> bool {
        self.nonempty.load(Ordering::Relaxed)
    }

    /// Moves what was posted into `into`, in the order of posting.
    pub(crate) fn take_work(&self, into: &mut Vec<Remote>) {
        let mut inbox = self.inbox.lock();
        self.nonempty.store(false, Ordering::Relaxed);
        std::mem::swap(&mut inbox.work, into);
    }

    /// Announces that the context will wait, unless there is work: then false.
    pub(crate) fn begin_wait(&self) -> bool {
        let mut inbox = self.inbox.lock();
        if inbox.work.is_empty() {
            inbox.waiting = true;
            true
        } else {
            self.nonempty.store(true, Ordering::Relaxed);
            false
        }
    }

    /// The context is awake again.
    pub(crate) fn end_wait(&self) {
        self.inbox.lock().waiting = false;
    }

    /// The context ends; what is posted from now on is dropped.
    pub(crate) fn close(&self) -> Vec<Remote> {
        let mut inbox = self.inbox.lock();
        inbox.closed = true;
        std::mem::take(&mut inbox.work)
    }
}

/// A context as seen from any thread: `Send`, `Sync` and cheap to clone.
///
/// Work that is given to a handle whose context has ended is dropped, unrun.
#[derive(Clone)]
pub struct AioHandle {
    pub(crate) shared: Arc<Shared>,
}

impl AioHandle {
    /// The name of the context.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Runs `callback` once in the context, from its event loop.
    ///
    /// QEMU: `aio_bh_schedule_oneshot` (util/async.c).
    pub fn schedule_oneshot(
        &self,
        name: &'static str,
        callback: impl FnOnce(&AioContext) + Send + 'static,
    ) {
        self.shared
            .post(Remote::Once(Box::new(Named(name, callback))));
    }

    /// Starts a coroutine in the context. `make` runs there, so the future need not be `Send`.
    ///
    /// QEMU: `aio_co_enter` from another thread, which schedules (util/async.c).
    ///
    /// ```
    /// # use std::rc::Rc;
    /// # let ctx = blockjob_runtime::AioContext::builder().virtual_time().build();
    /// ctx.handle().start("guest", || {
    ///     let made_there = Rc::new(7);
    ///     async move { assert_eq!(*made_there, 7) }
    /// });
    /// # assert!(ctx.poll(false));
    /// ```
    ///
    /// What was made here and belongs to this thread cannot go along:
    ///
    /// ```compile_fail,E0277
    /// # use std::rc::Rc;
    /// # let ctx = blockjob_runtime::AioContext::builder().virtual_time().build();
    /// let made_here = Rc::new(7);
    /// ctx.handle().start("guest", || async move { assert_eq!(*made_here, 7) });
    /// ```
    ///
    /// Nor can a future that was made here:
    ///
    /// ```compile_fail,E0277
    /// # use std::rc::Rc;
    /// # let ctx = blockjob_runtime::AioContext::builder().virtual_time().build();
    /// let made_here = Rc::new(7);
    /// let future = async move { assert_eq!(*made_here, 7) };
    /// ctx.handle().start("guest", || future);
    /// ```
    pub fn start<F>(&self, name: &'static str, make: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        self.schedule_oneshot(name, move |ctx| {
            ctx.coroutine(name, make()).enter();
        });
    }

    /// Makes the context look again at the condition of its `poll_while`.
    ///
    /// QEMU: `aio_wait_kick` (util/aio-wait.c).
    pub fn kick(&self) {
        self.shared.post(Remote::Kick);
    }

    /// Masks the external event sources of the context (a guest's), until the matching
    /// [`enable_external`](Self::enable_external). Nests.
    ///
    /// QEMU: `aio_disable_external` (include/block/aio.h, up to 8.0).
    pub fn disable_external(&self) {
        self.shared
            .external_disable_cnt
            .fetch_add(1, Ordering::AcqRel);
    }

    /// Ends one [`disable_external`](Self::disable_external). The last one has the context serve
    /// what the sources announced meanwhile: it may be asleep, so it is notified.
    ///
    /// # Panics
    ///
    /// If there was no matching `disable_external`.
    pub fn enable_external(&self) {
        let before = self
            .shared
            .external_disable_cnt
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |count| {
                count.checked_sub(1)
            })
            .expect("enable_external without disable_external");
        let last = before == 1 && !bug!(AIO_05);
        if last && current::if_current(&self.shared, Inner::requeue_events).is_none() {
            self.shared.post(Remote::ExternalEnabled);
        }
    }

    /// True while external event sources are masked.
    pub fn external_disabled(&self) -> bool {
        self.shared.external_disable_cnt.load(Ordering::Acquire) > 0
    }
}

impl PartialEq for AioHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for AioHandle {}

impl fmt::Debug for AioHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AioHandle({})", self.shared.name)
    }
}

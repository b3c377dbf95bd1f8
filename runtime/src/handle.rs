//! What other threads hold of a context, and the protocols between them.
//!
//! **Notify.** A context that has nothing to do says so (`waiting`), looks once more whether there is work
//! (`nonempty`), and then waits in its reactor. Whoever posts work says so (`nonempty`) and then takes
//! `waiting` away. Both exchange that word in one access, so one of them is first:
//!
//! - if the context is, the poster finds `waiting` and unparks the context. An unpark is kept until it is
//!   used, so it does not matter whether the context sleeps already.
//! - if the poster is, the context's exchange follows it and acquires what it released: the context sees
//!   the work, and does not wait.
//!
//! Of the posts between two looks into the inbox only the first does that: until the context has looked,
//! it is awake, or that post wakes it. QEMU does the same with `notify_me`, an event notifier and two
//! full barriers: `aio_notify` and `aio_poll` (util/async.c, util/aio-posix.c).
//!
//! **Kick.** Whoever makes the condition of a `poll_while` false writes it, and then looks whether anybody
//! is in a `poll_while` at all (`pollers`); `poll_while` counts itself there, and then looks at the
//! condition. Each side writes one word and then reads the other's, with a full fence in between, so that
//! at least one of them sees what the other has written: `aio_wait_kick` and `AIO_WAIT_WHILE` in QEMU
//! (util/aio-wait.c, include/block/aio-wait.h).

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
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use crate::sync::{Arc, Mutex};
use crate::trace::Wants;

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
    /// Only look again.
    Notice,
}

struct Inbox {
    work: Vec<Remote>,
    /// The context is gone; work is dropped.
    closed: bool,
}

/// The part of a context that every thread may touch.
pub(crate) struct Shared {
    pub(crate) name: String,
    /// What the trace of the context takes. It never changes.
    pub(crate) wants: Wants,
    inbox: Mutex<Inbox>,
    /// Says that `inbox.work` holds something. It is written under the inbox's lock, and read without.
    nonempty: AtomicBool,
    /// The context waits in its reactor, or is about to, and nobody has unparked it.
    waiting: AtomicBool,
    /// How many `poll_while` of the context are on its stack. Only the context writes it.
    pollers: AtomicU32,
    /// How many users have masked the external event sources.
    external_disable_cnt: AtomicU32,
    unpark: Arc<dyn Unpark>,
}

impl Shared {
    pub(crate) fn new(name: String, wants: Wants, unpark: Arc<dyn Unpark>) -> Self {
        Shared {
            name,
            wants,
            inbox: Mutex::new(Inbox {
                work: Vec::new(),
                closed: false,
            }),
            nonempty: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            pollers: AtomicU32::new(0),
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
        let is_first = inbox.work.is_empty();
        inbox.work.push(work);
        if is_first {
            // The lock hands the work itself over.
            self.nonempty.store(true, Ordering::Relaxed);
        }
        drop(inbox);
        if is_first {
            self.notify();
        }
    }

    /// Ends the wait of the context, if it waits: the other half of `begin_wait`.
    fn notify(&self) {
        // Release: if the context exchanges the word after this, it sees `nonempty`. A mere load could come
        // before the write of `nonempty` and miss the wait, while the context misses the work.
        let waits = if bug!(AIO_02) {
            self.waiting.load(Ordering::Relaxed)
        } else {
            self.waiting.swap(false, Ordering::Release)
        };
        if waits {
            self.unpark.unpark();
        }
    }

    /// True if something has been posted. A busy context may see it a pass later.
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
        // Acquire: see `notify`.
        self.waiting.swap(true, Ordering::Acquire);
        let must_wait = !self.nonempty.load(Ordering::Relaxed);
        if !must_wait {
            self.end_wait();
        }
        must_wait
    }

    /// The context is awake again. A poster that has taken `waiting` away just before unparks it once too
    /// often, and a later one finds that there is nobody to unpark.
    pub(crate) fn end_wait(&self) {
        // Mostly the poster that ended the wait has taken it away. A mere store would do, but loom does not
        // know that an exchange follows at once what it has read, and would see wakes lost.
        if self.waiting.load(Ordering::Relaxed) {
            self.waiting.swap(false, Ordering::Relaxed);
        }
    }

    /// True while external event sources are masked.
    pub(crate) fn external_disabled(&self) -> bool {
        // Acquire: a handler that runs because it finds no mask sees what was done under the last one.
        self.external_disable_cnt.load(Ordering::Acquire) > 0
    }

    /// A `poll_while` begins: from now on kicks count, until the answer is dropped.
    pub(crate) fn begin_poll_while(&self) -> Polling<'_> {
        let before = self.pollers.load(Ordering::Relaxed);
        self.pollers.store(before + 1, Ordering::Relaxed);
        // Between the write of `pollers` and the first read of the condition: see `AioHandle::kick`.
        fence(Ordering::SeqCst);
        Polling(self)
    }

    /// The context ends; what is posted from now on is dropped.
    pub(crate) fn close(&self) -> Vec<Remote> {
        let mut inbox = self.inbox.lock();
        inbox.closed = true;
        std::mem::take(&mut inbox.work)
    }
}

/// A `poll_while` on the stack of its context.
pub(crate) struct Polling<'a>(&'a Shared);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let before = self.0.pollers.load(Ordering::Relaxed);
        self.0.pollers.store(before - 1, Ordering::Relaxed);
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

    /// Makes the context look again at the condition of its `poll_while`, if it is in one: to be called
    /// after what makes the condition false. Costs a fence if it is not, and ends no other wait.
    ///
    /// QEMU: `aio_wait_kick` (util/aio-wait.c).
    pub fn kick(&self) {
        // Between the caller's write of the condition and the read of `pollers`: whoever does not see the
        // other's write is seen by the other.
        if !bug!(AIO_03) {
            fence(Ordering::SeqCst);
        }
        if self.shared.pollers.load(Ordering::Relaxed) > 0 {
            self.shared.post(Remote::Notice);
        }
    }

    /// Ends one blocking pass of the context's loop: the present one, or else the next.
    ///
    /// QEMU: `aio_notify` (util/async.c).
    pub fn notify(&self) {
        self.shared.post(Remote::Notice);
    }

    /// Masks the external event sources of the context (a guest's), until the matching
    /// [`enable_external`](Self::enable_external). Nests.
    ///
    /// QEMU: `aio_disable_external` (include/block/aio.h, up to 8.0).
    pub fn disable_external(&self) {
        // Relaxed: a handler that has begun goes on, and only the end of the mask promises anything.
        self.shared
            .external_disable_cnt
            .fetch_add(1, Ordering::Relaxed);
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
            // Release: see `Shared::external_disabled`.
            .fetch_update(Ordering::Release, Ordering::Relaxed, |count| {
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
        self.shared.external_disabled()
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

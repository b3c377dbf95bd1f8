//! `AioContext`: the event loop of one thread.
//!
//! A pass of the loop, [`AioContext::poll`], looks into the inbox (what other threads left), at the
//! timers, and, only when nothing is ready, into the reactor. Then it runs what is ready, each
//! entry once; what these cause waits for the next pass.
//!
//! Which context is *current* is what `poll` sets, not the operating system's thread: a simulator
//! steps several contexts on one thread.
//!
//! QEMU: util/async.c, util/aio-posix.c.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use crate::bottom_half::{BhShared, BhSlot, BottomHalf};
use crate::builder::AioContextBuilder;
use crate::coroutine::Coroutine;
use crate::current::{CurrentGuard, with_current_rc};
use crate::decide::Site;
use crate::event::{EventNotifier, EventShared, EventSlot};
use crate::handle::AioHandle;
use crate::inner::Inner;
use crate::pass::Pass;
use crate::ready::Named;
use crate::sync::Arc;
use crate::trace::{Event, LayerEvent, Mark, Wants};

/// So many passes in a row may find work without a look into the reactor. A look costs little, but
/// what nobody looks at never happens: see `Reactor::poll`.
const MAX_BUSY_PASSES: u32 = 63;

/// The event loop of one thread, and whatever lives in it. Clones are the same context.
///
/// QEMU: `AioContext` (include/block/aio.h).
#[derive(Clone)]
pub struct AioContext {
    inner: Rc<Inner>,
}

impl AioContext {
    /// A context of this machine named `main`: real clock, descriptors of its own, no choice, no trace.
    pub fn new() -> AioContext {
        Self::builder().build()
    }

    /// Begins a context that starts out as [`new`](Self::new) makes it.
    pub fn builder() -> AioContextBuilder {
        AioContextBuilder::new()
    }

    pub(crate) fn from_inner(inner: Rc<Inner>) -> AioContext {
        AioContext { inner }
    }

    /// The current context.
    ///
    /// QEMU: `qemu_get_current_aio_context` (util/async.c).
    ///
    /// # Panics
    ///
    /// When there is none: outside of `poll`, and of [`make_current`](Self::make_current).
    pub fn current() -> AioContext {
        Self::try_current().expect("no AioContext is current on this thread")
    }

    /// The current context, if there is one.
    pub fn try_current() -> Option<AioContext> {
        with_current_rc(|inner| {
            let inner = inner?.clone();
            Some(AioContext { inner })
        })
    }

    /// Makes this the current context until the guard is dropped: for code that runs outside of
    /// the loop, such as `main`.
    pub fn make_current(&self) -> CurrentGuard {
        CurrentGuard::new(self.inner.clone())
    }

    /// What other threads may hold.
    pub fn handle(&self) -> AioHandle {
        AioHandle {
            shared: self.inner.shared.clone(),
        }
    }

    /// Nanoseconds on the context's clock.
    pub fn now_ns(&self) -> u64 {
        self.inner.now_ns()
    }

    /// What the context's clock said in the present pass of the event loop, or in the last one, when
    /// it was first looked at; it is looked at once a pass. For those who note when something began,
    /// and begin much in one pass.
    pub fn pass_ns(&self) -> u64 {
        self.inner.pass_ns()
    }

    /// One of `0..n`, by whoever makes the choices of this life; 0 when `n` is less than 2, and
    /// always in production.
    #[inline]
    pub fn decide(&self, site: &'static Site, n: usize) -> usize {
        self.inner.decide(site, n)
    }

    /// Reports an event of a layer above. `event` is called only if somebody listens.
    pub fn trace_layer<E: LayerEvent>(&self, event: impl FnOnce() -> E) {
        self.trace_layer_as(Wants::LAYERS, event);
    }

    /// The same for an event that only recorders want: see [`Wants::LAYER_DETAILS`].
    #[inline]
    pub fn trace_detail<E: LayerEvent>(&self, event: impl FnOnce() -> E) {
        self.trace_layer_as(Wants::LAYER_DETAILS, event);
    }

    /// Whether anybody listens to [`trace_detail`](Self::trace_detail).
    #[inline]
    pub fn traces_details(&self) -> bool {
        self.inner.wants.contains(Wants::LAYER_DETAILS)
    }

    #[inline]
    fn trace_layer_as<E: LayerEvent>(&self, kind: Wants, event: impl FnOnce() -> E) {
        if self.inner.wants.contains(kind)
            && let Some(trace) = &self.inner.trace
        {
            let event = event();
            trace.event(
                self.now_ns(),
                &self.inner.shared.name,
                &Event::Layer(&event),
            );
        }
    }

    /// Says that a rare place was come past.
    #[inline]
    pub fn mark(&self, mark: &'static Mark) {
        self.inner.trace(Wants::MARKS, || Event::Mark { mark });
    }

    /// Says that a rare place was come past, if `when` holds, which must only look. It is called only
    /// if somebody listens.
    #[inline]
    pub fn mark_if(&self, when: impl FnOnce() -> bool, mark: &'static Mark) {
        if self.inner.wants.contains(Wants::MARKS) && when() {
            self.mark(mark);
        }
    }

    /// Makes a coroutine that has not run yet: enter it, or wake it.
    ///
    /// QEMU: `qemu_coroutine_create` (util/qemu-coroutine.c).
    pub fn coroutine(
        &self,
        name: &'static str,
        future: impl Future<Output = ()> + 'static,
    ) -> Coroutine {
        self.inner.create_coroutine(name, Box::pin(future))
    }

    /// How many coroutines have been created and have not ended.
    pub fn live_coroutines(&self) -> usize {
        self.inner.coroutines.borrow().live()
    }

    /// True if a pass would find something to do now: something is ready, was posted, or a timer has
    /// expired. For whoever steps several contexts on one thread.
    pub fn has_work(&self) -> bool {
        let inner = &self.inner;
        let expired = |deadline_ns: u64| deadline_ns <= self.now_ns();
        !inner.ready.borrow().is_empty()
            || inner.shared.has_work()
            || self.next_deadline_ns().is_some_and(expired)
    }

    /// When the next timer expires, in nanoseconds of the context's clock.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.inner.timers.borrow().next_deadline_ns()
    }

    /// The name of an event source that announced something, may be served, and is not going to be:
    /// nobody has queued its handler. There is none, unless the context has lost a wake-up.
    pub fn forgotten_event(&self) -> Option<&'static str> {
        let inner = &self.inner;
        if inner.shared.has_work() || !inner.ready.borrow().is_empty() {
            return None;
        }
        let masked = self.handle().external_disabled();
        let events = inner.events.borrow();
        let mut served = events
            .iter()
            // One that runs at the moment looks again when it has ended.
            .filter(|(_, event)| event.handler.is_some())
            .map(|(_, event)| &event.shared)
            .filter(|event| !(event.external && masked));
        let forgotten = served.find(|event| event.announced());
        forgotten.map(|event| event.name)
    }

    /// How many timers are going to expire, those of sleeping coroutines among them.
    pub fn armed_timers(&self) -> usize {
        self.inner.timers.borrow().armed()
    }

    /// Makes a bottom half that runs `callback` each time it is scheduled.
    ///
    /// QEMU: `aio_bh_new` (util/async.c).
    pub fn bottom_half(&self, name: &'static str, callback: impl FnMut() + 'static) -> BottomHalf {
        let mut bottom_halves = self.inner.bottom_halves.borrow_mut();
        let entry = bottom_halves.vacant_entry();
        let shared = Arc::new(BhShared::new(
            name,
            entry.key() as u32,
            self.inner.new_serial(),
            self.inner.shared.clone(),
        ));
        entry.insert(BhSlot {
            shared: shared.clone(),
            callback: Some(Box::new(callback)),
            missed: false,
        });
        BottomHalf { shared }
    }

    /// Runs `callback` once, from the event loop.
    ///
    /// QEMU: `aio_bh_schedule_oneshot` (util/async.c).
    pub fn schedule_oneshot(&self, name: &'static str, callback: impl FnOnce() + 'static) {
        let once = Named(name, move |_: &AioContext| callback());
        self.inner.schedule_once(Box::new(once));
    }

    /// Makes an event source that runs `handler` when it is announced. An `external` one speaks
    /// for a guest, and can be masked.
    ///
    /// QEMU: `aio_set_event_notifier` (util/aio-posix.c).
    pub fn event_source(
        &self,
        name: &'static str,
        external: bool,
        handler: impl FnMut() + 'static,
    ) -> EventNotifier {
        let mut events = self.inner.events.borrow_mut();
        let entry = events.vacant_entry();
        let shared = Arc::new(EventShared::new(
            name,
            external,
            entry.key() as u32,
            self.inner.new_serial(),
            self.inner.shared.clone(),
        ));
        entry.insert(EventSlot {
            shared: shared.clone(),
            handler: Some(Box::new(handler)),
        });
        EventNotifier { shared }
    }

    /// One pass of the event loop. Runs what is ready; if nothing is and `blocking`, waits first.
    /// True if anything ran. A blocking pass may end without progress, when it was kicked.
    ///
    /// Callbacks may poll in turn: the nested pass runs what the outer one has left, but for what was
    /// [left for the outermost](Self::leave_for_outermost).
    ///
    /// QEMU: `aio_poll` (util/aio-posix.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine, on whose stack the others would run: await instead.
    pub fn poll(&self, blocking: bool) -> bool {
        let inner = &self.inner;
        self.assert_outside("polled its own event loop; it must await instead");
        let _current = self.make_current();
        let _pass = Pass::begin(inner);
        let heard = inner.gather();
        if inner.ready.borrow().is_empty() {
            // Whoever kicked wants the caller of this pass to look again, so it must not wait.
            self.look_outside(blocking && !heard);
        } else if inner.busy_passes.replace(inner.busy_passes.get() + 1) == MAX_BUSY_PASSES {
            self.look_outside(false);
        }
        inner.dispatch(self)
    }

    /// Goes to the reactor, to wait there if `blocking` and there is nothing in the inbox. Nobody
    /// is current meanwhile: see [`Reactor::wait`](crate::reactor::Reactor::wait). Those whose
    /// descriptors are ready are woken when that is over.
    fn look_outside(&self, blocking: bool) {
        let inner = &self.inner;
        inner.busy_passes.set(0);
        if !blocking {
            let _nobody = CurrentGuard::nobody();
            inner.reactor.poll();
        } else if inner.shared.begin_wait() {
            let deadline_ns = inner.timers.borrow().next_deadline_ns();
            let _nobody = CurrentGuard::nobody();
            inner.reactor.wait(deadline_ns);
            inner.shared.end_wait();
        }
        if let Some(descriptors) = inner.reactor.descriptors() {
            descriptors.deliver();
        }
        inner.gather();
    }

    /// Panics if a coroutine of this context runs.
    fn assert_outside(&self, what_it_did: &str) {
        if let Some(id) = self.inner.current_id() {
            panic!("coroutine {id} {what_it_did}");
        }
    }

    /// Polls, blocking, for as long as `condition` holds. Who makes it false from another thread
    /// must [kick](AioHandle::kick).
    ///
    /// QEMU: `AIO_WAIT_WHILE` (include/block/aio-wait.h).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn poll_while(&self, mut condition: impl FnMut() -> bool) {
        let _polling = self.inner.shared.begin_poll_while();
        while condition() {
            self.poll(true);
        }
    }

    /// Runs `future` as a coroutine, polling until it ends, and returns its result.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn run<T: 'static>(
        &self,
        name: &'static str,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        self.assert_outside("polled its own event loop; it must await instead");
        let result = Rc::new(Cell::new(None));
        let coroutine = {
            let result = result.clone();
            self.coroutine(name, async move { result.set(Some(future.await)) })
        };
        {
            let _current = self.make_current();
            coroutine.enter();
        }
        let mut value = result.take();
        while value.is_none() {
            self.poll(true);
            value = result.take();
        }
        value.expect("the loop ended")
    }

    /// Drops all coroutines, bottom halves, timers and sources, and whatever is posted from now on.
    /// What still names one of them finds that it has ended.
    ///
    /// What lives in a context often holds it, too; this is what ends such a ring.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn close(&self) {
        self.assert_outside("closed its own context");
        let _current = self.make_current();
        self.inner.clear();
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn inner_rc(&self) -> &Rc<Inner> {
        &self.inner
    }
}

impl Default for AioContext {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for AioContext {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Eq for AioContext {}

impl fmt::Debug for AioContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AioContext({})", self.inner.shared.name)
    }
}

//! A reactor that tells what the loop asked of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use blockjob_runtime::AioContext;
use blockjob_runtime::clock::{Clock, RealClock, VirtualClock};
use blockjob_runtime::io::Descriptors;
use blockjob_runtime::reactor::{BlockingJob, Reactor, RealReactor, Unpark, VirtualReactor};

type BeforeWait = Box<dyn FnMut(Option<u64>)>;

/// Counts the calls, and passes them on.
pub(crate) struct WatchedReactor {
    inner: Box<dyn Reactor>,
    waits: Cell<u32>,
    polls: Cell<u32>,
    before_wait: RefCell<Option<BeforeWait>>,
}

impl WatchedReactor {
    /// A context of this machine, and its reactor.
    pub(crate) fn real() -> (AioContext, Rc<WatchedReactor>) {
        let clock = RealClock::new();
        let reactor = RealReactor::new(clock.clone()).expect("there are descriptors");
        Self::around(Rc::new(clock), Box::new(reactor))
    }

    /// A context in virtual time, and its reactor.
    pub(crate) fn simulated() -> (AioContext, Rc<WatchedReactor>) {
        let clock = VirtualClock::new();
        let reactor = VirtualReactor::new(clock.clone());
        Self::around(Rc::new(clock), Box::new(reactor))
    }

    /// One of each.
    pub(crate) fn both() -> [(AioContext, Rc<WatchedReactor>); 2] {
        [Self::real(), Self::simulated()]
    }

    fn around(clock: Rc<dyn Clock>, inner: Box<dyn Reactor>) -> (AioContext, Rc<WatchedReactor>) {
        let reactor = Rc::new(WatchedReactor {
            inner,
            waits: Cell::new(0),
            polls: Cell::new(0),
            before_wait: RefCell::default(),
        });
        let ctx = AioContext::builder().life(clock, reactor.clone()).build();
        (ctx, reactor)
    }

    /// How often the loop waited.
    pub(crate) fn waits(&self) -> u32 {
        self.waits.get()
    }

    /// How often the loop looked without waiting.
    pub(crate) fn polls(&self) -> u32 {
        self.polls.get()
    }

    /// Calls `before_wait` with the deadline at the beginning of each wait.
    pub(crate) fn before_wait(&self, before_wait: impl FnMut(Option<u64>) + 'static) {
        self.before_wait.replace(Some(Box::new(before_wait)));
    }
}

impl Reactor for WatchedReactor {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        self.inner.unpark_handle()
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        self.waits.set(self.waits.get() + 1);
        if let Some(before_wait) = &mut *self.before_wait.borrow_mut() {
            before_wait(deadline_ns);
        }
        self.inner.wait(deadline_ns);
    }

    fn poll(&self) {
        self.polls.set(self.polls.get() + 1);
        self.inner.poll();
    }

    fn descriptors(&self) -> Option<&Descriptors> {
        self.inner.descriptors()
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        self.inner.spawn_blocking(job);
    }
}

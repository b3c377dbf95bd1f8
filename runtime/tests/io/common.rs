//! Sockets, and a context whose reactor is at hand.

use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use blockjob_runtime::AioContext;
use blockjob_runtime::clock::RealClock;
use blockjob_runtime::io::Async;
use blockjob_runtime::reactor::{Reactor, RealReactor};

/// What waits "for ever" in these tests waits so long at most, in nanoseconds.
pub(crate) const PATIENCE_NS: u64 = 20_000_000_000;

pub(crate) fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("there are descriptors")
}

pub(crate) fn watch(stream: UnixStream) -> Async<UnixStream> {
    Async::new(stream).expect("it can be watched")
}

/// A context of this machine, its clock and its reactor.
pub(crate) fn context_with_reactor() -> (AioContext, RealClock, Rc<RealReactor>) {
    let clock = RealClock::new();
    let reactor = RealReactor::new(clock.clone()).expect("there are descriptors");
    let reactor = Rc::new(reactor);
    let life = AioContext::builder().life(Rc::new(clock.clone()), reactor.clone());
    (life.build(), clock, reactor)
}

/// Runs a test in a context; it fails if it does not end.
pub(crate) fn in_context<F>(test: impl FnOnce(AioContext) -> F)
where
    F: Future<Output = ()> + 'static,
{
    let ctx = AioContext::new();
    let end = ctx.timer("patience", || panic!("the test waits for ever"));
    end.arm(ctx.now_ns() + PATIENCE_NS);
    let future = test(ctx.clone());
    ctx.run("test", future);
}

/// Polls a future once.
pub(crate) fn poll_once<F: Future>(future: F, waker: &Waker) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// Lets the context look outside; true if it came upon something before `timeout_ns` had passed.
pub(crate) fn looked_early(ctx: &AioContext, reactor: &RealReactor, timeout_ns: u64) -> bool {
    let deadline_ns = ctx.now_ns() + timeout_ns;
    reactor.wait(Some(deadline_ns));
    let early = ctx.now_ns() < deadline_ns;
    while ctx.poll(false) {}
    early
}

/// Counts its wakes.
#[derive(Default)]
pub(crate) struct Bell(AtomicU32);

impl Bell {
    pub(crate) fn new() -> (Arc<Bell>, Waker) {
        let bell = Arc::new(Bell::default());
        (bell.clone(), Waker::from(bell))
    }

    pub(crate) fn rings(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

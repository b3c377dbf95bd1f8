//! What models are made of: contexts that wait in loom, threads, and witnesses.

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Wake, Waker};

use blockjob_runtime::clock::{Clock, VirtualClock};
use blockjob_runtime::reactor::{BlockingJob, Reactor, Unpark};
use blockjob_runtime::sync::atomic::{AtomicU32, Ordering};
use blockjob_runtime::sync::{Arc, thread};
use blockjob_runtime::{AioContext, IoThread};

/// Where a context waits in a model: in a notice of loom's, which it may also leave for no reason, as
/// every reactor may.
struct Notice(loom::sync::Notify);

impl Unpark for Notice {
    fn unpark(&self) {
        self.0.notify();
    }
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// The reactor of a context in a model. A deadline has always come: the clock jumps there at once, and
/// that another thread may act before or after it is the same as that it may act before or after the
/// wait. A blocking job gets a thread of its own.
pub struct ModelReactor {
    clock: VirtualClock,
    notice: Arc<Notice>,
}

impl ModelReactor {
    /// A reactor that moves `clock`.
    pub fn new(clock: VirtualClock) -> Self {
        let notice = Arc::new(Notice(loom::sync::Notify::new()));
        ModelReactor { clock, notice }
    }
}

impl Reactor for ModelReactor {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        self.notice.clone()
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        match deadline_ns {
            Some(deadline_ns) => self.clock.advance_to(deadline_ns),
            None => self.notice.0.wait(),
        }
    }

    fn poll(&self) {}

    fn spawn_blocking(&self, job: BlockingJob) {
        // Not awaited: loom ends an execution when all its threads have ended.
        drop(spawn(job));
    }
}

/// A context that waits in loom, at time zero.
pub fn context(name: &str) -> AioContext {
    let clock = VirtualClock::new();
    let reactor = ModelReactor::new(clock.clone());
    let clock: Rc<dyn Clock> = Rc::new(clock);
    AioContext::builder()
        .name(name)
        .life(clock, Rc::new(reactor))
        .build()
}

/// Starts a thread of the model. A historical bug that is on here is on there as well.
pub fn spawn<T: 'static>(body: impl FnOnce() -> T + 'static) -> thread::JoinHandle<T> {
    #[cfg(feature = "museum")]
    let on = blockjob_runtime::museum::on();
    thread::spawn(move || {
        #[cfg(feature = "museum")]
        let _on = on.map(blockjob_runtime::museum::switch_on);
        body()
    })
}

/// Starts a thread with a context that waits in loom. A historical bug that is on here is on there as
/// well.
pub fn iothread(name: &'static str) -> IoThread {
    iothread_with(name, |_| ())
}

/// Starts such a thread, and has `furnish` run there first.
pub fn iothread_with(
    name: &'static str,
    furnish: impl FnOnce(&AioContext) + Send + 'static,
) -> IoThread {
    #[cfg(feature = "museum")]
    let on = blockjob_runtime::museum::on();
    IoThread::with_context(name, move || {
        // It stays on until the thread ends.
        #[cfg(feature = "museum")]
        on.map(blockjob_runtime::museum::switch_on)
            .into_iter()
            .for_each(std::mem::forget);
        let context = context(name);
        furnish(&context);
        context
    })
}

/// Polls a future that needs no context until it ends, in a thread of the model.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let notice = Arc::new(Notice(loom::sync::Notify::new()));
    let waker = Waker::from(notice.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => notice.0.wait(),
        }
    }
}

/// Polls futures by hand, in a thread of the model, each time after something has woken them.
#[derive(Default)]
pub struct Steps {
    notice: Option<Arc<Notice>>,
}

impl Steps {
    /// Nothing is polled yet.
    pub fn new() -> Steps {
        Steps::default()
    }

    /// Polls `future` once more, after it has been woken if it was polled before.
    pub fn take<F: Future + Unpin>(&mut self, future: &mut F) -> Poll<F::Output> {
        let notice = match self.notice.take() {
            Some(notice) => {
                notice.0.wait();
                notice
            }
            None => Arc::new(Notice(loom::sync::Notify::new())),
        };
        let waker = Waker::from(notice.clone());
        let polled = std::pin::Pin::new(future).poll(&mut Context::from_waker(&waker));
        self.notice = Some(notice);
        polled
    }
}

/// Polls a future once.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs a context until nothing is left to do. Only what no other thread will touch ends so.
pub fn finish(ctx: &AioContext) {
    while ctx.poll(false) || ctx.has_work() {}
}

/// Waits for a thread of the model.
pub fn join<T>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("a panic has ended the process")
}

/// A number that threads write and read with relaxed accesses, so that a read sees the write that the
/// protocol under test promises only if the protocol orders them: loom shows every older value as well.
#[derive(Clone)]
pub struct Witness(Arc<AtomicU32>);

impl Witness {
    /// One that reads 0.
    pub fn new() -> Self {
        Witness(Arc::new(AtomicU32::new(0)))
    }

    /// Writes 1.
    pub fn set(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// Whether it reads 1 or more.
    pub fn is_set(&self) -> bool {
        self.get() > 0
    }

    /// Reads it.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds 1, in two accesses: another thread that does the same at the same time spoils it.
    pub fn count(&self) {
        self.0.store(self.get() + 1, Ordering::Relaxed);
    }
}

impl Default for Witness {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts when it is dropped.
pub struct Dropped(pub Witness);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.count();
    }
}

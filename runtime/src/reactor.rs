//! The seam for waiting: where a context goes when it has nothing to do.

mod real;
mod simulated;

pub use real::RealReactor;
pub use simulated::VirtualReactor;

use crate::io::Descriptors;
use crate::sync::Arc;

/// Work for a thread that may block.
pub type BlockingJob = Box<dyn FnOnce() + Send>;

/// Ends a wait, from any thread.
pub trait Unpark: Send + Sync {
    /// Ends the current wait, or else the next one: an unpark is never lost. Several before the
    /// wait ends count as one.
    fn unpark(&self);
}

/// What a context waits in.
///
/// QEMU: `FDMonOps` (include/block/aio.h) with its implementations in util/fdmon-poll.c,
/// util/fdmon-epoll.c and util/fdmon-io_uring.c; `thread_pool_submit_aio` (util/thread-pool.c).
pub trait Reactor {
    /// What ends a wait of this reactor.
    fn unpark_handle(&self) -> Arc<dyn Unpark>;

    /// Waits until the handle is unparked or `deadline_ns` of the context's clock has come;
    /// without a deadline, until it is unparked. May return early for no reason.
    ///
    /// No context is current meanwhile: what wakers do in here takes the way of the inbox, as it
    /// would from any other thread, and so unparks. Whoever waits for one of the reactor's own
    /// [`descriptors`](Self::descriptors) is woken afterwards, when the context is current again.
    ///
    /// # Panics
    ///
    /// A virtual reactor panics when nothing could ever end the wait.
    fn wait(&self, deadline_ns: Option<u64>);

    /// Lets what is ready outside happen, without waiting.
    fn poll(&self);

    /// The descriptors that [`wait`](Self::wait) and [`poll`](Self::poll) watch; none in virtual time.
    fn descriptors(&self) -> Option<&Descriptors> {
        None
    }

    /// Has `job` run where it may block, now or later, in any order with others.
    fn spawn_blocking(&self, job: BlockingJob);
}

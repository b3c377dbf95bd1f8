//! Work that may block: it runs on a thread pool, and its result comes back into the context.
//!
//! Completions come back in the order in which the jobs end, each through the context's inbox.
//!
//! QEMU: `thread_pool_submit_co` (util/thread-pool.c).

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::context::AioContext;
use crate::reactor::BlockingJob;
use crate::sync::{Arc, Mutex};

/// What a job panicked with.
type Panic = Box<dyn Any + Send>;

enum State<T> {
    /// Not begun.
    Queued(Option<Waker>),
    Running(Option<Waker>),
    /// What it returned, or what it panicked with.
    Done(Result<T, Panic>),
    /// Cancelled before it began, or its result has been taken.
    Empty,
}

/// A job on the pool; a future of its result.
///
/// Dropping it does not stop the job: what it was given stays with it until it ends.
#[must_use = "futures do nothing unless awaited"]
pub struct BlockingTask<T> {
    state: Arc<Mutex<State<T>>>,
}

/// The job was cancelled before it began. QEMU ends such a request with `-ECANCELED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the job was cancelled before it began")
    }
}

impl std::error::Error for Cancelled {}

impl AioContext {
    /// Runs `job` on the pool.
    ///
    /// If `job` panics, the panic goes on in whoever awaits the result.
    ///
    /// QEMU: `thread_pool_submit_co` (util/thread-pool.c).
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> BlockingTask<T> {
        let (task, job) = task(job);
        self.inner().reactor.spawn_blocking(job);
        task
    }
}

/// Takes a job apart into what runs it and what waits for it.
pub(crate) fn task<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> (BlockingTask<T>, BlockingJob) {
    let state = Arc::new(Mutex::new(State::Queued(None)));
    let task = BlockingTask {
        state: state.clone(),
    };
    let run = move || {
        {
            let mut state = state.lock();
            match &mut *state {
                State::Queued(waker) => *state = State::Running(waker.take()),
                _ => return,
            }
        }
        // Nothing of the job is used again after a panic but the panic itself.
        let result = catch_unwind(AssertUnwindSafe(job));
        let before = std::mem::replace(&mut *state.lock(), State::Done(result));
        if let State::Running(Some(waker)) = before {
            waker.wake();
        }
    };
    (task, Box::new(run))
}

impl<T> BlockingTask<T> {
    /// Takes the job back if it has not begun; true if so. Its future then ends with
    /// [`Cancelled`], and the job never runs.
    ///
    /// QEMU: `thread_pool_cancel` (util/thread-pool.c).
    pub fn cancel(&self) -> bool {
        let mut state = self.state.lock();
        match &mut *state {
            State::Queued(waker) => {
                let waker = waker.take();
                *state = State::Empty;
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
                true
            }
            _ => false,
        }
    }
}

impl<T> Future for BlockingTask<T> {
    type Output = Result<T, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.state.lock();
        let stale = match &mut *state {
            State::Queued(waker) | State::Running(waker) => waker.replace(cx.waker().clone()),
            State::Done(_) | State::Empty => {
                return match std::mem::replace(&mut *state, State::Empty) {
                    State::Done(Ok(result)) => Poll::Ready(Ok(result)),
                    State::Done(Err(panic)) => {
                        drop(state);
                        resume_unwind(panic)
                    }
                    _ => Poll::Ready(Err(Cancelled)),
                };
            }
        };
        // A foreign waker may run anything when it is dropped: not under the lock.
        drop(state);
        drop(stale);
        Poll::Pending
    }
}

//! Work that may block: it runs on a thread pool, and its result comes back into the context.
//!
//! Completions come back in the order in which the jobs end, each through the context's inbox.
//!
//! QEMU: `thread_pool_submit_co` (util/thread-pool.c).

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::context::AioContext;
use crate::sync::{Arc, Mutex};

enum State<T> {
    /// Not begun.
    Queued(Option<Waker>),
    Running(Option<Waker>),
    Done(T),
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

/// The job was cancelled before it began. QEMU: `-ECANCELED`.
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
    /// If `job` panics, nothing comes back: the panic is reported by the thread that had it.
    pub fn spawn_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> BlockingTask<T> {
        let state = Arc::new(Mutex::new(State::Queued(None)));
        let task = BlockingTask {
            state: state.clone(),
        };
        self.inner().reactor.spawn_blocking(Box::new(move || {
            {
                let mut state = state.lock();
                match &mut *state {
                    State::Queued(waker) => *state = State::Running(waker.take()),
                    _ => return,
                }
            }
            let result = job();
            let before = std::mem::replace(&mut *state.lock(), State::Done(result));
            if let State::Running(Some(waker)) = before {
                waker.wake();
            }
        }));
        task
    }
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
        match std::mem::replace(&mut *state, State::Empty) {
            State::Done(result) => Poll::Ready(Ok(result)),
            State::Empty => Poll::Ready(Err(Cancelled)),
            State::Queued(_) => {
                *state = State::Queued(Some(cx.waker().clone()));
                Poll::Pending
            }
            State::Running(_) => {
                *state = State::Running(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

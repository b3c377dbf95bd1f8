//! A lane: jobs that may block and that take turns on few threads.
//!
//! Some things do not get faster by being done at the same time. Buffered writes to one file all
//! take the same lock in the kernel, and threads that wait for it only cost. A lane runs at most so
//! many of its jobs at a time, in the order in which they came, and a thread that has ended one takes
//! the next at once: so a busy lane wakes nobody up.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::context::AioContext;
use crate::pool::{self, BlockingTask};
use crate::reactor::{BlockingJob, Reactor};
use crate::sync::{Arc, Mutex};

struct State {
    queue: VecDeque<BlockingJob>,
    workers: usize,
}

struct Shared {
    state: Mutex<State>,
    max_workers: usize,
}

impl Shared {
    /// Runs jobs until none is left.
    fn work(&self) {
        loop {
            let job = {
                let mut state = self.state.lock();
                match state.queue.pop_front() {
                    Some(job) => job,
                    None => {
                        // Under the lock: whoever queues a job after this finds one worker less.
                        state.workers -= 1;
                        return;
                    }
                }
            };
            // A panic of what it does is caught where its result is kept (`pool::task`); one of what it
            // drops must not take the worker with it, or its turn would never end.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }
}

/// Runs blocking jobs of one context, a few at a time; see the module.
#[derive(Clone)]
pub struct Lane {
    shared: Arc<Shared>,
    reactor: Rc<dyn Reactor>,
}

impl AioContext {
    /// Makes a lane that runs at most `max_workers` jobs at a time.
    ///
    /// # Panics
    ///
    /// If `max_workers` is 0.
    pub fn lane(&self, max_workers: usize) -> Lane {
        assert!(max_workers > 0, "a lane without workers does nothing");
        Lane {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    queue: VecDeque::new(),
                    workers: 0,
                }),
                max_workers,
            }),
            reactor: self.inner().reactor.clone(),
        }
    }
}

impl Lane {
    /// True if none of its jobs runs or waits. Only the context of the lane adds any.
    pub fn is_idle(&self) -> bool {
        self.shared.state.lock().workers == 0
    }

    /// Queues `job`. As [`AioContext::spawn_blocking`] otherwise.
    pub fn spawn<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> BlockingTask<T> {
        let (task, job) = pool::task(job);
        let mut state = self.shared.state.lock();
        state.queue.push_back(job);
        // One more worker if those that there are fall behind.
        let more = state.workers < self.shared.max_workers && state.queue.len() > state.workers;
        if more {
            state.workers += 1;
        }
        drop(state);
        if more {
            let shared = self.shared.clone();
            self.reactor.spawn_blocking(Box::new(move || shared.work()));
        }
        task
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        f.debug_struct("Lane")
            .field("queued", &state.queue.len())
            .field("workers", &state.workers)
            .finish()
    }
}

//! Waits in virtual time: nothing sleeps, the clock jumps.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::{BlockingJob, Reactor, Unpark};
use crate::clock::VirtualClock;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
struct Flag {
    set: AtomicBool,
}

impl Unpark for Flag {
    fn unpark(&self) {
        // ordering: kept, because no model waits in virtual time: loom has a reactor of its own. It pairs
        // with the Acquire below, so that a context sees what it was woken for in its next look.
        self.set.store(true, Ordering::Release);
    }
}

/// The reactor of a single context in virtual time.
///
/// A wait runs one blocking job, if there are any; else it jumps the clock to the deadline. So a
/// run depends on nothing outside, and the same program makes the same trace.
pub struct VirtualReactor {
    clock: VirtualClock,
    unparked: Arc<Flag>,
    jobs: RefCell<VecDeque<BlockingJob>>,
}

impl VirtualReactor {
    /// A reactor that moves `clock`.
    pub fn new(clock: VirtualClock) -> Self {
        VirtualReactor {
            clock,
            unparked: Arc::new(Flag::default()),
            jobs: RefCell::default(),
        }
    }

    fn run_one_job(&self) -> bool {
        // The job may spawn another: the borrow must end before it runs.
        let job = self.jobs.borrow_mut().pop_front();
        match job {
            Some(job) => {
                job();
                true
            }
            None => false,
        }
    }
}

impl Reactor for VirtualReactor {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        self.unparked.clone()
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        // ordering: kept, because of the Release above.
        if self.unparked.set.swap(false, Ordering::Acquire) {
            return;
        }
        if self.run_one_job() {
            // If the job has unparked us, it is this wait that it ended.
            // ordering: kept, because of the Release above.
            self.unparked.set.swap(false, Ordering::Acquire);
            return;
        }
        match deadline_ns {
            Some(deadline_ns) => self.clock.advance_to(deadline_ns),
            None => panic!(
                "the context waits for ever: it has no timer, no blocking job and no work, \
                 and nobody else runs in this virtual world"
            ),
        }
    }

    fn poll(&self) {
        self.run_one_job();
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        self.jobs.borrow_mut().push_back(job);
    }
}

//! Waits in `epoll`: descriptors, timers and the thread pool of this machine.

use std::io;
use std::num::NonZeroU64;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, OwnedFd};

use super::{BlockingJob, Reactor, Unpark};
use crate::clock::{Clock, RealClock};
use crate::io::{Descriptors, Look};
use crate::sync::{self, Arc};

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// What ends one wait: a counter that the wait sees grow.
///
/// QEMU: `EventNotifier` (util/event_notifier-posix.c).
struct Notifier {
    counter: OwnedFd,
}

impl Unpark for Notifier {
    fn unpark(&self) {
        // Nobody reads it, and it has room for more wakes than there will be: it cannot fail.
        let written = rustix::io::write(&self.counter, &1_u64.to_ne_bytes());
        debug_assert_eq!(written, Ok(8), "a wake was lost");
    }
}

/// The reactor of a context on a real machine.
///
/// It watches the descriptors of its context, and nobody else does: what becomes ready while the
/// context works is seen when it looks. It belongs to the thread that made it.
///
/// QEMU: util/fdmon-epoll.c.
pub struct RealReactor {
    clock: RealClock,
    notifier: Arc<Notifier>,
    descriptors: Descriptors,
}

impl RealReactor {
    /// A reactor whose deadlines are times of `clock`.
    ///
    /// The system may end the waits of a thread later than told, to save energy: from now on, it does
    /// not do that with this thread. QEMU does the same: `init_clocks` (util/qemu-timer.c).
    ///
    /// # Errors
    ///
    /// If the process may not open two more descriptors.
    pub fn new(clock: RealClock) -> io::Result<Self> {
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let descriptors = Descriptors::new(counter.as_fd())?;
        // Where it cannot be had, timers expire a little later.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        Ok(RealReactor {
            clock,
            notifier: Arc::new(Notifier { counter }),
            descriptors,
        })
    }

    /// Waits until `deadline_ns`. The wait of `epoll` counts in milliseconds, so it is for whole ones,
    /// and the rest, if nothing has happened, costs another system call.
    fn wait_until(&self, deadline_ns: u64) {
        loop {
            let rest_ns = deadline_ns.saturating_sub(self.clock.now_ns());
            let millis = rest_ns / NANOSECONDS_PER_MILLISECOND;
            if millis == 0 {
                // It fits: it is less than a millisecond.
                self.descriptors.look_for_ns(rest_ns as u32);
                return;
            }
            // What is more than the system's longest wait is waited for in parts.
            let millis = u32::try_from(millis).map_or(MAX_MILLIS, |millis| millis.min(MAX_MILLIS));
            if self.descriptors.look(Some(millis)) == Look::Something {
                return;
            }
        }
    }
}

/// The longest wait that `epoll` takes, in milliseconds.
const MAX_MILLIS: u32 = i32::MAX as u32;

impl Reactor for RealReactor {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        self.notifier.clone()
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        // An earlier look may have come upon the end of this wait.
        if !self.descriptors.take_unparked() {
            match deadline_ns {
                None => _ = self.descriptors.look(None),
                Some(deadline_ns) => self.wait_until(deadline_ns),
            }
            self.descriptors.take_unparked();
        }
    }

    fn poll(&self) {
        // An end of a wait that comes meanwhile is kept where it is.
        if !self.descriptors.is_empty() {
            self.descriptors.look(Some(0));
        }
    }

    fn descriptors(&self) -> Option<&Descriptors> {
        Some(&self.descriptors)
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        sync::spawn_blocking(job);
    }
}

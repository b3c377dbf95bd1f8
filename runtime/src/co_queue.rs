//! `CoQueue`: coroutines that wait for something to change.
//!
//! QEMU: `CoQueue` (util/qemu-coroutine-lock.c).

use std::cell::RefCell;
use std::fmt;

use crate::wait_list::{Grant, Wait, WaitList};

/// A queue of waiting coroutines of one context, first in, first out.
///
/// Waking only queues: a woken coroutine runs when its turn comes, and must look again at what it
/// waited for.
///
/// QEMU: `CoQueue` (include/qemu/coroutine.h).
#[derive(Default)]
pub struct CoQueue {
    waiters: RefCell<WaitList<()>>,
}

impl CoQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        CoQueue {
            waiters: RefCell::new(WaitList::new()),
        }
    }

    /// Waits at the end of the queue until woken. If the future is dropped after it was woken by
    /// [`wake_next`](Self::wake_next) and before it ran, the next waiter is woken in its place.
    ///
    /// QEMU: `qemu_co_queue_wait` (util/qemu-coroutine-lock.c).
    pub async fn wait(&self) {
        let mut waiter = Waiter {
            queue: self,
            wait: self.waiters.borrow_mut().join(()),
            done: false,
        };
        (&mut waiter.wait).await;
        waiter.done = true;
    }

    /// Wakes the first waiter; false if there is none.
    ///
    /// QEMU: `qemu_co_queue_next` (util/qemu-coroutine-lock.c).
    pub fn wake_next(&self) -> bool {
        let grant = self.waiters.borrow_mut().grant_first();
        let woken = grant.is_some();
        grant.into_iter().for_each(Grant::wake);
        woken
    }

    /// Wakes all who wait now, in order.
    ///
    /// QEMU: `qemu_co_queue_restart_all` (util/qemu-coroutine-lock.c).
    pub fn wake_all(&self) {
        while self.wake_next() {}
    }

    /// True if nobody waits.
    ///
    /// QEMU: `qemu_co_queue_empty` (util/qemu-coroutine-lock.c).
    pub fn is_empty(&self) -> bool {
        self.waiters.borrow().is_empty()
    }
}

struct Waiter<'a> {
    queue: &'a CoQueue,
    wait: Wait,
    done: bool,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let left = self.queue.waiters.borrow_mut().leave(&self.wait);
        if left.was_granted() {
            self.queue.wake_next();
        }
    }
}

impl fmt::Debug for CoQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoQueue")
            .field("empty", &self.is_empty())
            .finish()
    }
}

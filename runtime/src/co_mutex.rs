//! `CoMutex`: a lock that coroutines, also of several contexts, hold over awaits.
//!
//! QEMU: `CoMutex` (util/qemu-coroutine-lock.c). Like there, it guards a section of code and holds
//! no data. Unlike there, the hand-over is decided under a short lock of the operating system's, so
//! that there is no moment in which neither side is responsible.

use std::fmt;

use crate::sync::Mutex;
use crate::wait_list::{Wait, WaitList};

struct State {
    locked: bool,
    waiters: WaitList<()>,
}

/// A fair lock: who came first gets it first, and nobody overtakes.
///
/// QEMU: `CoMutex` (include/qemu/coroutine.h).
pub struct CoMutex {
    state: Mutex<State>,
}

impl CoMutex {
    /// A free lock.
    pub fn new() -> Self {
        CoMutex {
            state: Mutex::new(State {
                locked: false,
                waiters: WaitList::new(),
            }),
        }
    }

    /// Waits for the lock and takes it. Dropping the future gives up the place in the queue.
    ///
    /// QEMU: `qemu_co_mutex_lock` (util/qemu-coroutine-lock.c).
    pub async fn lock(&self) -> CoMutexGuard<'_> {
        let wait = {
            let mut state = self.state.lock();
            if !state.locked {
                state.locked = true;
                return CoMutexGuard { mutex: self };
            }
            state.waiters.join(())
        };
        let mut waiter = Waiter {
            mutex: self,
            wait,
            done: false,
        };
        (&mut waiter.wait).await;
        waiter.done = true;
        CoMutexGuard { mutex: self }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<CoMutexGuard<'_>> {
        let mut state = self.state.lock();
        if state.locked {
            return None;
        }
        state.locked = true;
        Some(CoMutexGuard { mutex: self })
    }

    /// Gives the lock to the first waiter, or frees it.
    fn unlock(&self) {
        let mut state = self.state.lock();
        debug_assert!(state.locked);
        match state.waiters.grant_first() {
            Some(grant) => {
                drop(state);
                grant.wake();
            }
            None => state.locked = false,
        }
    }
}

impl Default for CoMutex {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CoMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoMutex")
            .field("locked", &self.state.lock().locked)
            .finish()
    }
}

struct Waiter<'a> {
    mutex: &'a CoMutex,
    wait: Wait,
    done: bool,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let left = self.mutex.state.lock().waiters.leave(&self.wait);
        if left.was_granted() {
            self.mutex.unlock();
        }
    }
}

/// The held lock; dropping it unlocks.
///
/// QEMU: `qemu_co_mutex_unlock` (util/qemu-coroutine-lock.c).
#[must_use = "the lock is held until this is dropped"]
pub struct CoMutexGuard<'a> {
    mutex: &'a CoMutex,
}

impl Drop for CoMutexGuard<'_> {
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}

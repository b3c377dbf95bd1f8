//! `CoMutex`: a lock that coroutines, also of several contexts, hold over awaits.
//!
//! One word says whether it is held, and whether anybody may wait for it. To lock it while it is free, or
//! to unlock it while nobody waits, is one exchange of that word; all else happens under the lock of the
//! line. These rules hold:
//!
//! 1. Whoever sets `LOCKED` is the holder. Only the holder clears it, and never while somebody is in the
//!    line: then the first one is granted it, and the word stays as it is. So nobody overtakes.
//! 2. Whoever joins the line sets `WAITERS` in the same access in which it sees that the lock is held. So
//!    the holder's exchange comes before it, and then it finds the lock free and takes it; or after it, and
//!    then the exchange fails and the holder goes to the line. There is no moment between the two in which
//!    neither side is responsible.
//! 3. `WAITERS` is set and cleared under the lock of the line, and may be set when nobody waits any more.
//!
//! QEMU: `CoMutex` (util/qemu-coroutine-lock.c). Like there, it guards a section of code and holds no data.
//! There the line is a list without a lock, and a hand-off decides who takes care of it.

use std::fmt;

use crate::bug;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::wait_list::{Wait, WaitList};

/// Somebody holds it.
const LOCKED: u32 = 1;
/// Somebody may wait for it; only together with `LOCKED`.
const WAITERS: u32 = 2;

/// A fair lock: who came first gets it first, and nobody overtakes.
///
/// QEMU: `CoMutex` (include/qemu/coroutine.h).
pub struct CoMutex {
    state: AtomicU32,
    line: Mutex<WaitList<()>>,
}

impl CoMutex {
    /// A free lock.
    pub fn new() -> Self {
        CoMutex {
            state: AtomicU32::new(0),
            line: Mutex::new(WaitList::new()),
        }
    }

    /// Waits for the lock and takes it. Dropping the future gives up the place in the queue.
    ///
    /// QEMU: `qemu_co_mutex_lock` (util/qemu-coroutine-lock.c).
    pub async fn lock(&self) -> CoMutexGuard<'_> {
        if let Some(held) = self.try_lock() {
            return held;
        }
        let wait = {
            let mut line = self.line.lock();
            if self.announce_waiter() & LOCKED == 0 {
                return CoMutexGuard { mutex: self };
            }
            line.join(())
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
        // Acquire: what the last holder did comes before what this one does.
        self.state
            .compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| CoMutexGuard { mutex: self })
    }

    /// Sets both bits and says what was there, under the lock of the line. If the lock was free, it is
    /// the caller's now, and `WAITERS` is set for nobody.
    fn announce_waiter(&self) -> u32 {
        if bug!(LCK_02) {
            let before = self.state.load(Ordering::Relaxed);
            self.state.store(LOCKED | WAITERS, Ordering::Relaxed);
            return before;
        }
        // Acquire: as in `try_lock`.
        self.state.fetch_or(LOCKED | WAITERS, Ordering::Acquire)
    }

    /// Gives the lock to the first waiter, or frees it.
    fn unlock(&self) {
        // Release: pairs with the Acquire of the next holder.
        let freed = self
            .state
            .compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed);
        match freed {
            Ok(_) => {}
            Err(state) => {
                debug_assert_eq!(state, LOCKED | WAITERS, "nobody held it");
                self.hand_on();
            }
        }
    }

    #[cold]
    fn hand_on(&self) {
        let mut line = self.line.lock();
        // `LOCKED` is ours and `WAITERS` the line's: meanwhile nobody else writes the word.
        match line.grant_first() {
            Some(grant) => {
                if line.is_empty() {
                    // It was granted under the ticket's lock, which orders the two holders.
                    self.state.store(LOCKED, Ordering::Relaxed);
                }
                drop(line);
                grant.wake();
            }
            // Release: as in `unlock`.
            None => self.state.store(0, Ordering::Release),
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
            .field(
                "locked",
                &(self.state.load(Ordering::Relaxed) & LOCKED != 0),
            )
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
        let left = self.mutex.line.lock().leave(&self.wait);
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

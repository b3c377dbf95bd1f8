//! The seam for threads: atomics, mutex and thread from std, loom or shuttle.
//!
//! This is the only file of the engine that names `std::sync`, `std::thread`, loom or shuttle.
//! Whatever crosses threads is built from the types here, so that a checker sees every access
//! that an ordering must cover. The private cfgs `blockjob_loom` and `blockjob_shuttle` choose
//! the life; a plain `--cfg loom` would also change our dependencies, some of which do not build
//! under it. A third one, `blockjob_tsan`, is for ThreadSanitizer, which sees only what was compiled with
//! its calls. The standard library is not, and so all that its locks order looks like a race; in that
//! life the locks are `parking_lot`'s, which are compiled with the program.
//!
//! The idea can be copied into any runtime: docs/concurrency.md has a chapter about that, and an example of
//! a component that is checked through this file.
//!
//! `Arc` is always std's: a `Waker` can be made of nothing else. What two threads share behind an
//! `Arc` is an atomic or a [`Mutex`] of this module, and an ordering is taken from a reference count
//! in one place only, which a checker cannot see: where a coroutine's shared part is used again,
//! after its last other holder has let go (`Coroutines::create`).

pub use std::sync::{Arc, OnceLock, Weak};

#[cfg(not(any(blockjob_loom, blockjob_shuttle, blockjob_tsan)))]
mod imp {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

    pub use std::sync::atomic;
    pub use std::thread;
    pub(crate) use std::thread_local;
}

#[cfg(blockjob_loom)]
mod imp {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

    pub use loom::sync::atomic;
    pub use loom::thread;
    pub(crate) use loom::thread_local;
}

#[cfg(all(blockjob_shuttle, not(blockjob_loom)))]
mod imp {
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};

    pub use shuttle::sync::atomic;
    pub use shuttle::thread;
    pub(crate) use shuttle::thread_local;
}

#[cfg(all(blockjob_tsan, not(any(blockjob_loom, blockjob_shuttle))))]
mod imp {
    use std::sync::LockResult;

    pub(crate) use parking_lot::MutexGuard;

    pub use std::sync::atomic;
    pub use std::thread;
    pub(crate) use std::thread_local;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(parking_lot::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(parking_lot::Mutex::new(value))
        }

        /// It is never poisoned; the other lives' locks may be.
        pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            Ok(self.0.lock())
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(parking_lot::Condvar);

    impl Condvar {
        pub(crate) fn wait<'a, T>(
            &self,
            mut guard: MutexGuard<'a, T>,
        ) -> LockResult<MutexGuard<'a, T>> {
            self.0.wait(&mut guard);
            Ok(guard)
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

/// Has `job` run on the pool of threads that may block.
#[cfg(not(blockjob_tsan))]
pub(crate) fn spawn_blocking(job: Box<dyn FnOnce() + Send>) {
    blocking::unblock(job).detach();
}

/// Has `job` run where it may block. The pool hands jobs over under locks that the sanitizer does not
/// see; it sees that a thread begins.
#[cfg(blockjob_tsan)]
pub(crate) fn spawn_blocking(job: Box<dyn FnOnce() + Send>) {
    let thread = thread::Builder::new().spawn(job);
    drop(thread.expect("the machine has room for another thread"));
}

pub(crate) use imp::thread_local;
pub use imp::{atomic, thread};

/// A mutual exclusion lock for the short moments in which two threads meet.
///
/// It does not poison: a panic while it is held is a bug that has been reported already, and the
/// states it guards are left whole after each statement.
#[derive(Debug, Default)]
pub struct Mutex<T>(imp::Mutex<T>);

/// The held lock; dropping it unlocks.
pub type MutexGuard<'a, T> = imp::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    /// A lock around `value`, free.
    pub fn new(value: T) -> Self {
        Mutex(imp::Mutex::new(value))
    }

    /// Waits until the lock is free and takes it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// Where a thread waits for another one to change what a [`Mutex`] guards.
///
/// A thread with a context waits in its reactor; this is for the moments before there is one.
#[derive(Debug, Default)]
pub struct Condvar(imp::Condvar);

impl Condvar {
    /// Lets the lock go, waits for a notice, and takes the lock again. May return without a notice.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        match self.0.wait(guard) {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Ends the wait of all who wait now.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

//! The co-locks: what QEMU's test-coroutine.c asserts under `/locking/*`, then random scripts
//! against a model that is too simple to be wrong.
//!
//! The scripts are the same each time; `PROPTEST_RNG_SEED=n` gives others, `PROPTEST_CASES=n` more.

#[macro_use]
mod common;

#[path = "co_lock/foreign_wakers.rs"]
mod foreign_wakers;
#[path = "co_lock/mutex.rs"]
mod mutex;
#[path = "co_lock/mutex_scripts.rs"]
mod mutex_scripts;
#[path = "co_lock/queue.rs"]
mod queue;
#[path = "co_lock/rwlock.rs"]
mod rwlock;
#[path = "co_lock/rwlock_model.rs"]
mod rwlock_model;
#[path = "co_lock/rwlock_scripts.rs"]
mod rwlock_scripts;
#[path = "co_lock/threads.rs"]
mod threads;

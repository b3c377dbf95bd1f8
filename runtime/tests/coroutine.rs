//! Coroutines: what QEMU's test-coroutine.c asserts, and their misuse.
//!
//! Not applicable: `/locking/co-mutex/lockable` (`QemuLockable` is a C substitute for a trait) and
//! `/perf/*`, which are the benches. `/locking/*` is in the tests of the co-locks.

#[macro_use]
mod common;

#[path = "coroutine/basic.rs"]
mod basic;
#[path = "coroutine/dropping.rs"]
mod dropping;
#[path = "coroutine/misuse.rs"]
mod misuse;
#[path = "coroutine/panics.rs"]
mod panics;
#[path = "coroutine/wakes.rs"]
mod wakes;

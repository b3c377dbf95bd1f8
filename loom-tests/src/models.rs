//! The models, a file for each protocol.

mod bottom_half;
mod co_mutex;
mod co_queue;
mod co_rwlock;
mod coroutine;
#[cfg(feature = "drill")]
mod defer;
#[cfg(feature = "drill")]
mod drained;
mod external;
mod iothread;
#[cfg(feature = "drill")]
mod mirror;
#[cfg(feature = "drill")]
mod moving;
mod notify;
mod poll_while;
mod pool;
mod timer;

use crate::check::Group;

/// All groups.
pub const GROUPS: &[Group] = &[
    notify::GROUP,
    poll_while::GROUP,
    bottom_half::GROUP,
    coroutine::GROUP,
    external::GROUP,
    co_mutex::GROUP,
    co_rwlock::GROUP,
    co_queue::GROUP,
    timer::GROUP,
    pool::GROUP,
    iothread::GROUP,
    #[cfg(feature = "drill")]
    defer::GROUP,
    #[cfg(feature = "drill")]
    drained::GROUP,
    #[cfg(feature = "drill")]
    moving::GROUP,
    #[cfg(feature = "drill")]
    mirror::GROUP,
];

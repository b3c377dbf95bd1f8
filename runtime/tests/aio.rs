//! The event loop: what QEMU's test-aio.c asserts, and what the loop promises beyond it.
//!
//! Each case runs on this machine and in virtual time. Not applicable: the thirteen
//! `/aio-gsource/*` cases and `g_main_context` (there is no glib here; a context is polled by its
//! own thread alone), and the lock in `/aio/acquire` (a context has none: other threads hold an
//! `AioHandle`). That a foreign thread's announcement ends a blocking poll is in `waiting`.

#[macro_use]
mod common;

#[path = "aio/bottom_halves.rs"]
mod bottom_halves;
#[path = "aio/close.rs"]
mod close;
#[path = "aio/coroutines.rs"]
mod coroutines;
#[path = "aio/events.rs"]
mod events;
#[path = "aio/external.rs"]
mod external;
#[path = "aio/pass_time.rs"]
mod pass_time;
#[path = "aio/reactor.rs"]
mod reactor;
#[path = "aio/timers.rs"]
mod timers;
#[path = "aio/waiting.rs"]
mod waiting;

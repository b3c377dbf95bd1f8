//! One event loop a thread, and the coroutines, bottom halves and timers that live in it.
//!
//! This is QEMU's `AioContext` in async Rust. The one rule that keeps it simple: **a context is a
//! thread, and what lives in a context never leaves it.** Coroutines are `!Send` futures; the state
//! they share is plain `Rc` and `Cell`; other threads hold an [`AioHandle`].
//!
//! Five seams, and nothing else, tell in which life the engine runs, on a real machine, in a
//! simulator, or under a model checker: [`clock`], [`reactor`], [`decide`], [`trace`] and [`sync`].
//!
//! ```
//! use blockjob_runtime::AioContext;
//!
//! let ctx = AioContext::builder().virtual_time().build();
//! let slept_ns = ctx.run("sleeper", {
//!     let ctx = ctx.clone();
//!     async move {
//!         ctx.sleep(1_000_000_000).await;
//!         ctx.now_ns()
//!     }
//! });
//! assert_eq!(slept_ns, 1_000_000_000); // and no time has passed outside
//! ```
#![forbid(unsafe_code)]

pub mod clock;
pub mod decide;
pub mod io;
pub mod marks;
pub mod museum;
pub mod reactor;
pub mod sync;
pub mod trace;

mod bottom_half;
mod builder;
mod call;
mod co_mutex;
mod co_queue;
mod co_rwlock;
mod context;
mod coroutine;
mod coroutines;
mod current;
mod event;
mod frame;
mod handle;
mod inner;
mod iothread;
mod lane;
mod pass;
mod pool;
mod ready;
mod resident;
mod timer;
mod timer_heap;
mod wait_list;

pub use bottom_half::BottomHalf;
pub use builder::AioContextBuilder;
pub use call::{Gone, Reply};
pub use co_mutex::{CoMutex, CoMutexGuard};
pub use co_queue::CoQueue;
pub use co_rwlock::{CoRwlock, ReadGuard, WriteGuard};
pub use context::AioContext;
pub use coroutine::{Coroutine, YieldNow, in_coroutine, yield_now};
pub use current::CurrentGuard;
pub use event::EventNotifier;
pub use handle::AioHandle;
pub use iothread::IoThread;
pub use lane::Lane;
pub use pool::{BlockingTask, Cancelled};
pub use resident::Resident;
pub use timer::{Sleep, Timer};

//! What other threads and the waits for them cost, without the system calls: what is measured is what the
//! protocols do in memory, when nobody is in the way.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use blockjob_runtime::clock::VirtualClock;
use blockjob_runtime::reactor::{BlockingJob, Reactor, Unpark, VirtualReactor};
use blockjob_runtime::sync::Arc;
use blockjob_runtime::{AioContext, AioHandle, CoMutex};

use crate::table::Table;

/// A context whose waits return at once.
fn context() -> AioContext {
    AioContext::builder().virtual_time().build()
}

/// Posts, in batches between two passes of the loop. Nothing is current, so they take the way of another
/// thread's.
fn posts(batch: u64) -> impl FnMut(u64) {
    let ctx = context();
    move |ops| {
        let handle = ctx.handle();
        for _ in 0..ops / batch {
            for _ in 0..batch {
                handle.schedule_oneshot("bench", |_| ());
            }
            ctx.poll(false);
        }
    }
}

/// Passes that wait for a timer each.
fn waits() -> impl FnMut(u64) {
    let ctx = context();
    let timer = ctx.timer("bench", || ());
    move |ops| {
        for _ in 0..ops {
            timer.arm(ctx.now_ns() + 1);
            ctx.poll(true);
        }
    }
}

/// A reactor in whose waits somebody posts: what another thread does to a context that waits.
struct Posting {
    idle: VirtualReactor,
    to: RefCell<Option<AioHandle>>,
}

impl Reactor for Posting {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        self.idle.unpark_handle()
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        if let Some(to) = &*self.to.borrow() {
            to.schedule_oneshot("bench", |_| ());
        }
        self.idle.wait(deadline_ns);
    }

    fn poll(&self) {}

    fn spawn_blocking(&self, job: BlockingJob) {
        self.idle.spawn_blocking(job);
    }
}

/// Passes that wait until somebody posts.
fn posts_to_a_waiting_context() -> impl FnMut(u64) {
    let clock = VirtualClock::new();
    let reactor = Rc::new(Posting {
        idle: VirtualReactor::new(clock.clone()),
        to: RefCell::default(),
    });
    let builder = AioContext::builder();
    let ctx = builder.life(Rc::new(clock), reactor.clone()).build();
    reactor.to.replace(Some(ctx.handle()));
    move |ops| {
        for _ in 0..ops {
            ctx.poll(true);
        }
    }
}

/// Kicks of which nobody needs any, in batches between two passes.
fn kicks(batch: u64) -> impl FnMut(u64) {
    let ctx = context();
    move |ops| {
        let handle = ctx.handle();
        for _ in 0..ops / batch {
            (0..batch).for_each(|_| handle.kick());
            ctx.poll(false);
        }
    }
}

pub(crate) fn from_elsewhere() -> Table {
    Table::new("From another thread, without contention")
        .ours("a one-shot, in batches of 64", 60.0, posts(64))
        .beside("a one-shot, one a pass", posts(1))
        .beside(
            "a one-shot to a context that waits",
            posts_to_a_waiting_context(),
        )
        .beside("a kick that nobody waits for, one a pass", kicks(1))
        .beside("a pass that waits for a timer", waits())
}

/// Locks and unlocks in one run of a coroutine.
fn co_mutex() -> impl FnMut(u64) {
    let ctx = context();
    let mutex = Rc::new(CoMutex::new());
    move |ops| {
        let mutex = mutex.clone();
        ctx.run("bench", async move {
            for _ in 0..ops {
                let held = black_box(&mutex).lock().await;
                drop(held);
            }
        });
    }
}

fn std_mutex() -> impl FnMut(u64) {
    let mutex = blockjob_runtime::sync::Mutex::new(());
    move |ops| {
        for _ in 0..ops {
            drop(black_box(&mutex).lock());
        }
    }
}

pub(crate) fn locks() -> Table {
    Table::new("CoMutex: lock and unlock, without contention")
        .ours("CoMutex", 15.0, co_mutex())
        .beside("a mutex of the system's", std_mutex())
}

//! When the loop goes to its reactor, and what may happen while it is there.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Waker;

use blockjob_runtime::io::Async;
use blockjob_runtime::{AioContext, Coroutine, yield_now};
use futures_lite::AsyncReadExt;

use crate::common::watched::WatchedReactor;
use crate::common::{Diary, settle, spawn};

/// Passes in the tests of a loop that is never idle.
const BUSY_PASSES: u32 = 1_000;

/// A coroutine that wakes itself `turns` times.
fn spawn_busy(ctx: &AioContext, turns: u32) {
    spawn(ctx, "busy", async move {
        let me = Coroutine::current().expect("this is a coroutine");
        for _ in 0..turns {
            me.wake();
            yield_now().await;
        }
    });
}

#[test]
fn a_loop_that_has_ready_work_never_waits_and_rarely_looks_outside() {
    for (ctx, reactor) in WatchedReactor::both() {
        spawn_busy(&ctx, BUSY_PASSES);
        for _ in 0..BUSY_PASSES {
            assert!(ctx.poll(true));
        }
        assert_eq!(reactor.waits(), 0);
        assert!(reactor.polls() <= BUSY_PASSES / 16, "{}", reactor.polls());
    }
}

/// Otherwise a coroutine that spins would lock out whatever it spins for.
#[test]
fn a_loop_that_is_never_idle_still_looks_outside_now_and_then() {
    for (ctx, reactor) in WatchedReactor::both() {
        spawn_busy(&ctx, BUSY_PASSES);
        for _ in 0..BUSY_PASSES {
            assert!(ctx.poll(true));
        }
        assert!(reactor.polls() > 0);
    }
}

#[test]
fn a_blocking_job_ends_although_the_coroutine_that_waits_for_it_spins() {
    let ctx = crate::common::virtual_context();
    ctx.run("spinner", {
        let ctx = ctx.clone();
        async move {
            let done = Rc::new(Cell::new(false));
            spawn_job(&ctx, &done);
            while !done.get() {
                ctx.sleep(0).await;
            }
        }
    });
}

fn spawn_job(ctx: &AioContext, done: &Rc<Cell<bool>>) {
    let job = ctx.spawn_blocking(|| ());
    let done = done.clone();
    ctx.coroutine("waiter", async move {
        job.await.expect("nobody cancels it");
        done.set(true);
    })
    .wake();
}

#[test]
fn a_blocking_poll_without_work_waits_once_and_a_poll_that_may_not_block_never_does() {
    for (ctx, reactor) in WatchedReactor::both() {
        assert!(!ctx.poll(false));
        assert_eq!((reactor.waits(), reactor.polls()), (0, 1));
        let timer = ctx.timer("alarm", || ());
        timer.arm(ctx.now_ns() + 1_000_000);
        assert!(!ctx.poll(false) || ctx.now_ns() >= 1_000_000);
        ctx.poll_while(|| timer.pending());
        assert!(reactor.waits() >= 1);
    }
}

#[test]
fn the_deadline_of_a_wait_is_that_of_the_first_timer() {
    for (ctx, reactor) in WatchedReactor::both() {
        let deadlines = Rc::new(RefCell::new(Vec::new()));
        reactor.before_wait({
            let (deadlines, handle) = (deadlines.clone(), ctx.handle());
            move |deadline_ns| {
                deadlines.borrow_mut().push(deadline_ns);
                handle.notify();
            }
        });
        let [late, early] = [u64::MAX, u64::MAX - 1].map(|deadline_ns| {
            let timer = ctx.timer("far", || ());
            timer.arm(deadline_ns);
            timer
        });
        ctx.poll(true);
        early.disarm();
        ctx.poll(true);
        late.disarm();
        ctx.poll(true);
        assert_eq!(
            *deadlines.borrow(),
            [Some(u64::MAX - 1), Some(u64::MAX), None]
        );
    }
}

/// What the thread of a context does while it waits may use wakers, as a blocking job in virtual time
/// does. If such a wake only put the coroutine into the ready queue, the wait would go on.
#[test]
fn a_wake_by_the_context_s_own_thread_ends_its_wait() {
    for (ctx, reactor) in WatchedReactor::both() {
        let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
        reactor.before_wait({
            let waker = waker.clone();
            move |_| waker.take().expect("the coroutine waits").wake()
        });
        let turns = ctx.run("waiter", {
            let mut turns = 0;
            std::future::poll_fn(move |cx| {
                turns += 1;
                if turns == 2 {
                    return std::task::Poll::Ready(turns);
                }
                waker.replace(Some(cx.waker().clone()));
                std::task::Poll::Pending
            })
        });
        assert_eq!((turns, reactor.waits()), (2, 1));
    }
}

#[test]
fn nobody_is_current_while_the_context_waits() {
    for (ctx, reactor) in WatchedReactor::both() {
        let current = Rc::new(RefCell::new(None));
        reactor.before_wait({
            let (current, handle) = (current.clone(), ctx.handle());
            move |_| {
                current.replace(Some(AioContext::try_current()));
                handle.notify();
            }
        });
        ctx.poll(true);
        assert_eq!(*current.borrow(), Some(None));
        assert_eq!(AioContext::try_current(), None);
    }
}

#[test]
fn coroutines_read_from_sockets() {
    let ctx = AioContext::new();
    let diary = Diary::default();
    for _ in 0..10 {
        let (reader, mut writer) = UnixStream::pair().expect("a pair of sockets");
        spawn(&ctx, "reader", {
            let diary = diary.clone();
            async move {
                let mut reader = Async::new(reader).expect("it can be watched");
                let mut text = String::new();
                reader
                    .read_to_string(&mut text)
                    .await
                    .expect("it can be read");
                diary.note(text);
            }
        });
        let timer = Rc::new(RefCell::new(None));
        let write = ctx.timer("write", {
            let timer = timer.clone();
            move || {
                writer.write_all(b"x").expect("it can be written to");
                writer
                    .shutdown(std::net::Shutdown::Both)
                    .expect("it can be closed");
                timer.take();
            }
        });
        write.arm(ctx.now_ns() + 1_000_000);
        timer.replace(Some(write));
    }
    ctx.poll_while(|| diary.len() < 10);
    settle(&ctx);
    assert_eq!(ctx.live_coroutines(), 0);
}

/// Other people's reactors have threads of their own, which wake from there.
#[test]
fn coroutines_wait_for_the_timers_of_async_io() {
    let ctx = AioContext::new();
    ctx.run("waiter", async {
        for _ in 0..20 {
            async_io::Timer::after(std::time::Duration::from_millis(1)).await;
        }
    });
}

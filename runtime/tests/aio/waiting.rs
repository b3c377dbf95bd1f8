//! What ends a blocking poll: QEMU's `/aio/acquire` without the lock, `aio_wait_kick`, and deadlock.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use blockjob_runtime::clock::{Clock, VirtualClock};
use blockjob_runtime::reactor::VirtualReactor;
use blockjob_runtime::sync::thread;
use blockjob_runtime::{AioContext, AioHandle, yield_now};

use crate::common::watched::WatchedReactor;
use crate::common::{settle, spawn, virtual_context};

/// Polls, blocking, until `done`, while a foreign thread does `act` as soon as the poll is about
/// to wait.
fn wait_while_a_foreign_thread_acts(
    (ctx, reactor): (AioContext, Rc<WatchedReactor>),
    act: impl FnOnce() + Send + 'static,
    done: impl Fn() -> bool,
) {
    settle(&ctx);
    let (waits, waiting) = mpsc::channel();
    reactor.before_wait(move |_| {
        // The thread listens for the first wait only.
        let _ = waits.send(());
    });
    #[allow(clippy::disallowed_methods)] // A foreign thread is the point.
    let thread = thread::spawn(move || {
        waiting.recv().expect("the context waits");
        act();
    });
    ctx.poll_while(|| !done());
    thread.join().expect("the foreign thread does not panic");
    assert!(reactor.waits() > 0);
}

#[test]
fn an_announcement_of_a_foreign_thread_ends_a_blocking_poll() {
    let (ctx, reactor) = WatchedReactor::real();
    let served = Rc::new(Cell::new(false));
    let source = ctx.event_source("source", true, {
        let served = served.clone();
        move || served.set(true)
    });
    wait_while_a_foreign_thread_acts((ctx, reactor), move || source.set(), || served.get());
}

#[test]
fn a_bottom_half_of_a_foreign_thread_ends_a_blocking_poll() {
    let (ctx, reactor) = WatchedReactor::real();
    let ran = Rc::new(Cell::new(false));
    let bh = ctx.bottom_half("bh", {
        let ran = ran.clone();
        move || ran.set(true)
    });
    wait_while_a_foreign_thread_acts((ctx, reactor), move || bh.schedule(), || ran.get());
}

#[test]
fn a_wake_of_a_foreign_thread_ends_a_blocking_poll() {
    let (ctx, reactor) = WatchedReactor::real();
    let ran = Rc::new(Cell::new(false));
    let coroutine = spawn(&ctx, "sleeper", {
        let ran = ran.clone();
        async move {
            yield_now().await;
            ran.set(true);
        }
    });
    wait_while_a_foreign_thread_acts((ctx, reactor), move || coroutine.wake(), || ran.get());
}

#[test]
fn a_oneshot_of_a_foreign_thread_ends_a_blocking_poll_and_is_given_the_context() {
    let (ctx, reactor) = WatchedReactor::real();
    let ran = Arc::new(AtomicBool::new(false));
    let act = {
        let (ran, handle) = (ran.clone(), ctx.handle());
        move || {
            handle.clone().schedule_oneshot("oneshot", move |ctx| {
                assert_eq!(ctx.handle(), handle);
                ran.store(true, Ordering::Relaxed);
            });
        }
    };
    wait_while_a_foreign_thread_acts((ctx, reactor), act, || ran.load(Ordering::Relaxed));
}

/// The announcement was made under the mask, and whoever made it is content: only the end of the
/// mask can end the wait.
#[test]
fn unmasking_by_a_foreign_thread_ends_a_blocking_poll() {
    let (ctx, reactor) = WatchedReactor::real();
    let served = Rc::new(Cell::new(false));
    let source = ctx.event_source("guest", true, {
        let served = served.clone();
        move || served.set(true)
    });
    let handle = ctx.handle();
    handle.disable_external();
    source.set();
    wait_while_a_foreign_thread_acts(
        (ctx, reactor),
        move || handle.enable_external(),
        || served.get(),
    );
}

#[test]
fn a_kick_of_a_foreign_thread_has_poll_while_look_again() {
    let (ctx, reactor) = WatchedReactor::real();
    let flag = Arc::new(AtomicBool::new(false));
    let act = {
        let (flag, handle) = (flag.clone(), ctx.handle());
        move || {
            flag.store(true, Ordering::Relaxed);
            handle.kick();
        }
    };
    wait_while_a_foreign_thread_acts((ctx, reactor), act, || flag.load(Ordering::Relaxed));
}

#[test]
fn each_of_10_000_kicks_ends_a_poll_while() {
    const ROUNDS: u32 = 10_000;
    let ctx = AioContext::new();
    let turn = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let (asks, asked) = mpsc::channel::<u32>();
    let kicker = {
        let (turn, handle) = (turn.clone(), ctx.handle());
        move || {
            for round in asked {
                turn.store(round, Ordering::Relaxed);
                handle.kick();
            }
        }
    };
    #[allow(clippy::disallowed_methods)] // A foreign thread is the point.
    let kicker = thread::spawn(kicker);
    for round in 1..=ROUNDS {
        asks.send(round).expect("the kicker listens");
        ctx.poll_while(|| turn.load(Ordering::Relaxed) != round);
    }
    drop(asks);
    kicker.join().expect("the kicker ends");
}

in_both_lives! {
    /// QEMU had a wait that slept although its condition was false already: the notice came between
    /// the last look and the sleep.
    fn a_notice_that_came_before_the_poll_is_not_lost(ctx) {
        ctx.handle().notify();
        assert!(!ctx.poll(true), "it ends without progress");
    }

    fn notices_end_one_blocking_poll_only(ctx) {
        let handle: AioHandle = ctx.handle();
        handle.notify();
        handle.notify();
        assert!(!ctx.poll(true));
        let timer = ctx.timer("alarm", || ());
        timer.arm(ctx.now_ns() + 1);
        assert!(ctx.poll(true));
    }

    fn a_kick_is_for_those_in_poll_while_alone(ctx) {
        let handle = ctx.handle();
        handle.kick();
        assert!(!ctx.has_work(), "nobody is in one");
        let turns = Cell::new(0);
        let inner = Rc::new(Cell::new(true));
        ctx.schedule_oneshot("nested", {
            let (ctx, handle, inner) = (ctx.clone(), handle.clone(), inner.clone());
            move || {
                ctx.poll_while(|| {
                    handle.kick();
                    inner.replace(false)
                });
            }
        });
        ctx.poll_while(|| {
            turns.set(turns.get() + 1);
            turns.get() < 3
        });
        assert!(!inner.get());
        ctx.poll(false);
        handle.kick();
        assert!(!ctx.has_work(), "the last one has left");
    }

    fn poll_while_does_not_poll_when_the_condition_does_not_hold(ctx) {
        ctx.schedule_oneshot("idle", || panic!("nobody polled"));
        ctx.poll_while(|| false);
    }

    #[should_panic(expected = "coroutine greedy#1 polled its own event loop")]
    fn polling_inside_of_a_coroutine_panics_with_its_name(ctx) {
        spawn(&ctx, "greedy", {
            let ctx = ctx.clone();
            async move {
                ctx.poll(false);
            }
        });
    }

    #[should_panic(expected = "coroutine greedy#1 polled its own event loop")]
    fn run_inside_of_a_coroutine_panics_before_it_makes_another(ctx) {
        spawn(&ctx, "greedy", {
            let ctx = ctx.clone();
            async move {
                ctx.run("victim", async { unreachable!("it was not to begin") });
            }
        });
    }
}

#[test]
#[should_panic(
    expected = "the context waits for ever: it has no timer, no blocking job and no work"
)]
fn a_wait_that_nothing_can_end_panics_in_virtual_time() {
    let ctx = virtual_context();
    ctx.run("stuck", std::future::pending::<()>());
}

#[test]
fn virtual_time_jumps_to_the_next_deadline_and_not_beyond() {
    let ctx = virtual_context();
    let [first, second] = [5, 9].map(|deadline_ns| {
        let timer = ctx.timer("alarm", || ());
        timer.arm(deadline_ns);
        timer
    });
    assert!(ctx.poll(true));
    assert_eq!(
        (ctx.now_ns(), first.pending(), second.pending()),
        (5, false, true)
    );
    assert!(!ctx.poll(false), "only a wait moves time");
    assert!(ctx.poll(true));
    assert_eq!((ctx.now_ns(), second.pending()), (9, false));
}

/// What comes after the last look into the inbox and before the wait must not be slept over. A
/// clock that posts when it is asked stands in for the other thread that is so unlucky.
#[test]
fn what_is_posted_between_the_last_look_and_the_wait_is_not_slept_over() {
    struct Posts {
        clock: VirtualClock,
        post: Cell<Option<AioHandle>>,
        ran_at_ns: Arc<AtomicU64>,
    }
    impl Clock for Posts {
        fn now_ns(&self) -> u64 {
            if let Some(handle) = self.post.take() {
                let ran_at_ns = self.ran_at_ns.clone();
                handle.schedule_oneshot("unlucky", move |ctx| {
                    ran_at_ns.store(ctx.now_ns(), Ordering::Relaxed);
                });
            }
            self.clock.now_ns()
        }
    }
    let clock = VirtualClock::new();
    let ran_at_ns = Arc::new(AtomicU64::new(u64::MAX));
    let posts = Rc::new(Posts {
        clock: clock.clone(),
        post: Cell::new(None),
        ran_at_ns: ran_at_ns.clone(),
    });
    let reactor = Rc::new(VirtualReactor::new(clock));
    let ctx = AioContext::builder().life(posts.clone(), reactor).build();
    let timer = ctx.timer("late", || ());
    timer.arm(1_000);
    posts.post.set(Some(ctx.handle()));
    assert!(ctx.poll(true));
    assert_eq!(ran_at_ns.load(Ordering::Relaxed), 0, "before the timer");
}

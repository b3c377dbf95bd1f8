//! Blocking jobs: what QEMU's test-thread-pool.c asserts.
//!
//! On this machine they run on threads, in virtual time inside of a wait. `/thread-pool/cancel`
//! waits for the jobs that have begun; here that is awaiting them, and so it is the same test as
//! `/thread-pool/cancel-async`.

#[macro_use]
mod common;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::task::{Context, Waker};

use blockjob_runtime::Cancelled;
use blockjob_runtime::sync::thread;

use common::{settle, spawn, waker_that_owns};

in_both_lives! {
    fn a_job_whose_result_nobody_wants_runs_once(ctx) {
        let runs = Arc::new(AtomicU32::new(0));
        let handle = ctx.handle();
        let job = {
            let runs = runs.clone();
            move || {
                runs.fetch_add(1, Ordering::Relaxed);
                handle.kick();
            }
        };
        drop(ctx.spawn_blocking(job));
        ctx.poll_while(|| runs.load(Ordering::Relaxed) == 0);
        settle(&ctx);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    fn the_result_arrives_only_through_poll(ctx) {
        let result = Rc::new(Cell::new(None));
        let job = ctx.spawn_blocking(|| 42);
        spawn(&ctx, "waiter", {
            let result = result.clone();
            async move { result.set(Some(job.await)) }
        });
        // On this machine the job may have ended before it was awaited: then there is no wait.
        if ctx.live_coroutines() > 0 {
            assert_eq!(result.get(), None);
            ctx.poll_while(|| ctx.live_coroutines() > 0);
        }
        assert_eq!(result.get(), Some(Ok(42)));
    }

    fn a_coroutine_yields_until_its_job_has_ended_and_resumes_with_the_result(ctx) {
        let doubled = ctx.run("submitter", {
            let ctx = ctx.clone();
            async move {
                let first = ctx.spawn_blocking(|| 20).await.expect("nobody cancels it");
                ctx.spawn_blocking(move || first + 1).await.expect("nobody cancels it") * 2
            }
        });
        assert_eq!(doubled, 42);
    }

    fn a_hundred_jobs_all_run_once_and_all_come_back(ctx) {
        let runs = Arc::new(AtomicU32::new(0));
        let returned = Rc::new(Cell::new(0));
        for number in 0..100 {
            let job = ctx.spawn_blocking({
                let runs = runs.clone();
                move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                    number
                }
            });
            let returned = returned.clone();
            spawn(&ctx, "waiter", async move {
                assert_eq!(job.await, Ok(number));
                returned.set(returned.get() + 1);
            });
        }
        ctx.poll_while(|| returned.get() < 100);
        assert_eq!(runs.load(Ordering::Relaxed), 100);
        assert!(!ctx.poll(false));
    }

    /// A job that panics fails whoever awaits it: it would wait for ever otherwise.
    fn a_panic_of_a_job_comes_out_where_the_job_is_awaited(ctx) {
        let waiter = catch_unwind(AssertUnwindSafe(|| {
            ctx.run("waiter", {
                let ctx = ctx.clone();
                async move {
                    let job = ctx.spawn_blocking(|| panic!("on purpose"));
                    job.await.expect("nobody cancels it")
                }
            })
        }));
        let panic = waiter.expect_err("the panic is passed on");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
        let next = ctx.run("next", {
            let ctx = ctx.clone();
            async move { ctx.spawn_blocking(|| 7).await }
        });
        assert_eq!(next, Ok(7), "the pool goes on");
    }

    fn a_job_may_outlive_the_context_that_spawned_it(ctx) {
        let (sender, receiver) = mpsc::channel();
        let job = ctx.spawn_blocking(move || sender.send(7));
        spawn(&ctx, "waiter", async move {
            let _ = job.await;
        });
        ctx.close();
        drop(ctx);
        // In virtual time it is dropped with its reactor, unrun.
        assert!(matches!(receiver.recv(), Ok(7) | Err(mpsc::RecvError)));
    }

    /// See the tests of timers: the wakers of other executors own things.
    fn replacing_the_waker_of_a_job_may_drop_what_the_waker_owns(ctx) {
        let gate = Arc::new(AtomicBool::new(false));
        let job = ctx.spawn_blocking({
            let gate = gate.clone();
            move || {
                while !gate.load(Ordering::Acquire) {
                    thread::yield_now();
                }
            }
        });
        struct Opens(Arc<AtomicBool>);
        impl Drop for Opens {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let mut job = pin!(job);
        {
            let waker = waker_that_owns(Opens(gate.clone()));
            assert!(job.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let _ = job.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(gate.load(Ordering::Acquire), "the old waker is gone");
    }
}

/// In virtual time no job begins before the first poll, so every one of them can be taken back.
#[test]
fn a_job_that_was_cancelled_before_it_began_never_runs_and_says_so() {
    let ctx = common::virtual_context();
    let ran = Arc::new(AtomicU32::new(0));
    let cancelled = Rc::new(Cell::new(0));
    for number in 0..100 {
        let job = ctx.spawn_blocking({
            let ran = ran.clone();
            move || ran.fetch_add(1, Ordering::Relaxed)
        });
        if number % 2 == 0 {
            assert!(job.cancel());
            assert!(!job.cancel(), "once");
        }
        let cancelled = cancelled.clone();
        spawn(&ctx, "waiter", async move {
            if job.await == Err(Cancelled) {
                cancelled.set(cancelled.get() + 1);
            }
        });
    }
    ctx.poll_while(|| ctx.live_coroutines() > 0);
    assert_eq!((ran.load(Ordering::Relaxed), cancelled.get()), (50, 50));
}

/// On this machine the pool decides which have begun; each job either ran or was cancelled, and
/// each awaiter hears of it.
#[test]
fn of_a_hundred_cancelled_jobs_none_is_lost_and_none_both_runs_and_is_cancelled() {
    let ctx = blockjob_runtime::AioContext::new();
    let ran = Arc::new(AtomicU32::new(0));
    let taken_back = Rc::new(Cell::new(0));
    let heard = Rc::new(Cell::new(0));
    for _ in 0..100 {
        let job = ctx.spawn_blocking({
            let ran = ran.clone();
            move || ran.fetch_add(1, Ordering::Relaxed)
        });
        let (taken_back, heard) = (taken_back.clone(), heard.clone());
        spawn(&ctx, "waiter", async move {
            let was_taken_back = job.cancel();
            taken_back.set(taken_back.get() + u32::from(was_taken_back));
            assert_eq!(job.await.is_err(), was_taken_back);
            heard.set(heard.get() + 1);
        });
    }
    ctx.poll_while(|| ctx.live_coroutines() > 0);
    assert_eq!(heard.get(), 100);
    assert_eq!(ran.load(Ordering::Relaxed) + taken_back.get(), 100);
}

#[test]
fn cancelling_wakes_the_coroutine_that_awaits_the_job() {
    let ctx = common::virtual_context();
    let job = Rc::new(std::cell::RefCell::new(ctx.spawn_blocking(|| ())));
    let waiter = spawn(&ctx, "waiter", {
        let job = job.clone();
        std::future::poll_fn(move |cx| {
            let mut job = job.borrow_mut();
            pin!(&mut *job)
                .poll(cx)
                .map(|result| assert_eq!(result, Err(Cancelled)))
        })
    });
    assert!(job.borrow().cancel());
    assert!(ctx.poll(true));
    assert!(common::ended(&ctx, &waiter));
}

/// The end of the job ended a wait; the next wait is not ended by it once more.
#[test]
fn after_a_job_has_ended_the_next_blocking_poll_waits_again() {
    let ctx = common::virtual_context();
    ctx.run("waiter", {
        let ctx = ctx.clone();
        async move { ctx.spawn_blocking(|| ()).await.expect("nobody cancels it") }
    });
    let timer = ctx.timer("alarm", || ());
    timer.arm(10);
    assert!(ctx.poll(true));
    assert_eq!(ctx.now_ns(), 10);
}

#[test]
fn in_virtual_time_jobs_run_in_the_order_of_their_submission() {
    let ctx = common::virtual_context();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let jobs: Vec<_> = (0..10)
        .map(|number| {
            let order = order.clone();
            ctx.spawn_blocking(move || order.lock().expect("whole").push(number))
        })
        .collect();
    ctx.run("waiter", async move {
        for job in jobs {
            job.await.expect("nobody cancels it");
        }
    });
    assert_eq!(*order.lock().expect("whole"), (0..10).collect::<Vec<_>>());
}

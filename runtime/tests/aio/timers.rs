//! QEMU's `/aio/timer/schedule`, and sleeping coroutines.

use std::cell::{Cell, OnceCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use blockjob_runtime::{AioContext, Timer};

use crate::common::{CountingWaker, Diary, settle, spawn, waker_that_owns};

const MILLISECOND_NS: u64 = 1_000_000;

/// A timer that counts its firings.
fn counter(ctx: &AioContext) -> (Timer, Rc<Cell<u32>>) {
    let fired = Rc::new(Cell::new(0));
    let timer = ctx.timer("counter", {
        let fired = fired.clone();
        move || fired.set(fired.get() + 1)
    });
    (timer, fired)
}

in_both_lives! {
    fn a_timer_fires_once_and_not_before_its_time(ctx) {
        let fired_at = Rc::new(Cell::new(None));
        let timer = ctx.timer("alarm", {
            let (fired_at, ctx) = (fired_at.clone(), ctx.clone());
            move || assert_eq!(fired_at.replace(Some(ctx.now_ns())), None)
        });
        let deadline_ns = ctx.now_ns() + 20 * MILLISECOND_NS;
        timer.arm(deadline_ns);
        assert!(timer.pending());
        ctx.poll_while(|| fired_at.get().is_none());
        assert!(fired_at.get() >= Some(deadline_ns));
        assert!(!timer.pending());
        assert!(!ctx.poll(false));
    }

    fn a_blocking_poll_waits_for_a_timer_that_its_callback_has_armed_again(ctx) {
        let itself: Rc<OnceCell<Timer>> = Rc::default();
        let fired = Rc::new(Cell::new(0));
        let timer = ctx.timer("again", {
            let (itself, fired, ctx) = (itself.clone(), fired.clone(), ctx.clone());
            move || {
                fired.set(fired.get() + 1);
                let itself = itself.get().expect("set");
                assert!(!itself.pending(), "it fires once");
                itself.arm(ctx.now_ns() + MILLISECOND_NS);
            }
        });
        timer.arm(ctx.now_ns() + MILLISECOND_NS);
        itself.set(timer).expect("set once");
        ctx.poll_while(|| fired.get() < 3);
        assert_eq!(fired.get(), 3);
        ctx.close();
    }

    fn a_timer_that_was_moved_fires_at_its_new_time_only(ctx) {
        let (moved, moved_fired) = counter(&ctx);
        let (witness, witness_fired) = counter(&ctx);
        let now_ns = ctx.now_ns();
        moved.arm(now_ns + MILLISECOND_NS);
        witness.arm(now_ns + 2 * MILLISECOND_NS);
        moved.arm(now_ns + 3 * MILLISECOND_NS);
        ctx.poll_while(|| witness_fired.get() == 0);
        // On this machine both times may have passed by now; in virtual time they have not.
        assert!(moved_fired.get() == 0 || ctx.now_ns() >= now_ns + 3 * MILLISECOND_NS);
        ctx.poll_while(|| moved_fired.get() == 0);
        settle(&ctx);
        assert_eq!(moved_fired.get(), 1);
    }

    fn a_disarmed_timer_does_not_fire(ctx) {
        let (timer, fired) = counter(&ctx);
        timer.arm(ctx.now_ns());
        assert!(timer.disarm());
        assert!(!timer.disarm());
        assert!(!timer.pending());
        assert!(!ctx.poll(false));
        assert_eq!(fired.get(), 0);
    }

    /// Its time has come and it waits in the ready queue; that is no reason to fire.
    fn a_timer_that_was_disarmed_after_it_expired_does_not_fire(ctx) {
        let (timer, fired) = counter(&ctx);
        let timer = Rc::new(timer);
        ctx.schedule_oneshot("disarm", {
            let timer = timer.clone();
            move || {
                assert!(timer.pending());
                assert!(timer.disarm());
            }
        });
        timer.arm(ctx.now_ns());
        settle(&ctx);
        assert_eq!(fired.get(), 0);
    }

    fn a_timer_that_was_dropped_after_it_expired_does_not_fire(ctx) {
        let (timer, fired) = counter(&ctx);
        timer.arm(ctx.now_ns());
        ctx.schedule_oneshot("drop", move || drop(timer));
        settle(&ctx);
        assert_eq!((fired.get(), Rc::strong_count(&fired)), (0, 1));
    }

    fn a_callback_may_drop_its_own_timer(ctx) {
        let slot: Rc<RefCell<Option<Timer>>> = Rc::default();
        let fired = Rc::new(Cell::new(0));
        let timer = ctx.timer("mortal", {
            let (slot, fired) = (slot.clone(), fired.clone());
            move || {
                drop(slot.take());
                fired.set(fired.get() + 1);
            }
        });
        timer.arm(ctx.now_ns());
        slot.replace(Some(timer));
        settle(&ctx);
        assert_eq!((fired.get(), Rc::strong_count(&fired)), (1, 1));
    }

    /// A turn that comes while the callback is on the stack is made good for, not lost.
    fn a_timer_that_expires_while_its_callback_polls_fires_afterwards(ctx) {
        let itself: Rc<OnceCell<Timer>> = Rc::default();
        let fired = Rc::new(Cell::new(0));
        let timer = ctx.timer("poller", {
            let (itself, fired, ctx) = (itself.clone(), fired.clone(), ctx.clone());
            move || {
                fired.set(fired.get() + 1);
                if fired.get() == 1 {
                    itself.get().expect("set").arm(ctx.now_ns());
                    ctx.poll(false);
                    assert_eq!(fired.get(), 1, "it does not run on top of itself");
                }
            }
        });
        timer.arm(ctx.now_ns());
        itself.set(timer).expect("set once");
        settle(&ctx);
        assert_eq!(fired.get(), 2);
        assert!(!itself.get().expect("set").pending());
    }

    fn a_timer_whose_callback_panicked_fires_when_armed_again(ctx) {
        let fired = Rc::new(Cell::new(0));
        let timer = ctx.timer("fragile", {
            let fired = fired.clone();
            move || {
                fired.set(fired.get() + 1);
                assert!(fired.get() > 1, "the first time fails");
            }
        });
        timer.arm(ctx.now_ns());
        catch_unwind(AssertUnwindSafe(|| ctx.poll(true))).expect_err("the panic comes out of poll");
        timer.arm(ctx.now_ns());
        assert!(ctx.poll(true));
        assert_eq!(fired.get(), 2);
    }

    fn sleepers_wake_in_the_order_of_their_deadlines(ctx) {
        let diary = Diary::default();
        let start_ns = ctx.now_ns();
        for (name, delay_ms) in [("c", 3), ("a", 1), ("d", 3), ("b", 2)] {
            let deadline_ns = start_ns + delay_ms * MILLISECOND_NS;
            spawn(&ctx, "sleeper", {
                let (diary, ctx) = (diary.clone(), ctx.clone());
                async move {
                    ctx.sleep_until(deadline_ns).await;
                    assert!(ctx.now_ns() >= deadline_ns);
                    diary.note(name);
                }
            });
        }
        ctx.poll_while(|| diary.len() < 4);
        assert_eq!(diary.read(), "a b c d");
    }

    fn all_whose_time_has_come_run_in_one_pass(ctx) {
        let diary = Diary::default();
        let deadline_ns = ctx.now_ns() + MILLISECOND_NS;
        for name in ["a", "b", "c"] {
            let (sleep, diary) = (ctx.sleep_until(deadline_ns), diary.clone());
            spawn(&ctx, "sleeper", async move {
                sleep.await;
                diary.note(name);
            });
        }
        ctx.poll_while(|| diary.len() == 0);
        assert_eq!(diary.read(), "a b c");
    }

    fn a_sleep_of_nothing_still_takes_a_turn_through_the_loop(ctx) {
        let diary = Diary::default();
        ctx.schedule_oneshot("between", {
            let diary = diary.clone();
            move || diary.note("between")
        });
        ctx.run("sleeper", {
            let (diary, ctx) = (diary.clone(), ctx.clone());
            async move {
                ctx.sleep(0).await;
                diary.note("slept");
            }
        });
        assert_eq!(diary.read(), "between slept");
    }

    fn a_dropped_sleep_leaves_no_timer_behind(ctx) {
        spawn(&ctx, "sleeper", {
            let ctx = ctx.clone();
            async move {
                let cx = &mut Context::from_waker(Waker::noop());
                let mut sleep = Box::pin(ctx.sleep(u64::MAX));
                assert!(sleep.as_mut().poll(cx).is_pending());
                drop(sleep);
                ctx.sleep(MILLISECOND_NS).await;
            }
        });
        ctx.poll_while(|| ctx.live_coroutines() > 0);
        assert_eq!(ctx.armed_timers(), 0);
    }

    fn a_sleep_wakes_whoever_polled_it_last(ctx) {
        let wakers: [Arc<CountingWaker>; 2] = Default::default();
        let mut sleep = pin!(ctx.sleep(0));
        for waker in &wakers {
            let waker = Waker::from(waker.clone());
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        ctx.poll(false);
        assert_eq!((wakers[0].wakes(), wakers[1].wakes()), (0, 1));
    }

    /// The last clone of a foreign executor's waker may own a task, and the task a timer.
    fn replacing_the_waker_of_a_sleep_may_drop_another_sleep(ctx) {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut owned = Box::pin(ctx.sleep(u64::MAX));
        assert!(owned.as_mut().poll(cx).is_pending());
        let mut sleep = pin!(ctx.sleep(u64::MAX));
        {
            let waker = waker_that_owns(owned);
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(ctx.armed_timers(), 2);
        assert!(sleep.as_mut().poll(cx).is_pending());
        assert_eq!(ctx.armed_timers(), 1);
    }
}

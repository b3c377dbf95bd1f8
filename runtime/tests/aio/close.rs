//! The end of a context: nothing is left, and what still names it does no harm.

use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use blockjob_runtime::{AioContext, BottomHalf, EventNotifier, Timer, yield_now};

use crate::common::{ended, enter, settle, spawn};

/// Has everything that can be registered hold a clone of `token`, and of the context itself.
fn fill(ctx: &AioContext, token: &Rc<()>) {
    let hold = || {
        let held = (ctx.clone(), token.clone());
        move || drop(held.clone())
    };
    ctx.bottom_half("holder", hold()).schedule();
    ctx.event_source("holder", false, hold()).set();
    ctx.schedule_oneshot("holder", hold());
    let itself: Rc<OnceCell<Timer>> = Rc::default();
    let timer = ctx.timer("holder", {
        let (itself, hold) = (itself.clone(), hold());
        move || {
            assert!(itself.get().is_some());
            hold();
        }
    });
    timer.arm(u64::MAX);
    itself.set(timer).expect("set once");
    spawn(ctx, "holder", {
        let (ctx, token) = (ctx.clone(), token.clone());
        async move {
            ctx.sleep(u64::MAX).await;
            drop(token);
        }
    });
}

in_both_lives! {
    fn closing_drops_all_that_lives_in_the_context_though_it_holds_the_context(ctx) {
        let token = Rc::new(());
        fill(&ctx, &token);
        assert_eq!(Rc::strong_count(&token), 6);
        ctx.close();
        assert_eq!(Rc::strong_count(&token), 1);
        assert_eq!((ctx.live_coroutines(), ctx.armed_timers()), (0, 0));
        assert!(!ctx.poll(false));
    }

    fn the_end_of_the_last_clone_drops_all_that_lives_in_the_context(ctx) {
        let token = Rc::new(());
        let held = token.clone();
        ctx.bottom_half("holder", move || drop(held.clone())).schedule();
        let held = token.clone();
        spawn(&ctx, "holder", async move {
            yield_now().await;
            drop(held);
        });
        assert_eq!(Rc::strong_count(&token), 3);
        drop(ctx);
        assert_eq!(Rc::strong_count(&token), 1);
    }

    fn what_is_posted_to_a_closed_context_is_dropped_unrun(ctx) {
        let token = std::sync::Arc::new(());
        let handle = ctx.handle();
        ctx.close();
        let held = token.clone();
        handle.schedule_oneshot("late", move |_| unreachable!("{held:?}"));
        let held = token.clone();
        handle.start("late", move || async move { unreachable!("{held:?}") });
        handle.kick();
        assert_eq!(std::sync::Arc::strong_count(&token), 1);
        assert!(!ctx.poll(false));
    }

    fn handles_of_what_a_closed_context_had_do_no_harm(ctx) {
        let bh = ctx.bottom_half("bh", || unreachable!());
        let source = ctx.event_source("source", false, || unreachable!());
        let timer = ctx.timer("timer", || unreachable!());
        let coroutine = ctx.coroutine("coroutine", async { unreachable!() });
        ctx.close();
        let use_all = || {
            bh.schedule();
            bh.cancel();
            bh.delete();
            source.set();
            source.remove();
            coroutine.wake();
            timer.arm(0);
            assert!(!timer.pending() && !timer.disarm());
        };
        use_all();
        let _current = ctx.make_current();
        use_all();
        assert!(coroutine.ended() && !coroutine.entered());
        settle(&ctx);
        drop(timer);
    }

    /// What was made after the end took the places of what was there before it.
    fn handles_from_before_the_end_do_not_touch_what_came_after_it(ctx) {
        let bh = ctx.bottom_half("bh", || unreachable!());
        let source = ctx.event_source("source", false, || unreachable!());
        let timer = ctx.timer("timer", || unreachable!());
        let coroutine = ctx.coroutine("coroutine", async { unreachable!() });
        ctx.close();
        let ran = Rc::new(Cell::new(0));
        let count = || {
            let ran = ran.clone();
            move || ran.set(ran.get() + 1)
        };
        let new_bh = ctx.bottom_half("bh", count());
        let new_source = ctx.event_source("source", false, count());
        let new_timer = ctx.timer("timer", count());
        let new_coroutine = ctx.coroutine("coroutine", {
            let count = count();
            async move { count() }
        });
        new_timer.arm(0);
        let _current = ctx.make_current();
        bh.delete();
        source.remove();
        coroutine.wake();
        assert!(coroutine.ended() && !new_coroutine.ended());
        drop(timer);
        new_bh.schedule();
        new_source.set();
        new_coroutine.wake();
        settle(&ctx);
        assert_eq!(ran.get(), 4);
    }

    fn a_destructor_that_runs_at_the_end_may_use_what_ends(ctx) {
        struct Last(AioContext, BottomHalf, EventNotifier);
        impl Drop for Last {
            fn drop(&mut self) {
                let Last(ctx, bh, source) = self;
                assert_eq!(AioContext::try_current().as_ref(), Some(&*ctx));
                bh.schedule();
                bh.delete();
                source.set();
                source.remove();
                let later = ctx.coroutine("later", async {});
                later.wake();
                ctx.schedule_oneshot("later", || ());
            }
        }
        let bh = ctx.bottom_half("bh", || unreachable!());
        let source = ctx.event_source("source", false, || unreachable!());
        let last = Last(ctx.clone(), bh, source);
        spawn(&ctx, "holder", async move {
            yield_now().await;
            drop(last);
        });
        ctx.close();
        assert_eq!(ctx.live_coroutines(), 0, "nor may it leave something behind");
        assert!(!ctx.poll(false));
    }

    fn a_bottom_half_may_close_its_context(ctx) {
        let token = Rc::new(());
        fill(&ctx, &token);
        settle(&ctx);
        assert_eq!(Rc::strong_count(&token), 5, "only the oneshot is gone");
        let bh = ctx.bottom_half("closer", {
            let (ctx, token) = (ctx.clone(), token.clone());
            move || {
                ctx.close();
                assert_eq!(Rc::strong_count(&token), 2, "the test's and this one");
            }
        });
        bh.schedule();
        assert!(ctx.poll(true));
        assert_eq!(Rc::strong_count(&token), 1);
    }

    #[should_panic(expected = "coroutine closer#1 closed its own context")]
    fn closing_inside_of_a_coroutine_panics_with_its_name(ctx) {
        spawn(&ctx, "closer", {
            let ctx = ctx.clone();
            async move { ctx.close() }
        });
    }

    fn entering_what_a_closed_context_had_panics_as_entering_what_has_ended(ctx) {
        let coroutine = ctx.coroutine("late", async {});
        ctx.close();
        assert!(ended(&ctx, &coroutine));
        let panic = catch_unwind(AssertUnwindSafe(|| enter(&ctx, &coroutine)));
        let message = panic.expect_err("it has ended");
        let message = message.downcast_ref::<String>().expect("a formatted message");
        assert_eq!(message, "coroutine (none) entered late#1 after it had ended");
    }
}

//! Waking: what counts as an entry, what is spent, what is kept.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use blockjob_runtime::{Coroutine, yield_now};

use crate::common::{Diary, ended, enter, settle, spawn};

/// Keeps the waker of the coroutine that awaits it, and goes on at once.
async fn keep_waker(slot: Rc<RefCell<Option<Waker>>>) {
    poll_fn(|cx| {
        slot.replace(Some(cx.waker().clone()));
        Poll::Ready(())
    })
    .await;
}

in_both_lives! {
    fn waking_only_queues(ctx) {
        let diary = Diary::default();
        let coroutine = ctx.coroutine("woken", {
            let diary = diary.clone();
            async move { diary.note("ran") }
        });
        let _current = ctx.make_current();
        coroutine.wake();
        coroutine.wake();
        assert_eq!(diary.len(), 0);
        assert!(ctx.poll(false));
        assert!(!ctx.poll(false), "two wakes before it ran are one");
        assert_eq!(diary.read(), "ran");
    }

    fn a_wake_that_came_while_it_ran_ends_its_next_yield(ctx) {
        let diary = Diary::default();
        let coroutine = spawn(&ctx, "self-waker", {
            let diary = diary.clone();
            async move {
                Coroutine::current().expect("this is a coroutine").wake();
                diary.note("before");
                yield_now().await;
                diary.note("after");
                yield_now().await;
                unreachable!("one wake ends one yield");
            }
        });
        assert_eq!(diary.read(), "before");
        assert!(ctx.poll(false));
        assert!(!ctx.poll(false));
        assert_eq!(diary.read(), "before after");
        assert!(!ended(&ctx, &coroutine));
        ctx.close();
    }

    /// As when a coroutine waits for two things at once.
    fn one_entry_ends_one_of_two_yields_that_wait_side_by_side(ctx) {
        let ended_yields = Rc::new(Cell::new(0));
        let coroutine = spawn(&ctx, "two", {
            let ended_yields = ended_yields.clone();
            let mut yields = vec![yield_now(), yield_now()];
            poll_fn(move |cx| {
                yields.retain_mut(|one| pin!(one).poll(cx).is_pending());
                ended_yields.set(2 - yields.len());
                if yields.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            })
        });
        for expected in 1..=2 {
            enter(&ctx, &coroutine);
            assert_eq!(ended_yields.get(), expected);
        }
        assert!(ended(&ctx, &coroutine));
    }

    /// A future that has been dropped may have left its waker somewhere.
    fn a_stray_waker_does_not_end_a_yield(ctx) {
        let waker = Rc::default();
        let coroutine = spawn(&ctx, "yielder", {
            let waker = Rc::clone(&waker);
            async move {
                keep_waker(waker).await;
                yield_now().await;
            }
        });
        waker.take().expect("kept").wake();
        settle(&ctx);
        assert!(!ended(&ctx, &coroutine));
        coroutine.wake();
        settle(&ctx);
        assert!(ended(&ctx, &coroutine));
    }

    fn entering_overtakes_a_wake_that_is_queued(ctx) {
        let turns = Rc::new(Cell::new(0));
        let coroutine = ctx.coroutine("overtaken", {
            let turns = turns.clone();
            async move {
                for _ in 0..3 {
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
            }
        });
        let current = ctx.make_current();
        coroutine.wake();
        drop(current);
        enter(&ctx, &coroutine);
        assert_eq!(turns.get(), 1);
        assert!(!ctx.poll(false), "the wake was spent by the entry");
        assert_eq!(turns.get(), 1);
        ctx.close();
    }

    fn a_wake_after_an_entry_that_overtook_one_is_not_lost(ctx) {
        let turns = Rc::new(Cell::new(0));
        let coroutine = ctx.coroutine("overtaken", {
            let turns = turns.clone();
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
            }
        });
        {
            let _current = ctx.make_current();
            coroutine.wake();
            coroutine.enter();
            coroutine.wake();
        }
        settle(&ctx);
        assert_eq!(turns.get(), 2);
        ctx.close();
    }

    fn a_wake_of_one_that_has_ended_does_nothing(ctx) {
        let waker = Rc::default();
        let coroutine = spawn(&ctx, "brief", keep_waker(Rc::clone(&waker)));
        assert!(ended(&ctx, &coroutine));
        coroutine.wake();
        waker.take().expect("kept").wake();
        assert!(!ctx.poll(false));
    }

    /// The waker outlives its coroutine, and another coroutine has its place.
    fn a_stray_waker_does_not_wake_the_successor_of_its_coroutine(ctx) {
        let waker = Rc::default();
        spawn(&ctx, "first", keep_waker(Rc::clone(&waker)));
        let turns = Rc::new(Cell::new(0));
        spawn(&ctx, "second", {
            let turns = turns.clone();
            poll_fn(move |_| {
                turns.set(turns.get() + 1);
                Poll::Pending
            })
        });
        waker.take().expect("kept").wake();
        assert!(!ctx.poll(false));
        assert_eq!(turns.get(), 1);
        ctx.close();
    }

    fn coroutines_run_in_the_order_in_which_they_were_woken(ctx) {
        let diary = Diary::default();
        let coroutines = ["a", "b", "c", "d"].map(|name| {
            let diary = diary.clone();
            ctx.coroutine(name, async move { diary.note(name) })
        });
        let _current = ctx.make_current();
        for index in [2, 0, 3, 1] {
            coroutines[index].wake();
        }
        settle(&ctx);
        assert_eq!(diary.read(), "c a d b");
    }

    fn wakes_through_the_inbox_keep_their_order_too(ctx) {
        let diary = Diary::default();
        let coroutines = ["a", "b", "c", "d"].map(|name| {
            let diary = diary.clone();
            ctx.coroutine(name, async move { diary.note(name) })
        });
        for index in [2, 0, 3, 1] {
            coroutines[index].wake();
        }
        settle(&ctx);
        assert_eq!(diary.read(), "c a d b");
    }
}

//! QEMU's `/basic/*`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_runtime::{AioContext, Coroutine, in_coroutine, yield_now};

use crate::common::{Diary, ended, enter, settle, spawn};

/// Enters a new coroutine from the one that calls, and so on, `left` deep.
fn nest(ctx: AioContext, left: u32, entered: Rc<Cell<u32>>, returned: Rc<Cell<u32>>) {
    entered.set(entered.get() + 1);
    if left > 0 {
        ctx.clone()
            .coroutine("nested", {
                let (entered, returned) = (entered.clone(), returned.clone());
                async move { nest(ctx, left - 1, entered, returned) }
            })
            .enter();
    }
    returned.set(returned.get() + 1);
}

in_both_lives! {
    fn a_coroutine_runs_when_it_is_entered_and_runs_once(ctx) {
        for _ in 0..2 {
            let runs = Rc::new(Cell::new(0));
            let coroutine = ctx.coroutine("once", {
                let runs = runs.clone();
                async move { runs.set(runs.get() + 1) }
            });
            assert_eq!((runs.get(), ended(&ctx, &coroutine)), (0, false));
            enter(&ctx, &coroutine);
            assert_eq!((runs.get(), ended(&ctx, &coroutine)), (1, true));
            settle(&ctx);
            assert_eq!((runs.get(), Rc::strong_count(&runs)), (1, 1));
        }
    }

    fn five_yields_need_six_enters(ctx) {
        let yields = Rc::new(Cell::new(0));
        let coroutine = ctx.coroutine("yielder", {
            let yields = yields.clone();
            async move {
                for _ in 0..5 {
                    yields.set(yields.get() + 1);
                    yield_now().await;
                }
            }
        });
        let mut enters = 0;
        while !ended(&ctx, &coroutine) {
            enter(&ctx, &coroutine);
            enters += 1;
        }
        assert_eq!((yields.get(), enters), (5, 6));
    }

    fn a_thousand_nested_enters_all_enter_and_return_and_queue_nothing(ctx) {
        let (entered, returned) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let outermost = ctx.coroutine("nested", {
            let (ctx, entered, returned) = (ctx.clone(), entered.clone(), returned.clone());
            async move { nest(ctx, 999, entered, returned) }
        });
        enter(&ctx, &outermost);
        assert_eq!((entered.get(), returned.get()), (1_000, 1_000));
        assert_eq!(ctx.live_coroutines(), 0);
        assert!(!ctx.poll(false), "the ready queue was not used");
    }

    fn current_is_the_coroutine_that_runs(ctx) {
        assert_eq!(Coroutine::current(), None);
        let inner = ctx.coroutine("inner", async {
            let me = Coroutine::current().expect("this is a coroutine");
            assert_eq!(me.id().name, "inner");
        });
        let outer = spawn(&ctx, "outer", async move {
            let me = Coroutine::current().expect("this is a coroutine");
            assert_eq!(me.id().name, "outer");
            inner.enter();
            assert_eq!(Coroutine::current(), Some(me));
        });
        assert_eq!(outer.id().to_string(), "outer#2");
        assert_eq!(Coroutine::current(), None);
    }

    fn entered_is_true_for_the_running_one_and_for_the_one_that_waits_for_it(ctx) {
        let slot: Rc<RefCell<Option<Coroutine>>> = Rc::default();
        let inner = ctx.coroutine("inner", {
            let slot = slot.clone();
            async move {
                assert!(Coroutine::current().expect("this is a coroutine").entered());
                assert!(slot.borrow().as_ref().expect("set").entered(), "it waits for us");
                yield_now().await;
            }
        });
        let outer = ctx.coroutine("outer", {
            let inner = inner.clone();
            async move {
                assert!(!inner.entered(), "created");
                inner.enter();
                assert!(!inner.entered(), "yielded");
                inner.enter();
                assert!(!inner.entered(), "ended");
            }
        });
        slot.replace(Some(outer.clone()));
        let _current = ctx.make_current();
        assert!(!outer.entered());
        outer.enter();
        assert!(!outer.entered() && outer.ended());
        slot.take();
    }

    /// The place of a coroutine that has ended is given to the next one.
    fn a_coroutine_that_has_ended_is_not_taken_for_its_successor(ctx) {
        let first = spawn(&ctx, "first", async {});
        spawn(&ctx, "second", async move {
            assert!(first.ended());
            assert!(!first.entered());
            first.wake();
            yield_now().await;
            unreachable!("nobody woke the second");
        });
        settle(&ctx);
        assert_eq!(ctx.live_coroutines(), 1);
        ctx.close();
    }

    fn in_coroutine_is_true_inside_and_false_outside(ctx) {
        assert!(!in_coroutine());
        let inside = Rc::new(Cell::new(false));
        spawn(&ctx, "inside", {
            let inside = inside.clone();
            async move { inside.set(in_coroutine()) }
        });
        assert!(inside.get());
        let inside_bh = inside.clone();
        ctx.schedule_oneshot("bh", move || inside_bh.set(in_coroutine()));
        assert!(ctx.poll(false));
        assert!(!inside.get(), "a bottom half is not a coroutine");
    }

    fn control_goes_to_the_entered_and_comes_back_to_the_enterer(ctx) {
        let diary = Diary::default();
        let coroutine = ctx.coroutine("second", {
            let diary = diary.clone();
            async move {
                diary.note("2.1");
                yield_now().await;
                diary.note("2.2");
            }
        });
        diary.note("1.1");
        enter(&ctx, &coroutine);
        diary.note("1.2");
        enter(&ctx, &coroutine);
        diary.note("1.3");
        assert_eq!(diary.read(), "1.1 2.1 1.2 2.2 1.3");
    }

    /// QEMU's `/basic/no-dangling-access`: the first ends while the second, which it entered, is
    /// parked; entering the second again must not go back into the first.
    fn a_coroutine_that_ended_is_left_alone_when_one_that_it_entered_goes_on(ctx) {
        let token = Rc::new(());
        let second = ctx.coroutine("second", async {
            yield_now().await;
        });
        let first = ctx.coroutine("first", {
            let (second, token) = (second.clone(), token.clone());
            async move {
                second.enter();
                drop(token);
            }
        });
        enter(&ctx, &first);
        assert!(ended(&ctx, &first));
        assert_eq!(Rc::strong_count(&token), 1);
        let third = ctx.coroutine("third", async {
            unreachable!("it has the place of the first, and nobody entered it");
        });
        enter(&ctx, &second);
        assert!(ended(&ctx, &second) && !ended(&ctx, &third));
        ctx.close();
    }

    fn what_a_coroutine_owns_is_dropped_while_it_is_still_current(ctx) {
        struct Owned(Diary);
        impl Drop for Owned {
            fn drop(&mut self) {
                let current = Coroutine::current().map(|me| me.id().name);
                self.0.note(current.unwrap_or("(none)"));
            }
        }
        let diary = Diary::default();
        let owned = Owned(diary.clone());
        // An `async` block drops what it owns inside of its last poll, this future after it.
        let mut owned = Some(owned);
        spawn(&ctx, "owner", std::future::poll_fn(move |_| {
            assert!(owned.as_mut().is_some());
            std::task::Poll::Ready(())
        }));
        assert_eq!(diary.read(), "owner");
    }
}

//! QEMU's `/aio/bh/*`.

use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use blockjob_runtime::{AioContext, BottomHalf};

use crate::common::Diary;

/// A bottom half that counts its runs.
fn counter(ctx: &AioContext) -> (BottomHalf, Rc<Cell<u32>>) {
    let runs = Rc::new(Cell::new(0));
    let bh = ctx.bottom_half("counter", {
        let runs = runs.clone();
        move || runs.set(runs.get() + 1)
    });
    (bh, runs)
}

/// A bottom half that gets itself as an argument.
fn self_aware(
    ctx: &AioContext,
    name: &'static str,
    mut callback: impl FnMut(&BottomHalf) + 'static,
) -> BottomHalf {
    let itself = Rc::new(OnceCell::new());
    let bh = ctx.bottom_half(name, {
        let itself = itself.clone();
        move || callback(itself.get().expect("set before the first run"))
    });
    itself.set(bh.clone()).expect("set once");
    bh
}

in_both_lives! {
    fn a_scheduled_bottom_half_runs_once_and_only_from_poll(ctx) {
        let (bh, runs) = counter(&ctx);
        bh.schedule();
        assert_eq!(runs.get(), 0);
        assert!(ctx.poll(false));
        assert_eq!(runs.get(), 1);
        assert!(!ctx.poll(false), "nothing is left to do");
        assert_eq!(runs.get(), 1);
    }

    fn scheduling_twice_before_it_runs_counts_once(ctx) {
        let (bh, runs) = counter(&ctx);
        bh.schedule();
        bh.schedule();
        assert!(ctx.poll(false));
        assert!(!ctx.poll(false));
        assert_eq!(runs.get(), 1);
    }

    fn a_bottom_half_that_reschedules_itself_runs_once_a_pass(ctx) {
        let runs = Rc::new(Cell::new(0));
        let bh = self_aware(&ctx, "ten", {
            let runs = runs.clone();
            move |itself| {
                runs.set(runs.get() + 1);
                if runs.get() < 10 {
                    itself.schedule();
                }
            }
        });
        bh.schedule();
        for pass in 1..=10 {
            assert!(ctx.poll(false));
            assert_eq!(runs.get(), pass);
        }
        assert!(!ctx.poll(false));
        assert_eq!(runs.get(), 10);
    }

    fn a_cancelled_bottom_half_does_not_run_and_is_no_progress(ctx) {
        let (bh, runs) = counter(&ctx);
        bh.schedule();
        bh.cancel();
        assert!(!ctx.poll(false));
        assert_eq!(runs.get(), 0);
    }

    fn a_cancelled_bottom_half_can_be_scheduled_again(ctx) {
        let (bh, runs) = counter(&ctx);
        bh.schedule();
        bh.cancel();
        bh.schedule();
        while ctx.poll(false) {}
        assert_eq!(runs.get(), 1);
    }

    fn a_deleted_bottom_half_does_not_run(ctx) {
        let (bh, runs) = counter(&ctx);
        bh.schedule();
        bh.delete();
        assert!(!ctx.poll(false));
        bh.schedule();
        assert!(!ctx.poll(false));
        assert_eq!(runs.get(), 0);
        assert_eq!(Rc::strong_count(&runs), 1, "the callback is gone");
    }

    fn a_deleted_bottom_half_does_not_run_in_the_place_of_its_successor(ctx) {
        let (first, first_runs) = counter(&ctx);
        first.schedule();
        first.delete();
        let (_second, second_runs) = counter(&ctx);
        assert!(!ctx.poll(false));
        assert_eq!((first_runs.get(), second_runs.get()), (0, 0));
    }

    fn a_bottom_half_may_delete_itself(ctx) {
        let runs = Rc::new(Cell::new(0));
        let bh = self_aware(&ctx, "once", {
            let runs = runs.clone();
            move |itself| {
                runs.set(runs.get() + 1);
                itself.delete();
                itself.schedule();
            }
        });
        bh.schedule();
        assert!(ctx.poll(false));
        assert!(!ctx.poll(false));
        assert_eq!(runs.get(), 1);
    }

    fn four_that_delete_themselves_at_different_times_all_run_in_each_pass(ctx) {
        let lives = [1, 3, 2, 4];
        let runs: Vec<_> = lives.iter().map(|_| Rc::new(Cell::new(0))).collect();
        for (life, runs) in lives.into_iter().zip(&runs) {
            let runs = runs.clone();
            let bh = self_aware(&ctx, "mortal", move |itself| {
                runs.set(runs.get() + 1);
                if runs.get() == life {
                    itself.delete();
                } else {
                    itself.schedule();
                }
            });
            bh.schedule();
        }
        for pass in 1..=4 {
            assert!(ctx.poll(false));
            for (life, runs) in lives.iter().zip(&runs) {
                assert_eq!(runs.get(), pass.min(*life));
            }
        }
        assert!(!ctx.poll(false));
    }

    fn a_blocking_poll_runs_what_is_scheduled_and_then_all_is_quiet(ctx) {
        let (bh, runs) = counter(&ctx);
        bh.schedule();
        assert!(ctx.poll(true));
        assert!(!ctx.poll(false));
        assert_eq!(runs.get(), 1);
    }

    fn a_oneshot_runs_once_and_drops_what_it_owned(ctx) {
        let token = Rc::new(Cell::new(0));
        ctx.schedule_oneshot("oneshot", {
            let token = token.clone();
            move || token.set(token.get() + 1)
        });
        assert_eq!(token.get(), 0);
        assert!(ctx.poll(false));
        assert!(!ctx.poll(false));
        assert_eq!((token.get(), Rc::strong_count(&token)), (1, 1));
    }

    fn what_is_ready_runs_first_in_first_out_whatever_its_kind(ctx) {
        let diary = Diary::default();
        let note = |entry: &'static str| {
            let diary = diary.clone();
            move || diary.note(entry)
        };
        let late = ctx.bottom_half("late", note("bh"));
        let source = ctx.event_source("source", false, note("event"));
        let coroutine = ctx.coroutine("coroutine", {
            let diary = diary.clone();
            async move { diary.note("coroutine") }
        });
        let _current = ctx.make_current(); // so that nothing takes the way of the inbox
        coroutine.wake();
        ctx.schedule_oneshot("oneshot", note("oneshot"));
        source.set();
        late.schedule();
        assert!(ctx.poll(false));
        assert_eq!(diary.read(), "coroutine oneshot event bh");
    }

    fn a_nested_poll_runs_what_the_outer_pass_has_left(ctx) {
        let diary = Diary::default();
        ctx.schedule_oneshot("outer", {
            let (diary, ctx) = (diary.clone(), ctx.clone());
            move || {
                diary.note("outer{");
                assert!(ctx.poll(false));
                diary.note("}");
            }
        });
        ctx.schedule_oneshot("inner", {
            let diary = diary.clone();
            move || diary.note("inner")
        });
        assert!(ctx.poll(false));
        assert_eq!(diary.read(), "outer{ inner }");
        assert!(!ctx.poll(false));
    }

    /// A turn that comes while the callback is on the stack is made good for, not lost.
    fn a_bottom_half_that_polls_and_was_rescheduled_runs_again_afterwards(ctx) {
        let runs = Rc::new(Cell::new(0));
        let bh = self_aware(&ctx, "poller", {
            let (runs, ctx) = (runs.clone(), ctx.clone());
            move |itself| {
                runs.set(runs.get() + 1);
                if runs.get() == 1 {
                    itself.schedule();
                    ctx.poll(false);
                    assert_eq!(runs.get(), 1, "it does not run on top of itself");
                }
            }
        });
        bh.schedule();
        assert!(ctx.poll(false));
        assert!(ctx.poll(false));
        assert_eq!(runs.get(), 2);
        assert!(!ctx.poll(false));
    }

    fn a_bottom_half_whose_callback_panicked_runs_when_scheduled_again(ctx) {
        let runs = Rc::new(Cell::new(0));
        let bh = ctx.bottom_half("fragile", {
            let runs = runs.clone();
            move || {
                runs.set(runs.get() + 1);
                assert!(runs.get() > 1, "the first run fails");
            }
        });
        bh.schedule();
        catch_unwind(AssertUnwindSafe(|| ctx.poll(false))).expect_err("the panic comes out of poll");
        bh.schedule();
        assert!(ctx.poll(false));
        assert_eq!(runs.get(), 2);
    }

    /// The destructor of a callback may do what it likes, polling included.
    fn deleting_drops_the_callback_when_nothing_is_borrowed(ctx) {
        struct PollsWhenDropped(AioContext, Rc<Cell<bool>>);
        impl Drop for PollsWhenDropped {
            fn drop(&mut self) {
                self.1.set(self.0.poll(false));
            }
        }
        let polled = Rc::new(Cell::new(false));
        let owned = PollsWhenDropped(ctx.clone(), polled.clone());
        let bh = ctx.bottom_half("owner", move || {
            let _ = &owned;
        });
        ctx.schedule_oneshot("witness", || {});
        let _current = ctx.make_current();
        bh.delete();
        assert!(polled.get());
    }
}

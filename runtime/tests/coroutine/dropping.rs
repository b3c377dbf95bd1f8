//! Coroutines that are ended where they stand.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use blockjob_runtime::{Coroutine, in_coroutine, yield_now};

use crate::common::{ended, enter, settle};

/// Takes note of who is current while it is dropped.
struct Held(Rc<RefCell<Vec<Option<Coroutine>>>>);

impl Drop for Held {
    fn drop(&mut self) {
        assert!(in_coroutine());
        self.0.borrow_mut().push(Coroutine::current());
    }
}

in_both_lives! {
    fn what_a_dropped_coroutine_holds_is_dropped_at_once_and_as_if_it_ran(ctx) {
        let dropped = Rc::new(RefCell::new(Vec::new()));
        let held = Held(dropped.clone());
        let coroutine = ctx.coroutine("parked", async move {
            let _held = held;
            yield_now().await;
            unreachable!("it is entered once");
        });
        enter(&ctx, &coroutine);
        let _current = ctx.make_current();
        coroutine.drop_parked();
        assert_eq!(*dropped.borrow(), [Some(coroutine.clone())]);
        assert!(coroutine.ended());
        assert_eq!(ctx.live_coroutines(), 0);
        assert!(Coroutine::current().is_none());
        // And again, which is nothing.
        coroutine.drop_parked();
    }

    fn a_coroutine_that_never_ran_can_be_dropped_as_well(ctx) {
        let held = Rc::new(());
        let kept = held.clone();
        let coroutine = ctx.coroutine("new", async move { drop(kept) });
        let _current = ctx.make_current();
        coroutine.drop_parked();
        assert_eq!(Rc::strong_count(&held), 1);
    }

    fn whoever_wakes_a_dropped_coroutine_finds_nobody_nor_whoever_has_its_place(ctx) {
        let waker = Rc::new(RefCell::new(None::<Waker>));
        let kept = waker.clone();
        let coroutine = ctx.coroutine("parked", async move {
            poll_fn::<(), _>(|cx| {
                kept.replace(Some(cx.waker().clone()));
                Poll::Pending
            })
            .await;
        });
        enter(&ctx, &coroutine);
        // Queued already when it is dropped.
        coroutine.wake();
        {
            let _current = ctx.make_current();
            coroutine.drop_parked();
        }
        let runs = Rc::new(Cell::new(0));
        let counted = runs.clone();
        let next = ctx.coroutine("next", async move {
            counted.set(1);
            yield_now().await;
            counted.set(2);
        });
        enter(&ctx, &next);
        coroutine.wake();
        waker.take().expect("it was polled").wake();
        settle(&ctx);
        assert_eq!((runs.get(), ended(&ctx, &next)), (1, false));
    }

    #[should_panic(expected = "which runs")]
    fn a_coroutine_cannot_drop_itself(ctx) {
        let coroutine = ctx.coroutine("suicide", async {
            Coroutine::current().expect("it runs").drop_parked();
        });
        enter(&ctx, &coroutine);
    }
}

//! Entering what cannot be entered is a bug, and the panic names both coroutines.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_runtime::sync::thread;
use blockjob_runtime::{AioContext, Coroutine, yield_now};

use crate::common::{ended, enter, spawn, virtual_context};

in_both_lives! {
    #[should_panic(expected = "coroutine inner#2 entered outer#1 which runs already, entered by the event loop")]
    fn entering_the_one_that_waits_for_the_enterer_panics(ctx) {
        let slot: Rc<RefCell<Option<Coroutine>>> = Rc::default();
        let outer = ctx.coroutine("outer", {
            let (ctx, slot) = (ctx.clone(), slot.clone());
            async move {
                let inner = ctx.coroutine("inner", async move {
                    let outer = slot.take().expect("set before it runs");
                    outer.enter();
                });
                inner.enter();
            }
        });
        slot.replace(Some(outer.clone()));
        enter(&ctx, &outer);
    }

    #[should_panic(expected = "coroutine inner#2 entered inner#2 which runs already, entered by outer#1")]
    fn entering_itself_panics(ctx) {
        spawn(&ctx, "outer", {
            let ctx = ctx.clone();
            async move {
                spawn(&ctx, "inner", async {
                    Coroutine::current().expect("this is a coroutine").enter();
                });
            }
        });
    }

    #[should_panic(expected = "coroutine late#2 entered brief#1 after it had ended")]
    fn entering_one_that_has_ended_panics(ctx) {
        let brief = spawn(&ctx, "brief", async {});
        spawn(&ctx, "late", async move { brief.enter() });
    }

    #[should_panic(expected = "coroutine (none) entered first#1 after it had ended")]
    fn entering_one_whose_place_another_has_panics(ctx) {
        let first = spawn(&ctx, "first", async {});
        spawn(&ctx, "second", yield_now());
        enter(&ctx, &first);
    }

    #[should_panic(expected = "coroutine visitor#1 in main entered resident#1, whose home is context other")]
    fn entering_from_another_context_panics(ctx) {
        let other = AioContext::builder().name("other").virtual_time().build();
        let resident = other.coroutine("resident", async {});
        spawn(&ctx, "visitor", async move { resident.enter() });
    }

    #[should_panic(expected = "coroutine (none) in no context entered resident#1, whose home is context main")]
    fn entering_outside_of_any_context_panics(ctx) {
        ctx.coroutine("resident", async {}).enter();
    }

    #[should_panic(expected = "resident#1 was looked at outside of its home, context main")]
    fn asking_outside_of_its_home_whether_it_has_ended_panics(ctx) {
        ctx.coroutine("resident", async {}).ended();
    }

    fn entering_from_a_foreign_thread_panics_with_both_names(ctx) {
        let resident = ctx.coroutine("resident", async {});
        let foreign = resident.clone();
        #[allow(clippy::disallowed_methods)] // A foreign thread is the point.
        let panic = thread::spawn(move || {
            let theirs = AioContext::builder().name("theirs").virtual_time().build();
            spawn(&theirs, "visitor", async move { foreign.enter() });
        })
        .join()
        .expect_err("it panics");
        assert_eq!(
            panic.downcast_ref::<String>().expect("a formatted message"),
            "coroutine visitor#1 in theirs entered resident#1, whose home is context main"
        );
        assert!(!ended(&ctx, &resident), "and it has not run");
    }
}

#[test]
#[should_panic(expected = "no AioContext is current on this thread")]
fn there_is_no_current_context_outside_of_one() {
    let _ctx = virtual_context();
    let _ = AioContext::current();
}

#[test]
#[should_panic(expected = "yield_now runs inside of a coroutine")]
fn yielding_outside_of_a_coroutine_panics() {
    let ctx = virtual_context();
    let _current = ctx.make_current();
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let _ = std::pin::pin!(yield_now()).poll(cx);
}

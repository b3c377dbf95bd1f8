//! QEMU's `/aio/event/*`.

use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use blockjob_runtime::{AioContext, EventNotifier};

/// A source that counts how often it is served.
fn counter(ctx: &AioContext) -> (EventNotifier, Rc<Cell<u32>>) {
    let served = Rc::new(Cell::new(0));
    let source = ctx.event_source("counter", false, {
        let served = served.clone();
        move || served.set(served.get() + 1)
    });
    (source, served)
}

in_both_lives! {
    fn adding_and_removing_a_source_never_serves_it(ctx) {
        let (source, served) = counter(&ctx);
        assert!(!ctx.poll(false));
        source.remove();
        while ctx.poll(false) {}
        assert_eq!(served.get(), 0);
        assert_eq!(Rc::strong_count(&served), 1, "the handler is gone");
    }

    fn an_announcement_is_served_once(ctx) {
        let (source, served) = counter(&ctx);
        source.set();
        assert_eq!(served.get(), 0);
        assert!(ctx.poll(true));
        assert_eq!(served.get(), 1);
        assert!(!ctx.poll(false));
        assert_eq!(served.get(), 1);
    }

    fn announcements_made_before_the_handler_runs_are_served_together(ctx) {
        let (source, served) = counter(&ctx);
        source.set();
        source.set();
        assert!(ctx.poll(false));
        assert!(!ctx.poll(false));
        assert_eq!(served.get(), 1);
    }

    /// A blocking poll does not wait for one source while the other has something to say.
    fn of_two_sources_each_is_served_as_often_as_it_announced(ctx) {
        let (first, first_served) = counter(&ctx);
        let (second, second_served) = counter(&ctx);
        first.set();
        assert!(ctx.poll(true));
        assert_eq!((first_served.get(), second_served.get()), (1, 0));
        second.set();
        first.set();
        assert!(ctx.poll(true));
        while ctx.poll(false) {}
        assert_eq!((first_served.get(), second_served.get()), (2, 1));
    }

    fn a_source_that_announces_itself_again_is_served_once_a_pass(ctx) {
        let left = Rc::new(Cell::new(10));
        let itself: Rc<OnceCell<EventNotifier>> = Rc::default();
        let source = ctx.event_source("countdown", false, {
            let (left, itself) = (left.clone(), itself.clone());
            move || {
                left.set(left.get() - 1);
                if left.get() > 0 {
                    itself.get().expect("set").set();
                }
            }
        });
        itself.set(source.clone()).expect("set once");
        source.set();
        for expected in (0..10).rev() {
            assert!(ctx.poll(true));
            assert_eq!(left.get(), expected);
        }
        assert!(!ctx.poll(false));
    }

    fn an_announcement_that_was_taken_back_is_not_served(ctx) {
        let (source, served) = counter(&ctx);
        source.set();
        assert!(source.test_and_clear());
        assert!(!source.test_and_clear());
        assert!(!ctx.poll(false));
        source.set();
        assert!(ctx.poll(false));
        assert_eq!(served.get(), 1);
    }

    fn a_removed_source_is_not_served(ctx) {
        let (source, served) = counter(&ctx);
        source.set();
        source.remove();
        while ctx.poll(false) {}
        source.set();
        while ctx.poll(false) {}
        assert_eq!(served.get(), 0);
    }

    fn a_handler_may_remove_its_source(ctx) {
        let itself: Rc<OnceCell<EventNotifier>> = Rc::default();
        let served = Rc::new(Cell::new(0));
        let source = ctx.event_source("brief", false, {
            let (served, itself) = (served.clone(), itself.clone());
            move || {
                served.set(served.get() + 1);
                itself.get().expect("set").set();
                itself.get().expect("set").remove();
            }
        });
        itself.set(source.clone()).expect("set once");
        source.set();
        while ctx.poll(false) {}
        assert_eq!(served.get(), 1);
        itself.get().expect("set");
        assert_eq!(Rc::strong_count(&served), 1, "the handler is gone");
    }

    fn an_announcement_made_while_the_handler_polls_is_served_afterwards(ctx) {
        let itself: Rc<OnceCell<EventNotifier>> = Rc::default();
        let served = Rc::new(Cell::new(0));
        let source = ctx.event_source("poller", false, {
            let (served, itself, ctx) = (served.clone(), itself.clone(), ctx.clone());
            move || {
                served.set(served.get() + 1);
                if served.get() == 1 {
                    itself.get().expect("set").set();
                    ctx.poll(false);
                    assert_eq!(served.get(), 1, "it does not run on top of itself");
                }
            }
        });
        itself.set(source.clone()).expect("set once");
        source.set();
        assert!(ctx.poll(false));
        assert!(ctx.poll(false));
        assert_eq!(served.get(), 2);
    }

    fn a_source_whose_handler_panicked_is_served_again(ctx) {
        let served = Rc::new(Cell::new(0));
        let source = ctx.event_source("fragile", false, {
            let served = served.clone();
            move || {
                served.set(served.get() + 1);
                assert!(served.get() > 1, "the first time fails");
            }
        });
        source.set();
        catch_unwind(AssertUnwindSafe(|| ctx.poll(false))).expect_err("the panic comes out of poll");
        source.set();
        assert!(ctx.poll(false));
        assert_eq!(served.get(), 2);
    }
}

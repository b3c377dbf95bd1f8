//! A panic inside of a coroutine ends it, and nothing else.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;

use blockjob_runtime::{AioContext, Coroutine, in_coroutine, yield_now};

use crate::common::{Diary, ended, enter, settle, spawn};

/// What `act` panics with.
fn panic_of<R>(act: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(act));
    let Err(panic) = panic else {
        panic!("it was to panic");
    };
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.unwrap_or_else(|| panic.downcast_ref::<String>().expect("a message").clone())
}

/// True if coroutines still start, sleep and end as they should.
fn is_usable(ctx: &AioContext) -> bool {
    assert!(!in_coroutine());
    assert_eq!(AioContext::try_current(), None);
    ctx.run("survivor", {
        let ctx = ctx.clone();
        async move {
            ctx.sleep(1).await;
            Coroutine::current().is_some_and(|me| me.id().name == "survivor")
        }
    })
}

in_both_lives! {
    fn a_panic_comes_out_of_enter_and_ends_the_coroutine(ctx) {
        let token = Rc::new(());
        let fragile = ctx.coroutine("fragile", {
            let token = token.clone();
            async move {
                yield_now().await;
                assert_eq!(Rc::strong_count(&token), 0, "on purpose");
            }
        });
        enter(&ctx, &fragile);
        assert!(panic_of(|| enter(&ctx, &fragile)).contains("on purpose"));
        assert!(ended(&ctx, &fragile));
        assert_eq!((Rc::strong_count(&token), ctx.live_coroutines()), (1, 0));
        assert!(is_usable(&ctx));
    }

    fn a_panic_comes_out_of_poll_and_the_rest_of_the_pass_is_kept(ctx) {
        let diary = Diary::default();
        ctx.coroutine("fragile", async { panic!("on purpose") }).wake();
        ctx.coroutine("steady", {
            let diary = diary.clone();
            async move { diary.note("ran") }
        })
        .wake();
        assert_eq!(panic_of(|| ctx.poll(true)), "on purpose");
        assert_eq!(diary.len(), 0);
        assert!(ctx.poll(false));
        assert_eq!(diary.read(), "ran");
        assert!(is_usable(&ctx));
    }

    fn a_panic_of_the_entered_goes_through_the_enterer_and_ends_both(ctx) {
        let message = panic_of(|| {
            spawn(&ctx, "outer", {
                let ctx = ctx.clone();
                async move {
                    ctx.coroutine("inner", async { panic!("on purpose") }).enter();
                    unreachable!("the panic has gone through here");
                }
            });
        });
        assert_eq!((message.as_str(), ctx.live_coroutines()), ("on purpose", 0));
        assert!(is_usable(&ctx));
    }

    fn an_enterer_that_catches_the_panic_goes_on(ctx) {
        let diary = Diary::default();
        spawn(&ctx, "outer", {
            let (ctx, diary) = (ctx.clone(), diary.clone());
            async move {
                let inner = ctx.coroutine("inner", async { panic!("on purpose") });
                let me = Coroutine::current();
                diary.note(panic_of(|| inner.enter()).replace(' ', "-"));
                assert_eq!(Coroutine::current(), me);
                assert!(inner.ended());
                ctx.sleep(0).await;
                diary.note("went-on");
            }
        });
        ctx.poll_while(|| ctx.live_coroutines() > 0);
        assert_eq!(diary.read(), "on-purpose went-on");
    }

    fn a_wake_that_was_queued_before_the_panic_finds_nobody(ctx) {
        let fragile = ctx.coroutine("fragile", async {
            Coroutine::current().expect("this is a coroutine").wake();
            panic!("on purpose");
        });
        assert_eq!(panic_of(|| enter(&ctx, &fragile)), "on purpose");
        spawn(&ctx, "successor", async {
            yield_now().await;
            unreachable!("nobody woke it");
        });
        settle(&ctx);
        assert!(is_usable(&ctx));
        ctx.close();
    }

    fn what_a_panicking_future_owned_is_dropped_while_it_is_still_current(ctx) {
        struct Owned(Diary);
        impl Drop for Owned {
            fn drop(&mut self) {
                let current = Coroutine::current().map(|me| me.id().name);
                self.0.note(current.unwrap_or("(none)"));
            }
        }
        let diary = Diary::default();
        let mut owned = Some(Owned(diary.clone()));
        let message = panic_of(|| {
            spawn(&ctx, "fragile", poll_fn(move |_| -> Poll<()> {
                assert!(owned.as_mut().is_none(), "on purpose");
                Poll::Ready(())
            }));
        });
        assert!(message.contains("on purpose"));
        assert_eq!(diary.read(), "fragile");
        assert!(is_usable(&ctx));
    }

    /// The coroutine has run to its end, and its destructor fails.
    fn a_panic_of_a_destructor_ends_the_coroutine_too(ctx) {
        struct Bomb(Rc<Cell<bool>>);
        impl Drop for Bomb {
            fn drop(&mut self) {
                self.0.set(true);
                panic!("on purpose");
            }
        }
        let dropped = Rc::new(Cell::new(false));
        let mut bomb = Some(Bomb(dropped.clone()));
        let message = panic_of(|| {
            spawn(&ctx, "fragile", poll_fn(move |_| {
                assert!(bomb.as_mut().is_some());
                Poll::Ready(())
            }));
        });
        assert_eq!(message, "on purpose");
        assert!(dropped.get());
        assert_eq!(ctx.live_coroutines(), 0);
        assert!(is_usable(&ctx));
    }

    fn a_panic_of_a_oneshot_leaves_the_loop_usable(ctx) {
        ctx.schedule_oneshot("fragile", || panic!("on purpose"));
        assert_eq!(panic_of(|| ctx.poll(false)), "on purpose");
        assert!(is_usable(&ctx));
    }
}

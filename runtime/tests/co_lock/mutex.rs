//! QEMU's `/locking/co-mutex`.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_runtime::{CoMutex, yield_now};

use crate::common::{Diary, ended, enter, settle, spawn};

in_both_lives! {
    /// The second locker queues. Unlocking makes it the holder and queues it; it runs when the
    /// first yields.
    fn unlocking_hands_the_lock_to_the_first_waiter_before_it_runs(ctx) {
        let mutex = Rc::new(CoMutex::new());
        let diary = Diary::default();
        let locker = |name: &'static str| {
            let (mutex, diary) = (mutex.clone(), diary.clone());
            async move {
                let guard = mutex.lock().await;
                diary.note(format!("{name}+"));
                yield_now().await;
                diary.note(format!("{name}-"));
                drop(guard);
                yield_now().await;
            }
        };
        let first = spawn(&ctx, "first", locker("1"));
        let second = spawn(&ctx, "second", locker("2"));
        assert_eq!(diary.read(), "1+");
        assert!(mutex.try_lock().is_none());
        enter(&ctx, &first);
        assert_eq!(diary.read(), "1+ 1-");
        assert!(mutex.try_lock().is_none(), "nobody is faster than the waiter");
        assert!(ctx.poll(false));
        assert_eq!(diary.read(), "1+ 1- 2+");
        enter(&ctx, &second);
        assert_eq!(diary.read(), "1+ 1- 2+ 2-");
        assert!(mutex.try_lock().is_some());
        ctx.close();
    }

    fn waiters_get_the_lock_in_the_order_in_which_they_came(ctx) {
        let mutex = Rc::new(CoMutex::new());
        let diary = Diary::default();
        for number in 0..10 {
            let (mutex, diary, ctx2) = (mutex.clone(), diary.clone(), ctx.clone());
            spawn(&ctx, "locker", async move {
                let _guard = mutex.lock().await;
                ctx2.sleep(0).await;
                diary.note(number);
            });
        }
        ctx.poll_while(|| ctx.live_coroutines() > 0);
        assert_eq!(diary.read(), "0 1 2 3 4 5 6 7 8 9");
    }

    fn a_waiter_that_was_dropped_is_passed_over(ctx) {
        let mutex = Rc::new(CoMutex::new());
        let guard = mutex.try_lock().expect("nobody has it");
        let ran = Rc::new(Cell::new(false));
        {
            let impatient = mutex.lock();
            let mut impatient = Box::pin(impatient);
            let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
            assert!(impatient.as_mut().poll(cx).is_pending());
        }
        let patient = spawn(&ctx, "patient", {
            let (mutex, ran) = (mutex.clone(), ran.clone());
            async move {
                let _guard = mutex.lock().await;
                ran.set(true);
            }
        });
        drop(guard);
        settle(&ctx);
        assert!(ran.get() && ended(&ctx, &patient));
    }

    fn a_panic_while_the_lock_is_held_unlocks_it(ctx) {
        let mutex = Rc::new(CoMutex::new());
        let holder = {
            let mutex = mutex.clone();
            async move {
                let _guard = mutex.lock().await;
                panic!("on purpose");
            }
        };
        let panic = std::panic::AssertUnwindSafe(|| spawn(&ctx, "holder", holder));
        std::panic::catch_unwind(panic).expect_err("it panics");
        assert!(mutex.try_lock().is_some());
    }
}

//! QEMU's `/locking/co-rwlock/*`, and the bug that its downgrade had.

use std::rc::Rc;

use blockjob_runtime::{AioContext, CoRwlock, Coroutine, yield_now};

use crate::common::{Diary, enter, settle, spawn};

/// Reads, and ends when it is entered once more.
fn reader(ctx: &AioContext, lock: &Rc<CoRwlock>, diary: &Diary, name: &'static str) -> Coroutine {
    let (lock, diary) = (lock.clone(), diary.clone());
    spawn(ctx, name, async move {
        let _guard = lock.read().await;
        diary.note(format!("{name}+"));
        yield_now().await;
        diary.note(format!("{name}-"));
    })
}

/// Writes, and ends when it is entered once more.
fn writer(ctx: &AioContext, lock: &Rc<CoRwlock>, diary: &Diary, name: &'static str) -> Coroutine {
    let (lock, diary) = (lock.clone(), diary.clone());
    spawn(ctx, name, async move {
        let _guard = lock.write().await;
        diary.note(format!("{name}+"));
        yield_now().await;
        diary.note(format!("{name}-"));
    })
}

in_both_lives! {
    fn readers_share_and_a_writer_is_alone(ctx) {
        let (lock, diary) = (Rc::new(CoRwlock::new()), Diary::default());
        let readers = ["r1", "r2"].map(|name| reader(&ctx, &lock, &diary, name));
        let writer = writer(&ctx, &lock, &diary, "w");
        let late = reader(&ctx, &lock, &diary, "late");
        assert_eq!(diary.read(), "r1+ r2+", "the late reader goes behind the writer");
        enter(&ctx, &readers[0]);
        settle(&ctx);
        assert_eq!(diary.read(), "r1+ r2+ r1-");
        enter(&ctx, &readers[1]);
        settle(&ctx);
        assert_eq!(diary.read(), "r1+ r2+ r1- r2- w+");
        enter(&ctx, &writer);
        settle(&ctx);
        enter(&ctx, &late);
        assert_eq!(diary.read(), "r1+ r2+ r1- r2- w+ w- late+ late-");
    }

    fn an_upgrade_goes_behind_a_writer_that_waits(ctx) {
        let (lock, diary) = (Rc::new(CoRwlock::new()), Diary::default());
        let upgrader = spawn(&ctx, "upgrader", {
            let (lock, diary) = (lock.clone(), diary.clone());
            async move {
                let guard = lock.read().await;
                diary.note("reads");
                yield_now().await;
                let _guard = guard.upgrade().await;
                diary.note("writes");
            }
        });
        let writer = writer(&ctx, &lock, &diary, "w");
        enter(&ctx, &upgrader);
        settle(&ctx);
        assert_eq!(diary.read(), "reads w+");
        enter(&ctx, &writer);
        settle(&ctx);
        assert_eq!(diary.read(), "reads w+ w- writes");
    }

    fn the_only_reader_becomes_the_writer_at_once(ctx) {
        let lock = Rc::new(CoRwlock::new());
        spawn(&ctx, "upgrader", {
            let lock = lock.clone();
            async move {
                let guard = lock.read().await;
                let _guard = guard.upgrade().await;
            }
        });
        assert_eq!(ctx.live_coroutines(), 0);
        assert!(!ctx.poll(false));
    }

    /// QEMU's first lock woke only one waiter, and only when the last reader had left: readers
    /// that waited behind the writer slept on while the downgraded one waited for them.
    fn a_downgrade_lets_in_the_readers_at_the_head_of_the_line_and_no_writer(ctx) {
        let (lock, diary) = (Rc::new(CoRwlock::new()), Diary::default());
        let downgrader = spawn(&ctx, "downgrader", {
            let (lock, diary) = (lock.clone(), diary.clone());
            async move {
                let guard = lock.write().await;
                yield_now().await;
                let _guard = guard.downgrade();
                diary.note("reads");
                yield_now().await;
            }
        });
        let readers = ["r1", "r2"].map(|name| reader(&ctx, &lock, &diary, name));
        let writer = writer(&ctx, &lock, &diary, "w");
        let late = reader(&ctx, &lock, &diary, "late");
        enter(&ctx, &downgrader);
        settle(&ctx);
        assert_eq!(diary.read(), "reads r1+ r2+");
        for reader in &readers {
            enter(&ctx, reader);
        }
        settle(&ctx);
        assert_eq!(diary.read(), "reads r1+ r2+ r1- r2-", "the downgraded one still reads");
        enter(&ctx, &downgrader);
        settle(&ctx);
        enter(&ctx, &writer);
        settle(&ctx);
        enter(&ctx, &late);
        assert_eq!(diary.read(), "reads r1+ r2+ r1- r2- w+ w- late+ late-");
    }

    fn a_writer_that_gives_up_lets_in_the_readers_behind_it(ctx) {
        let (lock, diary) = (Rc::new(CoRwlock::new()), Diary::default());
        let _first = reader(&ctx, &lock, &diary, "r1");
        {
            let mut impatient = Box::pin(lock.write());
            let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
            assert!(impatient.as_mut().poll(cx).is_pending());
            let _second = reader(&ctx, &lock, &diary, "r2");
            settle(&ctx);
            assert_eq!(diary.read(), "r1+");
        }
        settle(&ctx);
        assert_eq!(diary.read(), "r1+ r2+");
        ctx.close();
    }
}

//! Lanes: blocking jobs that take turns. QEMU has no counterpart.

#[macro_use]
mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use blockjob_runtime::Cancelled;

use common::spawn;

in_both_lives! {
    fn jobs_of_a_lane_with_one_worker_run_in_the_order_in_which_they_came(ctx) {
        let lane = ctx.lane(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..100 {
            let order = order.clone();
            let job = lane.spawn(move || order.lock().expect("whole").push(number));
            spawn(&ctx, "waiter", async move { job.await.expect("nobody cancels it") });
        }
        ctx.poll_while(|| ctx.live_coroutines() > 0);
        let order = order.lock().expect("whole");
        assert_eq!(*order, (0..100).collect::<Vec<_>>());
    }

    fn no_more_jobs_run_at_a_time_than_the_lane_has_workers(ctx) {
        let lane = ctx.lane(3);
        let running = Arc::new(AtomicU32::new(0));
        let most = Arc::new(AtomicU32::new(0));
        for _ in 0..200 {
            let (running, most) = (running.clone(), most.clone());
            let job = lane.spawn(move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            });
            spawn(&ctx, "waiter", async move { job.await.expect("nobody cancels it") });
        }
        ctx.poll_while(|| ctx.live_coroutines() > 0);
        let most = most.load(Ordering::SeqCst);
        assert!((1..=3).contains(&most), "{most} ran at a time");
    }

    fn a_lane_that_has_come_to_rest_runs_what_comes_later(ctx) {
        let lane = ctx.lane(1);
        for number in 0..3 {
            let job = lane.spawn(move || number);
            let result = ctx.run("waiter", job);
            assert_eq!(result, Ok(number));
        }
    }

    fn a_cancelled_job_gives_its_turn_to_the_next(ctx) {
        let lane = ctx.lane(1);
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let results = Rc::new(RefCell::new(Vec::new()));
        // In virtual time a job runs inside of a wait, so the gate is open before any of them can.
        let first = lane.spawn(move || { let _ = gate.recv(); 1 });
        let second = lane.spawn(|| 2);
        let third = lane.spawn(|| 3);
        assert!(second.cancel());
        drop(open);
        for job in [first, second, third] {
            let results = results.clone();
            spawn(&ctx, "waiter", async move {
                let result = job.await;
                results.borrow_mut().push(result);
            });
            ctx.poll_while(|| ctx.live_coroutines() > 0);
        }
        assert_eq!(*results.borrow(), [Ok(1), Err(Cancelled), Ok(3)]);
    }

    fn a_cancelled_job_whose_destructor_panics_does_not_keep_its_turn(ctx) {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("the destructor of a cancelled job");
            }
        }
        let lane = ctx.lane(1);
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let first = lane.spawn(move || { let _ = gate.recv(); });
        let bomb = Bomb;
        let second = lane.spawn(move || { let _bomb = &bomb; });
        assert!(second.cancel());
        drop(open);
        assert_eq!(ctx.run("waiter", first), Ok(()));
        let third = lane.spawn(|| 3);
        assert_eq!(ctx.run("waiter", third), Ok(3));
    }
}

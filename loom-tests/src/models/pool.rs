//! Jobs on the pool and in lanes: their completion against their cancel, and the results' way home.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use blockjob_runtime::Cancelled;

use crate::check::group;
use crate::world::{Dropped, Witness, context, join, spawn};

group! { "pool" about &["pool.rs", "lane.rs", "handle.rs", "coroutine.rs"];
    a_result_comes_home_with_what_the_job_did within 5,
    a_job_is_cancelled_or_runs within 6,
    a_cancel_from_elsewhere_ends_the_wait_or_comes_too_late within 3,
    a_job_that_nobody_waits_for_runs_and_is_dropped_once within 5,
    two_jobs_of_a_narrow_lane_take_turns within 4,
    two_jobs_of_a_wide_lane_both_run within 3,
}

fn a_result_comes_home_with_what_the_job_did() {
    let ctx = context("main");
    let done = Witness::new();
    let task = {
        let done = done.clone();
        ctx.spawn_blocking(move || {
            done.set();
            7
        })
    };
    assert_eq!(ctx.run("awaits", task), Ok(7));
    assert!(done.is_set());
}

fn a_job_is_cancelled_or_runs() {
    let ctx = context("main");
    let ran = Witness::new();
    let task = {
        let ran = ran.clone();
        ctx.spawn_blocking(move || ran.set())
    };
    let cancelled = task.cancel();
    let result = ctx.run("awaits", task);
    assert_eq!(result, if cancelled { Err(Cancelled) } else { Ok(()) });
    assert_eq!(ran.is_set(), !cancelled);
}

fn a_cancel_from_elsewhere_ends_the_wait_or_comes_too_late() {
    let ctx = context("main");
    let (ran, cancelled) = (Witness::new(), Witness::new());
    let task = {
        let ran = ran.clone();
        Rc::new(RefCell::new(ctx.spawn_blocking(move || ran.set())))
    };
    let canceller = {
        let (task, cancelled) = (ctx.settle(task.clone()), cancelled.clone());
        spawn(move || {
            task.post("cancel", move |task| {
                if task.borrow().cancel() {
                    cancelled.set();
                }
            });
        })
    };
    let result = ctx.run(
        "awaits",
        poll_fn(move |cx| Pin::new(&mut *task.borrow_mut()).poll(cx)),
    );
    join(canceller);
    match result {
        Ok(()) => assert!(ran.is_set() && !cancelled.is_set()),
        Err(Cancelled) => assert!(!ran.is_set() && cancelled.is_set()),
    }
}

fn a_job_that_nobody_waits_for_runs_and_is_dropped_once() {
    let ctx = context("main");
    let (ran, dropped) = (Witness::new(), Witness::new());
    let handle = ctx.handle();
    let task = {
        let (ran, luggage) = (ran.clone(), Dropped(dropped.clone()));
        ctx.spawn_blocking(move || {
            ran.count();
            drop(luggage);
            handle.kick();
        })
    };
    drop(task);
    // Nothing orders the two but the posts that follow, so both are waited for.
    ctx.poll_while(|| !(ran.is_set() && dropped.is_set()));
    assert_eq!((ran.get(), dropped.get()), (1, 1));
}

fn two_jobs_of_a_narrow_lane_take_turns() {
    let ctx = context("main");
    let lane = ctx.lane(1);
    let work = Witness::new();
    let tasks = [(); 2].map(|()| {
        let work = work.clone();
        lane.spawn(move || work.count())
    });
    for task in tasks {
        assert_eq!(ctx.run("awaits", task), Ok(()));
    }
    assert_eq!(work.get(), 2, "they ran at the same time");
}

fn two_jobs_of_a_wide_lane_both_run() {
    let ctx = context("main");
    let lane = ctx.lane(2);
    let tasks = [1, 2].map(|number| lane.spawn(move || number));
    for (task, number) in tasks.into_iter().zip(1..) {
        assert_eq!(ctx.run("awaits", task), Ok(number));
    }
}

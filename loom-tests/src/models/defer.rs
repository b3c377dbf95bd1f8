//! The hop of a job that ends in an iothread: its coroutine ends there, main is told, and main calls back
//! into the iothread to do the last step, once, while somebody cancels it.
//!
//! QEMU: `job_defer_to_main_loop`, `job_exit` (job.c). The jobs themselves are modelled elsewhere: this is
//! what of the hop the runtime answers for.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_runtime::{AioContext, AioHandle, Resident, yield_now};

use crate::check::group;
use crate::world::{Witness, context, iothread, join, spawn};

group! { "defer" about &["call.rs", "handle.rs", "coroutine.rs", "iothread.rs"];
    the_last_step_runs_once_after_the_coroutine within 2,
    a_cancel_comes_before_the_last_step_or_too_late within 2,
    main_waits_for_one_thread_while_another_posts within 2,
}

/// A job's state in its iothread.
#[derive(Default)]
struct Job {
    cancelled: Cell<bool>,
    ended: Cell<bool>,
    over: Cell<bool>,
}

impl Job {
    /// The last step; true if the job was cancelled.
    fn exit(&self) -> bool {
        assert!(self.ended.get(), "its coroutine has not ended");
        assert!(!self.over.replace(true), "it ends twice");
        self.cancelled.get()
    }

    /// True if it came in time.
    fn cancel(&self) -> bool {
        let in_time = !self.over.get();
        self.cancelled.set(in_time);
        in_time
    }
}

/// What becomes of a job, in main.
#[derive(Clone, Default)]
struct Outcome {
    over: Witness,
    cancelled: Witness,
}

/// Starts a job in the current context, which hops to `main` after one turn.
fn start(there: &AioContext, main: AioHandle, outcome: Outcome) -> Resident<Job> {
    let job = Rc::new(Job::default());
    let resident = there.settle(job.clone());
    let named = resident.clone();
    let co = there.coroutine("job", async move {
        yield_now().await;
        job.ended.set(true);
        main.schedule_oneshot("last step", move |main| {
            let cancelled = main.call_resident(&named, "exit", |job| job.exit());
            if cancelled.expect("the thread runs") {
                outcome.cancelled.count();
            }
            outcome.over.count();
        });
    });
    co.enter();
    co.wake();
    resident
}

fn start_in(io: &AioHandle, ctx: &AioContext) -> (Resident<Job>, Outcome) {
    let outcome = Outcome::default();
    let (main, told) = (ctx.handle(), outcome.clone());
    let job = ctx.call(io, "start", move |there| start(there, main, told));
    (job.expect("the thread runs"), outcome)
}

fn the_last_step_runs_once_after_the_coroutine() {
    let ctx = context("main");
    let io = iothread("iothread");
    let (_, outcome) = start_in(io.handle(), &ctx);
    ctx.poll_while(|| !outcome.over.is_set());
    io.stop();
    ctx.poll(false);
    assert_eq!(outcome.over.get(), 1);
    assert!(!outcome.cancelled.is_set());
}

/// The cancel goes the way of a command: a monitor posts it to main, and main calls the iothread. It may
/// come in the middle of the last step, while main polls for that one's answer.
fn a_cancel_comes_before_the_last_step_or_too_late() {
    let ctx = context("main");
    let io = iothread("iothread");
    let (job, outcome) = start_in(io.handle(), &ctx);
    let (answered, in_time) = (Witness::new(), Witness::new());
    let monitor = {
        let (main, answered, in_time) = (ctx.handle(), answered.clone(), in_time.clone());
        spawn(move || {
            main.schedule_oneshot("cancel", move |main| {
                let came = main.call_resident(&job, "cancel", |job| job.cancel());
                if came.expect("the thread runs") {
                    in_time.count();
                }
                answered.count();
            });
        })
    };
    ctx.poll_while(|| !(outcome.over.is_set() && answered.is_set()));
    join(monitor);
    io.stop();
    assert_eq!((outcome.over.get(), answered.get()), (1, 1));
    assert_eq!(outcome.cancelled.get(), in_time.get());
}

fn main_waits_for_one_thread_while_another_posts() {
    let ctx = context("main");
    let io = iothread("iothread");
    let posted = Witness::new();
    let poster = {
        let (handle, posted) = (ctx.handle(), posted.clone());
        spawn(move || handle.schedule_oneshot("post", move |_| posted.count()))
    };
    let answer = ctx.call(io.handle(), "call", |_| 7);
    assert_eq!(answer, Ok(7));
    while !posted.is_set() {
        ctx.poll(true);
    }
    join(poster);
    io.stop();
    assert_eq!(posted.get(), 1);
}

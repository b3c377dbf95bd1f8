//! Threads with a context: their end against late work, and the answers of what is asked of them.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_runtime::{AioHandle, yield_now};

use crate::check::group;
use crate::world::{Dropped, Witness, context, iothread, join, spawn};

group! { "iothread" about &["iothread.rs", "call.rs", "handle.rs"];
    what_is_posted_before_the_stop_is_done within 4,
    what_is_posted_beside_the_stop_runs_or_is_dropped within 3,
    a_call_returns_what_ran_there within 3,
    a_coroutine_there_answers_or_ends_with_its_context within 4,
    a_request_beside_the_stop_is_answered_or_told_that_nobody_will within 3,
    a_resident_that_is_evicted_is_gone_for_others within 1,
    a_stop_ends_coroutines_that_wait_for_others within 4,
    main_waits_for_one_thread_while_another_posts within 2,
}

fn what_is_posted_before_the_stop_is_done() {
    let io = iothread("iothread");
    let ran = Witness::new();
    {
        let ran = ran.clone();
        io.handle().schedule_oneshot("post", move |_| ran.count());
    }
    io.stop();
    assert_eq!(ran.get(), 1);
}

fn what_is_posted_beside_the_stop_runs_or_is_dropped() {
    let io = iothread("iothread");
    let (ran, dropped) = (Witness::new(), Witness::new());
    let poster = {
        let (handle, ran) = (io.handle().clone(), ran.clone());
        let luggage = Dropped(dropped.clone());
        spawn(move || {
            handle.schedule_oneshot("post", move |_| {
                drop(luggage);
                ran.count();
            });
        })
    };
    io.stop();
    let before = ran.get();
    join(poster);
    assert_eq!(ran.get(), before, "it ran after the end of its thread");
    assert_eq!(dropped.get(), 1);
}

fn a_call_returns_what_ran_there() {
    let ctx = context("main");
    let io = iothread("iothread");
    let written = Witness::new();
    let answer = {
        let written = written.clone();
        ctx.call(io.handle(), "call", move |there| {
            written.set();
            there.handle().name().to_owned()
        })
    };
    assert_eq!(answer.as_deref(), Ok("iothread"));
    assert!(written.is_set());
    io.stop();
}

fn a_coroutine_there_answers_or_ends_with_its_context() {
    let ctx = context("main");
    let io = iothread("iothread");
    let never = io.handle().request_co("waits", |_| async {
        loop {
            yield_now().await;
        }
        #[allow(unreachable_code)] // It says what the answer would be.
        7
    });
    let soon = io.handle().request_co("answers", |_| async { 7 });
    io.stop();
    assert_eq!(ctx.run("awaits", soon).ok(), Some(7));
    assert!(ctx.run("awaits", never).is_err());
}

fn a_request_beside_the_stop_is_answered_or_told_that_nobody_will() {
    let io = iothread("iothread");
    let ran = Witness::new();
    let asker = {
        let (handle, ran) = (io.handle().clone(), ran.clone());
        spawn(move || {
            let ctx = context("main");
            let answer = ctx.call(&handle, "call", move |_| ran.set());
            answer.is_ok()
        })
    };
    io.stop();
    let answered = join(asker);
    assert_eq!(ran.is_set(), answered);
}

fn a_resident_that_is_evicted_is_gone_for_others() {
    let ctx = context("main");
    let io = iothread("iothread");
    let resident = ctx.call(io.handle(), "settle", |there| {
        there.settle(Rc::new(Cell::new(0)))
    });
    let resident = resident.expect("the thread runs");
    let evictor = {
        let resident = resident.clone();
        spawn(move || {
            let handle: AioHandle = resident.handle().clone();
            handle.schedule_oneshot("evict", move |there| {
                let state = there.evict(&resident).expect("nobody else evicts it");
                assert!(state.get() <= 1);
            });
        })
    };
    let answer = ctx.call_resident(&resident, "count", |count| {
        count.set(count.get() + 1);
        count.get()
    });
    assert!(matches!(answer, Ok(1) | Err(_)));
    join(evictor);
    io.stop();
}

fn a_stop_ends_coroutines_that_wait_for_others() {
    let ctx = context("main");
    let io = iothread("iothread");
    let (main, dropped) = (ctx.handle(), Witness::new());
    let luggage = Dropped(dropped.clone());
    io.handle().start("asks main", move || async move {
        let _luggage = luggage;
        // Nobody polls main until the thread has ended.
        let _ = main.request("question", |_| ()).await;
    });
    io.stop();
    assert_eq!(dropped.get(), 1);
    ctx.poll(false);
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

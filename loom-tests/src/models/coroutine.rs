//! Coroutines that other threads start and wake, against their yields, their end and the end of their
//! context.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use blockjob_runtime::sync::{Arc, Mutex};
use blockjob_runtime::yield_now;

use crate::check::group;
use crate::world::{Dropped, Witness, context, finish, join, spawn};

group! { "coroutine" about &["coroutine.rs", "coroutines.rs", "frame.rs", "handle.rs"];
    a_wake_ends_a_yield_and_brings_what_came_before within 5,
    of_two_wakes_each_is_seen within 3,
    a_waker_that_a_future_kept_wakes_it within 5,
    an_enter_overtakes_a_wake_and_loses_nothing within 5,
    a_wake_of_one_that_ends_reaches_no_other within 5,
    a_waker_of_one_that_ended_reaches_no_other within 5,
    a_wake_of_one_that_is_dropped_where_it_stands_reaches_no_other within 5,
    a_wake_after_the_end_of_the_context_does_nothing within 5,
    one_that_is_started_from_elsewhere_runs_or_is_dropped within 5,
}

fn a_wake_ends_a_yield_and_brings_what_came_before() {
    let ctx = context("main");
    let written = Witness::new();
    let co = {
        let written = written.clone();
        ctx.coroutine("sleeper", async move {
            while !written.is_set() {
                yield_now().await;
            }
        })
    };
    let waker = {
        let co = co.clone();
        spawn(move || {
            written.set();
            co.wake();
        })
    };
    co.wake();
    while ctx.live_coroutines() > 0 {
        ctx.poll(true);
    }
    join(waker);
}

/// The second wake may find the first one's post on its way and posts nothing.
fn of_two_wakes_each_is_seen() {
    let ctx = context("main");
    let written = [Witness::new(), Witness::new()];
    let co = {
        let written = written.clone();
        ctx.coroutine("sleeper", async move {
            while !written.iter().all(Witness::is_set) {
                yield_now().await;
            }
        })
    };
    let wakers = written.map(|written| {
        let co = co.clone();
        spawn(move || {
            written.set();
            co.wake();
        })
    });
    while ctx.live_coroutines() > 0 {
        ctx.poll(true);
    }
    wakers.into_iter().for_each(join);
}

fn a_waker_that_a_future_kept_wakes_it() {
    let ctx = context("main");
    let state: Arc<Mutex<(bool, Option<Waker>)>> = Arc::default();
    let done = {
        let state = state.clone();
        poll_fn(move |cx| {
            let mut state = state.lock();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
    };
    let other = spawn(move || {
        let waker = {
            let mut state = state.lock();
            state.0 = true;
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    });
    ctx.run("awaits", done);
    join(other);
}

fn an_enter_overtakes_a_wake_and_loses_nothing() {
    let ctx = context("main");
    let _current = ctx.make_current();
    let written = Witness::new();
    let co = {
        let written = written.clone();
        ctx.coroutine("sleeper", async move {
            while !written.is_set() {
                yield_now().await;
            }
        })
    };
    let waker = {
        let co = co.clone();
        spawn(move || {
            written.set();
            co.wake();
        })
    };
    co.enter();
    if !co.ended() {
        co.enter();
    }
    while !co.ended() {
        ctx.poll(true);
    }
    join(waker);
}

fn a_wake_of_one_that_ends_reaches_no_other() {
    let ctx = context("main");
    let _current = ctx.make_current();
    let first = ctx.coroutine("first", async {});
    let waker = {
        let first = first.clone();
        spawn(move || first.wake())
    };
    first.enter();
    drop(first);
    let turns = Rc::new(Cell::new(0));
    let second = {
        let turns = turns.clone();
        ctx.coroutine("second", async move {
            yield_now().await;
            turns.set(1);
        })
    };
    second.enter();
    ctx.poll(false);
    join(waker);
    finish(&ctx);
    assert_eq!(turns.get(), 0, "the wake of another one ended its yield");
    second.wake();
    ctx.poll(false);
    assert_eq!(turns.get(), 1);
}

fn a_waker_of_one_that_ended_reaches_no_other() {
    let ctx = context("main");
    let _current = ctx.make_current();
    let kept: Arc<Mutex<Option<Waker>>> = Arc::default();
    let first = {
        let kept = kept.clone();
        ctx.coroutine("first", async move {
            let keep = poll_fn(|cx| {
                *kept.lock() = Some(cx.waker().clone());
                Poll::Ready(())
            });
            keep.await;
            yield_now().await;
        })
    };
    first.enter();
    let waker = {
        let kept = kept.clone();
        spawn(move || {
            let waker = kept.lock().take();
            waker.into_iter().for_each(Waker::wake);
        })
    };
    first.enter();
    drop(first);
    let polls = Rc::new(Cell::new(0));
    let second = {
        let polls = polls.clone();
        ctx.coroutine("second", async move {
            yield_now().await;
            polls.set(1);
        })
    };
    second.enter();
    ctx.poll(false);
    join(waker);
    finish(&ctx);
    assert_eq!(polls.get(), 0);
    second.wake();
    ctx.poll(false);
    assert_eq!(polls.get(), 1);
}

/// As a job does that goes on in another context.
fn a_wake_of_one_that_is_dropped_where_it_stands_reaches_no_other() {
    let ctx = context("main");
    let _current = ctx.make_current();
    let dropped = Witness::new();
    let first = {
        let luggage = Dropped(dropped.clone());
        ctx.coroutine("first", async move {
            let _luggage = luggage;
            loop {
                yield_now().await;
            }
        })
    };
    first.enter();
    let waker = {
        let first = first.clone();
        spawn(move || first.wake())
    };
    ctx.poll(false);
    first.drop_parked();
    drop(first);
    assert_eq!(dropped.get(), 1);
    let second = ctx.coroutine("second", yield_now());
    second.enter();
    ctx.poll(false);
    join(waker);
    finish(&ctx);
    assert!(!second.ended(), "the wake of another one ended its yield");
    second.wake();
    ctx.poll(false);
    assert!(second.ended());
}

fn a_wake_after_the_end_of_the_context_does_nothing() {
    let ctx = context("main");
    let dropped = Witness::new();
    let co = {
        let luggage = Dropped(dropped.clone());
        ctx.coroutine("sleeper", async move {
            let _luggage = luggage;
            loop {
                yield_now().await;
            }
        })
    };
    let waker = spawn(move || {
        co.wake();
        co.wake();
    });
    ctx.poll(false);
    ctx.close();
    assert_eq!(dropped.get(), 1);
    join(waker);
    assert!(!ctx.poll(false), "something ran in a closed context");
}

fn one_that_is_started_from_elsewhere_runs_or_is_dropped() {
    let ctx = context("iothread");
    let (ran, dropped) = (Witness::new(), Witness::new());
    let starter = {
        let (handle, ran, luggage) = (ctx.handle(), ran.clone(), Dropped(dropped.clone()));
        spawn(move || {
            handle.start("guest", move || {
                // Made there, and not `Send`.
                let luggage = Rc::new(luggage);
                async move {
                    yield_now().await;
                    ran.count();
                    drop(luggage);
                }
            });
        })
    };
    ctx.poll(false);
    ctx.close();
    join(starter);
    assert_eq!(dropped.get(), 1);
    assert!(!ran.is_set(), "nobody woke it");
    assert_eq!(ctx.live_coroutines(), 0);
}

//! Work that another thread leaves for a context: it runs once, and the context does not sleep beside it.

use crate::check::group;
use crate::world::{Dropped, Witness, context, join, spawn};

group! { "notify" about &["handle.rs", "context.rs", "inner.rs"];
    a_post_ends_a_blocking_poll within 6,
    posts_of_two_threads_each_run_once within 3,
    a_second_post_finds_the_context_asleep_again within 5,
    a_poll_that_does_not_block_leaves_nothing_behind within 5,
    a_nested_poll_takes_what_the_outer_one_waits_for within 5,
    a_late_post_is_dropped_where_it_is_made within 5,
    two_contexts_wake_each_other within 3,
}

fn a_post_ends_a_blocking_poll() {
    let ctx = context("main");
    let (ran, written) = (Witness::new(), Witness::new());
    let poster = {
        let (handle, ran, written) = (ctx.handle(), ran.clone(), written.clone());
        spawn(move || {
            written.set();
            handle.schedule_oneshot("post", move |_| ran.count());
        })
    };
    while !ran.is_set() {
        ctx.poll(true);
    }
    assert!(
        written.is_set(),
        "what was written before the post is not seen"
    );
    join(poster);
    ctx.poll(false);
    assert_eq!(ran.get(), 1);
}

fn posts_of_two_threads_each_run_once() {
    let ctx = context("main");
    let ran = Witness::new();
    let posters = [(); 2].map(|()| {
        let (handle, ran) = (ctx.handle(), ran.clone());
        spawn(move || handle.schedule_oneshot("post", move |_| ran.count()))
    });
    while ran.get() < 2 {
        ctx.poll(true);
    }
    posters.into_iter().for_each(join);
    ctx.poll(false);
    assert_eq!(ran.get(), 2);
}

fn a_second_post_finds_the_context_asleep_again() {
    let ctx = context("main");
    let (first, second) = (Witness::new(), Witness::new());
    let poster = {
        let (handle, first, second) = (ctx.handle(), first.clone(), second.clone());
        spawn(move || {
            handle.schedule_oneshot("first", move |_| first.count());
            handle.schedule_oneshot("second", move |_| second.count());
        })
    };
    while !second.is_set() {
        ctx.poll(true);
        assert!(first.is_set() || !second.is_set(), "they ran out of order");
    }
    join(poster);
    assert_eq!((first.get(), second.get()), (1, 1));
}

/// AIO-01 is about a poll of this kind, by a foreign thread. Here a context is polled by its own thread
/// alone, and what remains of the case is this.
fn a_poll_that_does_not_block_leaves_nothing_behind() {
    let ctx = context("main");
    let ran = Witness::new();
    let poster = {
        let (handle, ran) = (ctx.handle(), ran.clone());
        spawn(move || handle.schedule_oneshot("post", move |_| ran.count()))
    };
    ctx.poll(false);
    while !ran.is_set() {
        ctx.poll(true);
        ctx.poll(false);
    }
    join(poster);
    assert_eq!(ran.get(), 1);
}

fn a_nested_poll_takes_what_the_outer_one_waits_for() {
    let ctx = context("main");
    let (outer, inner) = (Witness::new(), Witness::new());
    let poster = {
        let (handle, inner) = (ctx.handle(), inner.clone());
        spawn(move || handle.schedule_oneshot("inner", move |_| inner.count()))
    };
    {
        let (ctx, outer, inner) = (ctx.clone(), outer.clone(), inner.clone());
        let polled = ctx.clone();
        ctx.schedule_oneshot("outer", move || {
            polled.poll_while(|| !inner.is_set());
            outer.count();
        });
    }
    ctx.poll_while(|| !outer.is_set());
    join(poster);
    assert_eq!((outer.get(), inner.get()), (1, 1));
}

fn a_late_post_is_dropped_where_it_is_made() {
    let ctx = context("main");
    let (ran, dropped) = (Witness::new(), Witness::new());
    let poster = {
        let (handle, ran) = (ctx.handle(), ran.clone());
        let luggage = Dropped(dropped.clone());
        spawn(move || {
            handle.schedule_oneshot("post", move |_| {
                drop(luggage);
                ran.count();
            });
        })
    };
    ctx.poll(false);
    ctx.close();
    join(poster);
    assert_eq!(dropped.get(), 1, "what was posted is dropped, run or not");
    assert!(ran.get() <= 1);
    ctx.poll(false);
    assert_eq!(dropped.get(), 1);
}

fn two_contexts_wake_each_other() {
    let ctx = context("main");
    let (asked, answered) = (Witness::new(), Witness::new());
    let other = {
        let (main, asked, answered) = (ctx.handle(), asked.clone(), answered.clone());
        spawn(move || {
            let ctx = context("iothread");
            let handle = ctx.handle();
            let asked_here = asked.clone();
            main.schedule_oneshot("come here", move |_| {
                handle.schedule_oneshot("ask", move |_| asked_here.count());
            });
            while !asked.is_set() {
                ctx.poll(true);
            }
            main.schedule_oneshot("answer", move |_| answered.count());
        })
    };
    while !answered.is_set() {
        ctx.poll(true);
    }
    join(other);
    assert_eq!((asked.get(), answered.get()), (1, 1));
}

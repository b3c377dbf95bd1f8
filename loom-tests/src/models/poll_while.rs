//! `poll_while` and the kick of whoever makes its condition false.

use crate::check::group;
use crate::world::{Witness, context, join, spawn};

group! { "poll_while" about &["handle.rs", "context.rs"];
    a_kick_has_the_condition_looked_at_again within 6,
    of_two_kicks_each_counts within 2,
    a_kick_reaches_a_nested_wait_and_the_outer_one within 3,
    a_kick_that_comes_between_two_waits_is_no_harm within 4,
}

fn a_kick_has_the_condition_looked_at_again() {
    let ctx = context("main");
    let done = Witness::new();
    let kicker = {
        let (handle, done) = (ctx.handle(), done.clone());
        spawn(move || {
            done.set();
            handle.kick();
        })
    };
    ctx.poll_while(|| !done.is_set());
    join(kicker);
}

fn of_two_kicks_each_counts() {
    let ctx = context("main");
    let done = [Witness::new(), Witness::new()];
    let kickers = done.clone().map(|done| {
        let handle = ctx.handle();
        spawn(move || {
            done.set();
            handle.kick();
        })
    });
    ctx.poll_while(|| !(done[0].is_set() && done[1].is_set()));
    kickers.into_iter().for_each(join);
}

fn a_kick_reaches_a_nested_wait_and_the_outer_one() {
    let ctx = context("main");
    let done = [Witness::new(), Witness::new()];
    let kicker = {
        let (handle, done) = (ctx.handle(), done.clone());
        spawn(move || {
            for done in done {
                done.set();
                handle.kick();
            }
        })
    };
    {
        let (polled, done) = (ctx.clone(), done[0].clone());
        ctx.schedule_oneshot("nested", move || polled.poll_while(|| !done.is_set()));
    }
    ctx.poll_while(|| !done[1].is_set());
    join(kicker);
}

fn a_kick_that_comes_between_two_waits_is_no_harm() {
    let ctx = context("main");
    let done = [Witness::new(), Witness::new()];
    let kicker = {
        let (handle, done) = (ctx.handle(), done.clone());
        spawn(move || {
            for done in done {
                done.set();
                handle.kick();
            }
        })
    };
    for done in done {
        ctx.poll_while(|| !done.is_set());
    }
    join(kicker);
}

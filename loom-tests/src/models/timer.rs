//! Timers: they live in one context, and other threads re-arm them through posts.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_runtime::{Timer, yield_now};

use crate::check::group;
use crate::world::{Witness, context, finish, join, spawn};

group! { "timer" about &["timer.rs", "handle.rs", "context.rs"];
    one_that_is_armed_from_elsewhere_ends_a_wait_without_deadline within 6,
    one_that_is_armed_anew_from_elsewhere_fires within 6,
    one_that_is_disarmed_from_elsewhere_has_fired_or_never_does within 6,
    a_wake_by_name_does_not_end_a_sleep within 5,
}

fn counting_timer(ctx: &blockjob_runtime::AioContext) -> (Rc<Timer>, Rc<Cell<u32>>) {
    let fired = Rc::new(Cell::new(0));
    let timer = {
        let fired = fired.clone();
        ctx.timer("timer", move || fired.set(fired.get() + 1))
    };
    (Rc::new(timer), fired)
}

fn one_that_is_armed_from_elsewhere_ends_a_wait_without_deadline() {
    let ctx = context("main");
    let (timer, fired) = counting_timer(&ctx);
    let other = {
        let timer = ctx.settle(timer.clone());
        spawn(move || timer.post("arm", |timer| timer.arm(10)))
    };
    ctx.poll_while(|| fired.get() == 0);
    assert_eq!(ctx.now_ns(), 10);
    join(other);
}

fn one_that_is_armed_anew_from_elsewhere_fires() {
    let ctx = context("main");
    let (timer, fired) = counting_timer(&ctx);
    timer.arm(1_000);
    let moved = Witness::new();
    let other = {
        let (timer, moved) = (ctx.settle(timer.clone()), moved.clone());
        spawn(move || {
            timer.post("arm anew", move |timer| {
                timer.arm(2_000);
                moved.set();
            });
        })
    };
    ctx.poll_while(|| fired.get() == 0);
    // If it fired before it was armed anew, it fires again.
    let in_time = ctx.now_ns() == 1_000;
    ctx.poll_while(|| !moved.is_set());
    join(other);
    ctx.poll_while(|| timer.pending());
    finish(&ctx);
    assert_eq!(fired.get(), if in_time { 2 } else { 1 });
    assert_eq!(ctx.now_ns(), 2_000);
}

fn one_that_is_disarmed_from_elsewhere_has_fired_or_never_does() {
    let ctx = context("main");
    let (timer, fired) = counting_timer(&ctx);
    timer.arm(1_000);
    let disarmed = Witness::new();
    let other = {
        let (timer, disarmed) = (ctx.settle(timer.clone()), disarmed.clone());
        spawn(move || {
            timer.post("disarm", move |timer| {
                timer.disarm();
                disarmed.set();
            });
        })
    };
    ctx.poll_while(|| !disarmed.is_set());
    let before = fired.get();
    join(other);
    finish(&ctx);
    assert!(before <= 1 && !timer.pending());
    assert_eq!(fired.get(), before);
}

fn a_wake_by_name_does_not_end_a_sleep() {
    let ctx = context("main");
    let ended_ns = Rc::new(Cell::new(0));
    let co = {
        let (ctx, ended_ns) = (ctx.clone(), ended_ns.clone());
        ctx.clone().coroutine("sleeper", async move {
            ctx.sleep(500).await;
            ended_ns.set(ctx.now_ns());
            // The wake came before this, or ends it.
            yield_now().await;
        })
    };
    co.wake();
    let other = spawn(move || {
        co.wake();
        co.wake();
    });
    while ctx.live_coroutines() > 0 {
        if ended_ns.get() > 0 && !ctx.has_work() {
            // Both wakes may have come during the sleep, which took them.
            break;
        }
        ctx.poll(true);
    }
    join(other);
    assert_eq!(ended_ns.get(), 500);
}

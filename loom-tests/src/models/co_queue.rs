//! `CoQueue`: it lives in one context, and other threads reach it through posts.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_runtime::CoQueue;

use crate::check::group;
use crate::world::{Witness, context, join, spawn};

group! { "co_queue" about &["co_queue.rs", "wait_list.rs", "handle.rs", "coroutine.rs"];
    a_wake_that_was_sent_ends_a_wait within 5,
    wakes_of_two_threads_wake_two within 3,
    a_wake_and_an_end_by_name_go_to_two_waiters within 4,
}

struct Gate {
    open: Cell<u32>,
    queue: CoQueue,
}

impl Gate {
    fn new() -> Rc<Gate> {
        Rc::new(Gate {
            open: Cell::new(0),
            queue: CoQueue::new(),
        })
    }

    async fn pass(&self) {
        while self.open.get() == 0 {
            self.queue.wait().await;
        }
        self.open.set(self.open.get() - 1);
    }

    fn let_one_through(&self) {
        self.open.set(self.open.get() + 1);
        self.queue.wake_next();
    }
}

fn a_wake_that_was_sent_ends_a_wait() {
    let ctx = context("main");
    let gate = Gate::new();
    let sender = {
        let gate = ctx.settle(gate.clone());
        spawn(move || gate.post("let one through", |gate| gate.let_one_through()))
    };
    ctx.run("waiter", async move { gate.pass().await });
    join(sender);
}

fn wakes_of_two_threads_wake_two() {
    let ctx = context("main");
    let gate = Gate::new();
    let resident = ctx.settle(gate.clone());
    for name in ["first", "second"] {
        let gate = gate.clone();
        ctx.coroutine(name, async move { gate.pass().await }).wake();
    }
    let senders = [(); 2].map(|()| {
        let gate = resident.clone();
        spawn(move || gate.post("let one through", |gate| gate.let_one_through()))
    });
    while ctx.live_coroutines() > 0 {
        ctx.poll(true);
    }
    senders.into_iter().for_each(join);
    assert_eq!(gate.open.get(), 0);
}

/// One waiter may be woken by its name, and then looks and waits again: it must not lose its place's wake
/// to nobody.
fn a_wake_and_an_end_by_name_go_to_two_waiters() {
    let ctx = context("main");
    let gate = Gate::new();
    let resident = ctx.settle(gate.clone());
    let passed = Witness::new();
    let co = {
        let (gate, passed) = (gate.clone(), passed.clone());
        ctx.coroutine("waiter", async move {
            gate.pass().await;
            passed.count();
        })
    };
    co.wake();
    let sender = spawn(move || {
        co.wake();
        resident.post("let one through", |gate| gate.let_one_through());
        co.wake();
    });
    while ctx.live_coroutines() > 0 {
        ctx.poll(true);
    }
    join(sender);
    assert_eq!(passed.get(), 1);
}

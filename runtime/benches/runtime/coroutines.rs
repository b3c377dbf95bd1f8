//! Coroutines: beginning, yielding, waking.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use async_executor::LocalExecutor;
use blockjob_runtime::{AioContext, Coroutine, yield_now};

use crate::table::Table;

/// Coroutines that yield side by side, so that a pass of the loop is shared.
const CROWD: u64 = 64;

/// A future that has something to own, as real ones do: one without a size is not allocated.
fn body(payload: u64) -> impl Future<Output = ()> + 'static {
    let payload = [payload; 4];
    async move {
        black_box(&payload);
    }
}

pub(crate) fn create_run_end() -> Table {
    let ctx = AioContext::new();
    let ours = move |ops| {
        let _current = ctx.make_current();
        for op in 0..ops {
            ctx.coroutine("bench", body(op)).enter();
        }
    };
    let by_hand = |ops| {
        let cx = &mut Context::from_waker(Waker::noop());
        for op in 0..ops {
            let mut future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(black_box(body(op)));
            assert!(black_box(&mut future).as_mut().poll(cx).is_ready());
        }
    };
    let executor = LocalExecutor::new();
    let theirs = move |ops| {
        for op in 0..ops {
            executor.spawn(body(op)).detach();
            assert!(executor.try_tick());
        }
    };
    Table::new("Coroutine: create, run, end")
        .ours("AioContext::coroutine, enter", 30.0, ours)
        .beside("Box::pin, poll by hand", by_hand)
        .beside("async-executor: LocalExecutor", theirs)
}

/// `count` coroutines that yield to themselves for ever; a call runs each of them once.
fn self_yielders(count: u64) -> impl FnMut(u64) {
    let ctx = AioContext::new();
    for _ in 0..count {
        ctx.coroutine("bench", async {
            let me = Coroutine::current().expect("this is a coroutine");
            loop {
                me.wake();
                yield_now().await;
            }
        })
        .wake();
    }
    move |ops| {
        for _ in 0..ops / count {
            ctx.poll(false);
        }
    }
}

/// The same with `async-executor`.
fn their_self_yielders(count: u64) -> impl FnMut(u64) {
    let executor = LocalExecutor::new();
    for _ in 0..count {
        executor
            .spawn(async {
                loop {
                    futures_lite::future::yield_now().await;
                }
            })
            .detach();
    }
    move |ops| {
        for _ in 0..ops {
            assert!(executor.try_tick());
        }
    }
}

/// One coroutine that yields, entered again each time; the ready queue is not used.
fn entered_by_hand() -> impl FnMut(u64) {
    let ctx = AioContext::new();
    let coroutine = ctx.coroutine("bench", async {
        loop {
            yield_now().await;
        }
    });
    move |ops| {
        let _current = ctx.make_current();
        for _ in 0..ops {
            coroutine.enter();
        }
    }
}

/// The floor: a boxed future that is pending, polled by hand.
fn polled_by_hand() -> impl FnMut(u64) {
    let mut future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
        loop {
            futures_lite::future::yield_now().await;
        }
    });
    move |ops| {
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..ops {
            assert!(black_box(&mut future).as_mut().poll(cx).is_pending());
        }
    }
}

pub(crate) fn self_yield() -> Table {
    Table::new("Coroutine: wake itself, yield, run again")
        .ours(
            "64 coroutines, one pass of the loop",
            18.0,
            self_yielders(CROWD),
        )
        .ours(
            "1 coroutine, a pass of the loop each time",
            18.0,
            self_yielders(1),
        )
        .ours("yield, and enter by hand", 18.0, entered_by_hand())
        .beside("Box::pin, poll by hand", polled_by_hand())
        .beside("async-executor: 64 tasks", their_self_yielders(CROWD))
        .beside("async-executor: 1 task", their_self_yielders(1))
}

/// Pairs that wake each other: in each pass one of each pair runs.
fn pairs(count: u64) -> impl FnMut(u64) {
    let ctx = AioContext::new();
    for _ in 0..count {
        let peers: Rc<RefCell<Vec<Coroutine>>> = Rc::default();
        for this in 0..2 {
            let player = ctx.coroutine("bench", {
                let peers = peers.clone();
                async move {
                    let peer = peers.borrow()[1 - this].clone();
                    loop {
                        yield_now().await;
                        peer.wake();
                    }
                }
            });
            peers.borrow_mut().push(player);
        }
        let _current = ctx.make_current();
        for player in peers.borrow().iter() {
            player.enter();
        }
        peers.borrow()[0].wake();
    }
    move |ops| {
        for _ in 0..ops / count {
            ctx.poll(false);
        }
    }
}

/// The same with `async-executor`, with wakers in a cell.
fn their_pairs(count: u64) -> impl FnMut(u64) {
    let executor = LocalExecutor::new();
    for _ in 0..count {
        let slots: [Rc<Cell<Option<Waker>>>; 2] = Default::default();
        for this in 0..2 {
            let [mine, peers] = [slots[this].clone(), slots[1 - this].clone()];
            executor
                .spawn(poll_fn(move |cx| -> Poll<()> {
                    // As cheap as can be: the waker is cloned once and kept.
                    let waker = mine.take().unwrap_or_else(|| cx.waker().clone());
                    mine.set(Some(waker));
                    if let Some(peer) = peers.take() {
                        peer.wake_by_ref();
                        peers.set(Some(peer));
                    }
                    Poll::Pending
                }))
                .detach();
        }
    }
    move |ops| {
        for _ in 0..ops {
            executor.try_tick();
        }
    }
}

pub(crate) fn wake_another() -> Table {
    Table::new("Coroutine: wake another, yield, the other runs")
        .ours("64 pairs, one pass of the loop", 24.0, pairs(CROWD))
        .ours("1 pair, a pass of the loop each time", 24.0, pairs(1))
        .beside("async-executor: 64 pairs", their_pairs(CROWD))
        .beside("async-executor: 1 pair", their_pairs(1))
}

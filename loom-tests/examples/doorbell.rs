//! A component of your own on the runtime, and its model, in one file.
//!
//! `cargo run -p blockjob-loom-tests --example doorbell` rings on real threads;
//! `RUSTFLAGS="--cfg blockjob_loom" cargo run -p blockjob-loom-tests --example doorbell` checks every order.
//! The component takes its atomics from `blockjob_runtime::sync`, and that is all it does for its model.

use blockjob_runtime::AioHandle;
use blockjob_runtime::sync::Arc;
use blockjob_runtime::sync::atomic::{AtomicU32, Ordering};

/// Rung from any thread; its context answers as rarely as it can, and misses no ring.
#[derive(Clone)]
struct Doorbell {
    home: AioHandle,
    rings: Arc<AtomicU32>,
    answer: Arc<dyn Fn(u32) + Send + Sync>,
}

impl Doorbell {
    fn new(home: AioHandle, answer: impl Fn(u32) + Send + Sync + 'static) -> Doorbell {
        let (rings, answer) = (Arc::default(), Arc::new(answer));
        Doorbell {
            home,
            rings,
            answer,
        }
    }

    fn ring(&self) {
        // The first to ring posts. Release: the answer sees what came before; with Relaxed the model fails.
        if self.rings.fetch_add(1, Ordering::Release) == 0 {
            let bell = self.clone();
            self.home.schedule_oneshot("doorbell", move |_| {
                let rings = bell.rings.swap(0, Ordering::Acquire);
                (bell.answer)(rings);
            });
        }
    }
}

/// Two visitors, each of whom leaves something before ringing.
#[cfg(blockjob_loom)]
fn main() {
    use blockjob_loom_tests::world::{Witness, context, join, spawn};

    loom::model(|| {
        let ctx = context("house");
        let (left, answered) = (Witness::new(), Witness::new());
        let bell = Doorbell::new(ctx.handle(), {
            let answered = answered.clone();
            move |rings| (0..rings).for_each(|_| answered.count())
        });
        let visitor = {
            let (bell, left) = (bell.clone(), left.clone());
            spawn(move || {
                left.set();
                bell.ring();
            })
        };
        bell.ring();
        while answered.get() < 2 {
            ctx.poll(true);
        }
        assert!(
            left.is_set(),
            "the visitor rang, and what was left is not seen"
        );
        join(visitor);
    });
    println!("every order of two visitors is answered");
}

#[cfg(not(blockjob_loom))]
fn main() {
    let house = blockjob_runtime::IoThread::new("house");
    let bell = Doorbell::new(house.handle().clone(), |rings| println!("{rings} rings"));
    (0..3).for_each(|_| bell.ring());
    house.stop();
}

//! Bottom halves: from schedule to run.

use std::cell::Cell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::rc::Rc;

use blockjob_runtime::AioContext;

use crate::table::Table;

/// Bottom halves that are scheduled together, as in a busy pass of the loop.
const BATCH: u64 = 64;

/// Counts its runs.
fn callback(runs: &Rc<Cell<u64>>) -> impl FnMut() + 'static {
    let runs = runs.clone();
    move || runs.set(runs.get() + 1)
}

fn persistent() -> impl FnMut(u64) {
    let ctx = AioContext::new();
    let runs = Rc::default();
    let bottom_halves: Vec<_> = (0..BATCH)
        .map(|_| ctx.bottom_half("bench", callback(&runs)))
        .collect();
    move |ops| {
        let _current = ctx.make_current();
        for _ in 0..ops / BATCH {
            bottom_halves.iter().for_each(|bh| bh.schedule());
            ctx.poll(false);
        }
    }
}

fn oneshots() -> impl FnMut(u64) {
    let ctx = AioContext::new();
    let runs = Rc::default();
    move |ops| {
        let _current = ctx.make_current();
        for _ in 0..ops / BATCH {
            for _ in 0..BATCH {
                ctx.schedule_oneshot("bench", callback(&runs));
            }
            ctx.poll(false);
        }
    }
}

/// The floor: boxed closures in a queue.
fn boxed_closures() -> impl FnMut(u64) {
    let runs = Rc::default();
    let mut queue: VecDeque<Box<dyn FnMut()>> = VecDeque::new();
    move |ops| {
        for _ in 0..ops / BATCH {
            for _ in 0..BATCH {
                queue.push_back(Box::new(callback(&runs)));
            }
            while let Some(mut callback) = black_box(&mut queue).pop_front() {
                callback();
            }
        }
    }
}

pub(crate) fn batches() -> Table {
    Table::new("Bottom half: schedule to run, in batches of 64")
        .ours("BottomHalf::schedule", 15.0, persistent())
        .beside("AioContext::schedule_oneshot", oneshots())
        .beside("boxed closures in a queue, by hand", boxed_closures())
}

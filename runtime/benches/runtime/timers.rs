//! Timers: armed and disarmed among others.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::task::{Context, Waker};

use blockjob_runtime::AioContext;

use crate::table::Table;

/// Deadlines that nobody can guess, and that are the same in each run; all far away.
struct Deadlines(u64);

impl Deadlines {
    fn next_ns(&mut self) -> u64 {
        // A linear congruential generator; the high bits are good enough to be spread.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u64::MAX / 2 + (self.0 >> 8)
    }
}

/// A context with `pending` timers.
fn context_with(pending: usize) -> (AioContext, Vec<blockjob_runtime::Timer>, Deadlines) {
    let ctx = AioContext::new();
    let mut deadlines = Deadlines(1);
    let timers = (0..pending)
        .map(|_| {
            let timer = ctx.timer("bench", || ());
            timer.arm(deadlines.next_ns());
            timer
        })
        .collect();
    (ctx, timers, deadlines)
}

fn arm_and_disarm(pending: usize) -> impl FnMut(u64) {
    let (ctx, timers, mut deadlines) = context_with(pending);
    let timer = ctx.timer("bench", || ());
    move |ops| {
        black_box((&ctx, &timers)); // they live as long as this
        for _ in 0..ops {
            timer.arm(deadlines.next_ns());
            timer.disarm();
        }
    }
}

/// The worst case for a heap: each timer is earlier than all others, so it climbs to the top, and
/// what fills its place sinks to the bottom.
fn arm_first_and_disarm(pending: usize) -> impl FnMut(u64) {
    let (ctx, timers, _) = context_with(pending);
    let timer = ctx.timer("bench", || ());
    let mut deadline_ns = u64::MAX / 2;
    move |ops| {
        black_box((&ctx, &timers)); // they live as long as this
        for _ in 0..ops {
            deadline_ns -= 1;
            timer.arm(deadline_ns);
            timer.disarm();
        }
    }
}

/// What a request with a timeout does: a sleep is begun and dropped.
fn sleep_and_drop(pending: usize) -> impl FnMut(u64) {
    let (ctx, timers, mut deadlines) = context_with(pending);
    move |ops| {
        black_box((&ctx, &timers)); // they live as long as this
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..ops {
            let mut sleep = std::pin::pin!(ctx.sleep_until(deadlines.next_ns()));
            assert!(sleep.as_mut().poll(cx).is_pending());
        }
    }
}

/// What comes without a heap: a sorted map.
fn sorted_map(pending: usize) -> impl FnMut(u64) {
    let mut deadlines = Deadlines(1);
    let mut map: BTreeMap<(u64, usize), u32> = BTreeMap::new();
    for seq in 0..pending {
        map.insert((deadlines.next_ns(), seq), 0);
    }
    move |ops| {
        for _ in 0..ops {
            let key = (deadlines.next_ns(), pending);
            map.insert(key, 0);
            map.remove(black_box(&key));
        }
    }
}

/// What QEMU has: a sorted list, searched from its head.
fn sorted_list(pending: usize) -> impl FnMut(u64) {
    let mut deadlines = Deadlines(1);
    let mut list: std::collections::LinkedList<u64> = std::collections::LinkedList::new();
    let mut sorted: Vec<u64> = (0..pending).map(|_| deadlines.next_ns()).collect();
    sorted.sort_unstable();
    list.extend(sorted);
    move |ops| {
        for _ in 0..ops {
            let deadline_ns = deadlines.next_ns();
            let place = list
                .iter()
                .take_while(|other| **other <= deadline_ns)
                .count();
            black_box(place);
        }
    }
}

pub(crate) fn add_and_delete(pending: usize) -> Table {
    let table = Table::new(format!("Timer: add and delete, {pending} pending"))
        .ours("Timer::arm, disarm", 120.0, arm_and_disarm(pending))
        .ours(
            "Timer::arm before all others, disarm",
            120.0,
            arm_first_and_disarm(pending),
        )
        .ours(
            "AioContext::sleep_until, polled once, dropped",
            120.0,
            sleep_and_drop(pending),
        )
        .beside("BTreeMap, insert, remove", sorted_map(pending));
    if pending <= 256 {
        table.beside("a sorted list, searched only", sorted_list(pending))
    } else {
        table
    }
}

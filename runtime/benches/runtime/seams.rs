//! What the seams cost in production, where nobody decides and nobody listens.

use std::hint::black_box;

use blockjob_runtime::AioContext;
use blockjob_runtime::decide::Site;

use crate::table::Table;

static SITE: Site = Site::new("bench.choice");

/// Somebody who could do one of several things, with and without asking.
fn chooser(choose: impl Fn(usize) -> usize) -> impl FnMut(u64) {
    let things = [1_u64, 2, 3, 4, 5, 6, 7, 8];
    move |ops| {
        let mut sum = 0;
        for _ in 0..ops {
            sum += things[choose(black_box(things.len()))];
        }
        black_box(sum);
    }
}

pub(crate) fn decide() -> Table {
    let ctx = AioContext::new();
    Table::new("Seam: a choice that nobody makes")
        .ours(
            "AioContext::decide without a decider",
            1.0,
            chooser(move |n| ctx.decide(&SITE, n)),
        )
        .beside("the constant 0, written by hand", chooser(|_| 0))
}

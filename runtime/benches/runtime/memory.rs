//! What a parked coroutine takes.

use blockjob_runtime::{AioContext, yield_now};

pub(crate) const TITLE: &str = "Memory: one parked coroutine";

/// So many that what was there before does not count.
const PARKED: usize = 1_000_000;
const PAGE_BYTES: u64 = 4_096;
const AIM_BYTES: u64 = 256;

/// Bytes of this process that are in memory.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let resident = statm.split_whitespace().nth(1).expect("the second field");
    resident.parse::<u64>().expect("a number of pages") * PAGE_BYTES
}

/// Bytes a piece, when `PARKED` of what `make` returns are alive.
fn bytes_each<T>(make: impl Fn() -> T) -> u64 {
    let mut all = Vec::with_capacity(PARKED);
    let before = resident_bytes();
    all.extend((0..PARKED).map(|_| make()));
    let list_bytes = (PARKED * size_of::<T>()) as u64;
    (resident_bytes() - before - list_bytes) / PARKED as u64
}

pub(crate) fn measure_and_print() {
    let ctx = AioContext::new();
    let _current = ctx.make_current();
    let ours = bytes_each(|| {
        ctx.coroutine("bench", yield_now()).enter();
    });
    let missed = if ours <= AIM_BYTES { "" } else { " missed" };
    println!("{TITLE}, of {PARKED}, by what is resident");
    println!("  {:<44} {:>9} {:>8} {:>8}", "", "bytes", "", "aim");
    println!(
        "  {:<44} {ours:>9} {:>8} {:>8}",
        "AioContext::coroutine, parked in yield_now",
        "",
        format!("{AIM_BYTES}{missed}")
    );
}

//! What the runtime costs, beside the same thing done by hand and by `async-executor`.
//!
//! `cargo bench -p blockjob-runtime` prints every table in one run. A row is the median over many
//! short rounds; the rows of a table take turns, round by round, so that a busy machine slows all
//! of them and the ratios hold. An argument picks the tables whose title contains it.

#[path = "runtime/bottom_halves.rs"]
mod bottom_halves;
#[path = "runtime/coroutines.rs"]
mod coroutines;
#[path = "runtime/memory.rs"]
mod memory;
#[path = "runtime/seams.rs"]
mod seams;
#[path = "runtime/table.rs"]
mod table;
#[path = "runtime/threads.rs"]
mod threads;
#[path = "runtime/timers.rs"]
mod timers;

fn main() {
    // Cargo passes `--bench`; anything else is a filter.
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wanted = |title: &str| {
        let filter = filter.as_deref().unwrap_or("");
        title.to_lowercase().contains(&filter.to_lowercase())
    };
    let tables = [
        coroutines::create_run_end(),
        coroutines::self_yield(),
        coroutines::wake_another(),
        bottom_halves::batches(),
        timers::add_and_delete(16),
        timers::add_and_delete(256),
        timers::add_and_delete(4_096),
        threads::from_elsewhere(),
        threads::locks(),
        seams::decide(),
    ];
    for mut table in tables {
        if wanted(table.title()) {
            table.run_and_print();
        }
    }
    if wanted(memory::TITLE) {
        memory::measure_and_print();
    }
}

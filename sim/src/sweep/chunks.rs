//! Handing seeds out to threads, and adding up what they counted in the order of the seeds.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::error::SweepError;
use super::seed::Bench;
use super::tally::Tally;
use super::{Progress, Sweep, Watch};
use crate::case::switch_on;

/// So many seeds are handed out at a time: few, so that threads end together.
const CHUNK: u64 = 16;

/// A thread may be so many chunks ahead of the slowest one: it bounds what waits to be added up.
const WINDOW: u64 = 64;

/// So often the watch is told, in nanoseconds of its clock.
const PROGRESS_NS: u64 = 200_000_000;

/// Runs all seeds of `sweep`.
pub(super) fn run(sweep: &Sweep, watch: &dyn Watch) -> Result<Tally, SweepError> {
    let desk = Desk {
        sweep,
        watch,
        began_ns: watch.now_ns(),
        state: Mutex::new(State {
            handed_out: 0,
            added: 0,
            waiting: BTreeMap::new(),
            total: Tally::default(),
            over: false,
            told_ns: watch.now_ns(),
        }),
        moved: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..sweep.jobs.max(1) {
            scope.spawn(|| work(&desk));
        }
        work(&desk);
    });
    let state = desk.state.into_inner();
    let mut total = state.unwrap_or_else(PoisonError::into_inner).total;
    match total.error.take() {
        Some(error) => Err(error),
        None => Ok(total),
    }
}

/// What one thread does.
fn work(desk: &Desk<'_>) {
    // Whatever ends this thread, the others must not wait for its chunk.
    let _farewell = Farewell(desk);
    let bug = switch_on(desk.sweep.bug.as_deref());
    let _bug = bug.expect("the caller has tried it");
    let mut bench = Bench::new(desk.sweep);
    while let Some((chunk, mut tally)) = desk.take() {
        for seed in desk.seeds(chunk) {
            if let Err(error) = bench.run_seed(seed, &mut tally) {
                tally.error = Some(error);
            }
            let failed = desk.sweep.stop_at_first && tally.failures > 0;
            if failed || tally.error.is_some() {
                break;
            }
        }
        desk.give(chunk, tally);
    }
}

/// Where threads get their seeds and leave what they counted.
struct Desk<'a> {
    sweep: &'a Sweep,
    watch: &'a dyn Watch,
    began_ns: u64,
    state: Mutex<State>,
    /// A chunk was added up, or it is over.
    moved: Condvar,
}

struct State {
    /// Chunks that were handed out, all of them from the beginning.
    handed_out: u64,
    /// Chunks that were added up, all of them from the beginning.
    added: u64,
    /// Those that are done, while an earlier one is not.
    waiting: BTreeMap<u64, Tally>,
    total: Tally,
    /// Nothing more is handed out, or added up.
    over: bool,
    told_ns: u64,
}

impl Desk<'_> {
    /// A thread that panicked in the middle of this has ended the sweep anyway.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seeds(&self, chunk: u64) -> Range<u64> {
        let Range { start, end } = self.sweep.seeds;
        let first = start.saturating_add(chunk.saturating_mul(CHUNK));
        first.min(end)..first.saturating_add(CHUNK).min(end)
    }

    /// The next chunk, and something to count it in.
    fn take(&self) -> Option<(u64, Tally)> {
        let mut state = self.state();
        while !state.over && state.handed_out >= state.added + WINDOW {
            let waited = self.moved.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let chunk = state.handed_out;
        if state.over || self.seeds(chunk).is_empty() {
            return None;
        }
        state.handed_out += 1;
        Some((chunk, Tally::default()))
    }

    fn give(&self, chunk: u64, tally: Tally) {
        let mut state = self.state();
        state.waiting.insert(chunk, tally);
        while !state.over {
            let next = state.added;
            let Some(mut tally) = state.waiting.remove(&next) else {
                break;
            };
            state.added += 1;
            state.total.add(&mut tally);
            let failed = self.sweep.stop_at_first && state.total.failures > 0;
            state.over = failed || state.total.error.is_some();
        }
        self.tell(&mut state);
        self.moved.notify_all();
    }

    fn tell(&self, state: &mut State) {
        let now_ns = self.watch.now_ns();
        let last = self.seeds(state.added).is_empty() || state.over;
        if !last && now_ns.saturating_sub(state.told_ns) < PROGRESS_NS {
            return;
        }
        state.told_ns = now_ns;
        let Range { start, end } = self.sweep.seeds;
        let seeds = end.saturating_sub(start);
        let took_ns = now_ns.saturating_sub(self.began_ns);
        let told = self
            .watch
            .progress(&Progress::of(&state.total, seeds, took_ns));
        if told == ControlFlow::Break(()) {
            state.over = true;
        }
    }
}

/// Ends the sweep if the thread ends by a panic: the panic goes on when all threads have ended.
struct Farewell<'a, 'b>(&'a Desk<'b>);

impl Drop for Farewell<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().over = true;
            self.0.moved.notify_all();
        }
    }
}

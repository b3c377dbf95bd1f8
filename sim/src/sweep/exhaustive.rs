//! A sweep over every schedule of one configuration.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::error::SweepError;
use super::found::Fault;
use super::policy::Threads;
use super::report::SweepReport;
use super::seed::Bench;
use super::tally::Tally;
use super::{Progress, Sweep, Watch};
use crate::case::switch_on;
use crate::decide::Exhaustive;

/// So many schedules are run between two looks at the clock.
const GLANCE: u64 = 64;

/// How much of the tree of schedules was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Schedules that were run.
    pub schedules: u64,
    /// In each, at most so many decisions take another option than the dullest.
    pub bound: Option<usize>,
    /// Whether that left any schedule out.
    pub cut_by_bound: bool,
    /// Whether the sweep ended before the last schedule: there were too few seeds, a run failed, or
    /// somebody stopped it.
    pub cut_short: bool,
}

impl Exhausted {
    /// Whether every schedule there is was run.
    pub fn is_complete(&self) -> bool {
        !self.cut_by_bound && !self.cut_short
    }
}

pub(super) fn run(
    sweep: &Sweep,
    bound: Option<usize>,
    watch: &dyn Watch,
) -> Result<SweepReport, SweepError> {
    let seed = sweep.seeds.start;
    let drawn = sweep.scenario.draw(seed);
    let config = drawn.map_err(|error| SweepError::Draw { seed, error })?;
    let _bug = switch_on(sweep.bug.as_deref())?;
    let mut bench = Bench::new(sweep);
    let mut tally = Tally::default();
    let all = Exhaustive::new().bound(bound.unwrap_or(usize::MAX));
    let all = Rc::new(RefCell::new(all));
    let most = sweep.seeds.end.saturating_sub(seed);
    let began_ns = watch.now_ns();
    let tell = |tally: &Tally| {
        let took_ns = watch.now_ns().saturating_sub(began_ns);
        watch.progress(&Progress::of(tally, most, took_ns))
    };
    let mut more = true;
    while more && tally.seeds < most {
        let report = bench.runner().run(&config, Box::new(all.clone()));
        bench.count(tally.seeds, &report, Threads::default(), &mut tally);
        more = all.borrow_mut().next_run();
        let drift = all.borrow().drift().cloned();
        let broken = report.failure.map(Fault::Broken);
        let fault = drift.map(Fault::Drifted).or(broken);
        if let Some(fault) = fault {
            tally.add_failure(bench.found(seed, &config, fault));
            if sweep.stop_at_first {
                break;
            }
        }
        if tally.seeds.is_multiple_of(GLANCE) && tell(&tally) == ControlFlow::Break(()) {
            break;
        }
    }
    // Whether to go on is no question any more.
    let _ = tell(&tally);
    let all = all.borrow();
    let exhausted = Exhausted {
        schedules: tally.seeds,
        bound,
        cut_by_bound: all.cut_by_bound(),
        cut_short: more || all.drift().is_some(),
    };
    Ok(SweepReport::new(sweep, tally, Some(exhausted)))
}

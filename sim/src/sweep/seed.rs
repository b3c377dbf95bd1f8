//! One seed: its configuration, its run, and what is counted of it.

use std::cell::RefCell;
use std::rc::Rc;

use super::error::SweepError;
use super::found::{Fault, Found, Repeat};
use super::policy::{Lengths, PolicySpec, SeedPolicy, Threads};
use super::tally::Tally;
use super::{Sweep, quiet_panics};
use crate::config::Config;
use crate::coverage::{StepTable, StepWatch};
use crate::determinism::run_twice;
use crate::run::{Report, Runner};

/// What one thread of a sweep works with.
pub(super) struct Bench<'a> {
    sweep: &'a Sweep,
    runner: Runner,
    table: Rc<RefCell<StepTable>>,
    lengths: Lengths,
    repeat: Repeat,
    _quiet: super::Quiet,
}

impl<'a> Bench<'a> {
    pub(super) fn new(sweep: &'a Sweep) -> Self {
        let mut runner = sweep.runner();
        let table = Rc::default();
        runner.add_checker(Box::new(StepWatch::new(&table)));
        Bench {
            sweep,
            runner,
            table,
            lengths: Lengths::default(),
            repeat: Repeat {
                scenario: sweep.scenario.name().to_owned(),
                policy: sweep.policy,
                bug: sweep.bug.clone(),
            },
            _quiet: quiet_panics(),
        }
    }

    pub(super) fn runner(&mut self) -> &mut Runner {
        &mut self.runner
    }

    /// Runs `seed`, and counts it in `tally`.
    ///
    /// # Errors
    ///
    /// If its configuration cannot be drawn.
    pub(super) fn run_seed(&mut self, seed: u64, tally: &mut Tally) -> Result<(), SweepError> {
        let drawn = self.sweep.scenario.draw(seed);
        let config = drawn.map_err(|error| SweepError::Draw { seed, error })?;
        let policy = match self.sweep.policy {
            PolicySpec::Pct { depth } => {
                let steps = self.lengths.steps(&mut self.runner, &config);
                // What the measuring came past is not what the seed did.
                self.table.borrow_mut().clear();
                SeedPolicy::Pct { seed, depth, steps }
            }
            PolicySpec::Random | PolicySpec::Exhaustive { .. } => SeedPolicy::Random(seed),
        };
        let mut census = None;
        let mut begin = || {
            let (policy, counts) = policy.begin();
            census = counts;
            policy
        };
        let (report, mismatch) = match self.sweep.check_determinism {
            true => run_twice(&mut self.runner, &config, begin),
            false => (self.runner.run(&config, begin()), None),
        };
        let (threads, promise) = policy.counted(census);
        tally.promise.add(&promise);
        self.count(seed, &report, threads, tally);
        let broken = report.failure.map(Fault::Broken);
        let fault = mismatch.map(Fault::Nondeterministic).or(broken);
        if let Some(fault) = fault {
            tally.add_failure(self.found(seed, &config, fault));
        }
        Ok(())
    }

    /// Counts a run that is over.
    pub(super) fn count(
        &mut self,
        seed: u64,
        report: &Report,
        threads: Threads,
        tally: &mut Tally,
    ) {
        tally.add_run(seed, report, threads);
        let mut table = self.table.borrow_mut();
        tally.table.add(&table);
        table.clear();
    }

    /// What is wrong with the run that was the last one.
    pub(super) fn found(&self, seed: u64, config: &Config, fault: Fault) -> Found {
        let log = self.runner.decider().log();
        self.repeat.found(seed, config, fault, &log)
    }
}

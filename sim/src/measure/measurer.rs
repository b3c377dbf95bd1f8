//! Runs that are measured.

use std::rc::Rc;

use super::metrics::Metrics;
use super::observer::Observer;
use crate::cast::Cast;
use crate::check::Checker;
use crate::config::Config;
use crate::decide::Policy;
use crate::run::{Report, Runner};

/// What a run came to, and what was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What it came to.
    pub report: Report,
    /// What was measured; none if the run broke off.
    pub metrics: Option<Metrics>,
}

/// Measures one run after another.
pub struct Measurer {
    runner: Runner,
    observer: Observer,
}

impl Measurer {
    /// One that only measures.
    pub fn new() -> Measurer {
        Self::with_checkers(Vec::new())
    }

    /// One that has `checkers` look, too, who may end a run.
    pub fn with_checkers(mut checkers: Vec<Box<dyn Checker>>) -> Measurer {
        let observer = Observer::new();
        checkers.push(Box::new(observer.clone()));
        let mut runner = Runner::with_checkers(checkers);
        let prolongs = observer.clone();
        runner.add_prologue(move |cast| prolongs.prolong_storm(cast));
        Measurer { runner, observer }
    }

    /// Adds something to each run, as [`Runner::add_prologue`] does.
    pub fn add_prologue(&mut self, prologue: impl Fn(&Rc<Cast>) + 'static) {
        self.runner.add_prologue(prologue);
    }

    /// Runs `config` with the choices that `policy` makes. The same policy makes the same run, whatever
    /// was measured before.
    ///
    /// Its digest is not that of a run which is not measured, since the storm lasts longer.
    pub fn measure(&mut self, config: &Config, policy: Box<dyn Policy>) -> Measured {
        let report = self.runner.run(config, policy);
        let metrics = self.observer.take_metrics();
        Measured {
            metrics: metrics.filter(|_| report.failure.is_none()),
            report,
        }
    }
}

impl Default for Measurer {
    fn default() -> Self {
        Self::new()
    }
}

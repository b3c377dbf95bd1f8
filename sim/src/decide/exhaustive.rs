//! Every schedule there is, one after the other.

use blockjob_runtime::decide::Site;

use super::replay::Drift;
use super::{Policy, Question};

/// Goes through the tree of decisions, depth first, by making the run again and again.
///
/// Trees of whole jobs are too large. Three limits make one smaller, and [`is_complete`] knows
/// whether they left anything out: a bound on how many decisions of a run may take another option
/// than 0, a depth below which none does, and the sites that matter. With bounds of 0, 1, 2 and so
/// on in turn, the simplest failing run comes first.
///
/// ```
/// # use std::{cell::RefCell, rc::Rc};
/// # use blockjob_runtime::decide::Site;
/// # use blockjob_sim::decide::{Decider, Exhaustive};
/// # static SITE: Site = Site { name: "doc" };
/// let all = Rc::new(RefCell::new(Exhaustive::new()));
/// let decider = Decider::new(Box::new(all.clone()));
/// let mut sums = Vec::new();
/// loop {
///     sums.push(decider.pick(&SITE, 2) + decider.pick(&SITE, 3));
///     if !all.borrow_mut().next_run() {
///         break;
///     }
///     decider.restart(Box::new(all.clone()));
/// }
/// assert_eq!(sums, [0, 1, 2, 1, 2, 3]);
/// assert!(all.borrow().is_complete());
/// ```
///
/// [`is_complete`]: Self::is_complete
pub struct Exhaustive {
    /// The decisions with other answers to try, as far as this run is told them or has made them.
    levels: Vec<Level>,
    /// How many of them this run has made.
    at: usize,
    /// How many of them have another answer than 0.
    nonzero: usize,
    bound: usize,
    depth: usize,
    only: Option<Vec<&'static Site>>,
    schedules: u64,
    cut_by_bound: bool,
    cut_by_depth: bool,
    done: bool,
    drift: Option<Drift>,
}

#[derive(Clone, Copy)]
struct Level {
    site: &'static Site,
    n: usize,
    chosen: usize,
}

impl Exhaustive {
    /// The whole tree.
    pub fn new() -> Self {
        Exhaustive {
            levels: Vec::new(),
            at: 0,
            nonzero: 0,
            bound: usize::MAX,
            depth: usize::MAX,
            only: None,
            schedules: 0,
            cut_by_bound: false,
            cut_by_depth: false,
            done: false,
            drift: None,
        }
    }

    /// Only runs in which at most `nonzero` decisions take another option than 0.
    pub fn bound(mut self, nonzero: usize) -> Self {
        self.bound = nonzero;
        self
    }

    /// Only runs in which all but the first `decisions` take option 0.
    pub fn depth(mut self, decisions: usize) -> Self {
        self.depth = decisions;
        self
    }

    /// Other options at these sites alone: all others answer 0, count for no bound, and are not
    /// thought of as left out.
    pub fn only(mut self, sites: &[&'static Site]) -> Self {
        self.only = Some(sites.to_vec());
        self
    }

    /// Ends a run and prepares the next one; false if there is none, or the last one
    /// [drifted](Self::drift).
    pub fn next_run(&mut self) -> bool {
        if self.done {
            return false;
        }
        self.schedules += 1;
        if self.drift.is_none() && self.at < self.levels.len() {
            self.drift = Some(Drift::Shorter {
                at: self.at as u64,
                expected: self.levels.len() as u64,
            });
        }
        self.at = 0;
        self.done = self.drift.is_some() || !self.advance();
        !self.done
    }

    /// How many runs there were.
    pub fn schedules(&self) -> u64 {
        self.schedules
    }

    /// Whether a schedule was left out because too many of its decisions are not 0.
    pub fn cut_by_bound(&self) -> bool {
        self.cut_by_bound
    }

    /// Whether a schedule was left out because a decision too deep in it is not 0.
    pub fn cut_by_depth(&self) -> bool {
        self.cut_by_depth
    }

    /// Whether every schedule was run, those of the given sites if some were given.
    pub fn is_complete(&self) -> bool {
        self.done && self.drift.is_none() && !self.cut_by_bound && !self.cut_by_depth
    }

    /// How a run asked something else although all was answered as before: what is searched is not
    /// deterministic, and the search is over. Places count the decisions of the sites that matter.
    pub fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// Steps to the next leaf: the last level that has another answer takes it, and the run makes
    /// those below anew.
    fn advance(&mut self) -> bool {
        while let Some(level) = self.levels.last_mut() {
            if level.chosen + 1 < level.n {
                // It was made when there was room for another nonzero, and nothing above it moved.
                self.nonzero += usize::from(level.chosen == 0);
                level.chosen += 1;
                return true;
            }
            self.nonzero -= usize::from(level.chosen != 0);
            self.levels.pop();
        }
        false
    }
}

impl Default for Exhaustive {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Exhaustive {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        let matters = |only: &Vec<&'static Site>| only.contains(&question.site);
        if self.drift.is_some() || !self.only.as_ref().is_none_or(matters) {
            return 0;
        }
        let Question { site, n, .. } = *question;
        if let Some(level) = self.levels.get(self.at) {
            if level.site != site || level.n != n {
                self.drift = Some(Drift::Question {
                    at: self.at as u64,
                    expected: (level.site.name.to_owned(), level.n as u32),
                    asked: (site.name.to_owned(), n as u32),
                });
                return 0;
            }
            self.at += 1;
            return level.chosen;
        }
        if self.at >= self.depth {
            self.cut_by_depth = true;
        } else if self.nonzero >= self.bound {
            self.cut_by_bound = true;
        } else {
            let chosen = 0;
            self.levels.push(Level { site, n, chosen });
            self.at += 1;
        }
        0
    }
}

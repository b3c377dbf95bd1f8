//! What would have come of it, had one decision been another.

use std::cell::RefCell;
use std::rc::Rc;

use thiserror::Error;

use super::{BugError, Case, switch_on};
use crate::decide::{Branch, Branched, Drift, Policy};
use crate::record::Record;
use crate::run::Runner;

/// A decision that is to be another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhatIf {
    /// Its place among all decisions of the case, counted from 0.
    pub decision: u64,
    /// The option that it takes.
    pub chosen: u32,
}

/// Why there is no such run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WhatIfError {
    /// The exhibit of the case cannot be switched on.
    #[error(transparent)]
    Bug(#[from] BugError),
    /// The case has fewer decisions.
    #[error("there is no decision {decision}: the run makes {made}, and the first one is 0")]
    NoDecision {
        /// The place that was asked for.
        decision: u64,
        /// How many decisions there are.
        made: u64,
    },
    /// The decision has fewer options.
    #[error("decision {decision} has no option {chosen}: it has {n}, and the first one is 0")]
    NoOption {
        /// The place of the decision.
        decision: u64,
        /// The option that was asked for.
        chosen: u32,
        /// How many options there are.
        n: u32,
    },
    /// This program does not make the run of the case, so nothing can be said of what would become of it.
    #[error("this program makes another run of this log: {0}")]
    Drifted(Drift),
}

impl Case {
    /// Makes the run again up to one decision, takes another option there, and lets `then` make all decisions
    /// after it. Keeps the last `limit` events of all.
    ///
    /// # Errors
    ///
    /// See [`WhatIfError`].
    pub fn what_if(
        &self,
        runner: &mut Runner,
        what_if: WhatIf,
        then: Box<dyn Policy>,
        limit: usize,
    ) -> Result<Record, WhatIfError> {
        let WhatIf { decision, chosen } = what_if;
        let _switch = switch_on(self.bug())?;
        let branch = Branch::new(self.recording().clone(), decision, chosen, then);
        let branch = Rc::new(RefCell::new(branch));
        let policy: Box<dyn Policy> = Box::new(branch.clone());
        let mut record = Record::of(runner, self.config(), policy, limit);
        record.bug = self.bug().map(str::to_owned);
        let branched = branch.borrow().finish();
        match branched {
            Branched::Taken(_) => Ok(record),
            Branched::NotReached(made) => Err(WhatIfError::NoDecision { decision, made }),
            Branched::NoSuchOption(n) => Err(WhatIfError::NoOption {
                decision,
                chosen,
                n,
            }),
            Branched::Drifted(drift) => Err(WhatIfError::Drifted(drift)),
        }
    }
}

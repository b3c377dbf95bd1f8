//! This machine: real threads, its clock, and the reactor that programs have.

use std::rc::Rc;

use blockjob_runtime::clock::{Clock, RealClock};
use blockjob_runtime::reactor::RealReactor;

/// All contexts run on the same clock.
#[derive(Clone, Default)]
pub struct Life(RealClock);

impl Life {
    /// The life of one run.
    pub fn new() -> Life {
        Life::default()
    }

    pub(super) fn parts(&self) -> (Rc<dyn Clock>, RealReactor) {
        let clock = self.0.clone();
        let reactor = RealReactor::new(clock.clone());
        let reactor = reactor.expect("a context needs two descriptors to wait in");
        (Rc::new(clock), reactor)
    }
}

//! What a policy sees of the run that it decides.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_jobs::mirror::steps::{MirrorEvent, Step};

use crate::check::{Checker, Interest, Scene, Seen};
use crate::event::GuestWhat;
use crate::failure::Rule;

#[derive(Default)]
struct State {
    step: Cell<Option<Step>>,
    was_met: Cell<bool>,
}

/// What a policy sees of its run besides the questions. It is a handle: what it says is always of now.
#[derive(Clone)]
pub struct Sight(Rc<State>);

impl Sight {
    /// The step that the mirror is in, M1 to M17; none before it has begun.
    pub fn step(&self) -> Option<Step> {
        self.0.step.get()
    }

    /// Whether a guest has asked for something while the source was drained for the end.
    pub(super) fn was_met(&self) -> bool {
        self.0.was_met.get()
    }
}

/// A sight, and what keeps it: it watches the run as a checker does, and finds fault with nothing.
pub(super) fn pair() -> (Sight, Box<dyn Checker>) {
    let sight = Sight(Rc::default());
    (sight.clone(), Box::new(Watcher(sight.0)))
}

struct Watcher(Rc<State>);

impl Checker for Watcher {
    fn rule(&self) -> Rule {
        Rule::Progress
    }

    fn wants(&self) -> Interest {
        Interest::MIRROR.or(Interest::GUEST)
    }

    fn reset(&mut self) {
        self.0.step.set(None);
        self.0.was_met.set(false);
    }

    fn see(&mut self, _scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Mirror(trace) => {
                if let MirrorEvent::Step(step) = trace.event {
                    self.0.step.set(Some(step));
                }
            }
            Seen::Guest(event) => {
                let is_end = matches!(self.0.step.get(), Some(Step::M14 | Step::M16));
                if is_end && event.what == GuestWhat::Asks {
                    self.0.was_met.set(true);
                }
            }
            _ => {}
        }
    }
}

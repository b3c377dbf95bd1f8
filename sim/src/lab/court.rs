//! The rules of a lab itself: whoever sees one broken says so, and the run fails there.

use std::cell::RefCell;
use std::rc::Rc;

use crate::cast::Cast;
use crate::check::{Checker, Interest, Scene, Seen};
use crate::failure::Rule;

/// The first rule of a lab that was broken in a run. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Court(Rc<RefCell<Option<Accusation>>>);

struct Accusation {
    rule: Rule,
    place: &'static str,
    text: String,
}

impl Court {
    /// Says that `rule` is broken: `place` in what way, as a short name, and `text` in a sentence. Only the
    /// first one of a run counts.
    pub(crate) fn accuse(&self, rule: Rule, place: &'static str, text: String) {
        let mut first = self.0.borrow_mut();
        first.get_or_insert(Accusation { rule, place, text });
    }

    /// Who brings it before the run.
    pub(crate) fn checker(&self) -> Box<dyn Checker> {
        Box::new(Usher(self.clone()))
    }
}

struct Usher(Court);

impl Usher {
    fn report(&self, scene: &Scene<'_>) {
        if let Some(it) = &*self.0.0.borrow() {
            scene.fail(it.rule, it.place, Vec::new(), it.text.clone());
        }
    }
}

impl Checker for Usher {
    fn rule(&self) -> Rule {
        Rule::Once
    }

    /// Whatever comes often: the story of the run is to end close to what broke the rule.
    fn wants(&self) -> Interest {
        Interest::JOB
            .or(Interest::DISK)
            .or(Interest::GUEST)
            .or(Interest::STEP)
            .or(Interest::IDLE)
            .or(Interest::END)
    }

    fn reset(&mut self) {
        self.0.0.take();
    }

    fn see(&mut self, scene: &Scene<'_>, _: &Seen<'_>) {
        self.report(scene);
    }

    fn step(&mut self, scene: &Scene<'_>) {
        self.report(scene);
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        self.report(scene);
    }

    fn end(&mut self, scene: &Scene<'_>) {
        self.report(scene);
    }
}

/// Keeps the storm of a run going: while one lives chance decides, and then everything is dull and fair.
pub(crate) struct Storm(Rc<Cast>);

impl Storm {
    /// The storm lasts until this is dropped, or the run is too long.
    pub(crate) fn begin(cast: &Rc<Cast>) -> Storm {
        cast.tally.running.set(cast.tally.running.get() + 1);
        Storm(cast.clone())
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        let running = &self.0.tally.running;
        running.set(running.get() - 1);
    }
}

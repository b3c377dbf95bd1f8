//! The rules, one a file, named as those of the simulator. They know a run by its events alone.

mod cancel;
mod data;
mod drain;
mod fsm;
mod home;
mod once;
mod progress;
#[cfg(all(test, not(any(blockjob_loom, blockjob_shuttle))))]
mod tests;
mod wake;

use std::sync::Arc;

use super::facts::{Pair, pair_of};
use super::hub::{Deed, Seen, Tally};

/// The moment of an event.
pub(crate) struct Scene<'a> {
    /// The context that reports it.
    pub(crate) context: &'a str,
    /// Whether the thread is the one of that context.
    pub(crate) at_home: bool,
    pub(crate) pairs: &'a [Arc<Pair>],
    pub(crate) tally: &'a mut Tally,
    pub(crate) broken: Option<String>,
}

impl Scene<'_> {
    /// A rule is broken; the first one counts.
    pub(crate) fn fail(&mut self, rule: &str, text: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(format!("{rule}: {}", text()));
        }
    }

    /// The pair that something belongs to, by its name.
    pub(crate) fn pair(&self, name: &str) -> Option<&Arc<Pair>> {
        self.pairs.get(pair_of(name)?)
    }

    pub(crate) fn count(&mut self, deed: Deed) {
        *self.tally.entry(deed).or_default() += 1;
    }
}

/// One rule.
pub(crate) trait Checker: Send {
    /// Something happens.
    fn see(&mut self, scene: &mut Scene<'_>, seen: &Seen<'_>);

    /// Everything that could end has ended.
    fn end(&mut self, scene: &mut Scene<'_>) {
        let _ = scene;
    }

    /// What it knows of who waits for whom, in lines.
    fn waiting(&self) -> Vec<String> {
        Vec::new()
    }
}

/// All rules, in the order in which they look.
pub(crate) fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(home::Home),
        Box::new(data::Data::default()),
        Box::new(drain::Drain::default()),
        Box::new(once::Once::default()),
        Box::new(fsm::Fsm::default()),
        Box::new(cancel::Cancel::default()),
        Box::new(wake::Wake),
        Box::new(progress::Progress::default()),
    ]
}

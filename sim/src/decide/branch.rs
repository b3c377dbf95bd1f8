//! What if: a run that leaves a recorded one at one decision.

use super::recording::Recording;
use super::replay::{Drift, Replay};
use super::{Policy, Question};

/// Takes the dullest option everywhere: first come, first served, no fault.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dull;

impl Policy for Dull {
    fn choose(&mut self, _question: &Question<'_>) -> usize {
        0
    }
}

/// Answers as a recording does up to one decision, takes another option there, and leaves all that
/// comes after to another policy.
pub struct Branch {
    before: Replay,
    at: u64,
    chosen: u32,
    then: Box<dyn Policy>,
    made: u64,
    /// What was asked at the branch, and how many options there were.
    asked: Option<(&'static str, u32)>,
}

/// What became of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Branched {
    /// The other option was taken, at the site of this name.
    Taken(&'static str),
    /// The run did not come to the decision: it made so many.
    NotReached(u64),
    /// There are only so many options, and the dullest one was taken.
    NoSuchOption(u32),
    /// Before the decision it was another run than the recorded one.
    Drifted(Drift),
}

impl Branch {
    /// At the beginning of `recording`. The decision at the place `at`, counted from 0, takes `chosen`; the
    /// first that `then` is asked is the one after it.
    pub fn new(recording: Recording, at: u64, chosen: u32, then: Box<dyn Policy>) -> Branch {
        Branch {
            before: Replay::new(recording),
            at,
            chosen,
            then,
            made: 0,
            asked: None,
        }
    }

    /// What became of it, when the run is over.
    pub fn finish(&self) -> Branched {
        match (self.before.drift(), self.asked) {
            (Some(drift), _) => Branched::Drifted(drift.clone()),
            (None, None) => Branched::NotReached(self.made),
            (None, Some((_, n))) if self.chosen >= n => Branched::NoSuchOption(n),
            (None, Some((site, _))) => Branched::Taken(site),
        }
    }
}

impl Policy for Branch {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        let at = self.made;
        self.made += 1;
        if at < self.at {
            return self.before.choose(question);
        }
        if at > self.at {
            return self.then.choose(question);
        }
        // A policy is asked by those that have at most 2^32 - 1 options.
        self.asked = Some((question.site.name, question.n as u32));
        let chosen = self.chosen as usize;
        if chosen < question.n { chosen } else { 0 }
    }
}

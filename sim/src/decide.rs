//! Decisions: who makes them, and the log of them.
//!
//! Whatever could go one way or another in a world asks the world's [`Decider`]: which of the ready
//! things runs next, how long a disk takes, whether a request fails, what a guest does. The decider
//! asks its [`Policy`], and keeps what was answered, so that the log of a run *is* the run.

mod branch;
mod bytes;
mod compare;
mod cursor;
mod decider;
mod digest;
mod exhaustive;
mod log;
mod names;
mod parse;
mod pct;
mod random;
mod recording;
mod replay;
mod shrink;
mod sites;
mod text;

pub use branch::{Branch, Branched, Dull};
pub use bytes::Bytes;
pub use compare::{Divergence, compare};
pub use decider::Decider;
pub use exhaustive::Exhaustive;
pub use log::{Decision, Listing, Log};
pub use names::Names;
pub(crate) use names::time;
pub use parse::{TextError, TextErrorKind};
pub use pct::{Pct, miss_probability};
pub use random::Random;
pub use recording::{BUILD, BadConfig, Recording};
pub use replay::{Drift, Lenient, Replay, Verdict};
pub use shrink::{ShrinkStats, Size, shrink};

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_runtime::decide::Site;

/// One question to a policy.
pub struct Question<'a> {
    /// Where it is asked.
    pub site: &'static Site,
    /// The answer is one of `0..n`; at least 2, at most `u32::MAX`. 0 is the dullest option.
    pub n: usize,
    /// How often, of 1,024 times, whoever asks would like another answer than 0; without it every
    /// answer is as good as another.
    pub odds: Option<u32>,
    /// Who the options are, where they are things that run: a number that stays with a coroutine or
    /// a bottom half for its life. For policies that give priorities.
    pub who: Option<&'a dyn Fn(usize) -> u64>,
}

/// How questions are answered.
///
/// A policy must not ask the decider that asks it.
pub trait Policy {
    /// One of `0..question.n`.
    fn choose(&mut self, question: &Question<'_>) -> usize;
}

/// A policy whose maker keeps a handle: what it learnt in a run is read from there afterwards.
impl<P: Policy> Policy for Rc<RefCell<P>> {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        self.borrow_mut().choose(question)
    }
}

//! The seam for choice: whoever could do one of several things asks here.
//!
//! In production nobody is asked and the answer is 0, the dullest option everywhere: first in,
//! first out, no fault. In a simulation the answers are the schedule: they are logged, replayed,
//! searched and shrunk.

/// A place in the engine that has a choice. Each is a `static` beside the code that asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Site {
    /// A short name, unique in the program; decision logs are written in terms of it.
    pub name: &'static str,
}

impl Site {
    /// A site named `name`.
    pub const fn new(name: &'static str) -> Self {
        Site { name }
    }
}

/// Who answers.
pub trait Decide {
    /// One of `0..n`, where `n` is at least 2 and 0 is always the dullest option.
    fn decide(&self, site: &'static Site, n: usize) -> usize;

    /// As [`decide`](Self::decide), among `n` things that run. `who` names each by a number that it
    /// keeps while it lives, for whoever answers by who they are and not by their places.
    fn decide_among(&self, site: &'static Site, n: usize, who: &dyn Fn(usize) -> u64) -> usize {
        let _ = who;
        self.decide(site, n)
    }

    /// As [`decide_among`](Self::decide_among), where `name` says for a person what each of them is. It is
    /// there for those who record a run; the answer must not depend on it.
    fn decide_named(
        &self,
        site: &'static Site,
        n: usize,
        who: &dyn Fn(usize) -> u64,
        name: &dyn Fn(usize) -> String,
    ) -> usize {
        let _ = name;
        self.decide_among(site, n, who)
    }
}

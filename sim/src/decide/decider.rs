//! The one whom everything in a world asks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_runtime::decide::{Decide, Site};

use super::digest::{START, mix};
use super::log::{Entry, Log};
use super::names::Names;
use super::sites::SiteTable;
use super::{Policy, Question};

/// Added to the digest with a word of state, so that no state looks like a decision.
const STATE: u64 = 0x5851_f42d_4c95_7f2d;

/// Asks a policy, logs what it answers, and keeps a digest of the run.
///
/// One decider serves any number of runs: [`restart`](Self::restart) keeps its buffers.
pub struct Decider {
    state: RefCell<State>,
    calm: Cell<bool>,
    /// Whether somebody wants to know what the options are called.
    naming: Cell<bool>,
    names: RefCell<Names>,
}

struct State {
    policy: Box<dyn Policy>,
    sites: SiteTable,
    entries: Vec<Entry>,
    digest: u64,
}

impl Decider {
    /// A decider at the beginning of a run that `policy` decides.
    pub fn new(policy: Box<dyn Policy>) -> Rc<Self> {
        Rc::new(Decider {
            state: RefCell::new(State {
                policy,
                sites: SiteTable::new(),
                entries: Vec::new(),
                digest: START,
            }),
            calm: Cell::new(false),
            naming: Cell::new(false),
            names: RefCell::default(),
        })
    }

    /// Begins another run, decided by `policy`: the log and the digest are empty, nothing is calm,
    /// and no site has odds of its own.
    pub fn restart(&self, policy: Box<dyn Policy>) {
        let mut state = self.state.borrow_mut();
        state.policy = policy;
        state.entries.clear();
        state.digest = START;
        state
            .sites
            .all_mut()
            .iter_mut()
            .for_each(|it| it.odds = None);
        self.calm.set(false);
        self.names.borrow_mut().clear();
    }

    /// Whether the names of options are kept, of this run and those after it. It costs time, and changes
    /// no run.
    pub fn keep_names(&self, keep: bool) {
        self.naming.set(keep);
    }

    /// The names of the options that were there since the last restart, and forgets them.
    pub fn take_names(&self) -> Names {
        self.names.take()
    }

    /// As [`pick`](Self::pick), where `name` says for a person what an option is. It is called for those who
    /// record the run alone, and so it must change nothing.
    #[inline]
    pub fn pick_named(
        &self,
        site: &'static Site,
        n: usize,
        name: impl Fn(usize) -> String,
    ) -> usize {
        self.note(n, &name);
        self.pick(site, n)
    }

    /// As [`pick_rarely`](Self::pick_rarely), with names for the options.
    #[inline]
    pub fn pick_rarely_named(
        &self,
        site: &'static Site,
        n: usize,
        per_1024: u32,
        name: impl Fn(usize) -> String,
    ) -> usize {
        if per_1024 > 0 {
            self.note(n, &name);
        }
        self.pick_rarely(site, n, per_1024)
    }

    /// As [`flip`](Self::flip), with names for false and true.
    #[inline]
    pub fn flip_named(&self, site: &'static Site, per_1024: u32, names: [&str; 2]) -> bool {
        self.pick_rarely_named(site, 2, per_1024, |option| names[option].to_owned()) != 0
    }

    /// Keeps the names of the options of the next decision, if it is one and somebody wants them.
    #[inline]
    fn note(&self, n: usize, name: &dyn Fn(usize) -> String) {
        if self.naming.get() && n > 1 && !self.calm.get() {
            self.names.borrow_mut().add(self.decisions(), n, name);
        }
    }

    /// One of `0..n`, each as good as another; 0 if there is no choice.
    pub fn pick(&self, site: &'static Site, n: usize) -> usize {
        self.ask(site, n, None, None)
    }

    /// True in `per_1024` of 1,024 cases, where the policy goes by odds. Nobody is asked if that is
    /// 0.
    pub fn flip(&self, site: &'static Site, per_1024: u32) -> bool {
        self.pick_rarely(site, 2, per_1024) != 0
    }

    /// One of `0..n`: something else than 0 in `per_1024` of 1,024 cases, where the policy goes by
    /// odds. Nobody is asked if that is 0.
    pub fn pick_rarely(&self, site: &'static Site, n: usize, per_1024: u32) -> usize {
        if per_1024 == 0 {
            return 0;
        }
        self.ask(site, n, Some(per_1024), None)
    }

    /// Gives odds to the questions of `site` that bring none, until the next restart: those of the
    /// runtime, who knows nothing of odds.
    pub fn set_odds(&self, site: &'static Site, per_1024: Option<u32>) {
        let mut state = self.state.borrow_mut();
        let number = state.sites.number(site);
        state.sites.known_mut(number).odds = per_1024;
    }

    /// Mixes a word of the world's state into the digest: what a disk did, where a job is.
    pub fn absorb(&self, word: u64) {
        let mut state = self.state.borrow_mut();
        state.digest = mix(state.digest ^ STATE, word);
    }

    /// From now on every answer is 0, until the next restart, and is neither logged nor in the
    /// digest: the fair phase in which a world must come to its end.
    pub fn calm(&self) {
        self.calm.set(true);
    }

    /// Whether every answer is 0 by now.
    pub fn is_calm(&self) -> bool {
        self.calm.get()
    }

    /// How many decisions the run has made.
    pub fn decisions(&self) -> u64 {
        self.state.borrow().entries.len() as u64
    }

    /// The digest of all decisions and all state so far. Two runs of one seed that differ in it are
    /// not deterministic.
    pub fn digest(&self) -> u64 {
        self.state.borrow().digest
    }

    /// The log so far: a copy.
    pub fn log(&self) -> Log {
        let state = self.state.borrow();
        Log::of(&state.sites, &state.entries)
    }

    #[inline]
    fn ask(
        &self,
        site: &'static Site,
        n: usize,
        odds: Option<u32>,
        who: Option<&dyn Fn(usize) -> u64>,
    ) -> usize {
        if n < 2 || self.calm.get() {
            return 0;
        }
        self.state.borrow_mut().ask(site, n, odds, who)
    }
}

impl State {
    #[inline]
    fn ask(
        &mut self,
        site: &'static Site,
        n: usize,
        odds: Option<u32>,
        who: Option<&dyn Fn(usize) -> u64>,
    ) -> usize {
        let number = self.sites.number(site);
        let known = self.sites.known(number);
        let odds = odds.or(known.odds);
        let chosen = self.policy.choose(&Question { site, n, odds, who });
        assert!(
            chosen < n,
            "the policy answered {chosen} at {}, which has {n} options",
            site.name
        );
        let n_word = u32::try_from(n).expect("fewer than 2^32 options");
        // Below n, so it fits as well.
        let chosen_word = chosen as u32;
        let answer = (u64::from(n_word) << 32) | u64::from(chosen_word);
        self.digest = mix(self.digest, known.hash ^ answer);
        self.entries.push(Entry {
            site: number,
            n: n_word,
            chosen: chosen_word,
        });
        chosen
    }
}

impl Decide for Decider {
    fn decide(&self, site: &'static Site, n: usize) -> usize {
        self.ask(site, n, None, None)
    }

    fn decide_among(&self, site: &'static Site, n: usize, who: &dyn Fn(usize) -> u64) -> usize {
        self.ask(site, n, None, Some(who))
    }

    fn decide_named(
        &self,
        site: &'static Site,
        n: usize,
        who: &dyn Fn(usize) -> u64,
        name: &dyn Fn(usize) -> String,
    ) -> usize {
        self.note(n, name);
        self.ask(site, n, None, Some(who))
    }
}

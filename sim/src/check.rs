//! Checkers: the rules, one file each.
//!
//! A checker sees what happens as it happens, and only looks: it must not call into the engine in a way
//! that changes it. Whatever must hold between steps rather than in the middle of them is checked in
//! [`Checker::step`], and what must hold before time goes on in [`Checker::idle`].

pub mod active;
mod bits;
mod bounds;
mod by_job;
pub mod cancel;
pub mod contexts;
pub mod count;
pub mod data;
pub mod dirty;
pub mod drain;
pub mod fsm;
pub mod graph;
pub mod home;
mod images;
pub mod inflight;
pub mod once;
pub mod progress;
pub mod quiesce;
pub mod rate;
mod sides;
pub mod txn;
pub mod waitgraph;
pub mod wake;

use std::rc::Rc;

use blockjob_block::bitmap::DirtyTrace;
use blockjob_block::request::BlockTrace;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::steps::MirrorTrace;
use blockjob_jobs::trace::JobTrace;
use blockjob_runtime::trace::Event;

use crate::cast::{Cast, section_id};
use crate::config::Config;
use crate::event::{DiskEvent, GuestEvent, MonitorEvent, Note};
use crate::failure::{Failure, Rule};
use crate::hub::Hub;

/// What a checker sees.
#[non_exhaustive]
pub enum Seen<'a> {
    /// A request, a drained section, a change of the graph.
    Block(&'a BlockTrace),
    /// A job.
    Job(&'a JobTrace),
    /// A mirror.
    Mirror(&'a MirrorTrace),
    /// An event for watchers of jobs.
    JobEvent(&'a JobEvent),
    /// A disk.
    Disk(&'a DiskEvent),
    /// A guest.
    Guest(&'a GuestEvent),
    /// The monitor.
    Monitor(&'a MonitorEvent),
    /// A coroutine or a callback; only in runs that trace them.
    Runtime(&'a Event<'a>),
    /// Bits of a dirty bitmap; only in runs that trace them.
    Dirty(&'a DirtyTrace),
    /// What a program that has added somebody to the run says of him; only in runs that are recorded.
    Note(&'a Note),
}

/// Kinds of things that a checker wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(u16);

impl Interest {
    pub(crate) const KINDS: usize = 14;
    /// Nothing.
    pub const NOTHING: Interest = Interest(0);
    /// [`Seen::Block`].
    pub const BLOCK: Interest = Interest(1);
    /// [`Seen::Job`].
    pub const JOB: Interest = Interest(2);
    /// [`Seen::Mirror`].
    pub const MIRROR: Interest = Interest(4);
    /// [`Seen::JobEvent`].
    pub const JOB_EVENT: Interest = Interest(8);
    /// [`Seen::Disk`].
    pub const DISK: Interest = Interest(16);
    /// [`Seen::Guest`].
    pub const GUEST: Interest = Interest(32);
    /// [`Seen::Monitor`].
    pub const MONITOR: Interest = Interest(64);
    /// [`Seen::Runtime`].
    pub const RUNTIME: Interest = Interest(128);
    /// [`Checker::step`].
    pub const STEP: Interest = Interest(256);
    /// [`Checker::idle`].
    pub const IDLE: Interest = Interest(512);
    /// [`Checker::end`].
    pub const END: Interest = Interest(1024);

    /// Those of [`Seen::Block`] that are no requests; for whoever does not want [`Interest::BLOCK`].
    pub const SECTION: Interest = Interest(2048);
    /// [`Seen::Dirty`].
    pub const DIRTY: Interest = Interest(4096);
    /// [`Seen::Note`].
    pub const NOTE: Interest = Interest(8192);

    /// Both.
    #[must_use]
    pub const fn or(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    pub(crate) const fn kind(self) -> usize {
        self.0.trailing_zeros() as usize
    }

    pub(crate) const fn has_kind(self, kind: usize) -> bool {
        self.0 >> kind & 1 == 1
    }
}

/// The moment at which a checker looks, and whom it can look at.
pub struct Scene<'a> {
    /// The time of the world.
    pub now_ns: u64,
    /// How many decisions were made.
    pub decisions: u64,
    /// The context in which it happens, where that is known: for what the engine reports.
    pub context: &'a str,
    /// Who is there.
    pub cast: &'a Cast,
    pub(crate) hub: &'a Hub,
}

impl Scene<'_> {
    /// The number, among the drained sections of all contexts, of the one that it has the number `id` where
    /// it happens.
    pub fn section(&self, id: u64) -> u64 {
        section_id(self.cast.home_called(self.context), id)
    }

    /// Whether both are the label of one job: one that has moved has another label that says the same.
    pub fn same_job(&self, one: &Rc<str>, other: &Rc<str>) -> bool {
        Rc::ptr_eq(one, other) || (self.cast.homes.len() > 1 && one == other)
    }

    /// Reports that `rule` is broken. `place` says in what way, as a short name without numbers.
    pub fn fail(&self, rule: Rule, place: &str, parties: Vec<String>, text: String) {
        // An engine that unwinds, or a run that is called off, ends what it was about; what is wrong with
        // it is known, and that it ends so is no news.
        if std::thread::panicking() {
            return;
        }
        self.hub.fail(Failure {
            rule,
            place: place.to_owned(),
            parties,
            text,
            at_ns: self.now_ns,
            decisions: self.decisions,
        });
    }
}

/// One rule. It is made once and used for many runs.
pub trait Checker {
    /// The rule that it holds runs against.
    fn rule(&self) -> Rule;

    /// What it is told.
    fn wants(&self) -> Interest;

    /// Whether it has anything to look at in runs of `config`.
    fn concerns(&self, config: &Config) -> bool {
        let _ = config;
        true
    }

    /// A new run begins: whatever was seen is forgotten.
    fn reset(&mut self);

    /// Something happens, perhaps in the middle of something else.
    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        let _ = (scene, seen);
    }

    /// An actor of the world has acted.
    fn step(&mut self, scene: &Scene<'_>) {
        let _ = scene;
    }

    /// Nothing can happen at this instant; time is about to go on.
    fn idle(&mut self, scene: &Scene<'_>) {
        let _ = scene;
    }

    /// The run is over: whatever could end has ended.
    fn end(&mut self, scene: &Scene<'_>) {
        let _ = scene;
    }
}

/// All checkers, in the order in which they look.
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(data::Data::new()),
        Box::new(dirty::Dirty::new()),
        Box::new(inflight::Inflight::new()),
        Box::new(active::Active::new()),
        Box::new(quiesce::Quiesce::new()),
        Box::new(drain::Drain::new()),
        Box::new(wake::Wake::new()),
        Box::new(home::Home::new()),
        Box::new(contexts::Contexts::new()),
        Box::new(graph::Graph::new()),
        Box::new(count::Count::new()),
        Box::new(waitgraph::Waits::new()),
        Box::new(progress::Progress::new()),
        Box::new(once::Once::new()),
        Box::new(fsm::Fsm::new()),
        Box::new(cancel::Cancel::new()),
        Box::new(txn::Txn::new()),
        Box::new(rate::Rate::new()),
    ]
}

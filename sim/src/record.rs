//! The record of a run: everything that happened, with time, decision, context and coroutine.
//!
//! Checkers look at things as they pass; whoever tells the story of a run, or draws it, wants to look
//! back and forth. A [`Recorder`] is a checker that keeps what it sees and never fails.

mod entry;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use blockjob_runtime::trace::Wants;

use crate::check::{Checker, Interest, Scene, Seen};
use crate::config::Config;
use crate::decide::{Log, Names, Policy};
use crate::failure::Rule;
use crate::run::{Report, Runner};
pub use entry::{Entry, RuntimeEvent, What, Who};

/// So many events are kept where nobody says otherwise: some hundred megabytes.
pub const DEFAULT_LIMIT: usize = 1 << 20;

/// What a recorder is to be told that nobody else asks for. Decisions are not in it: the log has them all.
const RUNTIME: Wants = Wants::COROUTINES
    .or(Wants::WAKES)
    .or(Wants::CALLBACKS)
    .or(Wants::TIMERS)
    .or(Wants::SCHEDULES)
    .or(Wants::LAYER_DETAILS);

const EVERYTHING: Interest = Interest::BLOCK
    .or(Interest::JOB)
    .or(Interest::MIRROR)
    .or(Interest::JOB_EVENT)
    .or(Interest::DISK)
    .or(Interest::GUEST)
    .or(Interest::MONITOR)
    .or(Interest::RUNTIME)
    .or(Interest::DIRTY)
    .or(Interest::NOTE);

/// One run, to be looked at.
#[derive(Debug)]
pub struct Record {
    /// What the run was told.
    pub config: Config,
    /// Which exhibit of the museum was switched on, if one was.
    pub bug: Option<String>,
    /// What it came to.
    pub report: Report,
    /// What was decided.
    pub log: Log,
    /// What the options of the decisions were called.
    pub names: Names,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// So many events came before the first entry and were let go, because there were too many.
    pub lost: u64,
}

impl Record {
    /// Makes a run and keeps the last `limit` of its events.
    pub fn of(
        runner: &mut Runner,
        config: &Config,
        policy: Box<dyn Policy>,
        limit: usize,
    ) -> Record {
        Self::watched(runner, config, policy, limit, Vec::new())
    }

    /// The same, with more checkers.
    pub(crate) fn watched(
        runner: &mut Runner,
        config: &Config,
        policy: Box<dyn Policy>,
        limit: usize,
        mut watchers: Vec<Box<dyn Checker>>,
    ) -> Record {
        let recorder = Recorder::new(limit);
        let tape = recorder.tape();
        watchers.push(Box::new(recorder));
        runner.decider().keep_names(true);
        let report = runner.run_watched(config, policy, watchers, RUNTIME);
        runner.decider().keep_names(false);
        let mut tape = tape.borrow_mut();
        Record {
            config: config.clone(),
            bug: None,
            report,
            log: runner.decider().log(),
            names: runner.decider().take_names(),
            entries: std::mem::take(&mut tape.entries).into(),
            lost: tape.lost,
        }
    }
}

/// What a recorder has kept so far.
#[derive(Debug)]
pub struct Tape {
    /// What happened, in order.
    pub entries: VecDeque<Entry>,
    /// So many events came before the first entry and were let go.
    pub lost: u64,
    limit: usize,
}

/// See the module. It wants [`Interest::RUNTIME`], too, which a runner only passes on if it is told so:
/// [`Record::of`] sees to that.
pub struct Recorder {
    tape: Rc<RefCell<Tape>>,
    next_seq: u64,
    /// Who runs, and who waits for that one to come back; the innermost last.
    running: Vec<Who>,
    /// The names of contexts, each kept once.
    contexts: Vec<Rc<str>>,
}

impl Recorder {
    /// A recorder that keeps the last `limit` events of a run.
    pub fn new(limit: usize) -> Recorder {
        let tape = Tape {
            entries: VecDeque::new(),
            lost: 0,
            limit: limit.max(1),
        };
        Recorder {
            tape: Rc::new(RefCell::new(tape)),
            next_seq: 0,
            running: Vec::new(),
            contexts: Vec::new(),
        }
    }

    /// Where it keeps them. Whoever made the recorder reads it there when the run is over.
    pub fn tape(&self) -> Rc<RefCell<Tape>> {
        self.tape.clone()
    }

    fn context(&mut self, name: &str) -> Rc<str> {
        let known = self.contexts.iter().find(|known| &***known == name);
        known.cloned().unwrap_or_else(|| {
            let name: Rc<str> = name.into();
            self.contexts.push(name.clone());
            name
        })
    }

    /// Coroutines come and go in the order of a stack, whatever context they are of.
    fn follow(&mut self, entry: &Entry) {
        match entry.what {
            What::Runtime(RuntimeEvent::Enter { coroutine, .. }) => self.running.push(Who {
                context: entry.context.clone(),
                id: coroutine,
            }),
            What::Runtime(RuntimeEvent::Yield { .. } | RuntimeEvent::End { .. }) => {
                self.running.pop();
            }
            _ => {}
        }
    }
}

impl Checker for Recorder {
    /// The rule that it would hold if it held one.
    fn rule(&self) -> Rule {
        Rule::Fsm
    }

    fn wants(&self) -> Interest {
        EVERYTHING
    }

    fn reset(&mut self) {
        let mut tape = self.tape.borrow_mut();
        tape.entries.clear();
        tape.lost = 0;
        self.next_seq = 0;
        self.running.clear();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        // What destructors do while the run is being broken off is not part of the story.
        if std::thread::panicking() {
            return;
        }
        let Some(what) = What::of(seen) else { return };
        let context = self.context(scene.context);
        let entry = Entry {
            seq: self.next_seq,
            at_ns: scene.now_ns,
            decisions: scene.decisions,
            context,
            coroutine: self.running.last().cloned(),
            what,
        };
        self.next_seq += 1;
        self.follow(&entry);
        let mut tape = self.tape.borrow_mut();
        if tape.entries.len() == tape.limit {
            tape.entries.pop_front();
            tape.lost += 1;
        }
        tape.entries.push_back(entry);
    }
}

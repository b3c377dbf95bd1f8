//! Ears and the hub: what happens in all contexts, in one order, given to the rules.
//!
//! The order is that of a lock which no checker of threads sees. So listening adds no turn that a thread
//! could take, and no ordering that the engine could lean on.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::Arc;

use blockjob_block::request::BlockTrace;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::steps::MirrorTrace;
use blockjob_jobs::trace::JobTrace;
use blockjob_runtime::AioContext;
use blockjob_runtime::sync::thread;
use blockjob_runtime::trace::{Event, Trace, Wants};

use super::check::{self, Checker, Scene};
use super::facts::{Pair, Unseen, unwinds};

/// So many lines are kept.
const KEPT: usize = 60;

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    Block(&'a BlockTrace),
    Job(&'a JobTrace),
    Mirror(&'a MirrorTrace),
    /// What watchers of jobs are told.
    Told(&'a JobEvent),
    Disk(DiskSeen<'a>),
    Guest(GuestSeen),
    /// Main does something.
    Does(&'a str),
    /// Nothing that a context could do is left, and it is about to wait. With what is wrong then.
    Idle(Option<String>),
}

#[derive(Debug)]
pub(crate) struct DiskSeen<'a> {
    pub(crate) disk: &'a str,
    pub(crate) writes: bool,
    pub(crate) begins: bool,
}

#[derive(Debug)]
pub(crate) struct GuestSeen {
    pub(crate) pair: usize,
    pub(crate) request: u32,
    pub(crate) asks: bool,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// A request of a guest was answered.
    Request,
    /// A mirror was started.
    Start,
    /// A mirror ended well.
    Completed,
    /// A mirror was cancelled.
    Cancelled,
    /// A mirror failed.
    Failed,
    /// A family was moved while a mirror ran in it.
    MovedMirror,
    /// A family was moved without a mirror.
    Moved,
    /// A move was refused.
    MoveRefused,
    /// A drained section of a family.
    Drain,
    /// A drained section of everything.
    DrainAll,
    /// A job was paused.
    Pause,
    /// A job was resumed.
    Resume,
    /// A job was told to complete.
    Complete,
    /// A job was cancelled softly.
    Cancel,
    /// A job was cancelled by force.
    ForceCancel,
    /// A job got another speed.
    Speed,
    /// All jobs were looked at.
    Query,
    /// A command was refused, as it may be.
    Refused,
    /// Main waited a moment.
    Rest,
    /// A drill ended in order.
    InOrder,
    /// A drill ended with everything running.
    Abrupt,
}

/// How often what was done.
pub type Tally = BTreeMap<Deed, u64>;

/// What a panic says.
#[cfg(not(blockjob_loom))]
pub(crate) fn words_of<'a>(panic: &'a std::panic::PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    let words = payload.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
    words.unwrap_or("a panic without words")
}

/// A tally in words.
#[cfg(not(blockjob_loom))]
pub(crate) fn describe(tally: &Tally) -> String {
    let counts = tally
        .iter()
        .map(|(deed, count)| format!("{deed:?} {count}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// A context, as the hub knows it.
struct Known {
    thread: thread::ThreadId,
    waits: bool,
    events: u64,
    last: String,
}

#[derive(Default)]
struct State {
    pairs: Vec<Arc<Pair>>,
    contexts: BTreeMap<String, Known>,
    checkers: Vec<Box<dyn Checker>>,
    lines: VecDeque<String>,
    seen: u64,
    tally: Tally,
    main_waits: String,
    over: bool,
    /// Contexts are stopped with what runs in them.
    ending: bool,
}

/// Where everything is heard; one for a run.
#[derive(Default)]
pub struct Hub {
    state: Unseen<State>,
}

impl Hub {
    /// One that has heard nothing, with all rules.
    pub fn new() -> Arc<Hub> {
        let hub = Hub::default();
        hub.state.lock().checkers = check::all();
        Arc::new(hub)
    }

    pub(crate) fn add_pair(&self, pair: &Arc<Pair>) {
        self.state.lock().pairs.push(pair.clone());
    }

    /// The context `name` belongs to this thread.
    pub(crate) fn add_context(&self, name: &str) {
        let known = Known {
            thread: thread::current().id(),
            waits: false,
            events: 0,
            last: String::new(),
        };
        self.state.lock().contexts.insert(name.to_owned(), known);
    }

    /// The context waits, or has been woken.
    pub(crate) fn waits(&self, name: &str, waits: bool) {
        if let Some(known) = self.state.lock().contexts.get_mut(name) {
            known.waits = waits;
        }
    }

    /// Main is about to wait for something, or waits no more.
    pub(crate) fn main_waits(&self, what: &str) {
        let mut state = self.state.lock();
        state.main_waits.clear();
        state.main_waits.push_str(what);
    }

    /// One more of something.
    pub(crate) fn count(&self, deed: Deed) {
        *self.state.lock().tally.entry(deed).or_default() += 1;
    }

    /// What was done so far.
    pub fn tally(&self) -> Tally {
        self.state.lock().tally.clone()
    }

    /// How much has happened: for whoever watches whether anything does.
    pub fn seen(&self) -> u64 {
        self.state.lock().seen
    }

    /// Something happens in the current context.
    pub(crate) fn see_here(&self, seen: &Seen<'_>) {
        let context = AioContext::try_current().map(|it| it.handle().name().to_owned());
        self.see(context.as_deref().unwrap_or("nowhere"), seen);
    }

    /// Something happens in a context. What breaks a rule is a panic here.
    pub(crate) fn see(&self, context: &str, seen: &Seen<'_>) {
        // What unwinds ends what it was about; what is wrong is known.
        if unwinds() {
            return;
        }
        let here = thread::current().id();
        let mut state = self.state.lock();
        if state.over {
            return;
        }
        let state = &mut *state;
        state.seen += 1;
        if let Some(known) = state.contexts.get_mut(context) {
            known.events += 1;
        }
        if !matches!(seen, Seen::Idle(None)) {
            note(state, context, seen);
        }
        let home = state.contexts.get(context).map(|known| known.thread);
        let mut scene = Scene {
            context,
            at_home: home.is_none_or(|home| home == here),
            pairs: &state.pairs,
            tally: &mut state.tally,
            broken: None,
        };
        for checker in &mut state.checkers {
            checker.see(&mut scene, seen);
        }
        if let Some(broken) = scene.broken.take() {
            state.over = true;
            let report = report(state);
            fail(&broken, &report);
        }
    }

    /// Everything that could end has ended.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut scene = Scene {
            context: "main",
            at_home: true,
            pairs: &state.pairs,
            tally: &mut state.tally,
            broken: None,
        };
        for checker in &mut state.checkers {
            checker.end(&mut scene);
        }
        if let Some(broken) = scene.broken.take() {
            state.over = true;
            let report = report(state);
            fail(&broken, &report);
        }
    }

    /// From now on contexts end, and requests with them.
    pub(crate) fn ending(&self) {
        self.state.lock().ending = true;
    }

    /// Breaks the rule `rule`.
    pub fn fail(&self, rule: &str, text: &str) {
        if unwinds() {
            return;
        }
        let mut state = self.state.lock();
        if !state.over {
            state.over = true;
            let report = report(&state);
            fail(&format!("{rule}: {text}"), &report);
        }
    }

    pub(crate) fn illegal_read(&self, pair: usize, request: u32, illegal: &str) {
        let text = format!("request {request} of guest {pair} read {illegal}");
        self.fail("DATA", &text);
    }

    /// These disks never fail: nobody but a context that ends does.
    pub(crate) fn failed_request(&self, pair: usize, what: &str) {
        if !self.state.lock().ending {
            self.fail("DATA", &format!("a request of guest {pair} fails: {what}"));
        }
    }

    /// The last events, and who waits for whom.
    pub fn report(&self) -> String {
        report(&self.state.lock())
    }
}

fn note(state: &mut State, context: &str, seen: &Seen<'_>) {
    let mut line = String::new();
    let written = match seen {
        Seen::Block(it) => write!(line, "{context}: {it:?}"),
        Seen::Job(it) => write!(line, "{context}: {} {:?}", it.job, it.what),
        Seen::Mirror(it) => write!(line, "{context}: {} {:?}", it.job, it.event),
        Seen::Told(it) => write!(line, "{context}: {} tells {}", it.job_id(), it.name()),
        Seen::Disk(it) => write!(line, "{context}: {it:?}"),
        Seen::Guest(it) => write!(line, "{context}: {it:?}"),
        Seen::Does(it) => write!(line, "{context}: ---- {it}"),
        Seen::Idle(it) => write!(line, "{context}: idle {it:?}"),
    };
    written.expect("a string takes everything");
    if let Some(known) = state.contexts.get_mut(context) {
        known.last.clone_from(&line);
    }
    if state.lines.len() == KEPT {
        state.lines.pop_front();
    }
    state.lines.push_back(line);
}

fn report(state: &State) -> String {
    let mut text = String::from("the last events:\n");
    for line in &state.lines {
        text += &format!("  {line}\n");
    }
    text += "who waits for whom:\n";
    for (name, known) in &state.contexts {
        let waits = if known.waits { "waits" } else { "runs" };
        text += &format!("  {name} {waits}; its last: {}\n", known.last);
    }
    if !state.main_waits.is_empty() {
        text += &format!("  main is about: {}\n", state.main_waits);
    }
    for checker in &state.checkers {
        for line in checker.waiting() {
            text += &format!("  {line}\n");
        }
    }
    text
}

/// The one place where a drill fails. The hook of the program prints it.
fn fail(broken: &str, report: &str) -> ! {
    panic!("{broken}\n{report}")
}

/// What listens in a context.
pub(crate) struct Ear(pub(crate) Arc<Hub>);

impl Trace for Ear {
    fn event(&self, _now_ns: u64, context: &str, event: &Event<'_>) {
        let Event::Layer(layer) = event else { return };
        let any = layer.as_any();
        if let Some(trace) = any.downcast_ref::<BlockTrace>() {
            self.0.see(context, &Seen::Block(trace));
        } else if let Some(trace) = any.downcast_ref::<JobTrace>() {
            self.0.see(context, &Seen::Job(trace));
        } else if let Some(trace) = any.downcast_ref::<MirrorTrace>() {
            self.0.see(context, &Seen::Mirror(trace));
        }
    }

    fn wants(&self) -> Wants {
        Wants::LAYERS
    }
}

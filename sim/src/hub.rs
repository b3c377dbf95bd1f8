//! Where everything that happens in a world arrives, and is handed to the checkers that want it.

use std::cell::{Cell, RefCell};
use std::panic::panic_any;
use std::rc::Rc;

use blockjob_block::bitmap::DirtyTrace;
use blockjob_block::request::BlockTrace;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::steps::MirrorTrace;
use blockjob_jobs::trace::JobTrace;
use blockjob_runtime::trace::{Event, Mark, Trace, Wants};

use crate::cast::Cast;
use crate::check::{Checker, Interest, Scene, Seen};
use crate::config::Config;
use crate::coverage::Marks;
use crate::decide::Decider;
use crate::event::{DiskEvent, GuestEvent, MonitorEvent, Note};
use crate::failure::{Failure, Rule};
use crate::monitor::Triggers;
use crate::waits::verdict;
use crate::world::{Halt, Watch};

/// No step of a sound engine has so many events: the longest seen have a few thousand.
const MAX_EVENTS_OF_STEP: u64 = 1_000_000;

/// See the module. One for each run at a time; its checkers are used again for the next.
pub struct Hub {
    checkers: RefCell<Vec<Box<dyn Checker>>>,
    /// For each kind of event the places of the checkers that want it.
    wanted: RefCell<[Vec<u16>; Interest::KINDS]>,
    cast: RefCell<Option<Rc<Cast>>>,
    decider: Rc<Decider>,
    failure: RefCell<Option<Failure>>,
    failed: Cell<bool>,
    now_ns: Cell<u64>,
    seen: Cell<u64>,
    /// How many of them there were since somebody was last done with his step.
    of_step: Cell<u64>,
    /// How many of them were of jobs.
    job_news: Cell<u64>,
    pub(crate) triggers: Triggers,
    pub(crate) marks: Marks,
    runtime: Wants,
}

impl Hub {
    /// A hub for one run of `config`, with `checkers` that have been reset. What the runtime itself reports, of
    /// coroutines and callbacks, is only asked for if `runtime` says so.
    pub(crate) fn new(
        config: &Config,
        decider: &Rc<Decider>,
        checkers: Vec<Box<dyn Checker>>,
        runtime: Wants,
    ) -> Rc<Hub> {
        let mut wanted: [Vec<u16>; Interest::KINDS] = Default::default();
        for (index, checker) in checkers.iter().enumerate() {
            for (kind, list) in wanted.iter_mut().enumerate() {
                if checker.wants().has_kind(kind) && checker.concerns(config) {
                    list.push(index as u16);
                }
            }
        }
        Rc::new(Hub {
            checkers: RefCell::new(checkers),
            wanted: RefCell::new(wanted),
            cast: RefCell::new(None),
            decider: decider.clone(),
            failure: RefCell::new(None),
            failed: Cell::new(false),
            now_ns: Cell::new(0),
            seen: Cell::new(0),
            of_step: Cell::new(0),
            job_news: Cell::new(0),
            triggers: Triggers::default(),
            marks: Marks::default(),
            runtime,
        })
    }

    /// Takes the checkers back, to be used again.
    pub(crate) fn take_checkers(&self) -> Vec<Box<dyn Checker>> {
        std::mem::take(&mut *self.checkers.borrow_mut())
    }

    /// Who is there. Checkers see nothing before they know.
    pub(crate) fn set_cast(&self, cast: Rc<Cast>) {
        *self.cast.borrow_mut() = Some(cast);
    }

    /// The run is over, and everybody goes home. The cast knows the hub, too: so this ends a ring.
    pub(crate) fn dismiss(&self) {
        let cast = self.cast.borrow_mut().take();
        drop(cast);
        self.triggers.disarm();
    }

    /// The first failure.
    pub fn failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    /// Whether there is one.
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// Keeps the first failure of the run.
    pub(crate) fn fail(&self, failure: Failure) {
        self.failed.set(true);
        self.failure.borrow_mut().get_or_insert(failure);
    }

    /// How many events there were.
    pub fn seen(&self) -> u64 {
        self.seen.get()
    }

    /// How many events of jobs there were.
    pub(crate) fn job_news(&self) -> u64 {
        self.job_news.get()
    }

    fn tell(&self, context: &str, interest: Interest, seen: &Seen<'_>) {
        self.count_for_step();
        if interest != Interest::RUNTIME {
            // Whoever is asked for changes no run: these are not counted.
            self.seen.set(self.seen.get() + 1);
        }
        self.triggers.event(self.seen.get(), seen);
        self.tell_wanted(context, interest, seen);
    }

    /// A step that goes on and on is broken off, because nobody else can end it: what bounds a run
    /// counts steps.
    fn count_for_step(&self) {
        let events = self.of_step.get() + 1;
        self.of_step.set(events);
        // Once only: what is dropped while the panic goes up has events, too.
        if events == MAX_EVENTS_OF_STEP {
            self.fail(Failure {
                rule: Rule::Progress,
                place: "one-step".to_owned(),
                parties: Vec::new(),
                text: format!("there were {events} events within one step, and no end of it"),
                at_ns: self.now_ns.get(),
                decisions: self.decider.decisions(),
            });
            panic_any(Halt::Spins);
        }
    }

    #[inline]
    fn tell_wanted(&self, context: &str, interest: Interest, seen: &Seen<'_>) {
        let wanted = self.wanted.borrow();
        let list = &wanted[interest.kind()];
        let cast = self.cast.borrow();
        let Some(cast) = &*cast else { return };
        if list.is_empty() || self.failed.get() {
            return;
        }
        let mut checkers = self.checkers.borrow_mut();
        let scene = self.scene(cast, context);
        for index in list {
            checkers[usize::from(*index)].see(&scene, seen);
        }
    }

    fn scene<'a>(&'a self, cast: &'a Cast, context: &'a str) -> Scene<'a> {
        Scene {
            context,
            now_ns: cast.world.now_ns(),
            decisions: self.decider.decisions(),
            cast,
            hub: self,
        }
    }

    fn each_that(&self, interest: Interest, mut act: impl FnMut(&mut dyn Checker, &Scene<'_>)) {
        let cast = self.cast.borrow();
        let Some(cast) = &*cast else { return };
        if self.failed.get() {
            return;
        }
        let scene = self.scene(cast, "");
        let mut checkers = self.checkers.borrow_mut();
        for index in &self.wanted.borrow()[interest.kind()] {
            act(&mut *checkers[usize::from(*index)], &scene);
        }
    }

    pub(crate) fn disk(&self, event: &DiskEvent) {
        self.decider.absorb(
            event.offset << 8
                ^ event.bytes << 3
                ^ event.kind as u64
                ^ u64::from(event.what.lands()) << 63,
        );
        self.tell("", Interest::DISK, &Seen::Disk(event));
    }

    pub(crate) fn guest(&self, event: &GuestEvent) {
        self.tell("", Interest::GUEST, &Seen::Guest(event));
    }

    pub(crate) fn monitor(&self, event: &MonitorEvent) {
        self.tell("", Interest::MONITOR, &Seen::Monitor(event));
    }

    pub(crate) fn job_event(&self, event: &JobEvent) {
        self.tell("", Interest::JOB_EVENT, &Seen::JobEvent(event));
    }

    /// An actor of the world has acted: nobody is in the middle of anything.
    pub(crate) fn settled(&self) {
        self.of_step.set(0);
        self.each_that(Interest::STEP, |checker, scene| checker.step(scene));
    }

    /// The run is over.
    pub(crate) fn ended(&self) {
        self.each_that(Interest::END, |checker, scene| checker.end(scene));
    }

    pub(crate) fn mark(&self, mark: &'static Mark) {
        self.marks.hit(mark);
    }
}

impl Watch for Hub {
    fn idle(&self) {
        self.each_that(Interest::IDLE, |checker, scene| checker.idle(scene));
    }

    fn halted(&self, halt: Halt) {
        if let Some(cast) = &*self.cast.borrow()
            && !self.failed.get()
        {
            self.fail(verdict(cast, halt));
        }
    }

    fn settled(&self) {
        Hub::settled(self);
    }

    fn failed(&self) -> bool {
        self.failed.get()
    }
}

impl Trace for Hub {
    fn event(&self, now_ns: u64, context: &str, event: &Event<'_>) {
        self.now_ns.set(now_ns);
        match event {
            Event::Layer(layer) => {
                let layer = layer.as_any();
                if let Some(block) = layer.downcast_ref::<BlockTrace>() {
                    self.tell(context, Interest::BLOCK, &Seen::Block(block));
                    if !matches!(
                        block,
                        BlockTrace::RequestBegin { .. } | BlockTrace::RequestEnd { .. }
                    ) {
                        self.tell_wanted(context, Interest::SECTION, &Seen::Block(block));
                    }
                } else if let Some(mirror) = layer.downcast_ref::<MirrorTrace>() {
                    self.tell(context, Interest::MIRROR, &Seen::Mirror(mirror));
                } else if let Some(job) = layer.downcast_ref::<JobTrace>() {
                    self.job_news.set(self.job_news.get() + 1);
                    self.tell(context, Interest::JOB, &Seen::Job(job));
                } else if let Some(dirty) = layer.downcast_ref::<DirtyTrace>() {
                    self.tell_wanted(context, Interest::DIRTY, &Seen::Dirty(dirty));
                } else if let Some(note) = layer.downcast_ref::<Note>() {
                    self.tell_wanted(context, Interest::NOTE, &Seen::Note(note));
                }
            }
            Event::Mark { mark } => self.mark(mark),
            // What only recorders ask for neither counts nor ends anything: it changes no run.
            detail @ (Event::TimerArm { .. }
            | Event::TimerDisarm { .. }
            | Event::BottomHalfSchedule { .. }
            | Event::BottomHalfCancel { .. }) => {
                self.tell_wanted(context, Interest::RUNTIME, &Seen::Runtime(detail));
            }
            other => self.tell(context, Interest::RUNTIME, &Seen::Runtime(other)),
        }
    }

    fn wants(&self) -> Wants {
        Wants::LAYERS.or(Wants::MARKS).or(self.runtime)
    }
}

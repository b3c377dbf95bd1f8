//! How a context is put together: its clock, its reactor, who decides and who is told.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use crate::clock::{Clock, RealClock, VirtualClock};
use crate::context::AioContext;
use crate::coroutines::NOBODY;
use crate::decide::Decide;
use crate::handle::Shared;
use crate::inner::{Inner, NOT_READ};
use crate::pass::Passes;
use crate::reactor::{Reactor, RealReactor, VirtualReactor};
use crate::sync::Arc;
use crate::timer_heap::TimerHeap;
use crate::trace::{Trace, Wants};

/// What a context is made of; see [`AioContext::builder`](AioContext::builder).
pub struct AioContextBuilder {
    name: String,
    /// Without one, this machine's.
    life: Option<(Rc<dyn Clock>, Rc<dyn Reactor>)>,
    decide: Option<Rc<dyn Decide>>,
    trace: Option<Rc<dyn Trace>>,
}

impl AioContextBuilder {
    pub(crate) fn new() -> Self {
        AioContextBuilder {
            name: "main".to_owned(),
            life: None,
            decide: None,
            trace: None,
        }
    }

    /// Names the context, for messages and traces.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Takes time from `clock` and waits in `reactor`, whose deadlines are times of `clock`.
    pub fn life(mut self, clock: Rc<dyn Clock>, reactor: Rc<dyn Reactor>) -> Self {
        self.life = Some((clock, reactor));
        self
    }

    /// Takes a virtual clock that starts at zero, and jumps.
    pub fn virtual_time(self) -> Self {
        let clock = VirtualClock::new();
        let reactor = VirtualReactor::new(clock.clone());
        self.life(Rc::new(clock), Rc::new(reactor))
    }

    /// Has `decide` answer wherever there is a choice.
    pub fn decide(mut self, decide: Rc<dyn Decide>) -> Self {
        self.decide = Some(decide);
        self
    }

    /// Reports to `trace` what happens.
    pub fn trace(mut self, trace: Rc<dyn Trace>) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The context. It belongs to this thread.
    ///
    /// # Panics
    ///
    /// If it is to wait on this machine, and the process may not open two more descriptors.
    pub fn build(self) -> AioContext {
        let context = self.try_build();
        context.expect("a context needs two descriptors to wait in")
    }

    /// As [`build`](Self::build).
    ///
    /// # Errors
    ///
    /// In place of a panic.
    pub fn try_build(self) -> io::Result<AioContext> {
        let (clock, reactor) = match self.life {
            Some(life) => life,
            None => {
                let clock = RealClock::of_process();
                let reactor = RealReactor::new(clock.clone())?;
                (Rc::new(clock) as _, Rc::new(reactor) as _)
            }
        };
        let wants = match &self.trace {
            Some(trace) => trace.wants(),
            None => Wants::NOTHING,
        };
        let shared = Shared::new(self.name, wants, reactor.unpark_handle());
        Ok(AioContext::from_inner(Rc::new(Inner {
            shared: Arc::new(shared),
            ready: RefCell::default(),
            coroutines: RefCell::default(),
            running: Cell::new(NOBODY),
            entered: Cell::new(false),
            bottom_halves: RefCell::default(),
            events: RefCell::default(),
            timers: RefCell::new(TimerHeap::new()),
            residents: RefCell::default(),
            next_serial: Cell::new(0),
            inbox: RefCell::default(),
            busy_passes: Cell::new(0),
            passes: Passes::default(),
            pass_ns: Cell::new(NOT_READ),
            clock,
            reactor,
            decide: self.decide,
            trace: self.trace,
            wants,
        })))
    }
}

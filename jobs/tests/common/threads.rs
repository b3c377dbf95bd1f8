//! Several contexts on one thread, in virtual time: whoever waits lets the others act.
//!
//! A context that is on the stack already is not polled again: on threads of their own, too, a
//! context that waits deep down in a callback does not come back to its loop. So what a context needs of
//! another one that waits for it never comes, and the world says so: nobody can act any more.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blockjob_runtime::AioContext;
use blockjob_runtime::clock::{Clock, VirtualClock};
use blockjob_runtime::reactor::{BlockingJob, Reactor, Unpark};
use blockjob_runtime::trace::Trace;

#[derive(Default)]
struct Flag(AtomicBool);

impl Unpark for Flag {
    fn unpark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the world panics with when somebody waits and nobody can act.
pub(crate) const FOR_EVER: &str = "waits for ever: nobody can act";

/// The contexts of a world.
pub(crate) struct Threads {
    pub(crate) clock: VirtualClock,
    contexts: RefCell<Vec<AioContext>>,
    /// Those that are being polled, by number.
    stack: RefCell<Vec<usize>>,
    /// The number from which the next one to act is looked for.
    next: Cell<usize>,
}

impl Threads {
    pub(crate) fn new() -> Rc<Threads> {
        Rc::new(Threads {
            clock: VirtualClock::new(),
            contexts: RefCell::default(),
            stack: RefCell::default(),
            next: Cell::new(0),
        })
    }

    /// Another context.
    pub(crate) fn context(self: &Rc<Self>, name: &str) -> AioContext {
        self.traced_context(name, None)
    }

    pub(crate) fn traced_context(
        self: &Rc<Self>,
        name: &str,
        trace: Option<Rc<dyn Trace>>,
    ) -> AioContext {
        let reactor = OneOf {
            threads: Rc::downgrade(self),
            number: self.contexts.borrow().len(),
            unparked: Arc::default(),
            blocking: RefCell::default(),
        };
        let life = AioContext::builder()
            .name(name)
            .life(Rc::new(self.clock.clone()), Rc::new(reactor));
        let context = match trace {
            Some(trace) => life.trace(trace).build(),
            None => life.build(),
        };
        self.contexts.borrow_mut().push(context.clone());
        context
    }

    /// Has every context that can act do so until none can, without letting time pass.
    pub(crate) fn settle(&self) {
        while self.step() {}
    }

    /// Has one context make a pass of its loop, if one can.
    pub(crate) fn step(&self) -> bool {
        let contexts = self.contexts.borrow().clone();
        let first = self.next.get();
        for turn in 0..contexts.len() {
            let number = (first + turn) % contexts.len();
            let busy = self.stack.borrow().contains(&number);
            if busy || !contexts[number].has_work() {
                continue;
            }
            self.next.set(number + 1);
            let _on_stack = self.enter(number);
            contexts[number].poll(false);
            return true;
        }
        false
    }

    /// Has the context `number` make one pass of its loop as soon as it can, while the others act and
    /// time passes. False if nobody can act any more.
    pub(crate) fn pass(&self, number: usize) -> bool {
        let context = self.contexts.borrow()[number].clone();
        while !context.has_work() {
            if !self.step() && !self.jump(None) {
                return false;
            }
        }
        let _on_stack = self.enter(number);
        context.poll(false);
        true
    }

    fn enter(&self, number: usize) -> Option<OnStack<'_>> {
        let mut stack = self.stack.borrow_mut();
        if stack.contains(&number) {
            return None;
        }
        stack.push(number);
        Some(OnStack(self))
    }

    /// Lets time pass to the next moment in which somebody can act; false if there is none.
    fn jump(&self, deadline_ns: Option<u64>) -> bool {
        let contexts = self.contexts.borrow().clone();
        let stack = self.stack.borrow().clone();
        let others = contexts.iter().enumerate();
        let others = others.filter(|(number, _)| !stack.contains(number));
        let deadlines = others.filter_map(|(_, context)| context.next_deadline_ns());
        let next_ns = deadlines.chain(deadline_ns).min();
        if let Some(next_ns) = next_ns {
            self.clock.advance_to(next_ns);
        }
        next_ns.is_some()
    }

    /// Ends them all, so that nothing in them holds another.
    pub(crate) fn close(&self) {
        for context in self.contexts.take() {
            context.close();
        }
    }
}

struct OnStack<'a>(&'a Threads);

impl Drop for OnStack<'_> {
    fn drop(&mut self) {
        self.0.stack.borrow_mut().pop();
    }
}

/// Where one of the contexts waits.
struct OneOf {
    threads: Weak<Threads>,
    number: usize,
    unparked: Arc<Flag>,
    blocking: RefCell<VecDeque<BlockingJob>>,
}

impl OneOf {
    fn run_blocking(&self) -> bool {
        let job = self.blocking.borrow_mut().pop_front();
        let found = job.is_some();
        if let Some(job) = job {
            job();
        }
        found
    }
}

impl Reactor for OneOf {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        self.unparked.clone()
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        let threads = self.threads.upgrade().expect("the world outlives it");
        let _on_stack = threads.enter(self.number);
        loop {
            if self.unparked.0.swap(false, Ordering::Relaxed) || self.run_blocking() {
                return;
            }
            if deadline_ns.is_some_and(|deadline_ns| deadline_ns <= threads.clock.now_ns()) {
                return;
            }
            if !threads.step() && !threads.jump(deadline_ns) {
                panic!("context {} {FOR_EVER}", self.number);
            }
        }
    }

    fn poll(&self) {
        self.run_blocking();
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        self.blocking.borrow_mut().push_back(job);
    }
}

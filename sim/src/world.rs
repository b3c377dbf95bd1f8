//! A world: several contexts stepped on one thread, disks, and a clock that jumps.
//!
//! Whatever can happen at the present instant is one of a few *actors*: a context that has work, the
//! disks that have something to deliver, a job of the blocking pool. A step has one of them act; which
//! one is a decision. When nothing can happen any more the clock jumps to the next thing that is due.
//!
//! A context that waits, because the code in it polls for a condition, steps the others from within
//! its wait: so a nested event loop of the engine sees the same world as the outermost one.
//!
//! On threads, a context that waits serves its loop while the one that it waits for polls in turn. So in
//! worlds with homes besides the main one a context that waits further down the stack may have a pass on
//! top of it ([`World::serve_waiting`]). What it waits for it only sees when all above it is done, which
//! on threads could be earlier.

mod ops;
mod reactor;

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;

use blockjob_runtime::AioContext;
use blockjob_runtime::clock::{Clock, VirtualClock};
use blockjob_runtime::decide::Site;
use blockjob_runtime::reactor::BlockingJob;
use blockjob_runtime::trace::Trace;

use crate::decide::Decider;
pub use crate::disk::Spares;
use ops::Ops;
pub(crate) use ops::{DiskOp, Fate, OpFuture, OpKind, Outcome};
use reactor::WorldReactor;

/// Which of the actors that could act does.
static ACTOR: Site = Site::new("world.actor");
/// Which of the requests that are due at this instant a disk delivers.
static DELIVER: Site = Site::new("disk.deliver");

/// Among so many of the requests that are due the next one is chosen, at most.
const MAX_DUE: usize = 16;

/// Unwinds out of whatever the engine does when a run is over although the engine is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Nothing is ready, due or armed: somebody waits for ever.
    Stuck,
    /// The run has taken more steps than it may.
    TooLong,
    /// It has taken more steps at one instant than it may: it turns in place.
    Spins,
    /// A checker has failed, and the engine polls for something that may not come.
    Failed,
}

/// What looks at a world whenever nothing can happen at the present instant.
pub(crate) trait Watch {
    /// An actor has acted.
    fn settled(&self);
    /// Called before the clock jumps.
    fn idle(&self);
    /// The run cannot go on, and unwinds out of a nested event loop: whoever wants to say why looks
    /// now, while everybody still holds what he holds.
    fn halted(&self, halt: Halt);
    /// True once the run may end early.
    fn failed(&self) -> bool;
}

/// See the module.
pub struct World {
    clock: VirtualClock,
    decider: Rc<Decider>,
    pub(crate) spares: Rc<Spares>,
    contexts: RefCell<Vec<AioContext>>,
    /// The contexts that are on the stack, innermost last.
    stack: RefCell<Vec<usize>>,
    /// Those of them that wait in their reactors, innermost last.
    waiting: RefCell<Vec<usize>>,
    /// See [`World::serve_waiting`].
    serves_waiting: Cell<bool>,
    /// How many passes contexts have had while they waited.
    served: Cell<u64>,
    pool: RefCell<VecDeque<BlockingJob>>,
    pub(crate) ops: Ops,
    /// What disks will do, and when: the time, the order of submission, the slot.
    queue: RefCell<BinaryHeap<Reverse<(u64, u64, u32)>>>,
    due: RefCell<Vec<u32>>,
    /// Kept for its capacity.
    actors: RefCell<Vec<usize>>,
    next_order: Cell<u64>,
    steps: Cell<u64>,
    max_steps: Cell<u64>,
    /// How many had been taken when the clock last jumped, and how many there may be at one instant.
    steps_at_jump: Cell<u64>,
    instant_steps: Cell<u64>,
    /// So many more steps there are when those have been taken, in a world that is calm.
    calm_steps: Cell<Option<u64>>,
    watch: RefCell<Option<Rc<dyn Watch>>>,
}

impl World {
    /// An empty world at time 0, in which `decider` makes the choices. What it needs in large buffers it
    /// takes from `spares`, and gives back.
    pub fn new(decider: Rc<Decider>, spares: Rc<Spares>) -> Rc<World> {
        Rc::new(World {
            clock: VirtualClock::new(),
            decider,
            spares,
            contexts: RefCell::default(),
            stack: RefCell::default(),
            waiting: RefCell::default(),
            serves_waiting: Cell::new(false),
            served: Cell::new(0),
            pool: RefCell::default(),
            ops: Ops::default(),
            queue: RefCell::default(),
            due: RefCell::default(),
            actors: RefCell::default(),
            next_order: Cell::new(0),
            steps: Cell::new(0),
            max_steps: Cell::new(u64::MAX),
            steps_at_jump: Cell::new(0),
            instant_steps: Cell::new(u64::MAX),
            calm_steps: Cell::new(None),
            watch: RefCell::new(None),
        })
    }

    /// A new context of this world, the first of which is the main one. `trace` is told what happens
    /// in it.
    pub fn context(self: &Rc<Self>, name: &str, trace: Option<Rc<dyn Trace>>) -> AioContext {
        let index = self.contexts.borrow().len();
        let reactor = Rc::new(WorldReactor::new(self, index));
        let mut builder = AioContext::builder()
            .name(name)
            .life(Rc::new(self.clock.clone()), reactor)
            .decide(self.decider.clone());
        if let Some(trace) = trace {
            builder = builder.trace(trace);
        }
        let context = builder.build();
        self.contexts.borrow_mut().push(context.clone());
        context
    }

    /// The time of this world in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Who makes the choices.
    pub fn decider(&self) -> &Rc<Decider> {
        &self.decider
    }

    /// How many steps have been taken.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// From now on contexts that wait in the middle of something have passes of their loops meanwhile, as
    /// they have on threads of their own.
    pub fn serve_waiting(&self) {
        self.serves_waiting.set(true);
    }

    /// Without time going on the world may take `steps` steps. It is for worlds whose disks take time.
    pub fn limit_instant(&self, steps: u64) {
        self.instant_steps.set(steps);
    }

    /// After `steps` further steps the world calms down; after `calm_steps` more the run halts.
    pub fn limit_steps(&self, steps: u64, calm_steps: u64) {
        self.max_steps.set(self.steps.get().saturating_add(steps));
        self.calm_steps.set(Some(calm_steps));
    }

    /// From now on there are no faults, and the schedule is fair: first come, first served. Requests
    /// that were held go on.
    pub fn calm(&self) {
        if let Some(calm_steps) = self.calm_steps.take() {
            self.max_steps
                .set(self.steps.get().saturating_add(calm_steps));
        }
        self.decider.calm();
        self.release_held();
    }

    /// Whether it is calm.
    pub fn is_calm(&self) -> bool {
        self.decider.is_calm()
    }

    pub(crate) fn set_watch(&self, watch: Option<Rc<dyn Watch>>) {
        *self.watch.borrow_mut() = watch;
    }

    /// Steps until `condition` holds. From outside of the contexts only.
    ///
    /// # Errors
    ///
    /// When the world stands still before, or the limit of steps is reached.
    pub fn run_until(&self, mut condition: impl FnMut() -> bool) -> Result<(), Halt> {
        while !condition() {
            if !self.step()? {
                self.jump(None)?;
            }
        }
        Ok(())
    }

    /// Lets one actor act. False if none can at this instant.
    pub(crate) fn step(&self) -> Result<bool, Halt> {
        self.step_with(&[])
    }

    /// The same from within the wait of a context.
    pub(crate) fn step_in_wait(&self) -> Result<bool, Halt> {
        match self.serves_waiting.get() {
            true => {
                let waiting = self.waiting.borrow().clone();
                self.step_with(&waiting)
            }
            false => self.step_with(&[]),
        }
    }

    /// Lets one actor act, which may be one of `waiting`, too.
    fn step_with(&self, waiting: &[usize]) -> Result<bool, Halt> {
        self.collect_due(self.now_ns());
        let (n, actor) = self.choose_actor(waiting);
        if n == 0 {
            return Ok(false);
        }
        self.count_steps(1)?;
        if self.steps.get() - self.steps_at_jump.get() > self.instant_steps.get() {
            return Err(Halt::Spins);
        }
        match actor {
            DISKS => self.deliver_one(),
            POOL => {
                let job = self.pool.borrow_mut().pop_front();
                if let Some(job) = job {
                    job();
                }
            }
            index => {
                let context = self.contexts.borrow()[index].clone();
                if waiting.contains(&index) {
                    self.served.set(self.served.get() + 1);
                }
                self.stack.borrow_mut().push(index);
                let _popped = Pop(self);
                context.poll(false);
            }
        }
        if let Some(watch) = &*self.watch.borrow() {
            watch.settled();
        }
        Ok(true)
    }

    /// Counts `steps`, and sees to it that they come to an end.
    pub(crate) fn count_steps(&self, steps: u64) -> Result<(), Halt> {
        self.steps.set(self.steps.get() + steps);
        if self.steps.get() > self.max_steps.get() {
            if self.calm_steps.get().is_none() {
                return Err(Halt::TooLong);
            }
            self.calm();
        }
        Ok(())
    }

    /// How many actors could act, and which one does.
    fn choose_actor(&self, waiting: &[usize]) -> (usize, usize) {
        let mut actors = self.actors.borrow_mut();
        actors.clear();
        let stack = self.stack.borrow();
        for (index, context) in self.contexts.borrow().iter().enumerate() {
            let can_act = !stack.contains(&index) || waiting.contains(&index);
            if can_act && context.has_work() {
                actors.push(index);
            }
        }
        if !self.due.borrow().is_empty() {
            actors.push(DISKS);
        }
        if !self.pool.borrow().is_empty() {
            actors.push(POOL);
        }
        match actors.len() {
            0 => (0, 0),
            1 => (1, actors[0]),
            n => {
                let name = |it: usize| self.actor_name(actors[it]);
                (n, actors[self.decider.pick_named(&ACTOR, n, name)])
            }
        }
    }

    fn actor_name(&self, actor: usize) -> String {
        match actor {
            DISKS => "the disks".to_owned(),
            POOL => "a worker of the pool".to_owned(),
            number => self.contexts.borrow()[number].handle().name().to_owned(),
        }
    }

    fn collect_due(&self, now_ns: u64) {
        let mut queue = self.queue.borrow_mut();
        let mut due = self.due.borrow_mut();
        while let Some(Reverse((at_ns, _, slot))) = queue.peek()
            && *at_ns <= now_ns
        {
            due.push(*slot);
            queue.pop();
        }
    }

    fn deliver_one(&self) {
        let slot = {
            let mut due = self.due.borrow_mut();
            let n = due.len().min(MAX_DUE);
            let chosen = self
                .decider
                .pick_named(&DELIVER, n, |it| self.ops.name(due[it]));
            due.remove(chosen)
        };
        self.deliver(slot);
    }

    /// Jumps to the next thing that is due, in any context or disk, or at `deadline_ns`.
    pub(crate) fn jump(&self, deadline_ns: Option<u64>) -> Result<(), Halt> {
        // Whoever polls may do nothing else but wake from time to time, and wait for what is held.
        self.count_steps(1)?;
        let watch = self.watch.borrow().clone();
        if let Some(watch) = watch {
            watch.idle();
            if watch.failed() && !self.stack.borrow().is_empty() {
                return Err(Halt::Failed);
            }
        }
        // A nested event loop that its own timers keep busy takes no other steps.
        self.count_steps(1)?;
        let next_op = self
            .queue
            .borrow()
            .peek()
            .map(|Reverse((at_ns, ..))| *at_ns);
        let stack = self.stack.borrow();
        let contexts = self.contexts.borrow();
        let others = contexts.iter().enumerate();
        let next_timer = others
            .filter(|(index, _)| !stack.contains(index) || self.can_serve(*index))
            .filter_map(|(_, context)| context.next_deadline_ns())
            .min();
        let next = [next_op, next_timer, deadline_ns]
            .into_iter()
            .flatten()
            .min();
        match next {
            Some(next_ns) => {
                self.clock.advance_to(next_ns);
                self.steps_at_jump.set(self.steps.get());
                Ok(())
            }
            // Nobody else can go on, so the requests that are held do.
            None if self.release_held() => Ok(()),
            None => Err(Halt::Stuck),
        }
    }

    /// Whether the context of that number waits, and may have a pass meanwhile.
    fn can_serve(&self, number: usize) -> bool {
        self.serves_waiting.get() && self.waiting.borrow().contains(&number)
    }

    /// Whether the context of that number, which counts the order in which they were made, does not wait in
    /// the middle of something.
    pub(crate) fn is_off_stack(&self, number: usize) -> bool {
        !self.stack.borrow().contains(&number)
    }

    /// Whether a disk has something to deliver at this instant.
    pub(crate) fn has_due(&self) -> bool {
        let now_ns = self.now_ns();
        let queue = self.queue.borrow();
        let next = queue.peek().map(|Reverse((at_ns, ..))| *at_ns);
        !self.due.borrow().is_empty() || next.is_some_and(|at_ns| at_ns <= now_ns)
    }

    /// The run cannot go on.
    fn halt(&self, halt: Halt) -> ! {
        let watch = self.watch.borrow().clone();
        if let Some(watch) = watch {
            watch.halted(halt);
        }
        std::panic::panic_any(halt)
    }

    /// Has the request in `slot` go on at `at_ns`.
    pub(crate) fn schedule(&self, at_ns: u64, slot: u32) {
        let order = self.next_order.get();
        self.next_order.set(order + 1);
        self.queue.borrow_mut().push(Reverse((at_ns, order, slot)));
    }

    /// Ends all contexts, and with them all that lives in the world.
    pub fn close(&self) {
        self.set_watch(None);
        let contexts = std::mem::take(&mut *self.contexts.borrow_mut());
        for context in contexts.iter().rev() {
            context.close();
        }
        self.ops.clear();
        self.pool.borrow_mut().clear();
    }
}

/// Actors are named by numbers: a context by its own, the others by these.
const DISKS: usize = usize::MAX;
const POOL: usize = usize::MAX - 1;

/// Takes the innermost context off the stack, also if it panics.
struct Pop<'a>(&'a World);

impl Drop for Pop<'_> {
    fn drop(&mut self) {
        self.0.stack.borrow_mut().pop();
    }
}

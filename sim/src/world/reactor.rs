//! Where a context of a world waits: others act meanwhile.

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blockjob_runtime::reactor::{BlockingJob, Reactor, Unpark};

use super::{Pop, World};

/// So many steps of the world count for a look in here: whoever comes has been busy for as many passes.
const BUSY_PASSES: u64 = 64;

#[derive(Default)]
struct Flag(AtomicBool);

impl Unpark for Flag {
    fn unpark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The reactor of one context of a world.
pub(super) struct WorldReactor {
    world: Weak<World>,
    index: usize,
    unparked: Arc<Flag>,
    /// Within a look into the reactor that has others act.
    stepping: Cell<bool>,
}

impl WorldReactor {
    pub(super) fn new(world: &Rc<World>, index: usize) -> Self {
        WorldReactor {
            world: Rc::downgrade(world),
            index,
            unparked: Arc::default(),
            stepping: Cell::new(false),
        }
    }

    fn world(&self) -> Rc<World> {
        self.world.upgrade().expect("a world outlives its contexts")
    }

    /// Whoever polls from outside of a step is to be on the stack, too.
    fn on_stack<'a>(&self, world: &'a World) -> Option<Pop<'a>> {
        let mut stack = world.stack.borrow_mut();
        if stack.contains(&self.index) {
            return None;
        }
        stack.push(self.index);
        Some(Pop(world))
    }

    fn has_work(&self, world: &World) -> bool {
        let contexts = world.contexts.borrow();
        contexts
            .get(self.index)
            .is_some_and(|context| context.has_work())
    }
}

/// A context waits until this is dropped.
struct Waiting<'a>(&'a World);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.borrow_mut().pop();
    }
}

impl Reactor for WorldReactor {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        self.unparked.clone()
    }

    /// # Panics
    ///
    /// With a [`Halt`](super::Halt) as payload, when the run is over: the engine would wait for ever.
    fn wait(&self, deadline_ns: Option<u64>) {
        let world = self.world();
        let _on_stack = self.on_stack(&world);
        world.waiting.borrow_mut().push(self.index);
        let _waiting = Waiting(&world);
        let served = world.served.get();
        loop {
            let unparked = self.unparked.0.swap(false, Ordering::Relaxed);
            // Who has had a pass on top of this looks again: perhaps at what it waits for.
            if unparked || self.has_work(&world) || world.served.get() != served {
                return;
            }
            let went_on = match world.step_in_wait() {
                Ok(true) => Ok(()),
                Ok(false) => world.jump(deadline_ns),
                Err(halt) => Err(halt),
            };
            if let Err(halt) = went_on {
                world.halt(halt);
            }
        }
    }

    /// A context that is busy for long lets others act, too.
    fn poll(&self) {
        if self.stepping.replace(true) {
            return;
        }
        let world = self.world();
        let on_stack = self.on_stack(&world);
        // If somebody who acts now waits for this context, it goes on.
        world.waiting.borrow_mut().push(self.index);
        let waiting = Waiting(&world);
        // Whoever comes here has been busy for as many passes: it must not be so for ever.
        let stepped = world.count_steps(BUSY_PASSES).and_then(|()| world.step());
        drop((waiting, on_stack));
        self.stepping.set(false);
        if let Err(halt) = stepped {
            world.halt(halt);
        }
    }

    fn spawn_blocking(&self, job: BlockingJob) {
        self.world().pool.borrow_mut().push_back(job);
    }
}

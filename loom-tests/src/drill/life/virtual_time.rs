//! One virtual clock for all contexts: it goes on when all of them wait, to the next moment for which
//! somebody has a timer.
//!
//! Under shuttle it goes on at other moments, too, as the seed says: then a timer comes while others are
//! in the middle of something. Whoever waits does so in a primitive of shuttle's or loom's, so that a context
//! that nobody wakes is one that they know of. What is written down about the waits is written under a
//! lock that they do not see.

use std::rc::Rc;
use std::sync::Arc;

use blockjob_runtime::clock::Clock;
use blockjob_runtime::reactor::{BlockingJob, Reactor, Unpark};
use blockjob_runtime::sync::thread;
#[cfg(blockjob_shuttle)]
use blockjob_runtime::sync::{Condvar, Mutex};

use crate::drill::facts::{Unseen, unwinds};

/// After that much time something turns in place.
const TOO_LONG_NS: u64 = 3600 * 1_000_000_000;

/// Where a context waits.
#[cfg(blockjob_loom)]
struct Place(loom::sync::Notify);

#[cfg(blockjob_loom)]
impl Place {
    fn new() -> Place {
        Place(loom::sync::Notify::new())
    }

    fn notify(&self) {
        self.0.notify();
    }

    fn wait(&self) {
        self.0.wait();
    }
}

/// Where a context waits.
#[cfg(blockjob_shuttle)]
struct Place {
    woken: Mutex<bool>,
    changed: Condvar,
}

#[cfg(blockjob_shuttle)]
impl Place {
    fn new() -> Place {
        Place {
            woken: Mutex::new(false),
            changed: Condvar::default(),
        }
    }

    fn notify(&self) {
        *self.woken.lock() = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let mut woken = self.woken.lock();
        while !*woken {
            woken = self.changed.wait(woken);
        }
        *woken = false;
    }
}

/// What is known of one context's wait.
struct Waiter {
    place: Arc<Place>,
    /// It waits, and nobody has woken it since.
    asleep: bool,
    deadline_ns: Option<u64>,
    /// Its thread has ended.
    over: bool,
}

#[derive(Default)]
struct World {
    now_ns: u64,
    waiters: Vec<Waiter>,
}

impl World {
    /// If all wait, time goes on to the next deadline. Returns whom to wake.
    fn turn(&mut self) -> Vec<Arc<Place>> {
        if !self.waiters.iter().all(|it| it.asleep || it.over) {
            return Vec::new();
        }
        let alive = self.waiters.iter().filter(|it| !it.over);
        match alive.filter_map(|it| it.deadline_ns).min() {
            Some(next_ns) => self.advance(next_ns),
            None => Vec::new(),
        }
    }

    fn advance(&mut self, to_ns: u64) -> Vec<Arc<Place>> {
        self.now_ns = self.now_ns.max(to_ns);
        assert!(
            self.now_ns < TOO_LONG_NS,
            "PROGRESS: nothing but time goes on"
        );
        let now_ns = self.now_ns;
        let due = |it: &&mut Waiter| it.asleep && it.deadline_ns.is_some_and(|ns| ns <= now_ns);
        let due = self.waiters.iter_mut().filter(due);
        due.map(|it| {
            it.asleep = false;
            it.place.clone()
        })
        .collect()
    }
}

/// All contexts of a run.
#[derive(Clone, Default)]
pub struct Life(Arc<Unseen<World>>);

impl Life {
    /// The life of one run.
    pub fn new() -> Life {
        Life::default()
    }

    pub(super) fn parts(&self) -> (Rc<dyn Clock>, VirtualPlace) {
        let place = Arc::new(Place::new());
        let mut world = self.0.lock();
        let number = world.waiters.len();
        world.waiters.push(Waiter {
            place: place.clone(),
            asleep: false,
            deadline_ns: None,
            over: false,
        });
        drop(world);
        let clock = Rc::new(self.clone());
        let life = self.clone();
        (
            clock,
            VirtualPlace {
                life,
                number,
                place,
            },
        )
    }
}

impl Clock for Life {
    fn now_ns(&self) -> u64 {
        self.0.lock().now_ns
    }
}

/// The reactor of one of them.
pub(super) struct VirtualPlace {
    life: Life,
    number: usize,
    place: Arc<Place>,
}

struct Waker {
    life: Life,
    number: usize,
    place: Arc<Place>,
}

impl Unpark for Waker {
    fn unpark(&self) {
        // Before the notice: whoever counts who waits must not count a context that has one.
        self.life.0.lock().waiters[self.number].asleep = false;
        self.place.notify();
    }
}

/// Whether a timer comes while others act.
fn early() -> bool {
    #[cfg(blockjob_shuttle)]
    {
        use shuttle::rand::Rng;
        shuttle::rand::thread_rng().gen_ratio(1, 4)
    }
    #[cfg(not(blockjob_shuttle))]
    false
}

impl Reactor for VirtualPlace {
    fn unpark_handle(&self) -> Arc<dyn Unpark> {
        Arc::new(Waker {
            life: self.life.clone(),
            number: self.number,
            place: self.place.clone(),
        })
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        if let Some(deadline_ns) = deadline_ns
            && early()
        {
            let due = self.life.0.lock().advance(deadline_ns);
            due.iter().for_each(|place| place.notify());
            thread::yield_now();
            return;
        }
        let mut world = self.life.0.lock();
        let waiter = &mut world.waiters[self.number];
        (waiter.asleep, waiter.deadline_ns) = (true, deadline_ns);
        let due = world.turn();
        drop(world);
        due.iter().for_each(|place| place.notify());
        self.place.wait();
        let mut world = self.life.0.lock();
        let waiter = &mut world.waiters[self.number];
        (waiter.asleep, waiter.deadline_ns) = (false, None);
    }

    fn poll(&self) {}

    fn spawn_blocking(&self, job: BlockingJob) {
        drop(thread::spawn(job));
    }
}

impl Drop for VirtualPlace {
    fn drop(&mut self) {
        let due = {
            let mut world = self.life.0.lock();
            world.waiters[self.number].over = true;
            match unwinds() {
                true => Vec::new(),
                false => world.turn(),
            }
        };
        due.iter().for_each(|place| place.notify());
    }
}

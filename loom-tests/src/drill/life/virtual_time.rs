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
use blockjob_runtime::sync::{Condvar, Mutex, thread};

use crate::drill::facts::{Unseen, unwinds};

/// After that much time something turns in place.
const TOO_LONG_NS: u64 = 3600 * 1_000_000_000;

/// Where a context waits. It does not leave for no reason: that reactors may is for the models of the
/// runtime.
struct Place {
    noticed: Mutex<bool>,
    changed: Condvar,
}

impl Place {
    fn new() -> Place {
        Place {
            noticed: Mutex::new(false),
            changed: Condvar::default(),
        }
    }

    /// Sends a notice. No thread gets a turn between that and `note`.
    fn notify(&self, note: impl FnOnce()) {
        let mut noticed = self.noticed.lock();
        *noticed = true;
        note();
        drop(noticed);
        self.changed.notify_all();
    }

    /// Waits for a notice and takes it. No thread gets a turn between that and `note`.
    fn wait(&self, note: impl FnOnce()) {
        let mut noticed = self.noticed.lock();
        while !*noticed {
            noticed = self.changed.wait(noticed);
        }
        *noticed = false;
        note();
    }
}

/// What is known of one context's wait.
struct Waiter {
    place: Arc<Place>,
    waits: bool,
    /// A notice is there for it.
    noticed: bool,
    deadline_ns: Option<u64>,
    /// Its thread has ended.
    over: bool,
}

impl Waiter {
    fn sleeps(&self) -> bool {
        self.waits && !self.noticed
    }
}

#[derive(Default)]
struct World {
    now_ns: u64,
    waiters: Vec<Waiter>,
}

impl World {
    /// If all wait, time goes on to the next deadline. Returns whom to wake.
    fn turn(&mut self) -> Vec<usize> {
        if !self.waiters.iter().all(|it| it.over || it.sleeps()) {
            return Vec::new();
        }
        let alive = self.waiters.iter().filter(|it| !it.over);
        match alive.filter_map(|it| it.deadline_ns).min() {
            Some(next_ns) => self.advance(next_ns),
            None => Vec::new(),
        }
    }

    fn advance(&mut self, to_ns: u64) -> Vec<usize> {
        self.now_ns = self.now_ns.max(to_ns);
        assert!(
            self.now_ns < TOO_LONG_NS,
            "PROGRESS: nothing but time goes on"
        );
        let now_ns = self.now_ns;
        let is_due = |it: &Waiter| it.sleeps() && it.deadline_ns.is_some_and(|ns| ns <= now_ns);
        let waiters = self.waiters.iter().enumerate();
        let due = waiters.filter(|(_, it)| !it.over && is_due(it));
        due.map(|(number, _)| number).collect()
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
            waits: false,
            noticed: false,
            deadline_ns: None,
            over: false,
        });
        drop(world);
        let (clock, life) = (Rc::new(self.clone()), self.clone());
        (
            clock,
            VirtualPlace {
                life,
                number,
                place,
            },
        )
    }

    fn wake(&self, number: usize) {
        let place = self.0.lock().waiters[number].place.clone();
        place.notify(|| self.0.lock().waiters[number].noticed = true);
    }

    fn wake_all(&self, due: &[usize]) {
        due.iter().for_each(|number| self.wake(*number));
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
}

impl Unpark for Waker {
    fn unpark(&self) {
        self.life.wake(self.number);
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
        })
    }

    fn wait(&self, deadline_ns: Option<u64>) {
        if let Some(deadline_ns) = deadline_ns
            && early()
        {
            let due = self.life.0.lock().advance(deadline_ns);
            self.life.wake_all(&due);
            thread::yield_now();
            return;
        }
        let mut world = self.life.0.lock();
        let waiter = &mut world.waiters[self.number];
        (waiter.waits, waiter.deadline_ns) = (true, deadline_ns);
        let due = world.turn();
        drop(world);
        self.life.wake_all(&due);
        self.place.wait(|| {
            let mut world = self.life.0.lock();
            let waiter = &mut world.waiters[self.number];
            (waiter.waits, waiter.noticed, waiter.deadline_ns) = (false, false, None);
        });
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
        self.life.wake_all(&due);
    }
}

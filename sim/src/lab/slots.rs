//! Lab 3: coroutines that yield until they are woken, and a wake-up that gets lost.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use blockjob_runtime::decide::Site;
use blockjob_runtime::{AioContext, Coroutine};

use super::court::{Court, Storm};
use super::{Lab, look};
use crate::cast::Cast;
use crate::check::{Checker, Interest, Scene};
use crate::event::Note;
use crate::failure::Rule;
use crate::run::Runner;

static WORK: Site = Site::new("lab.work");
static PATIENCE: Site = Site::new("lab.patience");
static NOTE: Site = Site::new("lab.note");
static POKE: Site = Site::new("lab.poke");

const WORKERS: usize = 4;
const SLOTS: u32 = 2;
const ROUNDS: usize = 4;

/// A notebook. To write into it may take a turn through the event loop.
#[derive(Clone)]
pub struct Notes {
    cast: Rc<Cast>,
}

impl Notes {
    /// Notes that the current coroutine is about to ask for a slot.
    pub async fn note(&self) {
        if self.cast.world.decider().pick(&NOTE, 2) == 1 {
            note(&self.cast, "the notebook", || {
                "takes a turn through the event loop: whoever awaits note() goes on after it"
                    .to_owned()
            });
            self.cast.main.sleep(0).await;
        }
    }
}

/// A number of slots that coroutines take and give back, as the copies of a mirror do with what may be in
/// flight.
pub trait Slots: 'static {
    /// `slots` of them, all free. `notes` is to be told of each [`acquire`](Self::acquire).
    fn new(slots: u32, notes: Notes) -> Rc<Self>;

    /// Takes a slot; yields until there is one. The caller may lose patience and drop the future.
    fn acquire(&self) -> impl Future<Output = ()>;

    /// Gives a slot back. Not only coroutines call it.
    fn release(&self);
}

/// The lab with slots.
pub fn slots<S: Slots>() -> Lab {
    let config = "mirror=no,guests=0,requests=0";
    let patient = || runner::<S>(Crowd::default());
    let poked = || {
        runner::<S>(Crowd {
            pokes: true,
            hurried: false,
        })
    };
    let hurried = || {
        runner::<S>(Crowd {
            pokes: true,
            hurried: true,
        })
    };
    Lab::new(3, "slots", |failure| Some(look::plainly(failure)))
        .world("who waits is patient", config, patient)
        .world("others wake who waits, too", config, poked)
        .world("some lose patience", config, hurried)
}

#[derive(Clone, Copy, Default)]
struct Crowd {
    pokes: bool,
    hurried: bool,
}

fn runner<S: Slots>(crowd: Crowd) -> Runner {
    let court = Court::default();
    let count = Rc::new(Count {
        court: court.clone(),
        crowd,
        held: Cell::new(0),
        waiting: RefCell::default(),
        workers: RefCell::default(),
        called_off: Cell::default(),
        running: Cell::new(0),
    });
    let mut runner = Runner::new();
    runner.add_checker(Box::new(Lost {
        court: court.clone(),
        count: count.clone(),
    }));
    runner.add_checker(court.checker());
    runner.add_prologue(move |cast| {
        let slots = S::new(SLOTS, Notes { cast: cast.clone() });
        let main = &cast.main;
        count.running.set(WORKERS);
        for number in 1..=WORKERS {
            let (cast, slots, shared) = (cast.clone(), slots.clone(), count.clone());
            let storm = Storm::begin(&cast);
            let hurried = crowd.hurried && is_hurried(number);
            let worker = main.coroutine("worker", async move {
                work::<S>(&cast, &slots, &shared, number, hurried).await;
                shared.running.set(shared.running.get() - 1);
                drop(storm);
            });
            worker.wake();
            count.workers.borrow_mut().push(worker);
        }
        if crowd.pokes {
            let (cast, count) = (cast.clone(), count.clone());
            main.coroutine("poker", async move { poke(&cast, &count).await })
                .wake();
        }
    });
    runner
}

/// What is known of the slots from outside.
struct Count {
    court: Court,
    crowd: Crowd,
    held: Cell<u32>,
    /// The numbers of those who wait.
    waiting: RefCell<BTreeSet<usize>>,
    workers: RefCell<Vec<Coroutine>>,
    /// Who is to wait no longer, and does not know it yet.
    called_off: Cell<Option<usize>>,
    running: Cell<usize>,
}

impl Count {
    /// Has one of those who wait, and may lose patience, lose it just when a slot has become free: the one
    /// that has been woken for it may be the one.
    fn call_off(&self, cast: &Cast) {
        let waiting = self.waiting.borrow();
        let hurried: Vec<_> = waiting.iter().filter(|it| is_hurried(**it)).collect();
        if hurried.is_empty() {
            return;
        }
        let whom = *hurried[cast.world.decider().pick(&PATIENCE, hurried.len())];
        note(cast, "somebody else", || format!("calls worker {whom} off"));
        self.called_off.set(Some(whom));
        self.workers.borrow()[whom - 1].wake();
    }
}

/// Whether the worker of that number loses patience where some do.
fn is_hurried(number: usize) -> bool {
    number % 2 == 1
}

/// Leaves the line, also if it is dropped in the middle.
struct Waits<'a>(&'a Count, usize);

impl<'a> Waits<'a> {
    fn new(count: &'a Count, number: usize) -> Waits<'a> {
        count.waiting.borrow_mut().insert(number);
        Waits(count, number)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.borrow_mut().remove(&self.1);
    }
}

/// Tells in the story of a run what somebody does.
fn note(cast: &Cast, who: &str, text: impl FnOnce() -> String) {
    cast.note(|| Note {
        who: who.to_owned(),
        text: text(),
    });
}

async fn work<S: Slots>(
    cast: &Rc<Cast>,
    slots: &Rc<S>,
    count: &Count,
    number: usize,
    hurried: bool,
) {
    let decider = cast.world.decider().clone();
    let who = format!("worker {number}");
    let says = |text: &str| note(cast, &who, || text.to_owned());
    for _ in 0..ROUNDS {
        says("calls acquire()");
        let wait = async {
            let waits = Waits::new(count, number);
            slots.acquire().await;
            drop(waits);
            true
        };
        let has_slot = match hurried {
            true => {
                let patience_ns = decider.pick(&PATIENCE, 4) as u64 * 10_000;
                let patience = lose_patience(&cast.main, count, number, patience_ns);
                // Whoever is woken and has lost patience at the same instant may not even look.
                match decider.pick(&PATIENCE, 2) {
                    0 => futures_lite::future::or(wait, patience).await,
                    _ => futures_lite::future::or(patience, wait).await,
                }
            }
            false => wait.await,
        };
        if !has_slot {
            says("has lost patience: the future of its acquire() is dropped");
            rest(cast).await;
            continue;
        }
        says("has got a slot");
        let held = count.held.get() + 1;
        count.held.set(held);
        if held > SLOTS {
            let text = format!(
                "{held} coroutines hold a slot, and there are {SLOTS}: one was woken, or came, and \
                 did not look whether a slot is free."
            );
            count.court.accuse(Rule::Count, "lab-too-many", text);
        }
        cast.main
            .sleep(decider.pick(&WORK, 4) as u64 * 10_000)
            .await;
        says("calls release()");
        count.held.set(count.held.get() - 1);
        slots.release();
        if count.crowd.hurried && decider.pick(&PATIENCE, 2) == 1 {
            count.call_off(cast);
        }
        rest(cast).await;
    }
}

/// Mostly somewhere else for a while: whoever came back at once would take the slot that he has just let go,
/// and nobody would see that others were not told of it.
async fn rest(cast: &Cast) {
    let rest_ns = cast.world.decider().pick(&WORK, 4) as u64 * 10_000;
    if rest_ns > 0 {
        cast.main.sleep(rest_ns).await;
    }
}

/// Ends after that time, or when worker `number` is called off.
async fn lose_patience(
    context: &AioContext,
    count: &Count,
    number: usize,
    patience_ns: u64,
) -> bool {
    let called_off = poll_fn(|_| match count.called_off.get() == Some(number) {
        true => {
            count.called_off.take();
            Poll::Ready(())
        }
        false => Poll::Pending,
    });
    futures_lite::future::or(context.sleep(patience_ns), called_off).await;
    false
}

/// Somebody else wakes coroutines by name, for reasons of his own.
async fn poke(cast: &Cast, count: &Count) {
    while count.running.get() > 0 {
        let whom = cast.world.decider().pick(&POKE, WORKERS + 1);
        if let Some(worker) = count.workers.borrow().get(whom) {
            let whom = whom + 1;
            note(cast, "somebody else", || {
                format!("wakes worker {whom}, for reasons of his own")
            });
            worker.wake();
        }
        cast.main.sleep(7_000).await;
    }
}

/// At an instant at which nothing more happens nobody waits for a slot that is free.
struct Lost {
    court: Court,
    count: Rc<Count>,
}

impl Checker for Lost {
    fn rule(&self) -> Rule {
        Rule::Wake
    }

    fn wants(&self) -> Interest {
        Interest::IDLE
    }

    fn reset(&mut self) {
        self.count.held.set(0);
        self.count.waiting.borrow_mut().clear();
        self.count.workers.borrow_mut().clear();
        self.count.called_off.take();
    }

    fn idle(&mut self, _: &Scene<'_>) {
        let (held, waiting) = (self.count.held.get(), self.count.waiting.borrow());
        if !waiting.is_empty() && held < SLOTS {
            let names: Vec<_> = waiting.iter().map(usize::to_string).collect();
            let text = format!(
                "Of the workers these wait for a slot: {}. {} of {SLOTS} slots are free, and nobody \
                 is going to wake them: a wake-up was lost.",
                names.join(", "),
                SLOTS - held
            );
            self.court.accuse(Rule::Wake, "lab-lost-wake-up", text);
        }
    }
}

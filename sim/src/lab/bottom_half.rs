//! Lab 2: a bottom half that runs once for all that has come.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_runtime::decide::Site;
use blockjob_runtime::trace::{Event, Wants};
use blockjob_runtime::{AioContext, in_coroutine};

use super::court::{Court, Storm};
use super::{Lab, look};
use crate::cast::Cast;
use crate::check::{Checker, Interest, Scene, Seen};
use crate::event::Note;
use crate::failure::Rule;
use crate::run::Runner;

static DEED: Site = Site::new("lab.deed");
static AGAIN: Site = Site::new("lab.again");

/// So much is done to the collector in one run.
const DEEDS: usize = 24;

/// Where a collector delivers what it has collected.
pub type Deliver = Rc<dyn Fn(Vec<u32>)>;

/// Collects what comes, and delivers it from the event loop: what a device does with finished requests
/// before it interrupts its guest.
pub trait Collector: 'static {
    /// An empty one in `context` that delivers to `deliver`.
    fn new(context: &AioContext, deliver: Deliver) -> Rc<Self>;

    /// `item` has come. Never delivers by itself: it may be called in the middle of anything.
    fn push(&self, item: u32);

    /// Delivers now what has come so far, if anything has.
    fn flush(&self);
}

/// The lab with a collector.
pub fn bottom_half<C: Collector>() -> Lab {
    Lab::new(2, "a bottom half", |failure| Some(look::plainly(failure)))
        .world(
            "items come, and are flushed",
            "mirror=no,guests=0,requests=0",
            || runner::<C>(false),
        )
        .world(
            "whoever gets them polls, and sends more",
            "mirror=no,guests=0,requests=0",
            || runner::<C>(true),
        )
}

fn runner<C: Collector>(busy: bool) -> Runner {
    let court = Court::default();
    let mut runner = Runner::new();
    runner.set_runtime_events(Wants::CALLBACKS);
    let desk: Rc<RefCell<Weak<Desk<C>>>> = Rc::default();
    runner.add_checker(Box::new(Idle {
        court: court.clone(),
        desk: desk.clone(),
    }));
    runner.add_checker(court.checker());
    runner.add_prologue(move |cast| {
        let made = Rc::new(Desk {
            court: court.clone(),
            cast: cast.clone(),
            busy,
            next: Cell::new(0),
            awaited: RefCell::default(),
            pushing: Cell::new(false),
            depth: Cell::new(0),
            collector: RefCell::default(),
        });
        *desk.borrow_mut() = Rc::downgrade(&made);
        let storm = Storm::begin(cast);
        cast.main
            .coroutine("driver", async move { made.drive(storm).await })
            .wake();
    });
    runner
}

/// Who pushes items and gets them back.
struct Desk<C> {
    court: Court,
    cast: Rc<Cast>,
    /// What is delivered makes this one poll, and push more.
    busy: bool,
    next: Cell<u32>,
    /// What was pushed and has not been delivered, the oldest first.
    awaited: RefCell<Vec<u32>>,
    pushing: Cell<bool>,
    /// So many deliveries are on the stack.
    depth: Cell<u32>,
    collector: RefCell<Option<Rc<C>>>,
}

impl<C: Collector> Desk<C> {
    async fn drive(self: Rc<Self>, storm: Storm) {
        self.replace();
        for _ in 0..DEEDS {
            match self.cast.world.decider().pick(&DEED, 6) {
                0 => self.push(),
                1 => (0..3).for_each(|_| self.push()),
                2 => self.flush(),
                3 => self.cast.main.sleep(0).await,
                4 => {
                    self.says(|| "waits until the event loop has nothing left to run".to_owned());
                    self.cast.main.sleep(1_000_000).await;
                    self.must_be_empty();
                }
                _ => {
                    self.cast.main.sleep(1_000_000).await;
                    self.replace();
                }
            }
        }
        self.cast.main.sleep(1_000_000).await;
        while self.depth.get() > 0 {
            self.cast.main.sleep(1_000).await;
        }
        self.must_be_empty();
        self.dismiss();
        self.cast.main.sleep(1_000_000).await;
        drop(storm);
    }

    /// Tells in the story of the run what the driver does.
    fn says(&self, text: impl FnOnce() -> String) {
        self.cast.note(|| Note {
            who: "the driver".to_owned(),
            text: text(),
        });
    }

    fn push(&self) {
        let item = self.next.get();
        self.says(|| format!("calls push({item})"));
        self.next.set(item + 1);
        self.awaited.borrow_mut().push(item);
        let collector = self.collector.borrow().clone();
        self.pushing.set(true);
        collector.expect("there is one").push(item);
        self.pushing.set(false);
    }

    fn flush(&self) {
        let (collector, next) = (self.collector.borrow().clone(), self.next.get());
        self.says(|| "calls flush()".to_owned());
        collector.expect("there is one").flush();
        // What whoever gets the items sends meanwhile is delivered later.
        let awaited = self.awaited.borrow();
        if let Some(item) = awaited.first().filter(|item| **item < next) {
            let text = format!("Item {item} was pushed, and flush() has not delivered it.");
            self.court.accuse(Rule::Wake, "lab-not-flushed", text);
        }
    }

    fn must_be_empty(&self) {
        // In the middle of a delivery that polls nothing is said of what came since.
        if self.depth.get() > 0 {
            return;
        }
        if let Some(item) = self.awaited.borrow().first() {
            let text = format!(
                "Item {item} was pushed, the event loop has nothing left to run, and the item was \
                 not delivered."
            );
            self.court.accuse(Rule::Wake, "lab-not-delivered", text);
        }
    }

    /// The collector goes, perhaps with items in it, and another one comes.
    fn replace(self: &Rc<Self>) {
        if self.depth.get() > 0 {
            return;
        }
        if self.collector.borrow().is_some() {
            self.push();
            self.dismiss();
        }
        let me = Rc::downgrade(self);
        let deliver: Deliver = Rc::new(move |items| {
            if let Some(me) = me.upgrade() {
                me.delivered(&items);
            }
        });
        self.says(|| "makes a collector".to_owned());
        *self.collector.borrow_mut() = Some(C::new(&self.cast.main, deliver));
    }

    fn dismiss(&self) {
        let Some(collector) = self.collector.borrow_mut().take() else {
            return;
        };
        let lost = self.awaited.take();
        self.says(|| {
            format!("lets go of the collector, in which {lost:?} are never to be delivered")
        });
        let left = Rc::downgrade(&collector);
        drop(collector);
        if left.strong_count() > 0 {
            let text = "The last user has let go of the collector, and it still lives: its own \
                        callback holds it, so neither is ever freed.";
            self.court
                .accuse(Rule::Quiesce, "lab-holds-itself", text.to_owned());
        }
    }

    fn delivered(&self, items: &[u32]) {
        let awaited = self.awaited.take();
        self.says(|| format!("gets {items:?} delivered"));
        if self.pushing.get() {
            let text = format!(
                "push() itself delivered {items:?}: whoever pushes may be in the middle of anything."
            );
            self.court.accuse(Rule::Once, "lab-in-push", text);
        } else if items.is_empty() {
            let text = "deliver() was called with nothing.".to_owned();
            self.court.accuse(Rule::Once, "lab-nothing", text);
        } else if items != awaited {
            let text = format!("{items:?} was delivered, and {awaited:?} had come and was due.");
            self.court.accuse(Rule::Once, "lab-other-items", text);
        }
        if !self.busy || self.depth.get() > 1 {
            return;
        }
        self.depth.set(self.depth.get() + 1);
        let decider = self.cast.world.decider();
        if decider.pick(&AGAIN, 3) == 1 {
            self.push();
        }
        // Whoever is called from the event loop may run it in turn.
        if !in_coroutine() && decider.pick(&AGAIN, 2) == 1 {
            self.says(|| "runs the event loop, in the middle of the delivery".to_owned());
            self.cast.main.poll(false);
        }
        self.depth.set(self.depth.get() - 1);
    }
}

/// No bottom half runs for nothing. Nobody else uses one in these worlds.
struct Idle<C> {
    court: Court,
    desk: Rc<RefCell<Weak<Desk<C>>>>,
}

impl<C: Collector> Checker for Idle<C> {
    fn rule(&self) -> Rule {
        Rule::Once
    }

    fn wants(&self) -> Interest {
        Interest::RUNTIME
    }

    fn reset(&mut self) {}

    fn see(&mut self, _: &Scene<'_>, seen: &Seen<'_>) {
        let Seen::Runtime(Event::BottomHalf { name }) = seen else {
            return;
        };
        let desk = self.desk.borrow().upgrade();
        if desk.is_some_and(|desk| desk.awaited.borrow().is_empty()) {
            let text = format!(
                "The bottom half '{name}' runs and there is nothing to deliver: it was scheduled \
                 twice for the same items, or they were flushed and it was not cancelled, or nobody uses \
                 the collector any more and it was not deleted."
            );
            self.court.accuse(Rule::Once, "lab-ran-twice", text);
        }
    }
}

//! The hop to the main loop, for jobs that do not live there.
//!
//! Jobs live in the context of their list, with the nodes that they use. What such a job defers has to
//! wait for the main context, because completions take turns with the commands of users, which are
//! main's: a command that has begun is not overtaken in the middle by the end of a job. So the list
//! sends main a [`Turn`], which is no more than the right to call back. Main takes it in its own
//! loop, outside of coroutines, calls into the context of the list, has everything run there that was
//! deferred by then, and waits until it has run. The graph changes where it lives, the source of a
//! mirror stays drained all the way, for the guard of the section never leaves the job, and
//! nobody but main waits for anybody.
//!
//! ```text
//! iothread   run ends, Defer ...................... DeferredStart, exit, commit, clean
//!                 \ Turn                           /  ^                              \
//! main             `--> schedule_oneshot --> Turn::run: call_resident, polls .......... goes on
//! ```
//!
//! From the moment in which a job has deferred something until that begins, drained sections wait for
//! it ([`Job::drained_poll`]), also over the hop; from then on they do not. So:
//!
//! - *A section of main's over the nodes.* It is established after the exit, or before the job's
//!   coroutine has ended, and then the job stands still in it. What is deferred never begins inside
//!   of it, and main that waits for the section takes the turn meanwhile, in its nested loop. Only
//!   a job that is cancelled by force inside of somebody's section ends there, as it always did: whoever
//!   cancels it waits for that end.
//! - *A pause* counts and changes nothing: the coroutine is over. *A soft cancel* comes too late. *A
//!   forced one* aborts the transaction, and polls until the turn has been taken.
//! - *A move* needs an established section, so it does not meet a hop. One that comes while the
//!   exit itself polls finds the job *being completed*, and is refused.
//! - *Main is gone*: a turn that is dropped sends itself back, and what was deferred runs in the
//!   context of the list. There is no command any more that it could be in the way of.
//! - *The list is gone*: its context has ended, and its jobs with it. The turn finds nobody.
//!
//! While main waits for the context anyway, for a turn or for a command that says so
//! ([`JobList::main_waits`]), what is deferred there needs no hop: it runs in the loop of that context,
//! as it runs in main's when the list lives in main. Without that, a transaction whose first job is
//! being completed could not wait for the others without a turn on top of the turn.
//!
//! QEMU: `job_exit` as a bottom half of the main context (job.c), `block_job_defer_to_main_loop`
//! (blockjob.c, up to 2.12). There main goes into the data of the other thread, under a lock.
//!
//! [`Job::drained_poll`]: crate::job::Job::drained_poll

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use blockjob_runtime::{AioContext, AioHandle, Resident};

use crate::job::Job;
use crate::list::JobList;

/// The main loop, as the jobs of other contexts see it.
pub trait MainLoop {
    /// Has the main context [run](Turn::run) the turn, from its event loop. Called in the context of
    /// the jobs, in the middle of things: it only posts.
    fn defer(&self, turn: Turn);
}

/// The loop of that context.
impl MainLoop for AioHandle {
    fn defer(&self, turn: Turn) {
        self.schedule_oneshot("job_deferred", move |main| turn.run(main));
    }
}

/// Main's turn to have run what the jobs of a list have deferred. One that is dropped and was not run
/// sends itself home, and everything runs there without main.
#[must_use = "whoever drops it does not wait for what was deferred"]
pub struct Turn(Option<Resident<JobList>>);

impl Turn {
    /// Calls into the context of the jobs and polls `main` until everything has run that they have
    /// deferred.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn run(mut self, main: &AioContext) {
        if let Some(list) = self.0.take() {
            // A context that has ended has taken its jobs along.
            let _ = main.call_resident(&list, "job_deferred", |list| list.run_turn());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(list) = self.0.take() {
            list.post("job_deferred", |list| list.run_turn());
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turn").field(&self.0).finish()
    }
}

/// What the jobs of a list have deferred to a main loop elsewhere.
pub(crate) struct Hop {
    main: Rc<dyn MainLoop>,
    /// The list, as main names it.
    list: OnceCell<Resident<JobList>>,
    /// Each as often as it has something to run.
    deferred: RefCell<VecDeque<Rc<Job>>>,
    /// A turn is on its way.
    sent: Cell<bool>,
    /// So many times main waits for this context, and knows of its jobs.
    main_waits: Cell<u32>,
}

/// Main waits for the context of a list until this is dropped: see [`JobList::main_waits`].
#[must_use = "main is said to wait until this is dropped"]
pub struct MainWaits(Option<Rc<JobList>>);

impl Drop for MainWaits {
    fn drop(&mut self) {
        if let Some(list) = self.0.take()
            && let Some(hop) = list.hop()
        {
            hop.main_waits.set(hop.main_waits.get() - 1);
            // What was deferred meanwhile, and has not had its turn in the loop, has to hop after all.
            list.send_turn();
        }
    }
}

impl fmt::Debug for MainWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MainWaits").field(&self.0).finish()
    }
}

impl Hop {
    pub(crate) fn new(main: Rc<dyn MainLoop>) -> Hop {
        Hop {
            main,
            list: OnceCell::new(),
            deferred: RefCell::default(),
            sent: Cell::new(false),
            main_waits: Cell::new(0),
        }
    }

    /// Names the list for main.
    pub(crate) fn settle(&self, list: &Rc<JobList>) {
        let resident = list.context().settle(list.clone());
        let before = self.list.set(resident);
        assert!(before.is_ok(), "a list settles once");
    }
}

impl JobList {
    /// The name of the list for other threads; `None` if its context is the main one.
    pub fn resident(&self) -> Option<&Resident<JobList>> {
        self.hop()?.list.get()
    }

    /// Says that main waits for the context of the list until the guard is dropped: what jobs
    /// defer meanwhile, or have deferred, runs in the loop of this context. For commands that main has
    /// run here, as the first thing that they do. Does nothing if the context is the main one.
    pub fn main_waits(self: &Rc<Self>) -> MainWaits {
        let Some(hop) = self.hop() else {
            return MainWaits(None);
        };
        hop.main_waits.set(hop.main_waits.get() + 1);
        for _ in 0..hop.deferred.borrow().len() {
            self.run_here_soon();
        }
        MainWaits(Some(self.clone()))
    }

    /// Has what `job` has deferred run in the main context, or while that waits for this one.
    pub(crate) fn defer(&self, job: Rc<Job>) {
        let Some(hop) = self.hop() else {
            let run = move || job.run_deferred();
            self.context().schedule_oneshot("job_deferred", run);
            return;
        };
        hop.deferred.borrow_mut().push_back(job);
        if hop.main_waits.get() > 0 {
            self.run_here_soon();
        } else {
            self.send_turn();
        }
    }

    /// Sends main a turn, if there is something to run and none is on its way.
    fn send_turn(&self) {
        let Some(hop) = self.hop() else {
            return;
        };
        let waits = hop.main_waits.get() > 0 || hop.sent.get();
        if !waits && !hop.deferred.borrow().is_empty() {
            hop.sent.set(true);
            hop.main.defer(Turn(hop.list.get().cloned()));
        }
    }

    fn run_here_soon(&self) {
        let list = self.rc();
        self.context().schedule_oneshot("job_deferred", move || {
            let Some(hop) = list.hop() else {
                return;
            };
            // Else main has gone on, and has sent for the rest.
            if hop.main_waits.get() > 0 {
                list.run_next_deferred();
            }
        });
    }

    /// Main waits for this, or is gone. The turn may come on top of the callback of another one, for
    /// that may poll.
    fn run_turn(self: &Rc<Self>) {
        let hop = self.hop().expect("only lists that hop send turns");
        hop.sent.set(false);
        // What the first of them polls for may be the end of the next one, as in a transaction: so each
        // has to be able to run while another one does.
        let waits = self.main_waits();
        while self.run_next_deferred() {}
        drop(waits);
    }

    /// Runs what has waited for longest; false if nothing waits.
    fn run_next_deferred(&self) -> bool {
        let next = self.hop().and_then(|hop| {
            let mut deferred = hop.deferred.borrow_mut();
            deferred.pop_front()
        });
        match next {
            Some(job) => {
                job.run_deferred();
                true
            }
            None => false,
        }
    }
}

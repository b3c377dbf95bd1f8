//! The hop to the main loop: jobs of a list that lives in another context than main.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blockjob_block::driver::mem::MemOptions;
use blockjob_block::{Drained, Graph, Node, PermPair};
use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::driver::JobDriver;
use blockjob_jobs::error::JobError;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::list::JobList;
use blockjob_jobs::main_loop::{MainLoop, Turn};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::txn::JobTxn;
use blockjob_runtime::{AioContext, AioHandle, IoThread, Resident, in_coroutine};
use common::threads::Threads;
use common::{TestJob, describe, manual, scripted};

/// Main, and a context with jobs, on one thread in virtual time.
struct World {
    threads: Rc<Threads>,
    main: AioContext,
    home: AioContext,
    list: Rc<JobList>,
    _graph: Rc<Graph>,
    node: Rc<Node>,
    diary: Rc<RefCell<Vec<String>>>,
}

impl World {
    fn new() -> World {
        Self::with_main_loop(|main| Rc::new(main.handle()))
    }

    fn with_main_loop(make: impl FnOnce(&AioContext) -> Rc<dyn MainLoop>) -> World {
        let threads = Threads::new();
        let (main, home) = (threads.context("main"), threads.context("io0"));
        let diary = Rc::new(RefCell::new(Vec::new()));
        let noted = diary.clone();
        let sink = move |event: JobEvent| noted.borrow_mut().push(describe(&event));
        let list = JobList::with_main_loop(&home, Rc::new(sink), make(&main));
        let graph = Graph::new(&home);
        let disk = Box::new(MemOptions::new(4096).build());
        let node = graph.add_node(Some("disk"), disk, false, &[]);
        World {
            node: node.expect("a new name"),
            threads,
            main,
            home,
            list,
            _graph: graph,
            diary,
        }
    }

    /// A job that uses the disk, not started.
    fn job(&self, id: &str, driver: Rc<dyn JobDriver>, options: JobOptions) -> Rc<Job> {
        let _current = self.home.make_current();
        let perms = PermPair::HARMLESS;
        let job = BlockJob::create(&self.list, Some(id), &self.node, perms, driver, options);
        job.expect("the job can be made").job()
    }

    fn start(&self, job: &Job) {
        let _current = self.home.make_current();
        job.start();
    }

    /// A job whose coroutine has ended, and main has not been told yet.
    fn ended(&self) -> (Rc<Job>, Rc<TestJob>) {
        let driver = TestJob::new();
        let job = self.job("j0", driver.clone(), JobOptions::default());
        self.start(&job);
        driver.should_converge.set(true);
        self.home.poll_while(|| !job.is_ready());
        self.here(|| job.complete()).expect("a ready job completes");
        while !job.deferred_to_main_loop() {
            self.home.poll(false);
        }
        self.told();
        (job, driver)
    }

    /// Does something in the context of the jobs.
    fn here<R>(&self, act: impl FnOnce() -> R) -> R {
        let _current = self.home.make_current();
        act()
    }

    fn section(&self) -> Rc<Section> {
        Rc::new(Section {
            node: self.node.clone(),
            held: RefCell::new(None),
        })
    }

    /// Main begins a section over there, and waits for it.
    fn drain_from_main(&self, section: &Resident<Section>) {
        let section = section.clone();
        let begun = self.home.handle().request_co("drain", move |_| {
            let section = section.get().expect("it lives here");
            async move {
                let drained = section.node.co_drained_begin("main").await;
                *section.held.borrow_mut() = Some(drained);
            }
        });
        self.main.run("drain", begun).expect("somebody is there");
    }

    fn told(&self) -> String {
        self.diary.take().join(", ")
    }
}

/// A section that main has begun, and its place.
struct Section {
    node: Rc<Node>,
    held: RefCell<Option<Drained>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.threads.close();
    }
}

#[test]
fn what_a_job_ends_with_runs_in_its_own_context_in_a_turn_of_mains() {
    let world = World::new();
    let driver = TestJob::new();
    let (main, home) = (world.main.clone(), world.home.clone());
    let seen = Rc::new(Cell::new(false));
    let noted = seen.clone();
    driver.in_prepare.replace(Some(Box::new(move |_| {
        assert_eq!(AioContext::current(), home);
        assert!(!in_coroutine());
        // Main waits for this, and so it has nothing to do but what others send.
        assert!(!main.has_work());
        noted.set(true);
    })));
    let job = world.job("j0", driver.clone(), JobOptions::default());
    driver.should_complete.set(true);
    world.start(&job);
    // As often as it likes: without main there is no end.
    for _ in 0..10 {
        world.home.poll(false);
    }
    assert!(job.deferred_to_main_loop() && job.is_busy() && job.drained_poll());
    assert_eq!(world.told(), "created, running");
    world.main.poll(false);
    assert!(seen.get());
    assert_eq!(driver.asked(), "prepare commit clean");
    let end = "waiting, pending, BLOCK_JOB_COMPLETED, concluded, null";
    assert_eq!(world.told(), end);
}

#[test]
fn a_section_waits_for_an_exit_that_is_on_its_way_to_main_and_back() {
    let world = World::new();
    let (job, driver) = world.ended();
    let node = world.node.clone();
    let established = Rc::new(Cell::new(false));
    let noted = established.clone();
    let drainer = world.home.coroutine("drainer", async move {
        let _drained = node.co_drained_begin("test").await;
        noted.set(true);
    });
    world.here(|| drainer.enter());
    let watched = established.clone();
    driver.in_prepare.replace(Some(Box::new(move |_| {
        assert!(!watched.get(), "the exit runs inside of a foreign section");
    })));
    for _ in 0..10 {
        world.home.poll(false);
    }
    assert!(!established.get());
    world.main.poll(false);
    world.threads.settle();
    assert!(established.get());
    assert_eq!(job.result(), Some(Ok(())));
}

#[test]
fn main_that_drains_takes_the_turn_while_it_waits_for_the_section() {
    let world = World::new();
    let (job, driver) = world.ended();
    let section = world.section();
    let held = world.home.settle(section.clone());
    let watched = section.clone();
    driver.in_prepare.replace(Some(Box::new(move |_| {
        assert!(watched.held.borrow().is_none(), "the section is there");
    })));
    world.drain_from_main(&held);
    assert!(section.held.borrow().is_some());
    assert_eq!(driver.asked(), "prepare commit clean");
    assert_eq!(job.result(), Some(Ok(())));
    section.held.take();
}

#[test]
fn a_section_of_mains_that_is_there_is_not_met_by_an_exit() {
    let world = World::new();
    let driver = TestJob::new();
    let job = world.job("j0", driver.clone(), JobOptions::default());
    world.start(&job);
    let drained = world.here(|| world.node.drained_begin("main"));
    driver.should_complete.set(true);
    world.here(|| job.enter());
    for _ in 0..10 {
        world.threads.settle();
    }
    assert_eq!(job.status(), JobStatus::Paused);
    assert_eq!(driver.asked(), "");
    world.here(|| drop(drained));
    world.main.poll_while(|| job.result().is_none());
    assert_eq!(driver.asked(), "prepare commit clean");
}

#[test]
fn a_pause_and_a_soft_cancel_over_the_hop_change_nothing() {
    let world = World::new();
    let (job, driver) = world.ended();
    world.here(|| {
        job.user_pause().expect("a ready job can be paused");
        job.cancel(false);
    });
    assert!(!job.cancel_requested());
    world.main.poll_while(|| job.result().is_none());
    assert_eq!(driver.asked(), "user_resume prepare commit clean");
    assert_eq!(job.result(), Some(Ok(())));
}

#[test]
fn a_forced_cancel_over_the_hop_by_main_aborts() {
    let world = World::new();
    let (job, driver) = world.ended();
    let list = world.list.resident().expect("it is not main's").clone();
    let cancelled = world.main.call_resident(&list, "cancel", |list| {
        let _main = list.main_waits();
        list.find("j0").expect("it is there").cancel(true);
    });
    assert_eq!(cancelled, Ok(()));
    assert_eq!(job.result(), Some(Err(JobError::Cancelled)));
    assert_eq!(driver.asked(), "abort clean");
    assert_eq!(
        world.told(),
        "aborting, BLOCK_JOB_CANCELLED, concluded, null"
    );
    // The turn that was on its way finds nothing to do.
    world.threads.settle();
    assert_eq!(world.told(), "");
}

#[test]
fn what_main_waits_for_does_not_have_to_hop() {
    let world = World::new();
    let (job, _driver) = world.ended();
    let waits = world.here(|| world.list.main_waits());
    world.home.poll_while(|| job.result().is_none());
    drop(waits);
    assert_eq!(job.result(), Some(Ok(())));
}

#[test]
fn what_is_deferred_while_main_waits_and_has_no_turn_hops_after_all() {
    let world = World::new();
    let driver = TestJob::new();
    driver.should_complete.set(true);
    let job = world.job("j0", driver.clone(), JobOptions::default());
    world.here(|| {
        let waits = world.list.main_waits();
        job.start();
        assert!(job.deferred_to_main_loop());
        drop(waits);
    });
    for _ in 0..10 {
        world.home.poll(false);
    }
    assert_eq!(driver.asked(), "");
    world.main.poll_while(|| job.result().is_none());
    assert_eq!(driver.asked(), "prepare commit clean");
}

/// One that fails has the other one cancelled and waits for it, in one turn of main's.
#[test]
fn the_jobs_of_a_transaction_end_in_the_turn_of_the_first() {
    let world = World::new();
    let txn = JobTxn::new();
    let in_txn = || JobOptions {
        txn: Some(txn.clone()),
        ..JobOptions::default()
    };
    let (fails, other) = (TestJob::failing(common::EIO), TestJob::new());
    fails.should_complete.set(true);
    let first = world.job("j0", fails.clone(), in_txn());
    let second = world.job("j1", other.clone(), in_txn());
    world.start(&second);
    world.start(&first);
    world.main.poll_while(|| first.result().is_none());
    assert_eq!(first.result(), Some(Err(common::EIO)));
    assert_eq!(second.result(), Some(Err(JobError::Cancelled)));
    assert_eq!(
        (fails.asked(), other.asked()),
        ("abort clean".to_owned(), "abort clean".to_owned())
    );
}

#[test]
fn many_jobs_that_end_at_once_take_one_turn_and_no_stack() {
    let turns = Rc::new(Cell::new(0));
    let counted = turns.clone();
    let world = World::with_main_loop(|main| {
        let main = main.handle();
        Rc::new(Counting {
            main,
            turns: counted,
        })
    });
    let jobs: Vec<_> = (0..1_000)
        .map(|number| {
            let driver = scripted(|_| Box::pin(async { Ok(()) }));
            let id = format!("j{number}");
            let job = Job::create(&world.list, Some(&id), driver, JobOptions::default());
            let job = job.expect("the job can be made");
            world.start(&job);
            job
        })
        .collect();
    world.main.poll_while(|| !world.list.is_empty());
    assert!(jobs.iter().all(|job| job.result() == Some(Ok(()))));
    assert_eq!(turns.get(), 1);
}

/// Counts the turns, and passes them on.
struct Counting {
    main: AioHandle,
    turns: Rc<Cell<u32>>,
}

impl MainLoop for Counting {
    fn defer(&self, turn: Turn) {
        self.turns.set(self.turns.get() + 1);
        self.main.defer(turn);
    }
}

#[test]
fn what_a_job_defers_runs_once_and_in_order_also_over_the_hop() {
    let world = World::new();
    let diary = Rc::new(RefCell::new(Vec::new()));
    let noted = diary.clone();
    let driver = scripted(move |job| {
        let noted = noted.clone();
        Box::pin(async move {
            for number in 0..3 {
                let noted = noted.clone();
                job.defer_to_main_loop(move |_| noted.borrow_mut().push(number));
            }
            job.sleep_ns(0).await;
            Ok(())
        })
    });
    let job = world.job("j0", driver, manual());
    world.start(&job);
    assert!(job.drained_poll());
    world.main.poll_while(|| job.status() != JobStatus::Pending);
    assert_eq!(*diary.borrow(), [0, 1, 2]);
}

#[test]
fn without_main_what_was_deferred_runs_at_home() {
    let world = World::new();
    let (job, driver) = world.ended();
    world.main.close();
    world.home.poll_while(|| job.result().is_none());
    assert_eq!(driver.asked(), "prepare commit clean");
}

#[test]
fn a_turn_for_a_context_that_has_ended_finds_nobody() {
    let world = World::new();
    let (job, driver) = world.ended();
    world.home.close();
    world.main.poll(false);
    assert_eq!(driver.asked(), "");
    assert_eq!(job.result(), None);
}

/// On threads of their own nobody can look at the jobs but by asking.
#[test]
fn a_job_in_a_thread_ends_while_main_does_something_else() {
    let thread = IoThread::new("io0");
    let main = AioContext::new();
    let home = main.handle();
    let ended = Arc::new(AtomicBool::new(false));
    let noted = ended.clone();
    let made = main.call(thread.handle(), "make", move |ctx| {
        let list = JobList::with_main_loop(ctx, Rc::new(|_| ()), Rc::new(home.clone()));
        let driver = TestJob::new();
        driver.should_complete.set(true);
        let job = Job::create(&list, Some("j0"), driver, JobOptions::default());
        let job = job.expect("the job can be made");
        job.on_finished(move |_, result| {
            assert_eq!(*result, Ok(()));
            // This thread can ask main meanwhile, which waits for it and serves others.
            home.schedule_oneshot("ended", move |_| noted.store(true, Ordering::Relaxed));
        });
        job.start();
    });
    assert_eq!(made, Ok(()));
    main.poll_while(|| !ended.load(Ordering::Relaxed));
    thread.stop();
}

/// Both had ended before main came: the first one polls for the other, which waits behind it.
#[test]
fn a_transaction_of_which_all_have_ended_before_mains_turn_ends_in_it() {
    let world = World::new();
    let txn = JobTxn::new();
    let in_txn = || JobOptions {
        txn: Some(txn.clone()),
        ..JobOptions::default()
    };
    let (fails, other) = (TestJob::failing(common::EIO), TestJob::new());
    fails.should_complete.set(true);
    other.should_complete.set(true);
    let first = world.job("j0", fails.clone(), in_txn());
    let second = world.job("j1", other.clone(), in_txn());
    world.start(&first);
    world.start(&second);
    assert!(first.deferred_to_main_loop() && second.deferred_to_main_loop());
    world.main.poll(false);
    assert_eq!(first.result(), Some(Err(common::EIO)));
    assert_eq!(second.result(), Some(Err(JobError::Cancelled)));
}

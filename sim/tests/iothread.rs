//! Small worlds in which disks live in a context of their own: the cases of QEMU's tests that are about
//! that, each over some hundred seeds, with all checkers.
//!
//! QEMU: tests/unit/test-bdrv-drain.c (`/bdrv-drain/iothread`, `/bdrv-drain/blockjob/iothread`),
//! tests/unit/test-block-iothread.c.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_jobs::state::JobStatus;
use blockjob_sim::cast::Cast;
use blockjob_sim::check::{Checker, Interest, Scene, Seen};
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::{Failure, Rule};
use blockjob_sim::monitor::Verb;
use blockjob_sim::run::Runner;
use blockjob_sim::sweep::quiet_panics;

const SEEDS: u64 = 300;

fn config(text: &str) -> Config {
    Config::parse(&format!("iothread=yes,steps=20000,{text}")).expect("it is well formed")
}

/// Runs the seeds; how often each mark was hit.
fn marks_of(runner: &mut Runner, text: &str) -> Vec<(&'static str, u64)> {
    let config = config(text);
    let mut marks: Vec<(&'static str, u64)> = Vec::new();
    for seed in 0..SEEDS {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        if let Some(failure) = report.failure {
            panic!("{config}, seed {seed}: {failure}");
        }
        for (mark, hits) in report.marks {
            match marks.iter_mut().find(|(name, _)| *name == mark.name) {
                Some((_, sum)) => *sum += hits,
                None => marks.push((mark.name, hits)),
            }
        }
    }
    marks
}

/// Every seed is clean, and each of `marks` was hit: the case is the one that is meant.
fn is_clean(text: &str, marks: &[&str]) {
    let hit = marks_of(&mut Runner::new(), text);
    for mark in marks {
        assert!(hit.iter().any(|(name, _)| name == mark), "{mark}: {hit:?}");
    }
}

#[test]
fn main_drains_a_disk_of_an_iothread_while_guests_use_it() {
    is_clean(
        "mirror=no,guests=2,depth=2,requests=12,kinds=all,deeds=6,verbs=drain",
        &["drain-polled", "drain-over-flight", "queue-released"],
    );
}

#[test]
fn main_holds_sections_over_disks_of_an_iothread() {
    is_clean(
        "mirror=no,jobs=2,guests=1,depth=4,requests=12,rest=1000000,deeds=8,verbs=hold+thold+drainall",
        &["drain-awaited", "drain-nested", "queue-released"],
    );
}

#[test]
fn main_drains_a_disk_of_an_iothread_above_its_backing_file() {
    is_clean(
        "mirror=no,backing=yes,fill=holes,guests=2,depth=2,requests=12,kinds=all,deeds=6,verbs=drain+drainall",
        &["drain-polled", "drain-awaited", "queue-released"],
    );
}

#[test]
fn main_drains_the_nodes_of_a_job_in_an_iothread_at_every_moment() {
    is_clean(
        "granules=6,rest=500000,requests=8,deeds=8,verbs=drain+tdrain+drainall+hold+thold,eager=yes",
        &["drain-polled", "drain-awaited"],
    );
}

#[test]
fn main_drains_the_nodes_of_a_job_in_an_iothread_that_fails() {
    is_clean(
        "granules=6,requests=8,targeterror=200,flusherror=200,deeds=8,verbs=drain+tdrain+drainall+hold",
        &["drain-awaited", "error-reported"],
    );
}

#[test]
fn jobs_of_a_transaction_in_an_iothread_end_together_in_mains_turns() {
    is_clean(
        "jobs=3,granules=4,txn=yes,requests=4,deeds=6,verbs=drainall+cancel+force+quit",
        &["txn-sibling", "txn-waited", "cancel-forced"],
    );
}

#[test]
fn a_job_in_an_iothread_is_paused_resumed_and_completed_by_main() {
    is_clean(
        "granules=6,requests=4,finalize=no,dismiss=no,deeds=12,\
         verbs=pause+resume+complete+drain+speed+finalize+dismiss",
        &["paused-when-ready", "drained-when-paused"],
    );
}

/// In the end everything that a mirror had to do with is in the context where it began.
struct AllThere(Rc<Cell<u64>>);

impl Checker for AllThere {
    fn rule(&self) -> Rule {
        Rule::Home
    }

    fn wants(&self) -> Interest {
        Interest::END
    }

    fn reset(&mut self) {}

    fn end(&mut self, scene: &Scene<'_>) {
        let home = scene.cast.home_of(&scene.cast.pairs[0]);
        assert_eq!(home.name, "io0");
        let device = scene.cast.pairs[0].device();
        let used = device.node().expect("it has a medium");
        self.0
            .set(self.0.get() + u64::from(used.name() == "target"));
        for node in scene.cast.nodes() {
            assert!(*node.context() == home.context, "{node:?} is elsewhere");
        }
    }
}

#[test]
fn a_mirror_leaves_its_target_in_the_context_of_its_source() {
    let mut runner = Runner::new();
    let pivots = Rc::new(Cell::new(0));
    runner.add_checker(Box::new(AllThere(pivots.clone())));
    marks_of(
        &mut runner,
        "granules=6,requests=8,deeds=3,verbs=drain+pause+resume",
    );
    assert!(pivots.get() > SEEDS / 2, "{} pivots", pivots.get());
}

/// How often something has moved while its job was in each of some states.
struct Moves(Rc<RefCell<Vec<JobStatus>>>);

impl Checker for Moves {
    fn rule(&self) -> Rule {
        Rule::Home
    }

    fn wants(&self) -> Interest {
        Interest::MONITOR
    }

    fn reset(&mut self) {}

    fn see(&mut self, _scene: &Scene<'_>, seen: &Seen<'_>) {
        if let Seen::Monitor(event) = seen
            && (event.verb, &event.refused) == (Verb::Move, &None)
            && let Some(asked) = &event.asked
        {
            self.0.borrow_mut().push(asked.status);
        }
    }
}

#[test]
fn a_mirror_moves_in_every_state_with_its_guests_and_loses_nothing() {
    let mut runner = Runner::new();
    let moves = Rc::new(RefCell::new(Vec::new()));
    runner.add_checker(Box::new(Moves(moves.clone())));
    marks_of(
        &mut runner,
        "granules=8,guests=2,depth=3,requests=24,kinds=all,rest=2000000,finalize=no,deeds=16,\
         verbs=move+pause+resume+drain+hold",
    );
    let moves = moves.borrow();
    let states = [
        JobStatus::Running,
        JobStatus::Ready,
        JobStatus::Paused,
        JobStatus::Standby,
    ];
    for state in states {
        let times = moves.iter().filter(|it| **it == state).count();
        assert!(times >= 5, "{times} times in {state:?} of {}", moves.len());
    }
}

/// Has `mischief` done once main is current and the job runs; what is found.
fn found(mischief: impl Fn(&Rc<Cast>) + Clone + 'static) -> Option<Failure> {
    let _quiet = quiet_panics();
    let mut runner = Runner::new();
    runner.add_prologue(move |cast| {
        let (cast, mischief) = (cast.clone(), mischief.clone());
        let main = cast.main.clone();
        let coroutine = main.clone().coroutine("mischief", async move {
            let runs = |cast: &Cast| {
                let job = cast.pairs[0].job();
                job.is_some_and(|job| job.status() == JobStatus::Running)
            };
            while !runs(&cast) {
                main.sleep(1_000).await;
            }
            mischief(&cast);
        });
        coroutine.wake();
    });
    let config = config("granules=16,requests=20");
    runner.run(&config, Box::new(Random::new(1))).failure
}

#[test]
fn whoever_drains_a_node_in_another_context_than_its_own_is_found() {
    let failure = found(|cast| {
        let node = cast.pairs[0].source_node();
        drop(node.drained_begin_no_poll("mischief"));
    });
    let failure = failure.expect("it is found");
    assert_eq!(
        (failure.rule, &*failure.place),
        (Rule::Home, "block-elsewhere")
    );
}

#[test]
fn whoever_pauses_a_job_in_another_context_than_its_own_is_found() {
    let failure = found(|cast| {
        let job = cast.pairs[0].job().expect("it runs");
        job.user_pause().expect("it runs");
    });
    let failure = failure.expect("it is found");
    assert_eq!(
        (failure.rule, &*failure.place),
        (Rule::Home, "job-elsewhere")
    );
}

#[test]
fn main_that_does_no_mischief_is_not_blamed() {
    assert!(found(|_| {}).is_none());
}

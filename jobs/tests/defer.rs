//! What a job leaves for the main context, and what drained sections see of it meanwhile.

#[macro_use]
mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_jobs::error::JobError;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::txn::JobTxn;
use common::{TestJob, World, manual, scripted};

/// A ready job whose `run` has ended and whose completion has not begun.
fn deferred(world: &World) -> (Rc<Job>, Rc<TestJob>) {
    let (job, driver) = world.started("j0");
    driver.converge(world, &job);
    world.told();
    job.complete().expect("a ready job can be completed");
    assert!(job.deferred_to_main_loop());
    assert_eq!(job.status(), JobStatus::Ready);
    (job, driver)
}

in_both_lives! {
    fn a_soft_cancel_between_the_end_of_the_work_and_its_completion_changes_nothing(world) {
        let (job, driver) = deferred(&world);
        job.cancel(false);
        assert!(!job.cancel_requested());
        world.poll_until_status(&job, JobStatus::Pending);
        job.finalize().expect("a pending job can be finalized");
        assert_eq!(job.result(), Some(Ok(())));
        assert_eq!(driver.asked(), "prepare commit clean");
        assert!(world.told().contains("BLOCK_JOB_COMPLETED"));
    }

    fn a_forced_cancel_between_the_end_of_the_work_and_its_completion_still_aborts(world) {
        let (job, driver) = deferred(&world);
        job.cancel(true);
        assert_eq!(job.result(), Some(Err(JobError::Cancelled)));
        assert_eq!(driver.asked(), "abort clean");
        assert_eq!(world.told(), "aborting, BLOCK_JOB_CANCELLED, concluded");
    }

    fn a_soft_cancel_of_a_ready_job_lets_it_end_in_good_order(world) {
        let (job, driver) = world.started("j0");
        driver.converge(&world, &job);
        assert_eq!(job.cancel_sync(false), Ok(()));
        assert!(job.cancel_requested() && !job.is_cancelled());
        job.finalize().expect("a pending job can be finalized");
        assert_eq!(job.result(), Some(Ok(())));
    }

    fn a_soft_cancel_ends_the_pause_of_the_user_so_that_the_job_can_end(world) {
        let (job, driver) = world.started("j0");
        driver.converge(&world, &job);
        job.user_pause().expect("a ready job can be paused");
        job.cancel(false);
        assert!(!job.is_user_paused());
        world.poll_until_status(&job, JobStatus::Pending);
        assert_eq!(job.ret(), Ok(()));
    }

    fn a_soft_cancel_does_not_take_a_forced_one_back(world) {
        let (job, driver) = world.started("j0");
        driver.converge(&world, &job);
        let cancelled = job.clone();
        world.ctx.run("canceller", async move {
            cancelled.cancel(true);
            cancelled.cancel(false);
        });
        world.poll_until_status(&job, JobStatus::Concluded);
        assert_eq!(job.result(), Some(Err(JobError::Cancelled)));
    }

    fn a_drained_section_waits_for_a_completion_that_is_to_come_and_not_for_one_that_runs(world) {
        let (job, driver) = deferred(&world);
        assert!(job.is_busy() && job.drained_poll());
        let seen = Rc::new(Cell::new(None));
        let noted = seen.clone();
        driver.in_prepare.replace(Some(Box::new(move |job| {
            noted.set(Some(job.is_busy() || job.drained_poll()));
        })));
        world.poll_until(|| !job.drained_poll());
        assert_eq!(job.status(), JobStatus::Pending);
        job.finalize().expect("a pending job can be finalized");
        assert_eq!(seen.get(), Some(false));
    }

    fn what_a_job_defers_runs_in_order_each_in_a_turn_of_its_own(world) {
        let diary = Rc::new(RefCell::new(Vec::new()));
        let noted = diary.clone();
        let job = world.job("j0", scripted(move |job| {
            let noted = noted.clone();
            Box::pin(async move {
                let note = |text: &'static str| {
                    let noted = noted.clone();
                    move || noted.borrow_mut().push(text)
                };
                let (first, nested, second) = (note("first"), note("nested"), note("second"));
                job.defer_to_main_loop(move |job| {
                    first();
                    assert!(!blockjob_runtime::in_coroutine());
                    // Polling here must not run the next one on top of this.
                    job.context().schedule_oneshot("nested", nested);
                    while job.context().poll(false) {}
                });
                job.defer_to_main_loop(move |_| second());
                note("run ended")();
                Ok(())
            })
        }));
        job.start();
        assert!(job.drained_poll());
        world.poll_until_status(&job, JobStatus::Pending);
        assert_eq!(*diary.borrow(), ["run ended", "first", "nested", "second"]);
    }

    fn a_job_that_goes_on_after_it_has_deferred_something_is_busy_until_that_starts(world) {
        let job = world.job("j0", scripted(|job| {
            Box::pin(async move {
                job.yield_now().await;
                job.defer_to_main_loop(|job| assert!(!job.drained_poll()));
                job.yield_now().await;
                Ok(())
            })
        }));
        job.start();
        assert!(!job.drained_poll());
        job.enter();
        assert!(!job.is_busy() && job.is_deferral_pending() && job.drained_poll());
        world.poll_until(|| !job.drained_poll());
        assert_eq!(job.status(), JobStatus::Running);
    }
}

#[test]
fn a_soft_cancel_after_the_work_leaves_the_rest_of_the_transaction_alone() {
    let world = World::virtual_time();
    let txn = JobTxn::new();
    let in_txn = || JobOptions {
        txn: Some(txn.clone()),
        ..manual()
    };
    let (done, other) = (TestJob::new(), TestJob::new());
    let first = world.job_with("j0", done.clone(), in_txn());
    let second = world.job_with("other", other.clone(), in_txn());
    first.start();
    second.start();
    done.converge(&world, &first);
    first.complete().expect("a ready job can be completed");
    assert!(first.deferred_to_main_loop());
    first.cancel(false);
    world.poll_until_status(&first, JobStatus::Waiting);
    assert!(!second.cancel_requested());
    other.should_complete.set(true);
    world.poll_until_status(&second, JobStatus::Pending);
    first.finalize().expect("a pending job can be finalized");
    assert_eq!(
        (first.result(), second.result()),
        (Some(Ok(())), Some(Ok(())))
    );
}

#[test]
fn whoever_waits_for_a_job_is_told_each_time_that_it_yields_stands_still_or_ends() {
    let world = World::virtual_time();
    let driver = TestJob::new();
    let job = world.job("j0", driver.clone());
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (noted, watched) = (seen.clone(), Rc::downgrade(&job));
    job.on_idle(Rc::new(move || {
        let job = watched.upgrade().expect("the test holds the job");
        let polled = job.drained_poll();
        if noted.borrow().last() != Some(&polled) {
            noted.borrow_mut().push(polled);
        }
    }));
    job.start();
    assert_eq!(seen.take(), [true, false], "sleeping");
    driver.nap_ns.set(1 << 40);
    job.pause();
    assert_eq!(seen.take(), [true, false], "standing still");
    driver.should_complete.set(true);
    job.resume();
    assert_eq!(seen.take(), [true], "the completion is to come");
    world.poll_until_status(&job, JobStatus::Pending);
    assert_eq!(seen.take(), [false], "and has begun");
}

#[test]
fn a_job_in_another_context_is_completed_in_the_main_one() {
    use blockjob_runtime::AioContext;
    use blockjob_runtime::clock::VirtualClock;
    use blockjob_runtime::reactor::VirtualReactor;

    let clock = VirtualClock::new();
    let context = |name: &str| {
        let reactor = VirtualReactor::new(clock.clone());
        let life = AioContext::builder().name(name);
        life.life(Rc::new(clock.clone()), Rc::new(reactor)).build()
    };
    let (world, home) = (World::new(context("main")), context("iothread"));
    let driver = TestJob::new();
    driver.should_converge.set(true);
    let options = JobOptions {
        home: Some(home.clone()),
        ..manual()
    };
    let job = world.job_with("j0", driver.clone(), options);
    job.start();
    while !job.is_ready() {
        home.poll(true);
    }
    job.pause();
    home.poll(true);
    assert_eq!(job.status(), JobStatus::Standby);
    // The section is over and the job not yet entered, for its context has had no turn.
    job.resume();
    assert_eq!(job.status(), JobStatus::Standby);
    job.complete().expect("a job on standby can be completed");
    home.poll(true);
    assert!(job.deferred_to_main_loop() && job.is_ready());
    world.poll_until_status(&job, JobStatus::Pending);
    job.finalize().expect("a pending job can be finalized");
    assert_eq!(job.status(), JobStatus::Concluded);
    job.dismiss().expect("a concluded job can be dismissed");
    assert_eq!(job.status(), JobStatus::Null);
    home.close();
}

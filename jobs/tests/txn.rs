//! Transactions. The cases are those of QEMU's test-blockjob-txn.

#[macro_use]
mod common;

use std::rc::Rc;

use blockjob_jobs::driver::{JobDriver, JobResult};
use blockjob_jobs::error::JobError;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::txn::JobTxn;
use common::{EIO, TestJob, World, manual, scripted};

/// A job that goes round `rounds` times, with a sleep or a yield each, and then returns `result`.
fn rounds(rounds: u32, use_timer: bool, result: JobResult) -> Rc<dyn JobDriver> {
    scripted(move |job| {
        let result = result.clone();
        Box::pin(async move {
            for _ in 0..rounds {
                if use_timer {
                    job.sleep_ns(0).await;
                } else {
                    job.yield_now().await;
                }
                if job.is_cancelled() {
                    break;
                }
            }
            result
        })
    })
}

fn start_in(world: &World, txn: &Rc<JobTxn>, id: &str, driver: Rc<dyn JobDriver>) -> Rc<Job> {
    let options = JobOptions {
        txn: Some(txn.clone()),
        ..JobOptions::default()
    };
    let job = world.job_with(id, driver, options);
    job.start();
    job
}

/// Polls until the jobs are over; a job that yields is entered. Returns what they came to.
fn outcomes<const N: usize>(world: &World, jobs: [&Rc<Job>; N]) -> [JobResult; N] {
    let over = |job: &Rc<Job>| job.status() == JobStatus::Null;
    while !jobs.into_iter().all(over) {
        for job in jobs {
            job.enter();
        }
        world.ctx.poll(true);
    }
    jobs.map(|job| job.result().expect("the job is over"))
}

const CANCELLED: JobResult = Err(JobError::Cancelled);

fn pair(world: &World, results: [JobResult; 2], rounds_of: [u32; 2]) -> [Rc<Job>; 2] {
    let txn = JobTxn::new();
    let [first, second] = results;
    [
        start_in(world, &txn, "first", rounds(rounds_of[0], true, first)),
        start_in(world, &txn, "second", rounds(rounds_of[1], true, second)),
    ]
}

in_both_lives! {
    fn a_job_alone_in_its_transaction_has_its_own_outcome(world) {
        for result in [Ok(()), Err(EIO)] {
            let txn = JobTxn::new();
            let job = start_in(&world, &txn, "j0", rounds(1, true, result.clone()));
            assert_eq!(outcomes(&world, [&job]), [result]);
        }
        let txn = JobTxn::new();
        let job = start_in(&world, &txn, "j0", rounds(1, true, Ok(())));
        job.cancel(false);
        assert_eq!(outcomes(&world, [&job]), [CANCELLED]);
    }

    fn jobs_that_succeed_do_so_together(world) {
        let [first, second] = pair(&world, [Ok(()), Ok(())], [1, 2]);
        assert_eq!(outcomes(&world, [&first, &second]), [Ok(()), Ok(())]);
    }

    fn one_that_fails_cancels_the_other_whichever_is_first(world) {
        let [first, second] = pair(&world, [Err(EIO), Ok(())], [1, 2]);
        assert_eq!(outcomes(&world, [&first, &second]), [Err(EIO), CANCELLED]);
        let [first, second] = pair(&world, [Ok(()), Err(EIO)], [1, 2]);
        assert_eq!(outcomes(&world, [&first, &second]), [CANCELLED, Err(EIO)]);
        let [first, second] = pair(&world, [Ok(()), Err(EIO)], [2, 1]);
        assert_eq!(outcomes(&world, [&first, &second]), [CANCELLED, Err(EIO)]);
    }

    fn one_that_is_cancelled_cancels_the_other_whichever_it_is(world) {
        for cancelled in [0, 1] {
            let jobs = pair(&world, [Ok(()), Ok(())], [1, 2]);
            jobs[cancelled].cancel(false);
            let [first, second] = &jobs;
            assert_eq!(outcomes(&world, [first, second]), [CANCELLED, CANCELLED]);
        }
    }

    fn one_that_ends_well_after_the_other_failed_and_before_it_is_told_is_cancelled(world) {
        let txn = JobTxn::new();
        let first = start_in(&world, &txn, "first", rounds(1, true, CANCELLED));
        let second = start_in(&world, &txn, "second", rounds(2, false, Ok(())));
        first.cancel(false);
        // The second job ends while the completion of the first one waits in the main loop.
        second.enter();
        second.enter();
        assert!(second.deferred_to_main_loop());
        assert_eq!(outcomes(&world, [&first, &second]), [CANCELLED, CANCELLED]);
    }

    fn one_that_waits_for_its_user_makes_all_wait(world) {
        let txn = JobTxn::new();
        let in_txn = |options: JobOptions| JobOptions {
            txn: Some(txn.clone()),
            ..options
        };
        let first = world.job_with("first", rounds(1, true, Ok(())), in_txn(manual()));
        let second = world.job_with("second", rounds(1, true, Ok(())), in_txn(JobOptions::default()));
        first.start();
        assert_eq!(first.status(), JobStatus::Running);
        second.start();
        world.poll_until_status(&second, JobStatus::Pending);
        assert_eq!(first.status(), JobStatus::Pending);
        second.finalize().expect("a pending job can be finalized");
        assert_eq!((first.status(), second.status()), (JobStatus::Concluded, JobStatus::Null));
    }
}

/// Two jobs of one transaction that wait to be finalized.
fn pending_pair(world: &World) -> [(Rc<Job>, Rc<TestJob>); 2] {
    let txn = JobTxn::new();
    let jobs = ["first", "second"].map(|id| {
        let driver = TestJob::new();
        driver.should_complete.set(true);
        let options = JobOptions {
            txn: Some(txn.clone()),
            ..manual()
        };
        let job = world.job_with(id, driver.clone(), options);
        (job, driver)
    });
    for (job, _) in &jobs {
        job.start();
    }
    world.poll_until_status(&jobs[0].0, JobStatus::Pending);
    assert_eq!(jobs[1].0.status(), JobStatus::Pending);
    jobs
}

#[test]
fn one_that_fails_abandons_the_work_of_a_ready_one_however_long_that_sleeps() {
    let world = World::virtual_time();
    let txn = JobTxn::new();
    let driver = TestJob::new();
    let ready = start_in(&world, &txn, "ready", driver.clone());
    driver.nap_ns.set(1 << 40);
    driver.converge(&world, &ready);
    world.poll_until(|| !ready.is_busy());
    let now_ns = world.ctx.now_ns();
    // Softly cancelled it would end in good order.
    let failed = start_in(&world, &txn, "failed", rounds(0, true, Err(EIO)));
    world.poll_until_status(&failed, JobStatus::Null);
    assert_eq!(ready.result(), Some(CANCELLED));
    assert_eq!(world.ctx.now_ns(), now_ns);
}

#[test]
fn one_whose_last_step_fails_aborts_the_other_that_was_prepared() {
    let world = World::virtual_time();
    let [(first, prepared), (second, driver)] = pending_pair(&world);
    prepared.prepare_fails_with.replace(Some(EIO));
    first.finalize().expect("that it fails is the jobs' result");
    assert_eq!(first.result(), Some(Err(EIO)));
    assert_eq!(second.result(), Some(CANCELLED));
    assert_eq!(prepared.asked(), "prepare abort clean");
    assert_eq!(driver.asked(), "prepare abort clean");
}

#[test]
fn a_cancel_while_another_job_is_prepared_fails_the_transaction_once() {
    let world = World::virtual_time();
    let [(first, older), (second, newer)] = pending_pair(&world);
    let early = second.clone();
    // The newest is prepared first; the older one's preparation polls, and a user is served.
    older
        .in_prepare
        .replace(Some(Box::new(move |_| early.cancel(true))));
    second
        .finalize()
        .expect("that it fails is the jobs' result");
    assert_eq!(first.result(), Some(CANCELLED));
    assert_eq!(second.result(), Some(CANCELLED));
    assert_eq!(older.asked(), "prepare abort clean");
    assert_eq!(newer.asked(), "prepare abort clean");
}

#[test]
fn asking_twice_to_finalize_does_it_once() {
    let world = World::virtual_time();
    let [(first, older), (second, newer)] = pending_pair(&world);
    older.in_prepare.replace(Some(Box::new(|job| {
        job.finalize().expect("the job is still pending");
    })));
    second.finalize().expect("a pending job can be finalized");
    assert_eq!(
        (first.result(), second.result()),
        (Some(Ok(())), Some(Ok(())))
    );
    assert_eq!(older.asked(), "prepare commit clean");
    assert_eq!(newer.asked(), "prepare commit clean");
}

#[test]
fn a_cancel_in_a_commit_comes_too_late() {
    let world = World::virtual_time();
    let [(first, _), (second, _)] = pending_pair(&world);
    let late = first.clone();
    second.on_finished(move |_, _| late.cancel(true));
    first.finalize().expect("a pending job can be finalized");
    assert_eq!(
        (first.result(), second.result()),
        (Some(Ok(())), Some(Ok(())))
    );
    assert!(!world.told().contains("CANCELLED"));
}

#[test]
fn the_job_that_fails_to_prepare_keeps_its_error_and_the_others_are_cancelled() {
    let world = World::virtual_time();
    let txn = JobTxn::new();
    let jobs = ["j1", "j2"].map(|id| {
        let driver = TestJob::new();
        let options = JobOptions {
            txn: Some(txn.clone()),
            ..JobOptions::default()
        };
        let job = world.job_with(id, driver.clone(), options);
        job.start();
        (job, driver)
    });
    // Prepared last, after the other one has been; and it is the other one that ends last.
    jobs[0].1.prepare_fails_with.replace(Some(EIO));
    for (job, driver) in &jobs {
        driver.converge(&world, job);
        job.complete().expect("a ready job completes");
    }
    world.poll_until(|| jobs.iter().all(|(job, _)| job.status() == JobStatus::Null));
    assert_eq!(jobs[0].0.ret(), Err(EIO));
    assert_eq!(jobs[1].0.ret(), Err(JobError::Cancelled));
    assert_eq!(jobs[1].1.asked(), "prepare abort clean");
}

//! A job through its states to its end. The cases are those of QEMU's test-blockjob.

#[macro_use]
mod common;

use std::rc::Rc;

use blockjob_jobs::error::JobError;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::state::JobStatus;
use common::{TestJob, manual};

/// Cancels by force and waits; then the job has to be dismissed, or is gone already.
fn cancel_and_expect(job: &Job, dismissed_by_itself: bool) {
    let _result = job.cancel_sync(true);
    if !dismissed_by_itself {
        assert_eq!(job.status(), JobStatus::Concluded);
        assert_eq!(job.result(), Some(Err(JobError::Cancelled)));
        job.dismiss().expect("a concluded job is dismissed");
    }
    assert_eq!(job.status(), JobStatus::Null);
}

in_both_lives! {
    fn a_created_job_that_is_cancelled_is_gone_without_a_dismiss(world) {
        let job = world.job("j0", TestJob::new());
        assert_eq!(job.status(), JobStatus::Created);
        cancel_and_expect(&job, true);
        assert!(world.list.jobs().is_empty());
        assert_eq!(world.told(), "created, aborting, concluded, null");
    }

    fn a_running_job_that_is_cancelled_waits_to_be_dismissed(world) {
        let (job, _) = world.started("j0");
        assert_eq!(job.status(), JobStatus::Running);
        cancel_and_expect(&job, false);
    }

    fn a_paused_job_that_is_cancelled_waits_to_be_dismissed(world) {
        let (job, _) = world.started("j0");
        job.user_pause().expect("a running job can be paused");
        assert_eq!(job.status(), JobStatus::Paused);
        cancel_and_expect(&job, false);
    }

    fn a_ready_job_that_is_cancelled_waits_to_be_dismissed(world) {
        let (job, driver) = world.started("j0");
        driver.converge(&world, &job);
        cancel_and_expect(&job, false);
    }

    fn a_standby_job_that_is_cancelled_waits_to_be_dismissed(world) {
        let (job, driver) = world.started("j0");
        driver.converge(&world, &job);
        job.user_pause().expect("a ready job can be paused");
        assert_eq!(job.status(), JobStatus::Standby);
        cancel_and_expect(&job, false);
    }

    fn a_job_stays_ready_until_the_main_loop_completes_it_and_pending_it_can_be_cancelled(world) {
        let (job, driver) = world.started("j0");
        driver.converge(&world, &job);
        job.complete().expect("a ready job can be completed");
        world.poll_until(|| job.deferred_to_main_loop());
        assert_eq!(job.status(), JobStatus::Ready);
        world.poll_until(|| job.status() != JobStatus::Ready);
        assert_eq!(job.status(), JobStatus::Pending);
        cancel_and_expect(&job, false);
        assert_eq!(driver.asked(), "abort clean");
    }

    fn a_concluded_job_that_is_cancelled_is_dismissed_by_that(world) {
        let (job, driver) = world.started("j0");
        driver.converge(&world, &job);
        job.complete().expect("a ready job can be completed");
        world.poll_until_status(&job, JobStatus::Pending);
        job.finalize().expect("a pending job can be finalized");
        assert_eq!(job.status(), JobStatus::Concluded);
        cancel_and_expect(&job, true);
        assert_eq!(job.result(), Some(Ok(())));
        assert_eq!(driver.asked(), "prepare commit clean");
    }

    fn complete_sync_waits_until_the_transaction_is_decided(world) {
        let (job, driver) = world.started("j0");
        driver.converge(&world, &job);
        assert_eq!(job.complete_sync(), Ok(()));
        assert_eq!(job.status(), JobStatus::Pending);
    }

    fn cancel_sync_all_leaves_no_job_behind_in_whatever_state(world) {
        let (_running, _) = world.started("running");
        let (paused, _) = world.started("paused");
        paused.user_pause().expect("a running job can be paused");
        let (ready, driver) = world.started("ready");
        driver.converge(&world, &ready);
        let (done, driver) = world.started("done");
        driver.should_complete.set(true);
        world.poll_until_status(&done, JobStatus::Pending);
        done.finalize().expect("a pending job can be finalized");
        let _created = world.job("created", TestJob::new());
        world.list.cancel_sync_all();
        assert!(world.list.jobs().is_empty());
        assert_eq!(done.result(), Some(Ok(())));
        assert_eq!(ready.result(), Some(Err(JobError::Cancelled)));
    }

    fn with_nothing_left_to_the_user_a_job_goes_by_itself_and_says_so_in_order(world) {
        let driver = TestJob::new();
        let job = world.job_with("j0", driver.clone(), JobOptions::default());
        job.start();
        world.note("return");
        driver.converge(&world, &job);
        job.complete().expect("a ready job can be completed");
        world.note("return");
        world.poll_until_status(&job, JobStatus::Null);
        assert_eq!(
            world.told(),
            "created, running, return, ready, BLOCK_JOB_READY, return, waiting, pending, \
             BLOCK_JOB_COMPLETED, concluded, null"
        );
    }

    fn a_job_that_waits_for_its_user_says_that_it_does(world) {
        let (job, driver) = world.started("j0");
        driver.should_complete.set(true);
        world.poll_until_status(&job, JobStatus::Pending);
        assert_eq!(world.told(), "created, running, waiting, pending, BLOCK_JOB_PENDING");
        job.finalize().expect("a pending job can be finalized");
        world.note("return");
        job.dismiss().expect("a concluded job can be dismissed");
        world.note("return");
        assert_eq!(world.told(), "BLOCK_JOB_COMPLETED, concluded, return, null, return");
    }

    fn a_job_that_fails_tells_why(world) {
        let driver = TestJob::failing(common::EIO);
        let job = world.job("j0", driver.clone());
        job.start();
        driver.should_complete.set(true);
        world.poll_until_status(&job, JobStatus::Concluded);
        assert_eq!(job.result(), Some(Err(common::EIO)));
        assert_eq!(job.error_text().as_deref(), Some("Input/output error"));
        assert_eq!(driver.asked(), "abort clean");
        assert_eq!(
            world.told(),
            "created, running, aborting, BLOCK_JOB_COMPLETED(Input/output error), concluded"
        );
    }

    fn a_job_whose_last_step_fails_is_aborted(world) {
        let (job, driver) = world.started("j0");
        driver.prepare_fails_with.replace(Some(common::EIO));
        driver.should_complete.set(true);
        world.poll_until_status(&job, JobStatus::Pending);
        job.finalize().expect("that it fails is the job's result");
        assert_eq!(job.result(), Some(Err(common::EIO)));
        assert_eq!(driver.asked(), "prepare abort clean");
    }
}

#[test]
fn the_outcome_is_told_to_whoever_asked_before_the_last_event_and_once() {
    let world = Rc::new(common::World::virtual_time());
    let (job, driver) = world.started("j0");
    let told = Rc::downgrade(&world);
    job.on_finished(move |job, result| {
        assert_eq!((job.status(), result), (JobStatus::Pending, &Ok(())));
        told.upgrade().expect("the test goes on").note("finished");
    });
    driver.should_complete.set(true);
    world.poll_until_status(&job, JobStatus::Pending);
    world.told();
    assert_eq!(job.result(), None);
    job.finalize().expect("a pending job can be finalized");
    assert_eq!(world.told(), "finished, BLOCK_JOB_COMPLETED, concluded");
    assert_eq!(job.result(), Some(Ok(())));
}

#[test]
fn ids_follow_the_rules_and_can_be_used_again() {
    let world = common::World::virtual_time();
    let create = |id| Job::create(&world.list, id, TestJob::new(), manual());
    for id in ["0id", "", "   ", "123", "_id", "-id", ".id", "#id"] {
        let error = create(Some(id)).expect_err(id);
        assert_eq!(error.to_string(), format!("Invalid job ID '{id}'"));
    }
    assert_eq!(create(None).expect_err("no id"), JobError::IdRequired);
    let first = create(Some("id0")).expect("the id is free");
    let error = create(Some("id0")).expect_err("the id is taken");
    assert_eq!(error.to_string(), "Job ID 'id0' already in use");
    assert!(Rc::ptr_eq(&world.list.get("id0").expect("listed"), &first));
    let second = create(Some("id1")).expect("the id is free");
    first.early_fail();
    let third = create(Some("id0")).expect("the id is free again");
    let listed: Vec<_> = world
        .list
        .jobs()
        .iter()
        .map(|job| job.label().to_string())
        .collect();
    assert_eq!(listed, ["id0", "id1"]);
    second.early_fail();
    third.early_fail();
    assert!(world.list.jobs().is_empty());
    assert_eq!(
        world.list.find("id0").expect_err("gone"),
        JobError::NotFound
    );
    let error = world.list.find_block_job("id0").expect_err("gone");
    assert_eq!(error.to_string(), "Block job 'id0' not found");
}

#[test]
fn an_internal_job_has_no_id_and_sends_no_events() {
    let world = common::World::virtual_time();
    let internal = JobOptions {
        internal: true,
        ..JobOptions::default()
    };
    let error = Job::create(&world.list, Some("x"), TestJob::new(), internal.clone());
    error.expect_err("an internal job has no id");
    let driver = TestJob::new();
    let job = Job::create(&world.list, None, driver.clone(), internal).expect("it needs no id");
    job.start();
    driver.should_complete.set(true);
    world.poll_until_status(&job, JobStatus::Null);
    assert_eq!(world.told(), "");
}

#[test]
fn a_job_with_a_negative_speed_is_announced_and_taken_back() {
    let world = common::World::virtual_time();
    let options = JobOptions {
        speed_bytes_per_s: -1,
        ..JobOptions::default()
    };
    let error = Job::create(&world.list, Some("j0"), TestJob::new(), options);
    let error = error.expect_err("no job is that slow");
    assert_eq!(
        error.to_string(),
        "Parameter 'speed' expects a non-negative value"
    );
    assert_eq!(world.told(), "created, null");
    assert!(world.list.jobs().is_empty());
}

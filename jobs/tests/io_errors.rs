//! What a job does about failed requests, by policy.

mod common;

use std::rc::Rc;

use blockjob_jobs::driver::JobDriver;
use blockjob_jobs::error::{ENOSPC, JobError};
use blockjob_jobs::error_policy::{ErrorAction, IoStatus, OnError};
use blockjob_jobs::state::JobStatus;
use common::{World, scripted};

/// Two writes fail with `errno`, at once and again after the pause that they may lead to.
fn failing(policy: OnError, errno: i32) -> Rc<dyn JobDriver> {
    scripted(move |job| {
        Box::pin(async move {
            for _ in 0..2 {
                let first = job.error_action(policy, false, errno);
                let second = job.error_action(policy, false, errno);
                assert_eq!(first, second);
                if first == ErrorAction::Report {
                    return Err(JobError::Io { errno });
                }
                job.pause_point().await;
            }
            Ok(())
        })
    })
}

const STOPPED: &str = "BLOCK_JOB_ERROR(write stop), BLOCK_JOB_ERROR(write stop), paused";

#[test]
fn a_reported_error_fails_the_job() {
    let world = World::virtual_time();
    let job = world.job("j0", failing(OnError::Report, 5));
    job.start();
    world.poll_until_status(&job, JobStatus::Concluded);
    assert_eq!(job.io_status(), IoStatus::Ok);
    assert_eq!(
        world.told(),
        "created, running, BLOCK_JOB_ERROR(write report), BLOCK_JOB_ERROR(write report), \
         aborting, BLOCK_JOB_COMPLETED(Input/output error), concluded"
    );
}

#[test]
fn an_ignored_error_changes_nothing() {
    let world = World::virtual_time();
    let job = world.job("j0", failing(OnError::Ignore, 5));
    job.start();
    world.poll_until_status(&job, JobStatus::Pending);
    assert_eq!(job.io_status(), IoStatus::Ok);
    assert!(!world.told().contains("paused"));
}

#[test]
fn errors_that_stop_a_job_pause_it_once_until_the_user_resumes_it() {
    let world = World::virtual_time();
    let job = world.job("j0", failing(OnError::Stop, 5));
    job.start();
    assert_eq!(world.told(), format!("created, running, {STOPPED}"));
    assert_eq!((job.pause_count(), job.io_status()), (1, IoStatus::Failed));
    assert!(job.is_user_paused());
    assert_eq!(job.user_pause(), Err(JobError::AlreadyPaused));
    job.user_resume().expect("the job was paused for the user");
    assert_eq!(world.told(), format!("running, {STOPPED}"));
    job.user_resume().expect("the job was paused for the user");
    assert_eq!(job.io_status(), IoStatus::Ok);
    world.poll_until_status(&job, JobStatus::Pending);
}

#[test]
fn a_full_disk_stops_a_job_that_waits_for_room_and_another_error_does_not() {
    for policy in [OnError::Enospc, OnError::Auto] {
        let world = World::virtual_time();
        let job = world.job("j0", failing(policy, ENOSPC));
        job.start();
        assert_eq!(
            (job.status(), job.io_status()),
            (JobStatus::Paused, IoStatus::Nospace)
        );
        let other = world.job("other", failing(policy, 5));
        other.start();
        world.poll_until_status(&other, JobStatus::Concluded);
    }
}

#[test]
fn a_job_that_an_error_stopped_can_be_cancelled() {
    let world = World::virtual_time();
    let driver = scripted(|job| {
        Box::pin(async move {
            job.error_action(OnError::Stop, true, 5);
            job.pause_point().await;
            assert!(job.is_cancelled());
            Ok(())
        })
    });
    let job = world.job("j0", driver);
    job.start();
    world.told();
    assert!(job.block_job_cancel(false).is_err());
    job.user_cancel(true)
        .expect("a paused job can be cancelled");
    world.note("return");
    world.poll_until_status(&job, JobStatus::Concluded);
    assert_eq!(job.io_status(), IoStatus::Ok);
    assert_eq!(
        world.told(),
        "running, return, aborting, BLOCK_JOB_CANCELLED, concluded"
    );
}

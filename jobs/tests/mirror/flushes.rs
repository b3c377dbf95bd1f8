//! A target that cannot be flushed, before READY and in the last moment.

use std::cell::Cell;

use blockjob_block::driver::blkdebug::IoType;
use blockjob_jobs::error::{EIO, JobError};
use blockjob_jobs::error_policy::OnError;
use blockjob_jobs::mirror::MirrorEnd;
use blockjob_jobs::state::JobStatus;

use crate::faults::{LEN, Scene, Side, error_event, fault};
use crate::support::SECOND;

#[test]
fn a_target_that_cannot_be_flushed_goes_by_its_policy() {
    for (policy, action) in [
        (OnError::Report, "report"),
        (OnError::Ignore, "ignore"),
        (OnError::Stop, "stop"),
    ] {
        let scene = Scene::new();
        let side = Side::Target;
        scene.inject(side, fault(IoType::Flush, EIO).once());
        let options = scene.options(side, policy);
        let world = &scene.world;
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
        if policy == OnError::Report {
            let outcome = world.until_end(&job, &mirror);
            assert_eq!(outcome.end, MirrorEnd::Failed(JobError::Io { errno: EIO }));
        } else {
            if policy == OnError::Stop {
                world.until_status(&job, JobStatus::Paused);
                job.user_resume().expect("it was paused");
            }
            let outcome = world.complete(&job, &mirror);
            scene.assert_copied(&outcome);
            assert_eq!(outcome.stats.flushes, 2, "before READY, and in the end");
        }
        let events = world.take_events();
        assert_eq!(events[2], error_event(side, action));
    }
}

#[test]
fn a_flush_that_fails_in_the_last_moment_keeps_the_job_from_ending() {
    for (policy, ends) in [
        (OnError::Report, true),
        (OnError::Ignore, false),
        (OnError::Stop, false),
    ] {
        let scene = Scene::new();
        let side = Side::Target;
        let options = scene.options(side, policy);
        let world = &scene.world;
        let blk = world.guest("drive0", &scene.source);
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
        world.until_ready(&job);
        world.take_events();
        scene.inject(side, fault(IoType::Flush, EIO).once());
        job.complete().expect("a ready job completes");
        if ends {
            let outcome = world.until_end(&job, &mirror);
            assert_eq!(outcome.end, MirrorEnd::Failed(JobError::Io { errno: EIO }));
            assert_eq!(blk.node().expect("it has one").name(), "source");
        } else {
            if policy == OnError::Stop {
                world.until_status(&job, JobStatus::Standby);
                assert_eq!(scene.source.quiesce_counter(), 0, "the guest goes on");
                job.user_resume().expect("it was paused");
            }
            let outcome = world.until_end(&job, &mirror);
            scene.assert_copied(&outcome);
        }
        world.assert_nothing_left(job, mirror);
    }
}

/// The peer once looked whether it was cancelled behind a `continue` that a failed flush takes.
#[test]
fn a_job_whose_flush_never_succeeds_is_cancelled_by_force() {
    for policy in [OnError::Ignore, OnError::Stop] {
        for ready_first in [false, true] {
            let scene = Scene::new();
            let side = Side::Target;
            let options = scene.options(side, policy);
            let world = &scene.world;
            if !ready_first {
                scene.inject(side, fault(IoType::Flush, EIO));
            }
            let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
            if ready_first {
                world.until_ready(&job);
                scene.inject(side, fault(IoType::Flush, EIO));
                job.complete().expect("a ready job completes");
            }
            world.pass(SECOND);
            assert!(!job.is_completed());
            let asked_ns = world.ctx.now_ns();
            job.user_cancel(true).expect("it can be cancelled");
            let requests = scene.copy.requests();
            assert_eq!(world.until_end(&job, &mirror).end, MirrorEnd::Abandoned);
            assert_eq!(scene.copy.requests(), requests, "nothing more is begun");
            assert!(world.ctx.now_ns() - asked_ns < SECOND, "at once");
            world.assert_nothing_left(job, mirror);
        }
    }
}

#[test]
fn what_a_failed_flush_did_not_make_safe_is_copied_again() {
    let scene = Scene::new();
    let options = scene.options(Side::Target, OnError::Ignore);
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    scene.inject(Side::Target, fault(IoType::Flush, EIO).once());
    // A target that could not write and will not try again: it has forgotten what it was given.
    let forgot = Cell::new(false);
    world.until(|| {
        let failed = world
            .events_of("job0")
            .contains(&error_event(Side::Target, "ignore"));
        if failed && !forgot.replace(failed) {
            scene.copy.disk.zero_at(0, LEN, true);
        }
        job.is_ready()
    });
    assert!(forgot.get());
    let outcome = world.complete(&job, &mirror);
    scene.assert_copied(&outcome);
}

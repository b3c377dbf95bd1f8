//! Requests that fail: every policy on both sides, what watchers are told, and what becomes of the
//! job and of the copy.

use blockjob_block::driver::blkdebug::{Event, InjectError, IoType};
use blockjob_block::driver::mem::Fill;
use blockjob_jobs::error::{EIO, ENOSPC, JobError};
use blockjob_jobs::error_policy::{IoStatus, OnError};
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions};
use blockjob_jobs::state::JobStatus;

use crate::faults::{FAULTS, LEN, Scene, Side, error_event, fault};
use crate::lab::{Kind, LabOptions};
use crate::support::{KIB, MIB, SECOND, World, options};

#[test]
fn a_reported_error_ends_the_job_with_the_systems_words() {
    for (side, io_type) in FAULTS {
        for (policy, errno, text) in [
            (OnError::Report, EIO, "Input/output error"),
            (OnError::Report, ENOSPC, "No space left on device"),
            (OnError::Enospc, EIO, "Input/output error"),
            (OnError::Auto, EIO, "Input/output error"),
        ] {
            let scene = Scene::new();
            scene.inject(side, fault(io_type, errno).once());
            let options = scene.options(side, policy);
            let world = &scene.world;
            let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
            let outcome = world.until_end(&job, &mirror);
            assert_eq!(outcome.end, MirrorEnd::Failed(JobError::Io { errno }));
            assert!(!outcome.is_copy());
            let events = world.take_events();
            assert_eq!(events[2], error_event(side, "report"), "{io_type:?}");
            let completed = format!("BLOCK_JOB_COMPLETED({text})");
            let end = ["aborting", &completed, "concluded", "null"];
            assert_eq!(events[3..], end, "{io_type:?}");
            assert_eq!(job.io_status(), IoStatus::Ok);
            world.assert_nothing_left(job, mirror);
        }
    }
}

#[test]
fn an_error_that_stops_the_job_is_mended_and_the_job_finishes() {
    for (side, io_type) in FAULTS {
        for (policy, errno, status) in [
            (OnError::Stop, EIO, IoStatus::Failed),
            (OnError::Stop, ENOSPC, IoStatus::Nospace),
            (OnError::Enospc, ENOSPC, IoStatus::Nospace),
            (OnError::Auto, ENOSPC, IoStatus::Nospace),
        ] {
            let scene = Scene::new();
            scene.inject(side, fault(io_type, errno));
            let options = scene.options(side, policy);
            let world = &scene.world;
            let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
            world.until_status(&job, JobStatus::Paused);
            assert_eq!(job.io_status(), status);
            assert!(job.is_user_paused());
            let events = world.take_events();
            let (errors, paused) = events[2..].split_at(events.len() - 3);
            assert!(!errors.is_empty());
            for event in errors {
                assert_eq!(*event, error_event(side, "stop"));
            }
            assert_eq!(paused, ["paused"]);
            let already = job.user_pause().expect_err("it is paused");
            assert_eq!(already.to_string(), "Job is already paused");
            let requests = scene.copy.requests() + scene.disk.requests();
            world.pass(SECOND);
            assert_eq!(scene.copy.requests() + scene.disk.requests(), requests);

            scene.faults[side as usize].clear_errors();
            job.user_resume().expect("it was paused");
            assert_eq!(job.io_status(), IoStatus::Ok);
            let outcome = world.complete(&job, &mirror);
            scene.assert_copied(&outcome);
            assert!(outcome.stats.recopied_bytes > 0);
            world.assert_nothing_left(job, mirror);
        }
    }
}

#[test]
fn a_stopped_job_that_is_resumed_too_early_stops_again() {
    let scene = Scene::new();
    let side = Side::Target;
    scene.inject(side, fault(IoType::Write, ENOSPC));
    let world = &scene.world;
    let options = scene.options(side, OnError::Enospc);
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    for _ in 0..3 {
        world.until_status(&job, JobStatus::Paused);
        assert_eq!(job.io_status(), IoStatus::Nospace);
        job.user_resume().expect("it was paused");
    }
    world.until_status(&job, JobStatus::Paused);
    job.user_cancel(true).expect("a paused job can be");
    assert_eq!(world.until_end(&job, &mirror).end, MirrorEnd::Abandoned);
    world.assert_nothing_left(job, mirror);
}

#[test]
fn an_ignored_error_is_tried_again_and_the_copy_is_whole() {
    for (side, io_type) in FAULTS {
        for errno in [EIO, ENOSPC] {
            let scene = Scene::new();
            for _ in 0..5 {
                scene.inject(side, fault(io_type, errno).once());
            }
            let options = scene.options(side, OnError::Ignore);
            let world = &scene.world;
            let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
            let outcome = world.complete(&job, &mirror);
            scene.assert_copied(&outcome);
            let events = world.take_events();
            let ignored = error_event(side, "ignore");
            assert_eq!(events.iter().filter(|event| **event == ignored).count(), 5);
            assert_eq!(events[events.len() - 5], "waiting");
            assert_eq!(job.io_status(), IoStatus::Ok);
        }
    }
}

/// The peer tries again as fast as it can, and fills the log of whoever watches.
#[test]
fn an_error_that_stays_is_tried_again_a_few_times_a_second() {
    let scene = Scene::new();
    let side = Side::Target;
    let error = fault(IoType::Write, EIO);
    scene.inject(side, error.range(300 * KIB..301 * KIB).immediately());
    *scene.disk.half_ns.borrow_mut() = 0..0;
    *scene.copy.half_ns.borrow_mut() = 0..0;
    let options = scene.options(side, OnError::Ignore);
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    world.pass(10 * SECOND);
    assert_eq!(job.status(), JobStatus::Running, "one granule is missing");
    let errors = world.take_events().len() - 2;
    assert!(
        (20..200).contains(&errors),
        "{errors} errors in ten seconds"
    );
    assert!(mirror.is_dirty(300 * KIB));
    assert!(mirror.dirty_bytes() <= 64 * KIB, "one request failed");
    scene.faults[1].clear_errors();
    let outcome = world.complete(&job, &mirror);
    scene.assert_copied(&outcome);
}

#[test]
fn an_error_of_some_range_leaves_the_rest_alone() {
    let scene = Scene::new();
    let side = Side::Source;
    let error = fault(IoType::Read, EIO);
    scene.inject(side, error.range(100 * KIB..100 * KIB + 1));
    let options = scene.options(side, OnError::Stop);
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    world.until_status(&job, JobStatus::Paused);
    assert!(mirror.is_dirty(100 * KIB));
    scene.faults[0].clear_errors();
    job.user_resume().expect("it was paused");
    let outcome = world.complete(&job, &mirror);
    scene.assert_copied(&outcome);
}

#[test]
fn of_many_granules_taken_together_only_those_that_failed_are_taken_again() {
    let world = World::new();
    let (source, _) = world.lab("source", LabOptions::new(8 * MIB));
    let (copy, _) = world.lab("copy", LabOptions::new(8 * MIB).fill(Fill::Zeroes));
    let (target, faults) = world.blkdebug("target", &copy);
    let error = InjectError::new(Event::NONE).io_type(IoType::Write);
    faults.inject_error(error.range(5 * MIB..5 * MIB + 1).once());
    let options = MirrorOptions {
        on_target_error: OnError::Ignore,
        ..options()
    };
    let (job, mirror) = world.mirror(&source, &target, &options);
    let outcome = world.complete(&job, &mirror);
    assert!(outcome.is_copy());
    assert_eq!(outcome.stats.recopied_bytes, MIB);
    assert_eq!(outcome.stats.copied_bytes, 8 * MIB);
}

#[test]
fn block_status_that_fails_in_the_loop_is_no_error_but_a_copy() {
    let scene = Scene::new();
    let faults = [Side::Source, Side::Target];
    for side in faults {
        scene.inject(side, fault(IoType::BlockStatus, EIO));
    }
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options());
    let outcome = world.complete(&job, &mirror);
    scene.assert_copied(&outcome);
    assert_eq!(outcome.stats.copied_bytes, LEN, "also what is zero");
}

#[test]
fn block_status_that_fails_before_the_loop_ends_the_job() {
    let scene = Scene::new();
    let side = Side::Source;
    scene.inject(side, fault(IoType::BlockStatus, EIO));
    let options = MirrorOptions {
        zero_target: false,
        ..options()
    };
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    let outcome = world.until_end(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Failed(JobError::Io { errno: EIO }));
    assert_eq!(scene.copy.requests(), 0);
    let events = world.take_events();
    assert_eq!(events[2], "aborting");
    world.assert_nothing_left(job, mirror);
}

#[test]
fn an_error_while_the_user_pauses_it_waits_with_the_job() {
    let scene = Scene::new();
    let side = Side::Target;
    let world = &scene.world;
    let options = scene.options(side, OnError::Stop);
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    scene.inject(side, fault(IoType::Write, EIO).once());
    // Requests are in flight, and one of them is about to fail.
    job.user_pause().expect("it can be paused");
    world.until_status(&job, JobStatus::Paused);
    job.user_resume().expect("it was paused");
    world.pass(SECOND);
    if job.is_user_paused() {
        job.user_resume().expect("it was paused");
    }
    let outcome = world.complete(&job, &mirror);
    scene.assert_copied(&outcome);
}

#[test]
fn statistics_say_what_was_done() {
    let scene = Scene::new();
    let world = &scene.world;
    scene.copy.disk.zero_at(160 * KIB, 32 * KIB, true);
    let options = scene.options(Side::Target, OnError::Ignore);
    let fault = fault(IoType::Write, EIO);
    scene.inject(Side::Target, fault.range(0..1).once());
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    let outcome = world.complete(&job, &mirror);
    scene.assert_copied(&outcome);
    let stats = outcome.stats;
    assert_eq!(stats.skipped_bytes, 32 * KIB, "zero on both sides");
    assert_eq!(stats.zeroed_bytes, 32 * KIB);
    assert_eq!(stats.flushes, 2);
    assert_eq!(
        scene.copy.count(Kind::Flush),
        1,
        "the second had nothing to do"
    );
    // The claim whose first request failed is done again, as a whole.
    assert_eq!(stats.recopied_bytes, 64 * KIB);
    assert!(stats.copied_bytes >= LEN - 64 * KIB);
    assert_eq!(outcome.len_bytes, LEN);
}

//! Requests that fail: every policy on both sides, what watchers are told, and what becomes of the
//! job and of the copy.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::blkdebug::{Blkdebug, Event, InjectError, IoType};
use blockjob_block::driver::mem::Fill;
use blockjob_jobs::error::{EIO, ENOSPC, JobError};
use blockjob_jobs::error_policy::{IoStatus, OnError};
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions, Outcome};
use blockjob_jobs::state::JobStatus;

use crate::lab::{Kind, Lab, LabOptions};
use crate::support::{KIB, MIB, SECOND, World, assert_same, options};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Source,
    Target,
}

struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
    disk: Rc<Lab>,
    copy: Rc<Lab>,
    faults: [Blkdebug; 2],
}

const LEN: u64 = 512 * KIB;

impl Scene {
    fn new() -> Scene {
        let world = World::new();
        let lab = LabOptions::new(LEN).half_ns(10_000..90_000);
        let (disk_node, disk) = world.lab("disk", lab.clone());
        let (copy_node, copy) = world.lab("copy", lab.fill(Fill::Noise(99)).seed(5));
        disk.disk.zero_at(128 * KIB, 64 * KIB, true);
        let (source, on_source) = world.blkdebug("source", &disk_node);
        let (target, on_target) = world.blkdebug("target", &copy_node);
        Scene {
            world,
            source,
            target,
            disk,
            copy,
            faults: [on_source, on_target],
        }
    }

    fn fault(&self, side: Side, io_type: IoType, errno: i32) -> InjectError {
        let _ = side;
        InjectError::new(Event::NONE).io_type(io_type).errno(errno)
    }

    fn inject(&self, side: Side, error: InjectError) {
        self.faults[side as usize].inject_error(error);
    }

    fn options(&self, side: Side, policy: OnError) -> MirrorOptions {
        let mut options = MirrorOptions {
            granularity: 16 * KIB,
            buf_size: 64 * KIB,
            ..options()
        };
        match side {
            Side::Source => options.on_source_error = policy,
            Side::Target => options.on_target_error = policy,
        }
        options
    }

    fn assert_copied(&self, outcome: &Outcome) {
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        assert!(outcome.is_copy());
        assert_same(&self.copy.content(), &self.disk.content());
    }
}

/// The ways in which a request of a mirror fails.
const FAULTS: [(Side, IoType); 3] = [
    (Side::Source, IoType::Read),
    (Side::Target, IoType::Write),
    (Side::Target, IoType::WriteZeroes),
];

fn error_event(side: Side, action: &str) -> String {
    let operation = match side {
        Side::Source => "read",
        Side::Target => "write",
    };
    format!("BLOCK_JOB_ERROR({operation} {action})")
}

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
            scene.inject(side, scene.fault(side, io_type, errno).once());
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
            scene.inject(side, scene.fault(side, io_type, errno));
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
    scene.inject(side, scene.fault(side, IoType::Write, ENOSPC));
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
                scene.inject(side, scene.fault(side, io_type, errno).once());
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
    let error = scene.fault(side, IoType::Write, EIO);
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
    let error = scene.fault(side, IoType::Read, EIO);
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
        scene.inject(side, scene.fault(side, IoType::BlockStatus, EIO));
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
    scene.inject(side, scene.fault(side, IoType::BlockStatus, EIO));
    let options = MirrorOptions {
        zero_target: false,
        ..options()
    };
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    let outcome = world.until_end(&job, &mirror);
    assert!(matches!(outcome.end, MirrorEnd::Failed(_)), "{outcome:?}");
    assert_eq!(scene.copy.requests(), 0);
    let events = world.take_events();
    assert_eq!(events[2], "aborting");
    world.assert_nothing_left(job, mirror);
}

#[test]
fn a_target_that_cannot_be_flushed_goes_by_its_policy() {
    for (policy, action) in [
        (OnError::Report, "report"),
        (OnError::Ignore, "ignore"),
        (OnError::Stop, "stop"),
    ] {
        let scene = Scene::new();
        let side = Side::Target;
        scene.inject(side, scene.fault(side, IoType::Flush, EIO).once());
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
        scene.inject(side, scene.fault(side, IoType::Flush, EIO).once());
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
                scene.inject(side, scene.fault(side, IoType::Flush, EIO));
            }
            let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
            if ready_first {
                world.until_ready(&job);
                scene.inject(side, scene.fault(side, IoType::Flush, EIO));
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
fn an_error_while_the_user_pauses_it_waits_with_the_job() {
    let scene = Scene::new();
    let side = Side::Target;
    let world = &scene.world;
    let options = scene.options(side, OnError::Stop);
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    scene.inject(side, scene.fault(side, IoType::Write, EIO).once());
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
    let fault = scene.fault(Side::Target, IoType::Write, EIO);
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

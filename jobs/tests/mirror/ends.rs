//! The ends of a mirror, what each tells watchers, and what the target is then.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::mem::Fill;
use blockjob_jobs::error::JobError;
use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions};
use blockjob_jobs::state::JobStatus;
use bytes::Bytes;

use crate::guests::{Guest, Habits};
use crate::lab::{Lab, LabOptions};
use crate::model::Model;
use crate::support::{KIB, MS, SECOND, World, assert_same, options, step_of};

struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
    disk: Rc<Lab>,
    copy: Rc<Lab>,
    model: Rc<Model>,
    guest: Rc<Guest>,
}

impl Scene {
    fn new(seed: u64) -> Scene {
        let world = World::new();
        let lab = LabOptions::new(256 * KIB).half_ns(10_000..90_000);
        let (source, disk) = world.lab("source", lab.clone().seed(seed));
        let lab = lab.fill(Fill::Noise(99)).seed(seed + 1);
        let (target, copy) = world.lab("target", lab);
        let blk = world.guest("drive0", &source);
        let model = Rc::new(Model::new(disk.content()));
        let habits = Habits::new(seed).depth(2).max_sectors(4).rest_ns(2 * MS);
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        Scene {
            world,
            source,
            target,
            disk,
            copy,
            model,
            guest,
        }
    }

    fn used_by_guest(&self) -> String {
        let blk = self
            .world
            .graph
            .find_backend("drive0")
            .expect("it is there");
        blk.node().expect("it has one").name().to_owned()
    }
}

const READY: [&str; 4] = ["created", "running", "ready", "BLOCK_JOB_READY"];
const DONE: [&str; 5] = [
    "waiting",
    "pending",
    "BLOCK_JOB_COMPLETED",
    "concluded",
    "null",
];
const CANCELLED: [&str; 4] = ["aborting", "BLOCK_JOB_CANCELLED", "concluded", "null"];

#[test]
fn a_soft_cancel_after_ready_leaves_a_copy_of_that_moment() {
    for seed in 1..20 {
        let scene = Scene::new(seed);
        let world = &scene.world;
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &options());
        world.until_ready(&job);
        assert_eq!(world.take_events(), READY);
        world.pass(seed * 300_000);
        // In the last step the source is drained: this is the moment.
        let moment = Rc::new(RefCell::new(None));
        let (noted, disk) = (moment.clone(), scene.disk.clone());
        world.diary.on_event(move |_, event| {
            if step_of(event) == Some(Step::M17) {
                *noted.borrow_mut() = Some(disk.content());
            }
        });
        job.block_job_cancel(false).expect("a ready job can be");
        assert_eq!(job.status(), JobStatus::Ready, "it ends some time later");
        let outcome = world.until_end(&job, &mirror);
        assert_eq!(outcome.end, MirrorEnd::PointInTime);
        assert!(outcome.is_copy());
        assert_eq!(world.take_events(), DONE);
        assert_eq!(scene.used_by_guest(), "source");
        let before = scene.guest.done.get();
        world.until(|| scene.guest.done.get() > before + 10);
        scene.guest.stop();
        let moment = moment.take().expect("the step was taken");
        assert_same(&scene.copy.content(), &moment);
        scene
            .model
            .assert_legal(&scene.disk.content(), "the source");
        world.assert_nothing_left(job, mirror);
    }
}

#[test]
fn a_cancel_before_ready_abandons_the_copy_whatever_its_kind() {
    for (at_ns, force) in [(0, true), (0, false), (20_000, false), (35_000, true)] {
        let scene = Scene::new(3);
        let world = &scene.world;
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &options());
        world.pass(at_ns);
        job.block_job_cancel(force).expect("a running job can be");
        let outcome = world.until_end(&job, &mirror);
        assert_eq!(outcome.end, MirrorEnd::Abandoned);
        assert!(!outcome.is_copy());
        assert_eq!(job.result(), Some(Err(JobError::Cancelled)));
        assert_eq!(world.take_events()[2..], CANCELLED);
        assert_eq!(scene.used_by_guest(), "source");
        scene.guest.stop();
        world.assert_nothing_left(job, mirror);
    }
}

#[test]
fn a_forced_cancel_abandons_the_copy_even_when_it_was_told_to_complete() {
    for completes in [false, true] {
        let scene = Scene::new(4);
        let world = &scene.world;
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &options());
        world.until_ready(&job);
        if completes {
            job.complete().expect("a ready job completes");
        }
        job.user_cancel(true).expect("a ready job can be");
        let outcome = world.until_end(&job, &mirror);
        assert_eq!(outcome.end, MirrorEnd::Abandoned);
        assert_eq!(world.take_events()[4..], CANCELLED);
        assert_eq!(scene.used_by_guest(), "source");
        scene.guest.stop();
        world.assert_nothing_left(job, mirror);
    }
}

#[test]
fn what_was_written_after_the_last_flush_is_not_said_to_be_flushed() {
    for writes in [false, true] {
        let scene = Scene::new(11);
        let world = &scene.world;
        scene.guest.stop();
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &options());
        world.until_ready(&job);
        if writes {
            let blk = world.graph.find_backend("drive0").expect("it is there");
            let data = Bytes::from(vec![1; 512]);
            let written = world
                .ctx
                .run("write", async move { blk.write(0, data).await });
            written.expect("the disk is good");
            world.pass(SECOND);
            assert_eq!(mirror.dirty_bytes(), 0, "it was copied");
        }
        job.block_job_cancel(true).expect("a ready job can be");
        let outcome = world.until_end(&job, &mirror);
        assert_eq!(outcome.flushed, !writes);
        assert!(!outcome.is_copy());
    }
}

#[test]
fn it_is_not_completed_before_it_is_ready_and_may_be_told_twice_after() {
    let scene = Scene::new(5);
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options());
    let refused = job.complete().expect_err("it is not ready");
    assert_eq!(
        refused.to_string(),
        "Job 'job0' in state 'running' cannot accept command verb 'complete'"
    );
    world.until_ready(&job);
    job.complete().expect("a ready job completes");
    if job.status() == JobStatus::Ready {
        job.complete().expect("it can be told again");
    }
    assert_eq!(world.until_end(&job, &mirror).end, MirrorEnd::Pivoted);
    assert!(job.complete().is_err());
    assert_eq!(world.take_events(), [&READY[..], &DONE].concat());
    scene.guest.stop();
    scene
        .model
        .assert_legal(&scene.copy.content(), "the target");
}

#[test]
fn a_job_that_was_softly_cancelled_is_not_completed() {
    let scene = Scene::new(6);
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options());
    world.until_ready(&job);
    job.block_job_cancel(false).expect("a ready job can be");
    let refused = job.complete().expect_err("it is being cancelled");
    assert_eq!(
        refused.to_string(),
        "The active block job 'job0' cannot be completed"
    );
    assert_eq!(world.until_end(&job, &mirror).end, MirrorEnd::PointInTime);
}

#[test]
fn without_auto_finalize_the_guest_waits_until_somebody_finalizes() {
    let scene = Scene::new(7);
    let world = &scene.world;
    let options = MirrorOptions {
        auto_finalize: false,
        ..options()
    };
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    world.until_ready(&job);
    job.complete().expect("a ready job completes");
    world.until_status(&job, JobStatus::Pending);
    let events = world.take_events();
    assert_eq!(events[4..], ["waiting", "pending", "BLOCK_JOB_PENDING"]);
    let (done, requests) = (scene.guest.done.get(), scene.disk.requests());
    world.pass(SECOND);
    assert_eq!(scene.guest.done.get(), done, "the source stays drained");
    assert_eq!(scene.disk.requests(), requests);
    assert!(mirror.outcome().is_none());
    job.finalize().expect("a pending job can be");
    assert_eq!(world.until_end(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_eq!(
        world.take_events(),
        ["BLOCK_JOB_COMPLETED", "concluded", "null"]
    );
    world.until(|| scene.guest.done.get() > done + 10);
    scene.guest.stop();
    scene
        .model
        .assert_legal(&scene.copy.content(), "the target");
}

/// A user may take hours to finalize, and the other guests of the context are not to wait for it.
#[test]
fn other_guests_are_masked_from_the_last_count_to_the_pivot_and_not_while_it_pends() {
    for auto_finalize in [true, false] {
        let scene = Scene::new(8);
        let world = &scene.world;
        let options = MirrorOptions {
            auto_finalize,
            ..options()
        };
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
        world.until_ready(&job);
        let masked = Rc::new(Cell::new(false));
        let (noted, handle) = (masked.clone(), world.ctx.handle());
        world.diary.on_event(move |_, event| {
            if step_of(event) == Some(Step::M17) {
                noted.set(handle.external_disabled());
            }
        });
        job.complete().expect("a ready job completes");
        if !auto_finalize {
            world.until_status(&job, JobStatus::Pending);
            assert!(!world.ctx.handle().external_disabled());
            job.finalize().expect("a pending job can be");
        }
        world.until_end(&job, &mirror);
        assert_eq!(masked.get(), auto_finalize);
        assert!(!world.ctx.handle().external_disabled());
        scene.guest.stop();
    }
}

#[test]
fn a_pending_job_that_is_cancelled_leaves_the_guest_where_it_was() {
    let scene = Scene::new(9);
    let world = &scene.world;
    let options = MirrorOptions {
        auto_finalize: false,
        ..options()
    };
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    world.until_ready(&job);
    job.complete().expect("a ready job completes");
    world.until_status(&job, JobStatus::Pending);
    world.take_events();
    job.user_cancel(true).expect("a pending job can be");
    assert_eq!(world.take_events(), CANCELLED);
    let outcome = mirror.outcome().expect("it has ended");
    assert_eq!(outcome.end, MirrorEnd::Abandoned);
    assert_eq!(scene.used_by_guest(), "source");
    let done = scene.guest.done.get();
    world.until(|| scene.guest.done.get() > done + 10);
    scene.guest.stop();
    scene
        .model
        .assert_legal(&scene.disk.content(), "the source");
    world.assert_nothing_left(job, mirror);
}

#[test]
fn without_auto_dismiss_the_concluded_job_stays_on_the_list() {
    let scene = Scene::new(10);
    let world = &scene.world;
    let options = MirrorOptions {
        auto_dismiss: false,
        ..options()
    };
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_eq!(world.take_events()[4..], DONE[..4]);
    assert_eq!(job.status(), JobStatus::Concluded);
    assert!(world.jobs.get("job0").is_some());
    job.dismiss().expect("a concluded job can be");
    assert_eq!(world.take_events(), ["null"]);
    scene.guest.stop();
    world.assert_nothing_left(job, mirror);
}

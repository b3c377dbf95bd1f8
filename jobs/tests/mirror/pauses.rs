//! Pauses by users and by drained sections, at any moment: nothing is in flight meanwhile, and the
//! job goes on after.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::driver::mem::Fill;
use blockjob_block::request::{BlockTrace, RequestKind};
use blockjob_block::{Drained, Node};
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorOptions};
use blockjob_jobs::state::JobStatus;
use blockjob_runtime::trace::Event;
use bytes::{Bytes, BytesMut};

use crate::lab::{Lab, LabOptions};
use crate::support::{KIB, MS, SECOND, World, assert_same, options};

struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
    disk: Rc<Lab>,
    copy: Rc<Lab>,
}

impl Scene {
    /// Disks of which everything takes its time.
    fn new() -> Scene {
        let world = World::new();
        let lab = LabOptions::new(256 * KIB).half_ns(10_000..90_000);
        let lab = lab.status_ns(1_000..20_000);
        let (source, disk) = world.lab("source", lab.clone());
        let (target, copy) = world.lab("target", lab.fill(Fill::Noise(99)).seed(5));
        Scene {
            world,
            source,
            target,
            disk,
            copy,
        }
    }

    fn start(&self) -> (Rc<Job>, Rc<MirrorJob>) {
        let options = MirrorOptions {
            granularity: 4 * KIB,
            buf_size: 16 * KIB,
            ..options()
        };
        self.world.mirror(&self.source, &self.target, &options)
    }

    /// Nothing is in flight, and nothing begins for as long as `time_ns`.
    fn assert_still(&self, time_ns: u64, what: &str) {
        let requests = || self.disk.requests() + self.copy.requests();
        let in_flight = || self.disk.in_flight.get() + self.copy.in_flight.get();
        assert_eq!(in_flight(), 0, "{what}");
        let before = requests();
        self.world.pass(time_ns);
        assert_eq!(requests(), before, "{what}");
        assert_eq!(in_flight(), 0, "{what}");
    }

    fn finish(&self, job: Rc<Job>, mirror: Rc<MirrorJob>) {
        let outcome = self.world.complete(&job, &mirror);
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        assert_same(&self.copy.content(), &self.disk.content());
        self.world.assert_nothing_left(job, mirror);
    }
}

/// The moments at which something is done to the job: every few microseconds of its life, and after.
fn moments() -> impl Iterator<Item = u64> {
    (0..60).map(|step| step * 97_000)
}

#[test]
fn a_user_pauses_it_at_any_moment_and_it_goes_on_after() {
    for at_ns in moments() {
        let scene = Scene::new();
        let (job, mirror) = scene.start();
        scene.world.pass(at_ns);
        let (was, paused) = match job.status() {
            JobStatus::Running => (JobStatus::Running, JobStatus::Paused),
            _ => (JobStatus::Ready, JobStatus::Standby),
        };
        job.user_pause().expect("it can be paused");
        scene.world.until(|| job.is_paused());
        // It may have become ready on its way to the pause point.
        let status = job.status();
        assert!(status == paused || status == JobStatus::Standby);
        scene.assert_still(50 * MS, &format!("paused at {at_ns}"));
        job.user_resume().expect("it was paused");
        if status == paused {
            assert_eq!(job.status(), was);
        }
        scene.finish(job, mirror);
    }
}

#[test]
fn inside_of_a_drained_section_of_either_side_it_does_nothing() {
    type Drain = fn(&Scene) -> Drained;
    let drains: [Drain; 4] = [
        |scene| scene.source.drained_begin("test"),
        |scene| scene.target.drained_begin("test"),
        |scene| scene.source.subtree_drained_begin("test"),
        |scene| scene.world.graph.drain_all_begin("test"),
    ];
    for (drain, at_ns) in drains.iter().cycle().zip(moments()) {
        let scene = Scene::new();
        let (job, mirror) = scene.start();
        scene.world.pass(at_ns);
        let drained = drain(&scene);
        assert!(job.is_paused(), "drained at {at_ns}");
        scene.assert_still(50 * MS, &format!("drained at {at_ns}"));
        let again = scene.source.drained_begin("test");
        drop(drained);
        scene.assert_still(50 * MS, &format!("drained again at {at_ns}"));
        drop(again);
        assert!(!job.is_paused());
        scene.finish(job, mirror);
    }
}

#[test]
fn a_coroutine_drains_it_at_any_moment() {
    for at_ns in moments() {
        let scene = Scene::new();
        let (job, mirror) = scene.start();
        scene.world.pass(at_ns);
        let held: Rc<Cell<Option<Drained>>> = Rc::default();
        let drained = Rc::new(Cell::new(false));
        let (node, keep, told) = (scene.target.clone(), held.clone(), drained.clone());
        let drainer = scene.world.ctx.coroutine("drainer", async move {
            keep.set(Some(node.co_drained_begin("test").await));
            told.set(true);
        });
        drainer.enter();
        scene.world.until(|| drained.get());
        assert!(job.is_paused(), "drained at {at_ns}");
        scene.assert_still(50 * MS, &format!("drained at {at_ns}"));
        drop(held.take());
        scene.finish(job, mirror);
    }
}

#[test]
fn it_is_completed_and_cancelled_while_it_is_paused() {
    let scene = Scene::new();
    let (job, mirror) = scene.start();
    scene.world.until_ready(&job);
    job.user_pause().expect("it can be paused");
    scene.world.until_status(&job, JobStatus::Standby);
    scene.world.take_events();
    job.complete().expect("a job in standby can be completed");
    scene.world.pass(SECOND);
    assert!(scene.world.take_events().is_empty(), "it stays in standby");
    let refused = job.block_job_cancel(false).expect_err("it is paused");
    assert_eq!(
        refused.to_string(),
        "The block job for device 'job0' is currently paused"
    );
    job.user_resume().expect("it was paused");
    assert_eq!(scene.world.until_end(&job, &mirror).end, MirrorEnd::Pivoted);
    let done = [
        "waiting",
        "pending",
        "BLOCK_JOB_COMPLETED",
        "concluded",
        "null",
    ];
    assert_eq!(scene.world.take_events(), [&["ready"][..], &done].concat());

    let scene = Scene::new();
    let (job, mirror) = scene.start();
    job.user_pause().expect("it can be paused");
    scene.world.until_status(&job, JobStatus::Paused);
    scene.world.take_events();
    job.user_cancel(true).expect("a paused job can be");
    let outcome = scene.world.until_end(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Abandoned);
    let aborted = ["aborting", "BLOCK_JOB_CANCELLED", "concluded", "null"];
    let events = scene.world.take_events();
    assert_eq!(events, [&["running"][..], &aborted].concat());
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn a_job_that_is_started_on_a_drained_node_begins_when_the_section_ends() {
    let scene = Scene::new();
    for node in [scene.source.clone(), scene.target.clone()] {
        let drained = node.drained_begin("test");
        let (job, mirror) = scene.start();
        assert_eq!(job.status(), JobStatus::Paused);
        scene.assert_still(50 * MS, "before it has begun");
        drop(drained);
        assert_eq!(job.status(), JobStatus::Running);
        job.block_job_cancel(true).expect("a running job can be");
        scene.world.until_end(&job, &mirror);
    }
}

#[test]
fn a_forced_cancel_ends_it_inside_of_somebodys_drained_section() {
    for at_ns in moments() {
        let scene = Scene::new();
        let (job, mirror) = scene.start();
        scene.world.pass(at_ns);
        let drained = scene.source.drained_begin("test");
        let before = scene.copy.requests() + scene.disk.requests();
        assert!(job.cancel_sync(true).is_err());
        assert_eq!(scene.copy.requests() + scene.disk.requests(), before);
        drop(drained);
        let outcome = mirror.outcome().expect("it has ended");
        assert_eq!(outcome.end, MirrorEnd::Abandoned);
        scene.world.assert_nothing_left(job, mirror);
    }
}

/// A guest's request that takes long keeps the job in its own drained section, M14. Whoever begins
/// one meanwhile gets it only when the job has ended: it is neither to flush the target nor to change
/// the graph inside of somebody else's.
#[test]
fn nobodys_drained_section_begins_while_the_job_is_in_its_own() {
    for (reads, drains_target) in [(true, true), (true, false), (false, true), (false, false)] {
        let scene = Scene::new();
        let world = &scene.world;
        let blk = world.guest("drive0", &scene.source);
        let (job, mirror) = scene.start();
        world.until_ready(&job);
        *scene.disk.half_ns.borrow_mut() = 40 * MS..41 * MS;
        let slow = world.ctx.coroutine("guest", async move {
            if reads {
                blk.read(0, BytesMut::zeroed(512))
                    .await
                    .1
                    .expect("it is good");
            } else {
                let data = Bytes::from(vec![1; 512]);
                blk.write(0, data).await.expect("it is good");
            }
        });
        slow.enter();
        job.complete().expect("a ready job completes");
        world.pass(MS);
        *scene.disk.half_ns.borrow_mut() = 0..1;
        let inside = Rc::new(Cell::new(false));
        let broken = Rc::new(Cell::new(0));
        let (in_section, noted) = (inside.clone(), broken.clone());
        world.diary.on_event(move |_, event| {
            let changes = match event {
                Event::Layer(layer) => match layer.as_any().downcast_ref() {
                    Some(BlockTrace::ReplaceNode { .. }) => true,
                    Some(BlockTrace::RequestBegin { kind, .. }) => *kind == RequestKind::Write,
                    _ => false,
                },
                _ => false,
            };
            if changes && in_section.get() {
                noted.set(noted.get() + 1);
            }
        });
        let node = if drains_target {
            &scene.target
        } else {
            &scene.source
        };
        let drained = node.drained_begin("test");
        inside.set(true);
        let requests = scene.copy.requests();
        world.pass(SECOND);
        assert_eq!(scene.copy.requests(), requests, "reads={reads}");
        assert_eq!(broken.get(), 0, "reads={reads}");
        inside.set(false);
        drop(drained);
        let outcome = world.until_end(&job, &mirror);
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        assert_same(&scene.copy.content(), &scene.disk.content());
        world.assert_nothing_left(job, mirror);
    }
}

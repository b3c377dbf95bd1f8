//! What the target is above in the end, and what its users find there.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::mem::{Fill, MemOptions};
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{BlockBackend, BlockError, ErrorKind, Node};
use blockjob_jobs::error::JobError;
use blockjob_jobs::mirror::{MirrorBackingMode, MirrorEnd, MirrorOptions, MirrorSync, OpenBacking};
use bytes::Bytes;

use crate::support::{KIB, MIB, World, assert_same, noise, options};

const CLUSTER: u64 = 64 * KIB;

/// A base of noise, an overlay in use that holds a little, and an overlay that is above nothing.
struct Scene {
    world: World,
    base: Rc<Node>,
    source: Rc<Node>,
    target: Rc<Node>,
    guest: Rc<BlockBackend>,
}

impl Scene {
    fn new() -> Scene {
        let world = World::new();
        let (base, _) = world.disk("base", MemOptions::new(MIB).fill(noise()));
        let overlay = || OverlayOptions::new(MIB).cluster_size(CLUSTER).build();
        let source = world.above("source", overlay(), ChildRole::Cow, &base);
        let target = world.node("target", overlay());
        let guest = world.guest("drive0", &source);
        let scene = Scene {
            world,
            base,
            source,
            target,
            guest,
        };
        scene.write(300 * KIB, 0x11);
        scene
    }

    fn write(&self, offset: u64, fill: u8) {
        let (blk, data) = (self.guest.clone(), Bytes::from(vec![fill; 10_000]));
        let result = self
            .world
            .ctx
            .run("write", async move { blk.write(offset, data).await });
        result.expect("the disk is good");
    }

    fn options(sync: MirrorSync, backing_mode: MirrorBackingMode) -> MirrorOptions {
        MirrorOptions {
            sync,
            backing_mode,
            zero_target: false,
            ..options()
        }
    }

    /// The name of the node below the target.
    fn below(&self) -> Option<String> {
        let below = self.target.backing()?;
        Some(below.node().name().to_owned())
    }
}

#[test]
fn the_copy_of_a_top_gets_the_base_of_the_source() {
    let scene = Scene::new();
    let before = scene.world.read_all(&scene.source);
    let options = Scene::options(MirrorSync::Top, MirrorBackingMode::SourceChain);
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
    scene.world.until_ready(&job);
    assert_eq!(scene.below(), None, "not before it is complete");
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_eq!(scene.below().as_deref(), Some("base"));
    assert_same(&scene.world.read_all(&scene.target), &before);
    // What was not copied was not read either.
    assert!(mirror.stats().copied_bytes <= 2 * CLUSTER);
    scene.write(0, 0x22);
    assert!(
        scene.world.read_all(&scene.target)[..10_000]
            .iter()
            .all(|byte| *byte == 0x22)
    );
}

#[test]
fn what_is_written_from_now_on_is_above_the_source_itself() {
    let scene = Scene::new();
    let options = Scene::options(MirrorSync::None, MirrorBackingMode::SourceChain);
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
    scene.world.until_ready(&job);
    scene.write(600 * KIB, 0x33);
    let shown = scene
        .world
        .read_all(&scene.guest.node().expect("it has one"));
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_eq!(scene.below().as_deref(), Some("source"));
    assert_eq!(scene.guest.node().expect("it has one").name(), "target");
    assert_same(&scene.world.read_all(&scene.target), &shown);
    let busy = scene
        .source
        .check_op(BlockOp::MirrorTarget)
        .expect_err("it is in use");
    assert_eq!(
        busy.to_string(),
        "Node 'source' is busy: node is used as backing hd of 'target'"
    );
}

/// A gentle cancel leaves a copy as well, and that is above what it needs.
#[test]
fn a_copy_of_a_moment_gets_its_base_too_and_one_that_was_abandoned_does_not() {
    for (sync, force, below) in [
        (MirrorSync::Top, false, Some("base")),
        (MirrorSync::None, false, Some("source")),
        (MirrorSync::Top, true, None),
    ] {
        let scene = Scene::new();
        let options = Scene::options(sync, MirrorBackingMode::SourceChain);
        let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
        scene.world.until_ready(&job);
        job.block_job_cancel(force).expect("a ready job can be");
        scene.world.until_end(&job, &mirror);
        assert_eq!(scene.below().as_deref(), below);
        assert_eq!(scene.guest.node().expect("it has one").name(), "source");
        // The guest writes on, also where the target reads it.
        scene.write(0, 0x44);
    }
}

#[test]
fn a_full_copy_is_above_nothing_and_one_that_is_left_alone_is_left_alone() {
    let scene = Scene::new();
    let options = MirrorOptions {
        zero_target: true,
        ..Scene::options(MirrorSync::Full, MirrorBackingMode::SourceChain)
    };
    let before = scene.world.read_all(&scene.source);
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_eq!(scene.below(), None);
    assert_same(&scene.world.read_all(&scene.target), &before);

    let scene = Scene::new();
    let options = Scene::options(MirrorSync::Top, MirrorBackingMode::Leave);
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_eq!(scene.below(), None);
}

/// `mode=existing`: the target's header names a backing file, and it is opened at the end.
#[test]
fn the_backing_file_of_an_existing_target_is_opened_at_the_end() {
    for sync in [MirrorSync::Top, MirrorSync::Full] {
        let scene = Scene::new();
        let before = scene.world.read_all(&scene.source);
        let opened = Rc::new(Cell::new(0));
        let (graph, base, count) = (
            scene.world.graph.clone(),
            scene.base.clone(),
            opened.clone(),
        );
        let open = OpenBacking::new(move |target| {
            count.set(count.get() + 1);
            assert!(target.quiesce_counter() > 0, "nobody uses it meanwhile");
            graph.set_backing(target, Some(&base))
        });
        let options = MirrorOptions {
            // The source reads as zeroes here, and what will be below the target does not.
            zero_target: sync == MirrorSync::Full,
            ..Scene::options(sync, MirrorBackingMode::OpenChain(open))
        };
        let blk = scene.guest.clone();
        let zeroed = scene.world.ctx.run("zero", async move {
            blk.write_zeroes(0, CLUSTER, Default::default()).await
        });
        zeroed.expect("the disk is good");
        let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
        scene.world.until_ready(&job);
        assert_eq!(opened.get(), 0);
        assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
        assert_eq!(opened.get(), 1);
        let copied = scene.world.read_all(&scene.target);
        let at = copied[..CLUSTER as usize]
            .iter()
            .position(|byte| *byte != 0);
        assert_eq!(at, None, "{sync:?} {:?}", mirror.stats());
        assert_same(&copied[CLUSTER as usize..], &before[CLUSTER as usize..]);
    }
}

/// The peer moves the users to a target that shows something else than their disk. Here they stay.
#[test]
fn users_stay_on_the_source_when_the_target_cannot_get_its_base() {
    let scene = Scene::new();
    let before = scene.world.read_all(&scene.source);
    let open = OpenBacking::new(|_| {
        Err(BlockError::new(
            ErrorKind::NotFound,
            "Could not open 'missing.qcow2': No such file or directory",
        ))
    });
    let options = Scene::options(MirrorSync::Top, MirrorBackingMode::OpenChain(open));
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
    let end = scene.world.complete(&job, &mirror).end;
    assert_eq!(end, MirrorEnd::Failed(JobError::Io { errno: 22 }));
    let events = scene.world.take_events();
    let told = "BLOCK_JOB_COMPLETED(Invalid argument)".to_owned();
    assert!(events.contains(&told), "{events:?}");
    assert_eq!(scene.guest.node().expect("it has one").name(), "source");
    assert_same(&scene.world.read_all(&scene.source), &before);
    scene.world.assert_nothing_left(job, mirror);
}

/// Somebody has put the source on top of the target: that would be a ring.
#[test]
fn a_base_that_would_close_a_ring_is_not_attached() {
    let scene = Scene::new();
    let (copy, _) = scene
        .world
        .disk("copy", MemOptions::new(MIB).fill(Fill::Zeroes));
    let options = Scene::options(MirrorSync::None, MirrorBackingMode::SourceChain);
    let target = scene.world.above(
        "over-source",
        OverlayOptions::new(MIB).cluster_size(CLUSTER).build(),
        ChildRole::Cow,
        &copy,
    );
    let (job, mirror) = scene.world.mirror(&scene.source, &target, &options);
    scene.world.until_ready(&job);
    // The base is taken away and the target put there.
    scene
        .world
        .graph
        .set_backing(&scene.source, Some(&target))
        .expect_err("the job lets nobody else read the target");
    let end = scene.world.complete(&job, &mirror).end;
    assert_eq!(end, MirrorEnd::Pivoted);
    let below = target.backing().expect("the source").node();
    assert_eq!(below.name(), "source");
}

//! The filter on top of the source: who is above it, what it passes on, and that it comes and goes
//! without anybody noticing.

use std::rc::{Rc, Weak};

use blockjob_block::backend::DeviceOps;
use blockjob_block::driver::mem::Fill;
use blockjob_block::driver::{Limits, ZeroFlags};
use blockjob_block::{BlockBackend, Node, Perm, PermPair};
use blockjob_jobs::mirror::filter::MirrorTop;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions, MirrorSync};
use blockjob_runtime::AioContext;
use bytes::{Bytes, BytesMut};

use crate::lab::{Kind, Lab, LabOptions};
use crate::support::{KIB, MIB, MS, World, options};

struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
    disk: Rc<Lab>,
    copy: Rc<Lab>,
    guest: Rc<BlockBackend>,
}

impl Scene {
    fn new() -> Scene {
        let world = World::new();
        let (source, disk) = world.lab("source", LabOptions::new(MIB));
        let target = LabOptions::new(MIB).fill(Fill::Noise(99));
        let (target, copy) = world.lab("target", target);
        Scene {
            guest: world.guest("drive0", &source),
            world,
            source,
            target,
            disk,
            copy,
        }
    }

    fn used(&self) -> Rc<Node> {
        self.guest.node().expect("it has one")
    }

    fn filters(&self) -> usize {
        let nodes = self.world.graph.nodes();
        let filters = nodes
            .iter()
            .filter(|it| it.driver().as_any().is::<MirrorTop>());
        filters.count()
    }

    /// Writes, and waits until that has ended.
    fn write(&self, blk: &Rc<BlockBackend>, offset: u64, fill: u8) {
        let data = Bytes::from(vec![fill; 4096]);
        let blk = blk.clone();
        let result = self
            .world
            .ctx
            .run("write", async move { blk.write(offset, data).await });
        result.expect("the disk is good");
    }
}

/// The edges that lead to `node`, as a query of the graph shows them.
fn users(node: &Node) -> Vec<(String, PermPair)> {
    let parents = node.parents();
    let edges = parents.iter().map(|edge| {
        let parent = edge.parent().expect("it is there").describe();
        (format!("{parent} - {}", edge.name()), edge.perms())
    });
    edges.collect()
}

fn perms(used: Perm, shared: Perm) -> PermPair {
    PermPair::new(used, shared)
}

#[test]
fn users_of_the_source_are_above_the_filter_while_the_job_lives() {
    let scene = Scene::new();
    let named = MirrorOptions {
        filter_node_name: Some("top".to_owned()),
        ..options()
    };
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &named);
    let filter = scene
        .world
        .graph
        .find_node("top")
        .expect("it has that name");
    assert!(Rc::ptr_eq(&filter, &scene.used()));
    assert!(Rc::ptr_eq(
        &filter,
        &mirror.filter_node().expect("it lives")
    ));
    assert!(!filter.is_implicit());
    assert_eq!(filter.driver().format_name(), "mirror_top");
    let below = filter.children();
    assert_eq!(below.len(), 1);
    assert_eq!(below[0].name(), "backing");
    assert!(Rc::ptr_eq(&below[0].node(), &scene.source));

    // As the peer's query of the graph shows it.
    let rest = Perm::CONSISTENT_READ | Perm::WRITE | Perm::WRITE_UNCHANGED;
    let device = Perm::CONSISTENT_READ | Perm::WRITE_UNCHANGED;
    let writes = Perm::CONSISTENT_READ | Perm::WRITE;
    let mut expected = [
        (
            "block device 'drive0' - root".to_owned(),
            perms(writes, device),
        ),
        (
            "mirror job 'job0' - main node".to_owned(),
            perms(Perm::CONSISTENT_READ, rest),
        ),
    ];
    let mut found = users(&filter);
    found.sort_by(|left, right| left.0.cmp(&right.0));
    expected.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(found, expected);
    assert_eq!(
        users(&scene.source),
        [
            ("node 'top' - backing".to_owned(), perms(writes, device)),
            (
                "mirror job 'job0' - source".to_owned(),
                perms(Perm::NONE, rest)
            ),
        ]
    );
    assert_eq!(
        users(&scene.target),
        [
            (
                "an unnamed block device - root".to_owned(),
                perms(Perm::WRITE, Perm::WRITE_UNCHANGED)
            ),
            ("mirror job 'job0' - target".to_owned(), PermPair::HARMLESS),
        ]
    );
    drop(filter);
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert!(mirror.filter_node().is_none());
    assert!(scene.world.graph.find_node("top").is_none());
    assert_eq!(scene.used().name(), "target");
    assert!(users(&scene.source).is_empty());
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn a_filter_that_nobody_has_named_is_passed_over() {
    let scene = Scene::new();
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options());
    let filter = scene.used();
    assert!(filter.is_implicit());
    assert!(filter.name().starts_with('#'), "{filter:?}");
    assert!(Rc::ptr_eq(&filter.skip_implicit_filters(), &scene.source));
    assert!(Rc::ptr_eq(&filter.skip_filters(), &scene.source));
    // Neither can a job be started on them: one works there.
    for node in [&filter, &scene.source, &scene.target] {
        assert!(!node.is_root_node(), "{node:?}");
    }
    drop(filter);
    scene.world.until_ready(&job);
    job.block_job_cancel(true).expect("a ready job can be");
    scene.world.until_end(&job, &mirror);
    assert!(scene.source.is_root_node() && scene.target.is_root_node());
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn the_filter_shows_what_the_source_shows() {
    let world = World::new();
    let limits = Limits {
        request_alignment: 512,
        max_transfer: 64 * KIB,
        cluster_size: 8 * KIB,
        ..Limits::default()
    };
    let lab = LabOptions::new(MIB + 512).fill(Fill::Zeroes).limits(limits);
    let (source, _) = world.lab("source", lab.clone());
    let (target, _) = world.lab("target", lab);
    let guest = world.guest("drive0", &source);
    let (job, mirror) = world.mirror(&source, &target, &options());
    let filter = guest.node().expect("it has one");
    assert_eq!(filter.len().expect("it has one"), MIB + 512);
    assert_eq!(guest.len().expect("it has one"), MIB + 512);
    assert_eq!(filter.limits().cluster_size, 8 * KIB);
    // A request comes in one piece, so that it is counted and copied as one: the source splits it.
    assert_eq!(filter.limits().max_transfer, 0);
    assert_eq!(filter.has_zero_init(), source.has_zero_init());
    let (above, below) = world.ctx.run("status", {
        let (filter, source) = (filter.clone(), source.clone());
        async move {
            let above = filter.block_status_above(None, 0, MIB).await;
            (above, source.block_status_above(None, 0, MIB).await)
        }
    });
    assert_eq!(above.expect("no fault"), below.expect("no fault"));
    drop(filter);
    assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
}

#[test]
fn every_kind_of_request_goes_through_the_filter() {
    let scene = Scene::new();
    scene.disk.disk.zero_at(0, MIB, true);
    scene.copy.disk.zero_at(0, MIB, true);
    let none = MirrorOptions {
        sync: MirrorSync::None,
        granularity: 4 * KIB,
        ..options()
    };
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &none);
    scene.world.until_ready(&job);
    let asked = scene.disk.log.borrow().len();
    let blk = scene.guest.clone();
    scene.world.ctx.run("guest", async move {
        let data = Bytes::from(vec![0x11; 4096]);
        blk.write(8192, data).await.expect("the disk is good");
        let (buf, result) = blk.read(8192, BytesMut::zeroed(4096)).await;
        result.expect("the disk is good");
        assert!(buf.iter().all(|byte| *byte == 0x11));
        let flags = ZeroFlags::default();
        blk.write_zeroes(65536, 4096, flags)
            .await
            .expect("it is good");
        blk.discard(131_072, 4096).await.expect("it is good");
        blk.flush().await.expect("it is good");
    });
    let log = scene.disk.log.borrow()[asked..].to_vec();
    for kind in [
        Kind::Write,
        Kind::Read,
        Kind::Zero,
        Kind::Discard,
        Kind::Flush,
    ] {
        assert!(log.iter().any(|io| io.kind == kind), "{kind:?} in {log:?}");
    }
    for (offset, kind) in [(8192, "a write"), (65536, "zeroes"), (131_072, "a discard")] {
        let dirty = mirror.is_dirty(offset) || mirror.is_in_flight(offset);
        assert!(
            dirty || mirror.stats().recopied_bytes > 0 || mirror.stats().copied_bytes > 0,
            "{kind}"
        );
    }
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_eq!(scene.copy.content(), scene.disk.content());
}

/// The bitmap is the source's: somebody who uses the source directly is not above the filter.
#[test]
fn a_write_past_the_filter_is_seen_and_its_writer_gets_the_target_too() {
    let scene = Scene::new();
    let perms = PermPair::new(Perm::CONSISTENT_READ | Perm::WRITE, Perm::ALL);
    scene.guest.set_perms(perms).expect("it is alone");
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options());
    let late = BlockBackend::new(&scene.world.graph, "late", perms).expect("a new name");
    late.insert(&scene.source).expect("all share");
    scene.world.until_ready(&job);
    scene.write(&late, 300 * KIB, 0x55);
    let outcome = scene.world.complete(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert_eq!(scene.copy.content(), scene.disk.content());
    for blk in [&late, &scene.guest] {
        assert_eq!(blk.node().expect("it has one").name(), "target");
    }
}

#[test]
fn the_filter_goes_however_the_job_ends() {
    for force in [false, true] {
        let scene = Scene::new();
        let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options());
        scene.world.until_ready(&job);
        assert_eq!(scene.filters(), 1);
        job.block_job_cancel(force).expect("a ready job can be");
        scene.world.until_end(&job, &mirror);
        assert_eq!(scene.filters(), 0);
        assert_eq!(scene.used().name(), "source");
        scene.write(&scene.guest, 0, 0x66);
        assert!(
            scene.disk.content()[..4096]
                .iter()
                .all(|byte| *byte == 0x66)
        );
        scene.world.assert_nothing_left(job, mirror);
    }
    // A job that fails at once.
    let world = World::new();
    let (source, _) = world.lab("source", LabOptions::new(MIB));
    let (target, _) = world.lab("target", LabOptions::new(2 * MIB));
    let guest = world.guest("drive0", &source);
    let (job, mirror) = world.mirror(&source, &target, &options());
    let outcome = world.until_end(&job, &mirror);
    assert!(matches!(outcome.end, MirrorEnd::Failed(_)), "{outcome:?}");
    assert_eq!(guest.node().expect("it has one").name(), "source");
    world.assert_nothing_left(job, mirror);
}

/// A write that is under way when the job comes is waited for, and one that comes then goes through
/// the filter: between the two nothing is missed.
#[test]
fn the_source_is_drained_while_the_filter_is_put_on_top() {
    let scene = Scene::new();
    *scene.disk.half_ns.borrow_mut() = 5 * MS..5 * MS + 1;
    for offset in [0, 65536] {
        let blk = scene.guest.clone();
        let writer = scene.world.ctx.coroutine("guest", async move {
            let data = Bytes::from(vec![0x11; 4096]);
            blk.write(offset, data).await.expect("the disk is good");
        });
        writer.enter();
    }
    assert_eq!(scene.source.in_flight(), 2);
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options());
    assert!(scene.world.ctx.now_ns() >= 10 * MS, "they were waited for");
    assert!(
        scene.disk.content()[65536..69632]
            .iter()
            .all(|byte| *byte == 0x11)
    );
    assert_eq!(scene.source.quiesce_counter(), 0);
    *scene.disk.half_ns.borrow_mut() = 0..0;
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_eq!(scene.copy.content(), scene.disk.content());
}

/// A device that writes in the moment in which it may.
struct Eager {
    ctx: AioContext,
    blk: Weak<BlockBackend>,
}

impl DeviceOps for Eager {
    fn drained_end(&self) {
        let Some(blk) = self.blk.upgrade() else {
            return;
        };
        let writer = self.ctx.coroutine("eager", async move {
            let data = Bytes::from(vec![0x88; 4096]);
            blk.write(65536, data).await.expect("the disk is good");
        });
        writer.enter();
    }
}

#[test]
fn whoever_writes_as_soon_as_he_may_is_seen() {
    let scene = Scene::new();
    scene.guest.set_device_ops(Some(Rc::new(Eager {
        ctx: scene.world.ctx.clone(),
        blk: Rc::downgrade(&scene.guest),
    })));
    let none = MirrorOptions {
        sync: MirrorSync::None,
        granularity: 4 * KIB,
        ..options()
    };
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &none);
    assert_eq!(scene.disk.count(Kind::Write), 1, "it was let go once");
    scene.guest.set_device_ops(None);
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    let copied = scene.copy.content()[65536..69632].to_vec();
    assert!(copied.iter().all(|byte| *byte == 0x88));
}

/// What queries of bitmaps show during a job: one bitmap, of the filter, that takes no note itself.
#[test]
fn the_jobs_bitmap_is_shown_by_the_filter() {
    let scene = Scene::new();
    let none = MirrorOptions {
        sync: MirrorSync::None,
        speed: 1,
        granularity: 4 * KIB,
        ..options()
    };
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &none);
    scene.world.until_ready(&job);
    job.user_pause().expect("a ready job can be paused");
    scene.world.until(|| job.is_paused());
    scene.write(&scene.guest, 0, 0x77);
    let [shown] = &scene.used().dirty_bitmaps()[..] else {
        panic!("the filter shows one");
    };
    assert!(!shown.is_enabled() && !shown.is_shown_elsewhere());
    assert_eq!(shown.bits().dirty_bytes(), 4096);
    assert_eq!(shown.bits().granularity(), 4 * KIB);
    let [kept] = &scene.source.dirty_bitmaps()[..] else {
        panic!("the source keeps one");
    };
    assert!(kept.is_enabled() && kept.is_shown_elsewhere());
    assert_eq!(mirror.dirty_bytes(), 4096);
}

#[test]
fn a_copy_of_a_read_only_disk_is_read_only() {
    let scene = Scene::new();
    let graph = &scene.world.graph;
    let driver = Lab::driver(LabOptions::new(MIB));
    let source = graph.add_node(Some("fixed"), Box::new(driver), true, &[]);
    let source = source.expect("a new name");
    let reads = PermPair::new(Perm::CONSISTENT_READ, Perm::ALL);
    let reader = BlockBackend::new(graph, "reader", reads).expect("a new name");
    reader.insert(&source).expect("it only reads");
    let (job, mirror) = scene.world.mirror(&source, &scene.target, &options());
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_eq!(reader.node().expect("it has one").name(), "target");
    assert!(scene.target.is_read_only());
    let writer = BlockBackend::new(graph, "", PermPair::new(Perm::WRITE, Perm::ALL));
    let refused = writer.expect("no name").insert(&scene.target);
    assert_eq!(
        refused.expect_err("nobody may write").to_string(),
        "Block node is read-only"
    );
}

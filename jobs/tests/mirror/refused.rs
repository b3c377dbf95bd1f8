//! What is refused, in the peer's words, and that nothing is left behind then.

use std::rc::Rc;

use blockjob_block::driver::mem::Fill;
use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{BlockBackend, Node, Perm, PermPair};
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions};

use crate::lab::LabOptions;
use crate::support::{KIB, MIB, World, options};

/// Operations that a user may begin on a node.
const OPS: [BlockOp; 6] = [
    BlockOp::MirrorSource,
    BlockOp::MirrorTarget,
    BlockOp::BackupSource,
    BlockOp::Resize,
    BlockOp::Replace,
    BlockOp::DriveDel,
];

struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
}

impl Scene {
    fn new() -> Scene {
        let world = World::new();
        let (source, _) = world.lab("source", LabOptions::new(MIB));
        let (target, _) = world.lab("target", LabOptions::new(MIB));
        Scene {
            world,
            source,
            target,
        }
    }

    /// All that a refused mirror could have left behind.
    fn shape(&self) -> String {
        let mut shape = format!("{:?}\n", self.world.jobs);
        for node in self.world.graph.nodes() {
            let users: Vec<_> = node
                .parents()
                .iter()
                .map(|edge| format!("{edge:?}"))
                .collect();
            let open = OPS.map(|op| node.check_op(op).is_ok());
            let bitmaps = node.dirty_bitmaps().len();
            let perms = node.cumulative_perms();
            let drained = node.quiesce_counter();
            shape += &format!("{node:?} {users:?} {open:?} {bitmaps} {perms:?} {drained}\n");
        }
        let external = self.world.ctx.handle().external_disabled();
        let coroutines = self.world.ctx.live_coroutines();
        shape + &format!("{external} {coroutines}")
    }

    fn refuses(&self, source: &Rc<Node>, target: &Rc<Node>, options: &MirrorOptions) -> String {
        let before = self.shape();
        let refused = self.world.try_mirror(source, target, options);
        let error = refused.map(|_| ()).expect_err("it makes no sense");
        assert_eq!(self.shape(), before, "{error}");
        error.to_string()
    }
}

#[test]
fn a_granularity_out_of_range_or_between_two_powers_is_refused() {
    let scene = Scene::new();
    for (granularity, text) in [
        (1, "expects a value in range [512B, 64MB]"),
        (256, "expects a value in range [512B, 64MB]"),
        (511, "expects a value in range [512B, 64MB]"),
        (513, "expects a power of 2"),
        (65_535, "expects a power of 2"),
        (128 * MIB, "expects a value in range [512B, 64MB]"),
        (u64::MAX, "expects a value in range [512B, 64MB]"),
    ] {
        let options = MirrorOptions {
            granularity,
            ..options()
        };
        let refused = scene.refuses(&scene.source, &scene.target, &options);
        assert_eq!(refused, format!("Parameter 'granularity' {text}"));
    }
    assert!(scene.world.take_events().is_empty(), "no job was seen");
}

#[test]
fn a_node_is_not_mirrored_into_itself_also_not_through_filters() {
    let scene = Scene::new();
    let (filter, _) = scene.world.blkdebug("filter", &scene.source);
    let pairs = [
        (&scene.source, &scene.source),
        (&filter, &scene.source),
        (&scene.source, &filter),
        (&filter, &filter),
    ];
    for (source, target) in pairs {
        let refused = scene.refuses(source, target, &options());
        assert_eq!(refused, "Can't mirror node into itself");
    }
}

#[test]
fn a_job_needs_a_name_of_its_own() {
    let scene = Scene::new();
    let unnamed = scene.refuses(&scene.source, &scene.target, &MirrorOptions::new());
    assert_eq!(unnamed, "Invalid job ID ''");
    let bad = MirrorOptions {
        job_id: Some("1bad#".to_owned()),
        ..options()
    };
    let bad = scene.refuses(&scene.source, &scene.target, &bad);
    assert_eq!(bad, "Invalid job ID '1bad#'");
    let (_job, _mirror) = scene.world.mirror(&scene.source, &scene.target, &options());
    let (other, _) = scene.world.lab("other", LabOptions::new(MIB));
    let (free, _) = scene.world.lab("free", LabOptions::new(MIB));
    let taken = scene.refuses(&other, &free, &options());
    assert_eq!(taken, "Job ID 'job0' already in use");
}

#[test]
fn users_who_do_not_get_on_with_the_job_keep_their_node() {
    let scene = Scene::new();
    // Writes where the job would write, and minds it.
    let user = scene.world.guest("user", &scene.target);
    let refused = scene.refuses(&scene.source, &scene.target, &options());
    assert!(
        refused.starts_with("Permission conflict on node 'target'"),
        "{refused}"
    );
    assert_eq!(scene.world.take_events(), ["created", "null"]);
    drop(user);

    // Resizes what the job reads.
    let perms = PermPair::new(Perm::RESIZE, Perm::ALL);
    let user = BlockBackend::new(&scene.world.graph, "user", perms).expect("a new name");
    user.insert(&scene.source).expect("it is alone");
    let refused = scene.refuses(&scene.source, &scene.target, &options());
    // The user came to be above the filter before the job did.
    assert!(
        refused.starts_with("Permission conflict on node '#block"),
        "{refused}"
    );
    drop(user);

    let driver = crate::lab::Lab::driver(LabOptions::new(MIB));
    let graph = &scene.world.graph;
    let target = graph.add_node(Some("fixed"), Box::new(driver), true, &[]);
    let target = target.expect("a new name");
    let refused = scene.refuses(&scene.source, &target, &options());
    assert_eq!(refused, "Block node is read-only");

    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options());
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
}

/// The last step of setting up is the one that fails.
#[test]
fn a_disk_of_too_many_granules_is_refused_and_nothing_is_kept() {
    let scene = Scene::new();
    let huge = || LabOptions::new(1 << 50).fill(Fill::Zeroes);
    let (source, _) = scene.world.lab("huge-source", huge());
    let (target, _) = scene.world.lab("huge-target", huge());
    let options = MirrorOptions {
        granularity: 512,
        ..options()
    };
    let refused = scene.refuses(&source, &target, &options);
    assert!(refused.contains("granules"), "{refused}");
}

#[test]
fn both_sides_are_blocked_for_as_long_as_the_job_lives() {
    let scene = Scene::new();
    let before = scene.shape();
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options());
    for node in [&scene.source, &scene.target] {
        for op in OPS {
            let refused = node.check_op(op).expect_err("it is in use").to_string();
            let name = node.name();
            let text =
                format!("Node '{name}' is busy: block device is in use by block job: mirror");
            assert_eq!(refused, text);
        }
        let (other, _) = scene
            .world
            .lab(&format!("for-{}", node.name()), LabOptions::new(MIB));
        let again = MirrorOptions {
            job_id: Some("job1".to_owned()),
            ..options()
        };
        assert!(scene.refuses(node, &other, &again).contains("is busy"));
        assert!(scene.refuses(&other, node, &again).contains("is busy"));
    }
    let filter = mirror.filter_node().expect("the job lives");
    assert!(filter.check_op(BlockOp::Dataplane).is_ok());
    assert!(scene.source.check_op(BlockOp::Dataplane).is_err());
    drop(filter);
    assert!(scene.target.check_op(BlockOp::Dataplane).is_err());
    scene.world.until_ready(&job);
    job.block_job_cancel(true).expect("a ready job can be");
    scene.world.until_end(&job, &mirror);
    let shape = scene.shape();
    drop((job, mirror));
    assert_eq!(shape, before);
    assert_eq!(scene.shape(), before);
}

#[test]
fn disks_of_two_lengths_are_told_apart_by_the_job_and_not_by_the_command() {
    for target_len in [0, MIB - 512, MIB + 1, 2 * MIB] {
        let world = World::new();
        let (source, _) = world.lab("source", LabOptions::new(MIB));
        let (target, copy) = world.lab("target", LabOptions::new(target_len));
        let (job, mirror) = world.mirror(&source, &target, &options());
        let outcome = world.until_end(&job, &mirror);
        assert!(matches!(outcome.end, MirrorEnd::Failed(_)), "{outcome:?}");
        assert_eq!(
            world.take_events(),
            [
                "created",
                "running",
                "aborting",
                "BLOCK_JOB_COMPLETED(Source and target image have different sizes)",
                "concluded",
                "null"
            ]
        );
        assert_eq!(copy.requests(), 0);
        world.assert_nothing_left(job, mirror);
    }
}

#[test]
fn only_what_shows_the_source_can_be_replaced() {
    let scene = Scene::new();
    let (other, _) = scene.world.lab("other", LabOptions::new(MIB));
    let replaces = |name: &str| MirrorOptions {
        replaces: Some(name.to_owned()),
        ..options()
    };
    let refused = scene.refuses(&scene.source, &scene.target, &replaces("nobody"));
    assert_eq!(refused, "Failed to find node with node-name='nobody'");
    for name in ["other", "target"] {
        let refused = scene.refuses(&scene.source, &scene.target, &replaces(name));
        assert_eq!(
            refused,
            format!(
                "Cannot replace '{name}' by a node mirrored from 'source', because it cannot be \
                 guaranteed that doing so would not lead to an abrupt change of visible data"
            )
        );
    }
    let blocked = scene
        .source
        .op_block(Some(BlockOp::Replace), "it is needed");
    let refused = scene.refuses(&scene.source, &scene.target, &replaces("source"));
    assert_eq!(refused, "Node 'source' is busy: it is needed");
    drop((blocked, other));
}

#[test]
fn a_filter_below_the_source_is_replaced_and_the_ones_above_it_stay() {
    let scene = Scene::new();
    let world = &scene.world;
    let (low, _) = world.blkdebug("low", &scene.source);
    let (high, _) = world.blkdebug("high", &low);
    let blk = world.guest("drive0", &high);
    for name in ["source", "low", "high"] {
        let (target, _) = world.lab(&format!("instead-of-{name}"), LabOptions::new(MIB));
        let options = MirrorOptions {
            replaces: Some(name.to_owned()),
            granularity: 64 * KIB,
            ..options()
        };
        let (job, mirror) = world.mirror(&high, &target, &options);
        world.until_ready(&job);
        job.complete().expect("a ready job completes");
        if name != "high" {
            let replaced = world.graph.find_node(name).expect("it is there");
            let busy = replaced
                .check_op(BlockOp::DriveDel)
                .expect_err("it is to go");
            let text =
                format!("Node '{name}' is busy: block device is in use by block-job-complete");
            assert_eq!(busy.to_string(), text);
        }
        assert_eq!(world.until_end(&job, &mirror).end, MirrorEnd::Pivoted);
        let child = |node: &Node| node.filtered().map(|edge| edge.node().name().to_owned());
        let expected = match name {
            // Each on top of what the one before it has left.
            "source" => Some((&low, "instead-of-source")),
            "low" => Some((&high, "instead-of-low")),
            _ => None,
        };
        match expected {
            Some((parent, below)) => assert_eq!(child(parent).as_deref(), Some(below)),
            None => {
                let used = blk.node().expect("it has one");
                assert_eq!(used.name(), "instead-of-high");
            }
        }
        assert!(scene.source.check_op(BlockOp::DriveDel).is_ok());
    }
}

#[test]
fn a_node_that_has_gone_or_is_out_of_place_by_then_is_not_replaced() {
    let scene = Scene::new();
    let world = &scene.world;
    let (filter, _) = world.blkdebug("filter", &scene.source);
    let blk = world.guest("drive0", &filter);
    let options = MirrorOptions {
        replaces: Some("source".to_owned()),
        ..options()
    };
    let (job, mirror) = world.mirror(&filter, &scene.target, &options);
    world.until_ready(&job);
    // Somebody puts another disk below the filter.
    let (other, _) = world.lab("other", LabOptions::new(MIB));
    world
        .graph
        .replace_node(&scene.source, &other)
        .expect("nobody minds");
    job.complete().expect("the node is there, so far");
    let outcome = world.until_end(&job, &mirror);
    let MirrorEnd::Failed(error) = outcome.end else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.to_string(), "Operation not permitted");
    let used = blk.node().expect("it has one");
    assert_eq!(used.name(), "filter");
}

#[test]
fn a_job_whose_node_to_replace_has_gone_says_so_and_stays_ready() {
    let scene = Scene::new();
    let world = &scene.world;
    let (filter, _) = world.blkdebug("filter", &scene.source);
    let (high, _) = world.blkdebug("high", &filter);
    let _blk = world.guest("drive0", &high);
    let options = MirrorOptions {
        replaces: Some("filter".to_owned()),
        ..options()
    };
    let (job, mirror) = world.mirror(&high, &scene.target, &options);
    world.until_ready(&job);
    world.graph.drop_filter(&filter).expect("nobody minds");
    drop(filter);
    let refused = job.complete().expect_err("there is nothing to replace");
    assert_eq!(refused.to_string(), "Node name 'filter' not found");
    assert!(job.is_ready());
    job.block_job_cancel(false).expect("a ready job can be");
    assert_eq!(world.until_end(&job, &mirror).end, MirrorEnd::PointInTime);
}

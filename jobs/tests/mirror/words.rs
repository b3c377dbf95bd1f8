//! Why a mirror cannot be started, word for word as the peer says it, and in its order when several
//! things are wrong at a time. And what the job's nodes answer others while it lives.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{BlockBackend, Node, Perm, PermPair};
use blockjob_jobs::error_policy::OnError;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions, MirrorSync};

use crate::lab::{Lab, LabOptions};
use crate::support::{KIB, MIB, World, options};

struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
}

impl Scene {
    fn new() -> Scene {
        let world = World::new();
        let (source, _) = world.lab("src", LabOptions::new(MIB));
        let (target, _) = world.lab("dst", LabOptions::new(MIB));
        Scene {
            world,
            source,
            target,
        }
    }

    fn refused(&self, options: &MirrorOptions) -> String {
        self.refused_between(&self.source, &self.target, options)
    }

    /// Refused, and nothing is left of it.
    fn refused_between(
        &self,
        source: &Rc<Node>,
        target: &Rc<Node>,
        options: &MirrorOptions,
    ) -> String {
        let shape = || {
            let nodes = self.world.graph.nodes();
            let nodes = nodes.iter().map(|node| {
                let (users, below) = (node.parents(), node.children());
                let bitmaps = node.dirty_bitmaps().len();
                let busy = node.check_op(BlockOp::MirrorSource).is_err();
                format!("{node:?} {users:?} {below:?} {bitmaps} {busy}")
            });
            nodes.collect::<Vec<_>>()
        };
        let before = shape();
        let refused = self.world.try_mirror(source, target, options);
        let error = refused.map(|_| ()).expect_err("it makes no sense");
        assert_eq!(shape(), before, "{error}");
        assert!(self.world.jobs.jobs().is_empty());
        error.to_string()
    }

    /// No job was seen.
    fn assert_silent(&self) {
        assert!(self.world.take_events().is_empty());
    }

    /// A job was seen to come and go.
    fn assert_seen(&self) {
        assert_eq!(self.world.take_events(), ["created", "null"]);
    }
}

fn named(filter: &str) -> MirrorOptions {
    MirrorOptions {
        filter_node_name: Some(filter.to_owned()),
        ..options()
    }
}

#[test]
fn the_name_of_the_filter_is_one_for_a_node() {
    let scene = Scene::new();
    let _disk = scene.world.guest("drive1", &scene.target);
    let long = "a".repeat(40);
    for (name, text) in [
        ("src", "Duplicate nodes with node-name='src'"),
        ("1x", "Invalid node-name: '1x'"),
        ("#block0", "Invalid node-name: '#block0'"),
        ("", "Invalid node-name: ''"),
        (&long, "Node name too long"),
        ("drive1", "node-name=drive1 is conflicting with a device id"),
    ] {
        assert_eq!(scene.refused(&named(name)), text);
    }
    scene.assert_silent();
}

#[test]
fn a_number_below_zero_is_named() {
    let scene = Scene::new();
    let below_zero = (-1_i64).cast_unsigned();
    let slow = MirrorOptions {
        speed: below_zero,
        ..options()
    };
    let text = "Parameter 'speed' expects a non-negative value";
    assert_eq!(scene.refused(&slow), text);
    // That is the job's own business.
    scene.assert_seen();
    let small = MirrorOptions {
        buf_size: below_zero,
        ..slow
    };
    assert_eq!(scene.refused(&small), "Invalid parameter 'buf-size'");
    scene.assert_silent();
}

#[test]
fn bitmaps_are_not_mirrored() {
    let scene = Scene::new();
    for (sync, text) in [
        (
            MirrorSync::Incremental,
            "Sync mode 'incremental' not supported",
        ),
        (MirrorSync::Bitmap, "Sync mode 'bitmap' not supported"),
    ] {
        let options = MirrorOptions {
            sync,
            buf_size: u64::MAX,
            ..options()
        };
        assert_eq!(scene.refused(&options), text);
    }
    scene.assert_silent();
}

/// Each is wrong in all that those before it are right in.
#[test]
fn of_several_things_that_are_wrong_the_peers_first_is_named() {
    let scene = Scene::new();
    let (other, _) = scene.world.lab("other", LabOptions::new(2 * MIB));
    let busy = scene.source.op_block(None, "it is needed");
    let wrong = MirrorOptions {
        job_id: Some("1j".to_owned()),
        granularity: 3,
        sync: MirrorSync::Bitmap,
        buf_size: u64::MAX,
        speed: u64::MAX,
        replaces: Some("other".to_owned()),
        filter_node_name: Some("1x".to_owned()),
        ..options()
    };
    let between =
        |options: &MirrorOptions| scene.refused_between(&scene.source, &scene.source, options);
    let text = "Parameter 'granularity' expects a value in range [512B, 64MB]";
    assert_eq!(between(&wrong), text);
    let wrong = MirrorOptions {
        granularity: 1000,
        ..wrong
    };
    assert_eq!(
        between(&wrong),
        "Parameter 'granularity' expects a power of 2"
    );
    let wrong = MirrorOptions {
        granularity: 0,
        ..wrong
    };
    assert_eq!(between(&wrong), "Node 'src' is busy: it is needed");
    drop(busy);
    assert!(between(&wrong).starts_with("Cannot replace 'other' by a node mirrored from 'src'"));
    let wrong = MirrorOptions {
        replaces: None,
        ..wrong
    };
    assert_eq!(between(&wrong), "Sync mode 'bitmap' not supported");
    let wrong = MirrorOptions {
        sync: MirrorSync::Full,
        ..wrong
    };
    assert_eq!(between(&wrong), "Invalid parameter 'buf-size'");
    let wrong = MirrorOptions {
        buf_size: 0,
        ..wrong
    };
    assert_eq!(between(&wrong), "Can't mirror node into itself");
    assert_eq!(scene.refused(&wrong), "Invalid node-name: '1x'");
    let wrong = MirrorOptions {
        filter_node_name: None,
        ..wrong
    };
    assert_eq!(scene.refused(&wrong), "Invalid job ID '1j'");
    scene.assert_silent();
    let wrong = MirrorOptions {
        job_id: Some("j".to_owned()),
        ..wrong
    };
    let text = "Parameter 'speed' expects a non-negative value";
    assert_eq!(scene.refused(&wrong), text);
    scene.assert_seen();
    drop(other);
}

#[test]
fn a_target_that_cannot_be_written_to_is_read_only() {
    let scene = Scene::new();
    let driver = Lab::driver(LabOptions::new(MIB));
    let graph = &scene.world.graph;
    let fixed = graph.add_node(Some("fixed"), Box::new(driver), true, &[]);
    let fixed = fixed.expect("a new name");
    let refused = scene.refused_between(&scene.source, &fixed, &options());
    assert_eq!(refused, "Block node is read-only");
    scene.assert_seen();
}

#[test]
fn a_target_that_somebody_uses_is_his() {
    let scene = Scene::new();
    let export = PermPair::new(Perm::CONSISTENT_READ | Perm::WRITE, Perm::ALL);
    let user = BlockBackend::new(&scene.world.graph, "", export).expect("no name");
    user.insert(&scene.target).expect("it is alone");
    assert_eq!(
        scene.refused(&options()),
        "Permission conflict on node 'dst': permissions 'consistent read, write' are both required \
         by an unnamed block device (uses node 'dst' as 'root' child) and unshared by an unnamed \
         block device (uses node 'dst' as 'root' child)."
    );
    scene.assert_seen();
    drop(user);
    // And the other way round.
    let (_job, _mirror) = scene.world.mirror(&scene.source, &scene.target, &options());
    for (perms, names) in [
        (export, "consistent read, write"),
        (
            PermPair::new(Perm::CONSISTENT_READ, Perm::ALL),
            "consistent read",
        ),
    ] {
        let user = BlockBackend::new(&scene.world.graph, "", perms).expect("no name");
        let refused = user.insert(&scene.target).expect_err("it is the job's");
        assert_eq!(
            refused.to_string(),
            format!(
                "Permission conflict on node 'dst': permissions '{names}' are both required by an \
                 unnamed block device (uses node 'dst' as 'root' child) and unshared by an unnamed \
                 block device (uses node 'dst' as 'root' child)."
            )
        );
    }
}

#[test]
fn a_backing_node_is_no_target() {
    let scene = Scene::new();
    let overlay = OverlayOptions::new(MIB).build();
    let top = scene
        .world
        .above("top", overlay, ChildRole::Cow, &scene.source);
    for sync in [MirrorSync::Full, MirrorSync::Top, MirrorSync::None] {
        let options = MirrorOptions { sync, ..options() };
        let refused = scene.refused_between(&top, &scene.source, &options);
        assert_eq!(
            refused,
            "Node 'src' is busy: node is used as backing hd of 'top'"
        );
    }
    assert!(!scene.source.is_root_node());
    scene.assert_silent();
}

/// `raw` is no filter: its file is another node, which it reads.
#[test]
fn the_file_of_a_raw_disk_is_no_target_and_not_replaced() {
    let scene = Scene::new();
    let driver = RawDriver::new(RawOptions::default(), MIB).expect("it fits");
    let graph = &scene.world.graph;
    let file = [("file", ChildRole::Filtered, scene.source.clone())];
    let raw = graph.add_node(Some("raw"), Box::new(driver), false, &file);
    let raw = raw.expect("a new name");
    assert_eq!(
        scene.refused_between(&raw, &scene.source, &options()),
        "Permission conflict on node 'src': permissions 'consistent read' are both required by \
         node 'raw' (uses node 'src' as 'file' child) and unshared by an unnamed block device (uses \
         node 'src' as 'root' child)."
    );
    let replaces = MirrorOptions {
        replaces: Some("src".to_owned()),
        ..options()
    };
    assert!(
        scene
            .refused_between(&raw, &scene.target, &replaces)
            .starts_with("Cannot replace 'src' by a node mirrored from 'raw'")
    );
}

/// The peer takes these also of a disk that nobody uses.
#[test]
fn every_policy_for_errors_is_taken() {
    for on_error in [
        OnError::Report,
        OnError::Ignore,
        OnError::Enospc,
        OnError::Stop,
    ] {
        let scene = Scene::new();
        let options = MirrorOptions {
            on_source_error: on_error,
            on_target_error: on_error,
            ..options()
        };
        let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
        assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    }
}

#[test]
fn while_it_lives_its_nodes_are_busy_and_their_length_stays() {
    let scene = Scene::new();
    let options = MirrorOptions {
        granularity: 64 * KIB,
        ..named("top")
    };
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
    let top = mirror.filter_node().expect("it lives");
    for node in [&top, &scene.source, &scene.target] {
        let ops = [
            BlockOp::Resize,
            BlockOp::DriveDel,
            BlockOp::ExternalSnapshot,
            BlockOp::MirrorSource,
            BlockOp::MirrorTarget,
        ];
        for op in ops {
            let refused = node.check_op(op).expect_err("it is in use").to_string();
            let busy = "busy: block device is in use by block job: mirror";
            assert_eq!(refused, format!("Node '{}' is {busy}", node.name()));
        }
    }
    let resizes = PermPair::new(Perm::RESIZE, Perm::ALL);
    for (node, job_edge) in [(&top, "main node"), (&scene.source, "source")] {
        let user = BlockBackend::new(&scene.world.graph, "", resizes).expect("no name");
        let refused = user
            .insert(node)
            .expect_err("it is to stay as long as it is");
        let name = node.name();
        assert_eq!(
            refused.to_string(),
            format!(
                "Permission conflict on node '{name}': permissions 'resize' are both required by \
                 an unnamed block device (uses node '{name}' as 'root' child) and unshared by \
                 mirror job 'job0' (uses node '{name}' as '{job_edge}' child)."
            )
        );
    }
    drop(top);
    assert_eq!(scene.world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
}

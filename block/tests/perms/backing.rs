//! Backing nodes: that one is exchanged for another as a whole or not at all, and what nobody may
//! begin on one; who is a root; and a disk that is not written to any more.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{ErrorKind, Node, Perm, PermPair};

use crate::common::{EXCLUSIVE, LEN, TestDriver, TestParent, World};

struct Scene {
    world: World,
    top: Rc<Node>,
    base: Rc<Node>,
    other: Rc<Node>,
}

fn scene() -> Scene {
    let world = World::new();
    let (base, _) = world.disk("base");
    let (other, _) = world.disk("other");
    let over = [("backing", ChildRole::Cow, &base)];
    let top = world.node("top", &TestDriver::new(LEN), &over);
    Scene {
        world,
        top,
        base,
        other,
    }
}

impl Scene {
    fn below_top(&self) -> Option<Rc<Node>> {
        Some(self.top.backing()?.node())
    }
}

#[test]
fn a_backing_node_is_exchanged_taken_away_and_given() {
    let scene = scene();
    let graph = &scene.world.graph;
    let _user = scene.world.user(&scene.top, EXCLUSIVE).expect("the first");
    for backing in [Some(&scene.other), None, Some(&scene.base)] {
        graph
            .set_backing(&scene.top, backing)
            .expect("nobody objects");
        let below = scene.below_top();
        assert_eq!(below.as_ref().map(Rc::as_ptr), backing.map(Rc::as_ptr));
        for node in [&scene.base, &scene.other] {
            let is_below = backing.is_some_and(|backing| Rc::ptr_eq(backing, node));
            assert_eq!(node.parents().len(), usize::from(is_below));
            assert_eq!(node.quiesce_counter(), 0);
            let used = node.cumulative_perms().used;
            assert_eq!(used.contains(Perm::CONSISTENT_READ), is_below);
        }
    }
}

#[test]
fn a_backing_node_that_does_not_fit_leaves_the_old_one() {
    let scene = scene();
    let graph = &scene.world.graph;
    // Who reads the top wants to read what was meant, and the other node is somebody else's.
    let _user = scene.world.user(&scene.top, EXCLUSIVE).expect("the first");
    let alone = PermPair::new(Perm::WRITE, Perm::NONE);
    let _alone = scene.world.user(&scene.other, alone).expect("the first");
    let before = scene.world.dump();
    let refused = graph.set_backing(&scene.top, Some(&scene.other));
    assert_eq!(
        refused.expect_err("it is not shared").kind(),
        ErrorKind::InUse
    );
    let ring = graph.set_backing(&scene.base, Some(&scene.top));
    assert_eq!(
        ring.expect_err("it is a ring").to_string(),
        "Making 'top' a backing child of 'base' would create a cycle"
    );
    scene.top.backing().expect("it has one").set_frozen(true);
    let frozen = graph.set_backing(&scene.top, None);
    assert_eq!(frozen.expect_err("it is frozen").kind(), ErrorKind::InUse);
    scene.top.backing().expect("it has one").set_frozen(false);
    assert_eq!(scene.world.dump(), before);
}

#[test]
fn what_would_change_an_overlays_content_is_not_begun_on_its_backing_node() {
    let scene = scene();
    let busy = "Node 'base' is busy: node is used as backing hd of 'top'";
    for op in [
        BlockOp::MirrorTarget,
        BlockOp::MirrorSource,
        BlockOp::Resize,
        BlockOp::DriveDel,
        BlockOp::Replace,
        BlockOp::ExternalSnapshot,
        BlockOp::CommitSource,
    ] {
        let refused = scene.base.check_op(op).expect_err("it is in use");
        assert_eq!(refused.to_string(), busy);
    }
    for op in [
        BlockOp::CommitTarget,
        BlockOp::Stream,
        BlockOp::BackupSource,
        BlockOp::BackupTarget,
    ] {
        assert!(scene.base.check_op(op).is_ok(), "{op:?}");
    }
    let graph = &scene.world.graph;
    graph
        .set_backing(&scene.top, Some(&scene.other))
        .expect("nobody objects");
    assert!(scene.base.check_op(BlockOp::MirrorTarget).is_ok());
    assert!(scene.other.check_op(BlockOp::MirrorTarget).is_err());
    // Whoever replaces it takes the blocker over, and one that is gone blocks nothing.
    graph
        .replace_node(&scene.other, &scene.base)
        .expect("nobody objects");
    assert!(scene.other.check_op(BlockOp::MirrorTarget).is_ok());
    assert!(scene.base.check_op(BlockOp::MirrorTarget).is_err());
    drop(scene.top);
    assert!(scene.base.check_op(BlockOp::MirrorTarget).is_ok());
}

#[test]
fn backends_leave_a_node_a_root_and_nodes_and_jobs_do_not() {
    let scene = scene();
    assert!(scene.top.is_root_node() && scene.other.is_root_node());
    assert!(!scene.base.is_root_node(), "the top is made of it");
    let _user = scene.world.backend("drive0", &scene.top);
    assert!(scene.top.is_root_node());
    let job = TestParent::new("a job");
    job.stays();
    let _edge = job.attach(&scene.top, PermPair::HARMLESS);
    assert!(!scene.top.is_root_node(), "a job works on it");
}

#[test]
fn a_filter_of_a_jobs_own_is_passed_over_and_one_of_a_users_is_not() {
    let scene = scene();
    let (low, _) = scene.world.filter("low", &scene.top);
    let (middle, _) = scene.world.filter("middle", &low);
    let (high, _) = scene.world.filter("high", &middle);
    for filter in [&high, &low] {
        filter.set_implicit(true);
    }
    assert!(Rc::ptr_eq(&high.skip_implicit_filters(), &middle));
    assert!(Rc::ptr_eq(&middle.skip_implicit_filters(), &middle));
    assert!(Rc::ptr_eq(&low.skip_implicit_filters(), &scene.top));
    assert!(Rc::ptr_eq(&high.skip_filters(), &scene.top));
}

#[test]
fn a_disk_becomes_read_only_unless_somebody_writes_to_it() {
    let scene = scene();
    let graph = &scene.world.graph;
    let (filter, _) = scene.world.filter("filter", &scene.top);
    let user = scene.world.user(&scene.top, EXCLUSIVE).expect("the first");
    let before = scene.world.dump();
    let refused = graph.make_read_only(&filter).expect_err("somebody writes");
    assert_eq!(refused.to_string(), "Block node is read-only");
    assert_eq!(scene.world.dump(), before);
    assert!(!filter.is_read_only() && !scene.top.is_read_only());
    drop(user);
    graph.make_read_only(&filter).expect("nobody writes");
    assert!(filter.is_read_only() && scene.top.is_read_only());
    // Its backing node is another image.
    assert!(!scene.base.is_read_only());
}

//! A change that is refused leaves the graph, its permissions and its sections as they were.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::Limits;
use blockjob_block::graph::{detach_root, set_edge_perms};
use blockjob_block::{BlockBackend, BlockError, BlockResult, ErrorKind, Node, Perm, PermPair};

use crate::common::{EXCLUSIVE, LAX, LEN, TestDriver, TestParent, World};

/// A backend and a busy-body on a filter on an overlay on a disk; and a disk beside it that refuses
/// all users.
struct Scene {
    world: World,
    filter: Rc<Node>,
    overlay: Rc<Node>,
    disk: Rc<Node>,
    disk_driver: TestDriver,
    refuses: Rc<Node>,
    users: Vec<Rc<BlockBackend>>,
}

fn scene() -> Scene {
    let world = World::new();
    let (disk, disk_driver) = world.disk("disk");
    let (beside, _) = world.disk("beside");
    let over = [("backing", ChildRole::Cow, &disk)];
    let overlay = world.node("overlay", &TestDriver::new(LEN), &over);
    let driver = TestDriver::filter();
    let children = [
        ("first", ChildRole::Data, &beside),
        ("file", ChildRole::Filtered, &overlay),
        ("last", ChildRole::Cow, &disk),
    ];
    let filter = world.node("filter", &driver, &children);
    let (refuses, refuser) = world.disk("refuses");
    refuser.refuse_perms(Some("no users, please"));
    let users = vec![
        world.user(&filter, EXCLUSIVE).expect("the first"),
        world
            .user(&disk, PermPair::new(Perm::CONSISTENT_READ, Perm::ALL))
            .expect("it may read"),
    ];
    Scene {
        world,
        filter,
        overlay,
        disk,
        disk_driver,
        refuses,
        users,
    }
}

/// `change` is refused, and nothing is left of it; also while a section lasts, and when the
/// permissions are computed anew.
fn refused<T>(change: impl Fn(&Scene) -> BlockResult<T>) -> BlockError {
    let scene = scene();
    let before = scene.world.dump();
    change(&scene).err().expect("refused");
    assert_eq!(scene.world.dump(), before);

    let drained = scene.overlay.drained_begin("test");
    let within = scene.world.dump();
    let error = change(&scene).err().expect("refused");
    assert_eq!(scene.world.dump(), within);
    drop(drained);

    let (_user, edge) = TestParent::of("new", &scene.filter);
    detach_root(edge);
    assert_eq!(scene.world.dump(), before);
    error
}

#[test]
fn a_user_who_is_refused() {
    let error = refused(|scene| scene.world.user(&scene.disk, LAX));
    assert_eq!(error.kind(), ErrorKind::InUse);
}

#[test]
fn a_node_whose_child_refuses_it() {
    let error = refused(|scene| {
        let children = [
            ("a", ChildRole::Data, &scene.overlay),
            ("b", ChildRole::Data, &scene.refuses),
        ];
        scene
            .world
            .try_node("new", &TestDriver::new(LEN), &children)
    });
    assert_eq!(error.kind(), ErrorKind::InUse);
}

#[test]
fn a_child_that_is_refused() {
    refused(|scene| {
        let graph = &scene.world.graph;
        graph.attach_child(&scene.overlay, "new", ChildRole::Data, &scene.refuses)
    });
}

#[test]
fn a_filter_that_is_refused() {
    refused(|scene| {
        let driver = TestDriver::filter();
        driver.refuse_perms(None);
        let top = scene.world.node("zzz", &driver, &[]);
        driver.refuse_perms(Some("no users, please"));
        let graph = &scene.world.graph;
        let result = graph.append(&top, "file", ChildRole::Filtered, &scene.disk);
        assert!(top.children().is_empty() && top.parents().is_empty());
        result
    });
}

#[test]
fn a_replacement_that_is_refused() {
    refused(|scene| {
        let graph = &scene.world.graph;
        graph.replace_node(&scene.overlay, &scene.refuses)
    });
}

#[test]
fn a_filter_that_is_not_to_be_dropped() {
    refused(|scene| {
        // Without the filter its user would write to the overlay, and that refuses.
        let driver = scene.overlay.driver().as_any();
        let driver = driver.downcast_ref::<TestDriver>().expect("ours");
        driver.refuse_perms(Some("no users, please"));
        let result = scene.world.graph.drop_filter(&scene.filter);
        driver.refuse_perms(None);
        result
    });
}

#[test]
fn other_permissions_that_another_user_does_not_share() {
    refused(|scene| {
        let edge = scene.users[1].root().expect("has one");
        set_edge_perms(&edge, LAX)
    });
}

#[test]
fn other_permissions_that_a_driver_below_refuses() {
    refused(|scene| {
        let edge = scene.users[0].root().expect("has one");
        scene.disk_driver.refuse_perms(Some("no users, please"));
        let result = set_edge_perms(&edge, PermPair::new(Perm::CONSISTENT_READ, Perm::ALL));
        scene.disk_driver.refuse_perms(None);
        result
    });
}

#[test]
fn whatever_hangs_on_a_frozen_edge() {
    let frozen = |scene: &Scene, result: BlockResult<()>| {
        let edge = scene.filter.filtered().expect("has one");
        edge.set_frozen(false);
        result
    };
    let freeze = |scene: &Scene| {
        let edge = scene.filter.filtered().expect("has one");
        edge.set_frozen(true);
        edge
    };
    let errors = [
        refused(|scene| {
            let edge = freeze(scene);
            let result = scene.world.graph.detach_child(&scene.filter, &edge);
            frozen(scene, result)
        }),
        refused(|scene| {
            freeze(scene);
            let result = scene.world.graph.drop_filter(&scene.filter);
            frozen(scene, result)
        }),
        refused(|scene| {
            freeze(scene);
            let graph = &scene.world.graph;
            let result = graph.replace_node(&scene.overlay, &scene.disk);
            frozen(scene, result)
        }),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            "Cannot change 'file' link of node 'filter' to 'overlay': it is frozen"
        );
    }
}

#[test]
fn a_driver_that_agreed_to_what_another_refuses_is_told_that_it_came_to_nothing() {
    let world = World::new();
    let (disk, below) = world.disk("disk");
    let (filter, above) = world.filter("filter", &disk);
    for driver in [&below, &above] {
        driver.take_perm_log();
    }
    below.refuse_perms(Some("no users, please"));
    world.user(&filter, EXCLUSIVE).expect_err("refused");
    let agreed = ["check consistent read, write", "abort"];
    assert_eq!(above.take_perm_log(), agreed);
    assert!(below.take_perm_log().is_empty());

    below.refuse_perms(None);
    let other = world.user(&disk, LAX);
    drop(other.expect("the filter does not write either"));
    below.take_perm_log();
    let _user = world.user(&filter, EXCLUSIVE).expect("nobody objects");
    let done = ["check consistent read, write", "set consistent read, write"];
    assert_eq!(above.take_perm_log(), done);
    assert_eq!(below.take_perm_log(), done);
}

#[test]
fn limits_are_asked_for_anew_below_and_above_a_change() {
    let world = World::new();
    let (old, _) = world.disk("old");
    let limits = Limits {
        request_alignment: 4096,
        cluster_size: 65536,
        ..Limits::default()
    };
    let new = world.node("new", &TestDriver::new(LEN).with_limits(limits), &[]);
    let (middle, _) = world.filter("middle", &old);
    let (top, _) = world.filter("top", &middle);
    assert_eq!(top.limits(), Limits::default());
    world
        .graph
        .replace_node(&old, &new)
        .expect("nobody objects");
    assert_eq!(middle.limits(), limits);
    assert_eq!(top.limits(), limits);
}

#[test]
fn a_filter_is_dropped_and_its_users_go_on_below_it() {
    let scene = scene();
    let graph = &scene.world.graph;
    graph.drop_filter(&scene.filter).expect("nobody objects");
    assert!(scene.filter.filtered().is_none() && scene.filter.parents().is_empty());
    let root = scene.users[0].root().expect("has one");
    assert!(Rc::ptr_eq(&root.node(), &scene.overlay));
    assert_eq!(root.perms(), EXCLUSIVE);
    let error = graph.drop_filter(&scene.disk).expect_err("no filter");
    assert_eq!(error.to_string(), "Node 'disk' is no filter");
}

//! Changes of the graph and what they do to permissions: the cases of QEMU's
//! tests/unit/test-bdrv-graph-mod.c, each under the name that it has there.

#[path = "common/mod.rs"]
#[macro_use]
mod common;

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::{ErrorKind, Node, Perm, PermPair};

use common::{EXCLUSIVE, TestDriver, World};

/// A driver that writes to its children whoever uses it, and lets nobody else.
fn exclusive_writer() -> TestDriver {
    let driver = TestDriver::filter();
    driver.set_child_perms(|_, _| EXCLUSIVE);
    driver
}

fn writes(parent: &Rc<Node>, child: &str) -> bool {
    let edge = parent.child(child).expect("it has this child");
    edge.perms().used.contains(Perm::WRITE)
}

#[test]
fn update_perm_tree_a_filter_that_is_a_parent_already_cannot_be_put_on_top() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let (filter, _) = world.filter("filter", &disk);
    let _root = world.user(&disk, EXCLUSIVE).expect("the first");
    let before = world.dump();
    // On top it would have the user's permissions, and so write to the disk along two edges.
    let error = world
        .graph
        .append(&filter, "backing", ChildRole::Filtered, &disk)
        .expect_err("two exclusive writers");
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert_eq!(world.dump(), before);
}

#[test]
fn should_update_child_what_the_new_top_is_made_of_is_not_moved_onto_it() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let target = world.node(
        "target",
        &TestDriver::new(common::LEN),
        &[("backing", ChildRole::Cow, &disk)],
    );
    let driver = TestDriver::filter();
    driver.set_child_perms(|_, _| PermPair::HARMLESS);
    let filter = world.node("filter", &driver, &[("target", ChildRole::Data, &target)]);
    let root = world.backend("drive", &disk);
    world
        .graph
        .append(&filter, "file", ChildRole::Filtered, &disk)
        .expect("nobody objects");
    assert!(Rc::ptr_eq(&root.node().expect("has one"), &filter));
    let backing = target.backing().expect("has one").node();
    assert!(Rc::ptr_eq(&backing, &disk), "else there were a ring");
    assert!(Rc::ptr_eq(
        &filter.filtered().expect("has one").node(),
        &disk
    ));
}

#[test]
fn parallel_perm_update_every_node_is_updated_after_all_its_parents() {
    let world = World::new();
    let (base, _) = world.disk("base");
    let (first, _) = world.filter("fl1", &base);
    let (second, _) = world.filter("fl2", &base);
    // Writes to one of its children, the selected one, alone.
    let selected = Rc::new(Cell::new(ChildRole::Data));
    let driver = TestDriver::filter();
    let selects = selected.clone();
    driver.set_child_perms(move |role, _| {
        if role == selects.get() {
            EXCLUSIVE
        } else {
            PermPair::HARMLESS
        }
    });
    let children = [
        ("fl1", ChildRole::Data, &first),
        ("fl2", ChildRole::Cow, &second),
    ];
    let top = world.node("ws", &driver, &children);
    let root = world.backend("drive", &top);

    for (role, in_first) in [
        (ChildRole::Data, true),
        (ChildRole::Cow, false),
        (ChildRole::Data, true),
    ] {
        selected.set(role);
        root.set_perms(root.perms()).expect("one exclusive writer");
        assert_eq!(writes(&top, "fl1"), in_first);
        assert_eq!(writes(&first, "file"), in_first);
        assert_eq!(writes(&top, "fl2"), !in_first);
        assert_eq!(writes(&second, "file"), !in_first);
    }
}

#[test]
fn parallel_exclusive_write_one_of_two_ways_to_a_node_replaces_the_other() {
    let world = World::new();
    let (base, _) = world.disk("base");
    let (first, _) = world.filter("fl1", &base);
    let (second, _) = world.filter("fl2", &base);
    let children = [("file", ChildRole::Filtered, &first)];
    let top = world.node("top", &exclusive_writer(), &children);
    assert!(writes(&first, "file") && !writes(&second, "file"));

    world
        .graph
        .replace_node(&first, &second)
        .expect("one exclusive writer, before and after");
    assert!(Rc::ptr_eq(
        &top.filtered().expect("has one").node(),
        &second
    ));
    assert!(!writes(&first, "file") && writes(&second, "file"));
}

#[test]
fn append_greedy_filter_all_edges_are_moved_before_permissions_are_looked_at() {
    let world = World::new();
    let (base, _) = world.disk("base");
    let children = [("file", ChildRole::Filtered, &base)];
    let top = world.node("top", &exclusive_writer(), &children);
    let greedy = world.node("greedy", &exclusive_writer(), &[]);
    world
        .graph
        .append(&greedy, "file", ChildRole::Filtered, &base)
        .expect("the other writer has moved on top of it");
    assert!(Rc::ptr_eq(
        &top.filtered().expect("has one").node(),
        &greedy
    ));
    assert!(writes(&greedy, "file"));
    assert_eq!(base.parents().len(), 1);
}

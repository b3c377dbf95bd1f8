//! Nodes that refuse to be written to, edges that lead elsewhere, and nodes of which anything may be
//! made meanwhile.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::settings::NodeSettings;
use blockjob_block::{ErrorKind, Perm};

use crate::common::{EXCLUSIVE, LAX, LEN, TestDriver, World};

#[test]
fn nodes_are_made_read_only_all_or_none() {
    let world = World::new();
    let (idle, _) = world.disk("idle");
    let (used, _) = world.disk("used");
    let _user = world.user(&used, EXCLUSIVE).expect("the first");
    let both = [(idle.clone(), true), (used.clone(), true)];
    let error = world
        .graph
        .set_read_only(&both)
        .expect_err("it is written to");
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert!(!idle.is_read_only() && !used.is_read_only());
    let one = [(idle.clone(), true)];
    world.graph.set_read_only(&one).expect("nobody writes");
    assert!(idle.is_read_only());
    world.user(&idle, EXCLUSIVE).expect_err("it is read-only");
    world
        .graph
        .set_read_only(&[(idle.clone(), false)])
        .expect("nobody minds");
    world.user(&idle, EXCLUSIVE).expect("it is not any more");
}

#[test]
fn an_edge_leads_elsewhere_with_its_permissions() {
    let world = World::new();
    let (old, _) = world.disk("old");
    let (new, _) = world.disk("new");
    let (filter, _) = world.filter("filter", &old);
    let _user = world.user(&filter, EXCLUSIVE).expect("the first");
    let edge = filter.filtered().expect("it has one");
    let graph = &world.graph;
    graph.set_child(&filter, &edge, &new).expect("nobody minds");
    assert!(Rc::ptr_eq(&edge.node(), &new));
    assert!(old.parents().is_empty());
    world
        .user(&new, LAX)
        .expect_err("the filter's user is alone");
    world.user(&old, EXCLUSIVE).expect("nobody is there");
}

#[test]
fn an_edge_stays_where_it_is_if_somebody_minds() {
    let world = World::new();
    let (old, _) = world.disk("old");
    let (new, _) = world.disk("new");
    let (filter, _) = world.filter("filter", &old);
    let _user = world.user(&filter, EXCLUSIVE).expect("the first");
    let _other = world.user(&new, EXCLUSIVE).expect("the first");
    let edge = filter.filtered().expect("it has one");
    let before = world.dump();
    let graph = &world.graph;
    graph.set_child(&filter, &edge, &new).expect_err("taken");
    assert_eq!(world.dump(), before);
    let error = graph.set_child(&filter, &edge, &filter);
    assert_eq!(
        error.expect_err("a ring").to_string(),
        "Making 'filter' a file child of 'filter' would create a cycle"
    );
}

#[test]
fn parents_of_a_node_that_is_shared_by_force_mind_nothing() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let over = [("backing", ChildRole::Cow, &disk)];
    let strict = world.node("strict", &TestDriver::new(LEN), &over);
    let _reader = world.user(&strict, EXCLUSIVE).expect("the first");
    world
        .user(&disk, LAX)
        .expect_err("the overlay relies on it");
    drop(strict);
    let world = World::new();
    let (disk, _) = world.disk("disk");
    disk.set_settings(NodeSettings {
        force_share: true,
        ..NodeSettings::default()
    });
    let over = [("backing", ChildRole::Cow, &disk)];
    let strict = world.node("strict", &TestDriver::new(LEN), &over);
    let _reader = world.user(&strict, EXCLUSIVE).expect("the first");
    let edge = strict.backing().expect("it has one");
    assert_eq!(edge.perms().shared, Perm::ALL);
    world.user(&disk, LAX).expect("anybody may do anything");
}

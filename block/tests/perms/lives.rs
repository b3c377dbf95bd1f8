//! Nothing keeps nodes and backends alive that nobody uses.

use std::rc::Rc;

use blockjob_block::PermPair;
use blockjob_block::child::ChildRole;

use crate::common::{EXCLUSIVE, LEN, Pace, TestDriver, World, read, write};

#[test]
fn a_chain_goes_with_its_last_user_from_the_top_down() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let over = [("backing", ChildRole::Cow, &disk)];
    let overlay = world.node("overlay", &TestDriver::new(LEN), &over);
    let backend = world.backend("drive", &overlay);
    drop((disk, overlay));
    world.run(read(backend.clone(), 0, 512)).expect("reads");
    assert_eq!(world.graph.nodes().len(), 2);
    drop(backend);
    assert!(world.graph.nodes().is_empty());
    assert!(world.graph.find_backend("drive").is_none());
    // Their names are free.
    let (disk, _) = world.disk("disk");
    let _drive = world.backend("drive", &disk);
}

#[test]
fn a_graph_goes_although_its_nodes_and_backends_stay() {
    let World { context, graph } = World::new();
    let world = World { context, graph };
    let (disk, _) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    let context = world.context.clone();
    let graph = Rc::downgrade(&world.graph);
    drop(world);
    assert!(graph.upgrade().is_none());
    context
        .run("read", read(backend.clone(), 0, 512))
        .expect("reads");
    assert!(backend.graph().is_none());
    drop((disk, backend));
}

#[test]
fn a_node_that_is_dropped_takes_its_edge_out_of_a_node_that_stays() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let (filter, _) = world.filter("filter", &disk);
    assert_eq!(disk.parents().len(), 1);
    drop(filter);
    assert!(disk.parents().is_empty());
    assert_eq!(Rc::strong_count(&disk), 1, "nobody else holds it");
}

#[test]
fn a_node_that_is_dropped_takes_its_permissions_along_all_the_way_down() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let (middle, _) = world.filter("middle", &disk);
    let driver = TestDriver::filter();
    driver.set_child_perms(|_, _| EXCLUSIVE);
    let top = world.node("top", &driver, &[("file", ChildRole::Filtered, &middle)]);
    let file = middle.filtered().expect("has one");
    assert_eq!(file.perms(), EXCLUSIVE);
    drop(top);
    assert_eq!(file.perms(), PermPair::HARMLESS);
    world.user(&disk, EXCLUSIVE).expect("nobody else writes");
}

#[test]
fn a_context_that_is_closed_in_the_middle_of_everything_lets_all_of_it_go() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    let (filter, _) = world.filter("filter", &disk);
    let backend = world.backend("drive", &filter);
    driver.set_pace(Pace::Held);
    // One request in the driver, one that waits for it, one behind a section that is waited for, and
    // a section that is held.
    world.start(write(backend.clone(), 0, 512, 1));
    let (held, waited) = (disk.clone(), filter.clone());
    let (other, other_driver) = world.disk("other");
    let beside = other.clone();
    world.start(async move {
        let _section = beside.co_drained_begin("holds").await;
        drop(held.co_drained_begin("waits").await);
    });
    let behind = world.backend("behind", &other);
    world.start(write(behind, 0, 512, 1));
    world.start(async move { waited.flush().await });
    world.settle();
    assert_eq!((driver.active(), other_driver.served()), (1, 0));
    let nodes = [&disk, &filter, &other].map(Rc::downgrade);
    let drive = Rc::downgrade(&backend);
    drop((disk, filter, other, backend));

    world.context.close();
    assert!(nodes.iter().all(|node| node.upgrade().is_none()));
    assert!(drive.upgrade().is_none());
    assert_eq!(driver.active(), 0);
}

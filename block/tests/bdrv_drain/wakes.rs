//! A coroutine that waits for a section is woken whenever what it waits for may have ended, wherever
//! in the graph that is. In virtual time, a test whose coroutine is not woken panics: it waits for
//! ever.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::backend::DeviceOps;
use blockjob_block::child::{Child, ChildRole};
use blockjob_block::graph::detach_root;
use blockjob_runtime::AioContext;

use crate::common::{LEN, Pace, Started, TestDriver, TestParent, World, read};

/// Waits for a section of `node`, and must have to.
fn waiter(world: &World, node: &Rc<Node>) -> Started<()> {
    let node = node.clone();
    let waits = world.start(async move { node.co_drain("test").await });
    world.settle();
    assert!(!waits.ended(), "there is something to wait for");
    waits
}

/// After `end`, a `waits` that nobody wakes is a deadlock.
fn woken_by(world: &World, waits: &Started<()>, end: impl FnOnce() + 'static) {
    world.context.schedule_oneshot("end", end);
    world.finish(waits);
}

#[test]
fn the_end_of_a_request_at_the_node_wakes() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    driver.set_pace(Pace::Held);
    let backend = world.backend("drive", &disk);
    let _pending = world.start(read(backend, 0, 512));
    let waits = waiter(&world, &disk);
    woken_by(&world, &waits, move || assert!(driver.release()));
}

#[test]
fn the_end_of_a_request_far_above_wakes() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let (middle, _) = world.filter("middle", &disk);
    let (top, driver) = world.filter("top", &middle);
    driver.set_pace(Pace::Held);
    let backend = world.backend("drive", &top);
    let _pending = world.start(read(backend, 0, 512));
    let waits = waiter(&world, &disk);
    woken_by(&world, &waits, move || assert!(driver.release()));
}

#[test]
fn the_end_of_a_request_below_wakes_who_waits_for_the_subtree_and_for_all() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    let (top, _) = world.filter("top", &disk);
    driver.set_pace(Pace::Held);
    let backend = world.backend("drive", &disk);
    let _pending = world.start(read(backend, 0, 512));
    let graph = world.graph.clone();
    let subtree = world.start(async move { drop(top.co_subtree_drained_begin("test").await) });
    let all = world.start(async move { drop(graph.co_drain_all_begin("test").await) });
    world.settle();
    assert!(!subtree.ended() && !all.ended());
    woken_by(&world, &subtree, move || assert!(driver.release()));
    world.finish(&all);
}

#[test]
fn the_end_of_something_internal_wakes() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let worker = disk.clone();
    let context = world.context.clone();
    let _works = world.start(async move {
        let _in_flight = worker.begin_internal();
        context.sleep(1000).await;
    });
    let waits = waiter(&world, &disk);
    world.finish(&waits);
    assert_eq!(disk.in_flight(), 0);
}

/// A user who stays busy, on top of a filter on top of a disk.
fn busy_user(world: &World) -> (Rc<Node>, Rc<Node>, Rc<TestParent>, Rc<Child>) {
    let (disk, _) = world.disk("disk");
    let (filter, _) = world.filter("filter", &disk);
    let (parent, edge) = TestParent::of("user", &filter);
    parent.set_busy(true);
    (disk, filter, parent, edge)
}

#[test]
fn a_user_who_rests_and_says_so_wakes() {
    let world = World::new();
    let (disk, filter, parent, _edge) = busy_user(&world);
    let waits = waiter(&world, &disk);
    woken_by(&world, &waits, move || {
        parent.set_busy(false);
        filter.drain_kick();
    });
}

#[test]
fn a_user_who_leaves_wakes() {
    let world = World::new();
    let (disk, _filter, _parent, edge) = busy_user(&world);
    let waits = waiter(&world, &disk);
    // Somebody may still hold the edge; it leads nowhere any more.
    let kept = edge.clone();
    woken_by(&world, &waits, move || detach_root(edge));
    drop(kept);
}

#[test]
fn a_user_who_forgets_its_edge_wakes() {
    let world = World::new();
    let (disk, _filter, _parent, edge) = busy_user(&world);
    let waits = waiter(&world, &disk);
    woken_by(&world, &waits, move || drop(edge));
}

#[test]
fn a_child_that_is_detached_from_a_busy_parent_wakes() {
    let world = World::new();
    let (disk, filter, parent, _edge) = busy_user(&world);
    let waits = waiter(&world, &disk);
    // To detach it drains the parent first: so the user must rest for a moment, and is busy again
    // before anybody who waits has run.
    let graph = world.graph.clone();
    woken_by(&world, &waits, move || {
        parent.set_busy(false);
        let file = filter.filtered().expect("attached");
        graph.detach_child(&filter, &file).expect("nobody holds it");
        parent.set_busy(true);
    });
}

#[test]
fn an_edge_that_is_moved_away_wakes() {
    let world = World::new();
    let (disk, filter, parent, _edge) = busy_user(&world);
    let (other, _) = world.disk("other");
    let waits = waiter(&world, &disk);
    let (graph, from) = (world.graph.clone(), filter.clone());
    woken_by(&world, &waits, move || {
        parent.set_busy(false);
        graph.replace_node(&from, &other).expect("nobody objects");
        parent.set_busy(true);
    });
    assert!(filter.parents().is_empty());
}

struct Device {
    busy: Cell<bool>,
    begins: Cell<u32>,
}

impl DeviceOps for Device {
    fn drained_begin(&self) {
        self.begins.set(self.begins.get() + 1);
    }

    fn drained_poll(&self) -> bool {
        self.busy.get()
    }
}

fn busy_device() -> Rc<Device> {
    Rc::new(Device {
        busy: Cell::new(true),
        begins: Cell::new(0),
    })
}

#[test]
fn a_device_that_rests_and_says_so_wakes() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    let device = busy_device();
    backend.set_device_ops(Some(device.clone()));
    let waits = waiter(&world, &disk);
    assert_eq!(device.begins.get(), 1);
    woken_by(&world, &waits, move || {
        device.busy.set(false);
        backend.drain_kick();
    });
}

#[test]
fn a_busy_device_that_is_taken_away_wakes() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    backend.set_device_ops(Some(busy_device()));
    let waits = waiter(&world, &disk);
    let drive = backend.clone();
    woken_by(&world, &waits, move || drive.set_device_ops(None));
    drop(backend);
}

#[test]
fn the_end_of_a_request_wakes_also_when_the_graph_is_gone() {
    let context = AioContext::builder().virtual_time().build();
    let world = World::on(context);
    let (disk, driver) = world.disk("disk");
    driver.set_pace(Pace::Held);
    let backend = world.backend("drive", &disk);
    let _pending = world.start(read(backend, 0, 512));
    let World { context, graph } = world;
    drop(graph);
    assert!(disk.graph().is_none(), "nobody else holds it");
    let section = disk.clone();
    let waits = Rc::new(Cell::new(false));
    let ended = waits.clone();
    let coroutine = context.coroutine("waits", async move {
        section.co_drain("test").await;
        ended.set(true);
    });
    {
        let _current = context.make_current();
        coroutine.enter();
    }
    assert!(!waits.get());
    context.schedule_oneshot("end", move || assert!(driver.release()));
    context.poll_while(|| !waits.get());
}

#[test]
fn a_request_let_go_that_nobody_waits_for_any_more_does_not_hold_the_next_section() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    let over = TestDriver::new(LEN);
    let top = world.node("top", &over, &[("backing", ChildRole::Cow, &disk)]);
    let backend = world.backend("drive", &top);
    let first = top.drained_begin("first");
    let _queued = world.start(read(backend.clone(), 0, 512));
    assert_eq!(backend.queued(), 1);
    drop(first);
    let waits = world.start(async move { top.co_drain("second").await });
    assert!(!waits.ended(), "the request that was let go is in flight");
    world.finish(&waits);
    assert_eq!(
        (backend.in_flight(), over.served(), driver.served()),
        (0, 1, 0)
    );
}

#[test]
fn the_end_of_a_request_that_did_not_get_as_far_as_the_node_wakes() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    let first = disk.drained_begin("first");
    let refused = world.start(read(backend.clone(), LEN, 512));
    drop(first);
    assert_eq!(backend.in_flight(), 1);
    let waits = world.start(async move { disk.co_drain("second").await });
    assert!(!waits.ended(), "the request that was let go is in flight");
    world.finish(&waits);
    world.finish(&refused).expect_err("past the end");
    assert_eq!(driver.served(), 0);
}

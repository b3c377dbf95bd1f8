//! The graph changes while a section is being begun, from what runs meanwhile.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::{Node, PermPair};

use crate::common::{LEN, Pace, TestDriver, TestParent, Way, World, read};

/// A disk over two others, whose requests end in a bottom half.
struct Family {
    parent: Rc<Node>,
    driver: TestDriver,
    first: Rc<Node>,
    /// Holds its requests.
    first_driver: TestDriver,
    second: Rc<Node>,
}

fn family(world: &World) -> Family {
    let (first, first_driver) = world.disk("first");
    let (second, _) = world.disk("second");
    let driver = TestDriver::new(LEN);
    driver.set_pace(Pace::BottomHalf);
    driver.set_child_perms(|_, _| PermPair::HARMLESS);
    first_driver.set_pace(Pace::Held);
    let children = [
        ("first", ChildRole::Data, &first),
        ("second", ChildRole::Data, &second),
    ];
    Family {
        parent: world.node("parent", &driver, &children),
        driver,
        first,
        first_driver,
        second,
    }
}

/// Has `change` called in the main loop after a request at `node` has ended, and then a request at
/// `first`, which is held until then: so no section that waits for it is established before.
fn change_after_a_request(world: &World, family: &Family, change: impl FnOnce() + 'static) {
    let of_parent = world.backend("", &family.parent);
    let of_first = world.backend("", &family.first);
    let context = world.context.clone();
    let held = family.first_driver.clone();
    world.start(read(of_first, 0, 512));
    world.start(async move {
        read(of_parent, 0, 512).await.expect("reads");
        // Graphs are changed outside of coroutines.
        context.schedule_oneshot("change", move || {
            change();
            assert!(held.release());
        });
    });
}

in_both_lives! {
    fn the_parent_of_a_drained_child_is_deleted_while_the_section_begins(world) {
        let (disk, disk_driver) = world.disk("disk");
        disk_driver.set_pace(Pace::Held);
        let (top, driver) = world.filter("top", &disk);
        driver.set_pace(Pace::BottomHalf);
        let backend = world.backend("drive", &top);
        let other = world.backend("other", &disk);
        // The backend is the last to hold the parent, and its last request the last to hold it.
        drop(top);
        world.start(async move {
            let flushed = backend.flush().await;
            flushed.expect("flushes");
            drop(backend);
            assert!(disk_driver.release(), "the section waits for this");
        });
        world.start(read(other, 0, 512));
        assert!(world.graph.find_node("top").is_some());
        let drained = disk.drained_begin("test");
        assert!(world.graph.find_node("top").is_none(), "it is deleted");
        assert_eq!(disk.parents().len(), 1);
        assert_eq!((disk.quiesce_counter(), disk.in_flight()), (1, 0));
        drop(drained);
        assert_eq!(disk.quiesce_counter(), 0);
    }

    fn a_drained_child_is_detached_while_the_section_begins(world) {
        for way in Way::EACH {
            let family = family(&world);
            let (parent, first, second) = (&family.parent, &family.first, &family.second);
            let graph = world.graph.clone();
            let changed = parent.clone();
            change_after_a_request(&world, &family, move || {
                for edge in changed.children() {
                    graph.detach_child(&changed, &edge).expect("nobody holds it");
                }
            });
            let drained = world.drain(way, first);
            assert!(parent.children().is_empty(), "{way:?}");
            let all = u32::from(matches!(way, Way::All | Way::CoAll));
            let counts = || [parent, first, second].map(|node| node.quiesce_counter());
            assert_eq!(counts(), [all, 1, all], "{way:?}");
            drop(drained);
            assert_eq!(counts(), [0, 0, 0], "{way:?}");
            let (begins, ends) = family.driver.drained();
            assert_eq!(begins, ends, "{way:?}");
            // Who has read still holds the nodes, and their names.
            world.settle();
        }
    }

    fn a_child_is_exchanged_while_the_section_of_the_subtree_begins(world) {
        let family = family(&world);
        let (third, _) = world.disk("third");
        let (graph, changed, new) = (world.graph.clone(), family.parent.clone(), third.clone());
        change_after_a_request(&world, &family, move || {
            let edge = changed.child("second").expect("attached");
            graph.detach_child(&changed, &edge).expect("nobody holds it");
            let attached = graph.attach_child(&changed, "third", ChildRole::Data, &new);
            attached.expect("nobody objects");
        });
        let drained = family.parent.subtree_drained_begin("test");
        let counts = || {
            [&family.parent, &family.first, &family.second, &third]
                .map(|node| node.quiesce_counter())
        };
        // The parent's own, and one for each child that is drained.
        assert_eq!(counts(), [3, 1, 0, 1]);
        drop(drained);
        assert_eq!(counts(), [0, 0, 0, 0]);
        assert_eq!(family.driver.drained(), (1, 1));
    }

    fn a_change_that_a_drivers_callback_schedules_comes_before_the_section_is_established(world) {
        // QEMU polled before everybody was told, once, and then walked a list that was stale.
        let family = family(&world);
        family.first_driver.set_pace(Pace::AtOnce);
        let (third, third_driver) = world.disk("third");
        third_driver.set_pace(Pace::Timer(1000));
        let of_parent = world.backend("drive", &family.parent);
        let of_third = world.backend("other", &third);
        family.driver.on_drained_begin({
            let (graph, context) = (world.graph.clone(), world.context.clone());
            let (parent, third) = (family.parent.clone(), third.clone());
            move || {
                let (graph, parent, third) = (graph.clone(), parent.clone(), third.clone());
                context.schedule_oneshot("change", move || {
                    let edge = parent.child("second").expect("attached");
                    graph.detach_child(&parent, &edge).expect("nobody holds it");
                    let attached = graph.attach_child(&parent, "third", ChildRole::Data, &third);
                    attached.expect("nobody objects");
                });
            }
        });
        world.start(read(of_parent, 0, 512));
        world.start(read(of_third, 0, 512));
        let drained = family.parent.subtree_drained_begin("test");
        assert!(family.parent.child("third").is_some(), "it has come meanwhile");
        assert_eq!((family.driver.active(), third_driver.active()), (0, 0));
        let counts = || {
            [&family.parent, &family.first, &family.second, &third]
                .map(|node| node.quiesce_counter())
        };
        assert_eq!(counts(), [3, 1, 0, 1]);
        drop(drained);
        assert_eq!(counts(), [0, 0, 0, 0]);
    }
}

#[test]
fn a_child_is_not_taken_away_before_its_parents_requests_have_ended() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    let (filter, _) = world.filter("filter", &disk);
    driver.set_pace(Pace::Timer(1000));
    let backend = world.backend("drive", &filter);
    let reading = world.start(read(backend, 0, 512));
    assert_eq!(driver.active(), 1);
    let edge = filter.filtered().expect("attached");
    let detached = world.graph.detach_child(&filter, &edge);
    detached.expect("nobody holds it");
    assert_eq!(driver.active(), 0);
    world.finish(&reading).expect("it was there first");
}

#[test]
fn a_parent_that_forgets_its_edge_is_not_waited_for() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let (parent, edge) = TestParent::of("forgetful", &disk);
    parent.set_busy(true);
    world
        .context
        .schedule_oneshot("forget", move || drop((edge, parent)));
    drop(disk.drained_begin("test"));
    assert!(disk.parents().is_empty());
}

//! Sections of nodes that share others, and graphs that change while sections last.

use blockjob_block::child::ChildRole;

use crate::common::{LEN, Pace, TestDriver, TestParent, World, read};

in_both_lives! {
    fn a_subtree_section_of_one_parent_stops_the_other_parent_of_a_shared_child(world) {
        let (shared, _) = world.disk("shared");
        let over = [("backing", ChildRole::Cow, &shared)];
        let a = world.node("a", &TestDriver::new(LEN), &over);
        let b = world.node("b", &TestDriver::new(LEN), &over);
        let _drive_a = world.backend("drive-a", &a);
        let drive_b = world.backend("drive-b", &b);

        let drained = a.subtree_drained_begin("test");
        let counts = [&a, &b, &shared].map(|node| node.quiesce_counter());
        assert_eq!(counts, [2, 1, 1]);
        let queued = world.start(read(drive_b.clone(), 0, 512));
        world.settle();
        assert!(!queued.ended() && drive_b.queued() == 1);

        let second = b.subtree_drained_begin("test");
        let counts = [&a, &b, &shared].map(|node| node.quiesce_counter());
        assert_eq!(counts, [2, 2, 2]);

        drop(drained);
        let counts = [&a, &b, &shared].map(|node| node.quiesce_counter());
        assert_eq!(counts, [1, 2, 1]);
        drop(second);
        let counts = [&a, &b, &shared].map(|node| node.quiesce_counter());
        assert_eq!(counts, [0, 0, 0]);
        world.finish(&queued).expect("let go");
    }

    fn a_child_takes_exactly_its_subtree_sections_along_when_it_is_detached_and_attached(world) {
        let (shared, _) = world.disk("shared");
        let over = [("backing", ChildRole::Cow, &shared)];
        let a = world.node("a", &TestDriver::new(LEN), &over);
        let b = world.node("b", &TestDriver::new(LEN), &over);
        let mut of_a: Vec<_> = (0..3).map(|_| a.subtree_drained_begin("test")).collect();
        let mut of_b: Vec<_> = (0..2).map(|_| b.subtree_drained_begin("test")).collect();
        let counts = || [&a, &b, &shared].map(|node| node.quiesce_counter());
        assert_eq!(counts(), [4, 3, 5]);

        let edge = b.backing().expect("attached");
        world.graph.detach_child(&b, &edge).expect("nobody holds it");
        assert_eq!(counts(), [4, 2, 3]);

        let attached = world.graph.attach_child(&b, "backing", ChildRole::Cow, &shared);
        attached.expect("nobody objects");
        assert_eq!(counts(), [4, 3, 5]);

        drop(of_b.pop());
        drop(of_a.pop());
        assert_eq!(counts(), [3, 2, 3]);
        drop((of_a, of_b));
        assert_eq!(counts(), [0, 0, 0]);
    }

    fn a_node_made_while_all_are_drained_is_born_drained(world) {
        let (old, _) = world.disk("old");
        let first = world.graph.drain_all_begin("test");
        let second = world.graph.drain_all_begin("test");
        let (new, driver) = world.disk("new");
        assert_eq!(new.quiesce_counter(), 2);
        assert_eq!(driver.drained(), (1, 0));
        let (over, _) = world.filter("over", &old);
        assert_eq!(over.quiesce_counter(), 3, "two of its own, and its child's");

        let backend = world.backend("drive", &new);
        let queued = world.start(read(backend.clone(), 0, 512));
        world.settle();
        assert_eq!((queued.ended(), driver.served()), (false, 0));
        drop(first);
        world.settle();
        assert_eq!((queued.ended(), driver.served()), (false, 0));
        drop(second);
        world.finish(&queued).expect("let go");
        for node in [&old, &new, &over] {
            assert_eq!(node.quiesce_counter(), 0, "{node:?}");
        }
        assert_eq!(driver.drained(), (1, 1));
    }

    fn a_node_deleted_while_all_are_drained_leaves_no_section_behind(world) {
        let (disk, _) = world.disk("disk");
        let (filter, _) = world.filter("filter", &disk);
        let drive = world.backend("drive", &disk);
        let drained = world.graph.drain_all_begin("test");
        assert_eq!(disk.quiesce_counter(), 1);
        drop(filter);
        assert!(world.graph.find_node("filter").is_none());
        assert_eq!(disk.parents().len(), 1);
        drop(drained);
        assert_eq!(disk.quiesce_counter(), 0);
        world.run(read(drive, 0, 512)).expect("nothing holds it");
    }

    fn a_filter_put_on_top_of_a_drained_node_is_drained_too(world) {
        let (disk, driver) = world.disk("disk");
        let drive = world.backend("drive", &disk);
        driver.set_pace(Pace::BottomHalf);
        let pending = world.start(read(drive.clone(), 0, 512));
        let drained = disk.drained_begin("test");
        assert_eq!(driver.active(), 0);
        world.settle();
        assert!(pending.ended());

        let top = world.node("top", &TestDriver::filter(), &[]);
        world
            .graph
            .append(&top, "file", ChildRole::Filtered, &disk)
            .expect("nobody objects");
        assert_eq!(drive.node().expect("has one").name(), "top");
        assert_eq!((disk.quiesce_counter(), top.quiesce_counter()), (1, 1));
        assert_eq!((disk.in_flight(), top.in_flight()), (0, 0));
        let queued = world.start(read(drive.clone(), 0, 512));
        world.settle();
        assert_eq!((queued.ended(), top.in_flight(), drive.queued()), (false, 0, 1));

        drop(drained);
        assert_eq!((disk.quiesce_counter(), top.quiesce_counter()), (0, 0));
        world.finish(&queued).expect("let go");
    }

    fn a_user_who_comes_to_a_drained_node_is_stopped_until_it_leaves_or_the_section_ends(world) {
        let (disk, _) = world.disk("disk");
        let drained = disk.drained_begin("test");
        let (stays, _edge) = TestParent::of("stays", &disk);
        let (leaves, edge) = TestParent::of("leaves", &disk);
        assert!(stays.is_stopped() && leaves.is_stopped());
        blockjob_block::graph::detach_root(edge);
        assert!(stays.is_stopped() && !leaves.is_stopped());
        drop(drained);
        assert_eq!(stays.told(), (1, 1));
        assert_eq!(leaves.told(), (1, 1));
    }
}

#[test]
fn a_ring_is_refused_and_changes_nothing() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let (filter, _) = world.filter("filter", &disk);
    let error = world
        .graph
        .attach_child(&disk, "backing", ChildRole::Cow, &filter)
        .expect_err("a ring");
    let text = "Making 'filter' a backing child of 'disk' would create a cycle";
    assert_eq!(error.to_string(), text);
    let appended = world
        .graph
        .append(&disk, "file", ChildRole::Filtered, &filter);
    let text = "Making 'filter' a file child of 'disk' would create a cycle";
    assert_eq!(appended.expect_err("a ring").to_string(), text);
    assert!(disk.children().is_empty() && filter.parents().is_empty());
}

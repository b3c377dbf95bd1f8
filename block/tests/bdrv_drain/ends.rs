//! What parents do when they are let go: they may change the graph, and begin sections anew.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use blockjob_block::BlockBackend;
use blockjob_block::backend::DeviceOps;
use blockjob_block::child::ChildRole;
use blockjob_block::graph::detach_root;
use blockjob_runtime::AioContext;

use crate::common::{LEN, TestDriver, TestParent, read};

in_both_lives! {
    fn a_child_detached_by_a_parent_that_is_let_go_leaves_nobody_stopped(world) {
        // QEMU's commit job does this: its callback, in drained_end, takes the chain apart.
        let (disk, _) = world.disk("disk");
        let (filter, _) = world.filter("filter", &disk);
        let drive = world.backend("drive", &filter);
        let (job, edge) = TestParent::of("job", &disk);
        let (other, other_edge) = TestParent::of("other", &disk);
        let (graph, changed) = (world.graph.clone(), filter.clone());
        job.on_drained_end(move || {
            let file = changed.filtered().expect("attached");
            graph.detach_child(&changed, &file).expect("nobody holds it");
            detach_root(other_edge);
            detach_root(edge);
        });
        drop(disk.drained_begin("test"));
        assert!(disk.parents().is_empty() && filter.children().is_empty());
        assert_eq!((job.told(), other.told()), ((1, 1), (1, 1)));
        assert_eq!((disk.quiesce_counter(), filter.quiesce_counter()), (0, 0));
        assert_eq!(drive.queued(), 0);
    }

    fn a_section_begun_by_a_parent_that_is_let_go_keeps_the_others_stopped(world) {
        let (disk, driver) = world.disk("disk");
        let (first, _edge) = TestParent::of("first", &disk);
        let (second, _edge2) = TestParent::of("second", &disk);
        let begun = Rc::new(RefCell::new(None));
        let (node, keep) = (disk.clone(), begun.clone());
        first.on_drained_end(move || {
            keep.replace(Some(node.drained_begin_no_poll("anew")));
        });
        drop(disk.drained_begin("test"));
        assert_eq!(disk.quiesce_counter(), 1);
        assert!(first.is_stopped() && second.is_stopped());
        drop(begun.take());
        assert_eq!(disk.quiesce_counter(), 0);
        assert!(!first.is_stopped() && !second.is_stopped());
        assert_eq!(driver.drained(), (2, 2));
    }

    fn an_edge_moved_to_a_drained_node_by_a_parent_that_is_let_go_stays_stopped(world) {
        let (disk, _) = world.disk("disk");
        let (over, _) = world.filter("over", &disk);
        let (elsewhere, _) = world.disk("elsewhere");
        let of_elsewhere = elsewhere.drained_begin("test");
        let (first, _edge) = TestParent::of("first", &over);
        first.stays();
        let (moved, edge) = TestParent::of("moved", &over);
        let (graph, from, to) = (world.graph.clone(), over.clone(), elsewhere.clone());
        first.on_drained_end(move || graph.replace_node(&from, &to).expect("nobody objects"));
        drop(over.drained_begin("test"));
        assert!(Rc::ptr_eq(&edge.node(), &elsewhere));
        assert!(moved.is_stopped(), "the node that it uses now is drained");
        drop(of_elsewhere);
        assert_eq!(moved.told(), (1, 1));
    }

    fn a_node_made_by_a_parent_that_is_let_go_is_not_left_drained(world) {
        let (disk, _) = world.disk("disk");
        let (parent, _edge) = TestParent::of("maker", &disk);
        let made = Rc::new(RefCell::new(None));
        let (graph, keep) = (world.graph.clone(), made.clone());
        parent.on_drained_end(move || {
            let driver = Box::new(TestDriver::new(LEN));
            let node = graph.add_node(Some("aaa"), driver, false, &[]);
            keep.replace(Some(node.expect("nobody objects")));
        });
        drop(world.graph.drain_all_begin("test"));
        let made = made.take().expect("made in drained_end");
        assert_eq!(made.quiesce_counter(), 0);
    }

    fn a_child_moved_by_a_parent_that_is_let_go_takes_only_the_sections_that_are_left(world) {
        let (first, _) = world.disk("first");
        let (second, _) = world.disk("second");
        let (third, _) = world.disk("third");
        let children = [("first", ChildRole::Data, &first), ("second", ChildRole::Data, &second)];
        let top = world.node("top", &TestDriver::new(LEN), &children);
        let (parent, _edge) = TestParent::of("mover", &first);
        let outer = top.subtree_drained_begin("outer");
        let inner = top.subtree_drained_begin("inner");
        let section = first.drained_begin("first");
        // Lets the mover go at the end of `inner`, while `outer` still holds the others.
        let (graph, from, to) = (world.graph.clone(), second.clone(), third.clone());
        parent.on_drained_end(move || graph.replace_node(&from, &to).expect("nobody objects"));
        drop(section);
        drop(outer);
        let counts = || [&top, &first, &second, &third].map(|node| node.quiesce_counter());
        assert_eq!(counts(), [3, 1, 1, 0]);
        drop(inner);
        assert_eq!(counts(), [0, 0, 0, 0]);
        let edge = top.child("second").expect("it has moved");
        assert!(Rc::ptr_eq(&edge.node(), &third));
    }

    fn a_device_that_writes_when_it_is_let_go_does_not_reach_a_child_that_is_being_detached(world) {
        let (disk, disk_driver) = world.disk("disk");
        let (top, _) = world.filter("top", &disk);
        let drive = world.backend("drive", &top);
        let results = Rc::new(RefCell::new(Vec::new()));
        let device = Rc::new(Eager {
            backend: Rc::downgrade(&drive),
            results: results.clone(),
            context: world.context.clone(),
        });
        let drained = disk.drained_begin("test");
        drive.set_device_ops(Some(device));
        // The section of the parent ends with the edge, and the device is let go at once.
        let edge = top.filtered().expect("attached");
        {
            let _current = world.context.make_current();
            world.graph.detach_child(&top, &edge).expect("nobody holds it");
        }
        world.settle();
        assert_eq!(disk_driver.served(), 0, "it is drained, and nobody's child");
        assert_eq!(*results.borrow(), [false], "there is nothing to read any more");
        drive.set_device_ops(None);
        drop(drained);
    }
}

/// Reads as soon as it is let go.
struct Eager {
    backend: Weak<BlockBackend>,
    results: Rc<RefCell<Vec<bool>>>,
    context: AioContext,
}

impl DeviceOps for Eager {
    fn drained_end(&self) {
        let backend = self.backend.upgrade().expect("the test holds it");
        let results = self.results.clone();
        let coroutine = self.context.coroutine("eager", async move {
            let good = read(backend, 0, 512).await.is_ok();
            results.borrow_mut().push(good);
        });
        coroutine.enter();
    }
}

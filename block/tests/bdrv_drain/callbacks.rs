//! What drivers and parents are told of a section, and how sections add up.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::{BlockBackend, Node};

use crate::common::{Pace, TestDriver, TestParent, Way, World, read};

/// A backend on a node with a backing node.
struct Chain {
    backend: Rc<BlockBackend>,
    node: Rc<Node>,
    driver: TestDriver,
    backing: Rc<Node>,
    backing_driver: TestDriver,
}

fn chain(world: &World) -> Chain {
    let (backing, backing_driver) = world.disk("backing");
    let driver = TestDriver::new(crate::common::LEN);
    let node = world.node("node", &driver, &[("backing", ChildRole::Cow, &backing)]);
    Chain {
        backend: world.backend("drive", &node),
        node,
        driver,
        backing,
        backing_driver,
    }
}

in_both_lives! {
    fn every_way_of_draining_tells_each_driver_once_and_waits_for_what_is_pending(world) {
        for way in Way::EACH {
            let chain = chain(&world);
            chain.driver.set_pace(Pace::BottomHalf);
            let pending = world.start(read(chain.backend.clone(), 0, 512));
            assert!(!pending.ended(), "{way:?}: it is not pending");

            let drained = world.drain(way, &chain.node);
            assert_eq!(chain.driver.active(), 0, "{way:?}");
            assert_eq!(chain.backend.in_flight(), 0, "{way:?}");
            world.settle();
            assert!(pending.ended(), "{way:?}");
            assert_eq!(chain.driver.drained(), (1, 0), "{way:?}");
            let below = u32::from(way.recursive());
            assert_eq!(chain.backing_driver.drained(), (below, 0), "{way:?}");

            drop(drained);
            assert_eq!(chain.driver.drained(), (1, 1), "{way:?}");
            assert_eq!(chain.backing_driver.drained(), (below, below), "{way:?}");
        }
    }

    fn only_sections_that_go_down_wait_for_what_is_pending_below(world) {
        for way in Way::EACH {
            let chain = chain(&world);
            let other = world.backend("", &chain.backing);
            chain.backing_driver.set_pace(Pace::Held);
            let pending = world.start(read(other, 0, 512));
            if way.recursive() {
                let driver = chain.backing_driver.clone();
                world.context.schedule_oneshot("release", move || {
                    driver.release();
                });
            }
            let drained = world.drain(way, &chain.node);
            let active = u32::from(!way.recursive());
            assert_eq!(chain.backing_driver.active(), active, "{way:?}");
            drop(drained);
            chain.backing_driver.release();
            world.settle();
            assert!(pending.ended());
        }
    }

    fn a_section_counts_on_the_node_and_below_it_only_if_it_goes_down(world) {
        for way in Way::EACH {
            let chain = chain(&world);
            let drained = world.drain(way, &chain.node);
            let below = u32::from(way.recursive());
            // Its own, and the one that it hears of through its child.
            assert_eq!(chain.node.quiesce_counter(), 1 + below, "{way:?}");
            assert_eq!(chain.backing.quiesce_counter(), below, "{way:?}");
            drop(drained);
            assert_eq!(chain.node.quiesce_counter(), 0, "{way:?}");
            assert_eq!(chain.backing.quiesce_counter(), 0, "{way:?}");
        }
    }

    fn all_pairs_of_nested_sections_add_up(world) {
        for outer in Way::EACH {
            for inner in Way::EACH {
                let chain = chain(&world);
                let both = format!("{inner:?} in {outer:?}");
                let deep = u32::from(outer.recursive()) + u32::from(inner.recursive());
                let first = world.drain(outer, &chain.node);
                let second = world.drain(inner, &chain.node);
                assert_eq!(chain.node.quiesce_counter(), 2 + deep.min(1), "{both}");
                assert_eq!(chain.backing.quiesce_counter(), deep, "{both}");
                assert_eq!(chain.driver.drained(), (1, 0), "{both}");

                // The outer one may also end first.
                drop(first);
                let below = u32::from(inner.recursive());
                assert_eq!(chain.node.quiesce_counter(), 1 + below, "{both}");
                assert_eq!(chain.backing.quiesce_counter(), below, "{both}");
                assert_eq!(chain.driver.drained(), (1, 0), "{both}");

                drop(second);
                assert_eq!(chain.node.quiesce_counter(), 0, "{both}");
                assert_eq!(chain.backing.quiesce_counter(), 0, "{both}");
                assert_eq!(chain.driver.drained(), (1, 1), "{both}");
            }
        }
    }

    fn a_section_is_not_established_before_every_parent_has_said_that_it_rests(world) {
        let (disk, _) = world.disk("disk");
        let (filter, _) = world.filter("filter", &disk);
        let (parent, _edge) = TestParent::of("job", &filter);
        parent.set_busy(true);
        let section = disk.drained_begin_no_poll("test");
        assert!(parent.is_stopped(), "told at once");
        let pauses = parent.clone();
        world.context.schedule_oneshot("pause", move || pauses.set_busy(false));
        let drained = disk.drained_begin("test");
        assert!(parent.polls() > 0);
        drop((drained, section));
        assert_eq!(parent.told(), (1, 1));
    }
}

#[test]
fn a_section_that_is_given_up_while_it_is_waited_for_ends() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    driver.set_pace(Pace::Held);
    let pending = world.start(read(backend, 0, 512));
    let waits = disk.clone();
    world.run(async move {
        let section = waits.co_drained_begin("test");
        assert!(futures_lite::future::poll_once(section).await.is_none());
    });
    assert_eq!(disk.quiesce_counter(), 0);
    driver.release();
    world.finish(&pending).expect("reads");
}

#[test]
#[should_panic(expected = "'test' drains by polling, inside of a coroutine")]
fn a_coroutine_that_drains_by_polling_panics_also_when_nothing_is_in_flight() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    world.run(async move { drop(disk.drained_begin("test")) });
}

#[test]
fn forty_diamonds_on_top_of_each_other_are_drained_in_no_time() {
    let world = World::new();
    let (bottom, _) = world.disk("bottom");
    let mut top = bottom.clone();
    for index in 0..40 {
        let (left, _) = world.filter(&format!("left{index}"), &top);
        let (right, _) = world.filter(&format!("right{index}"), &top);
        let children = [
            ("file", ChildRole::Filtered, &left),
            ("other", ChildRole::Filtered, &right),
        ];
        top = world.node(&format!("top{index}"), &TestDriver::filter(), &children);
    }
    let (parent, _edge) = TestParent::of("user", &top);
    drop(bottom.drained_begin("test"));
    assert_eq!(parent.polls(), 1, "each node is asked once");
    drop(world.graph.drain_all_begin("test"));
    assert_eq!(parent.polls(), 2);
    assert!(top.reaches(&bottom) && !bottom.reaches(&top));
}

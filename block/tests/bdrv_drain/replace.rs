//! A node is replaced by another while either is drained, or both, or none: the users of the first
//! must not have a moment of freedom in between, and no request may reach a drained node.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::{BlockBackend, Drained, Node};

use crate::common::{Pace, Started, TestDriver, TestParent, Way, World, read};

/// Reads again and again, and says how often that went well.
fn reader(world: &World, backend: &Rc<BlockBackend>, rounds: u32) -> Started<u32> {
    let backend = backend.clone();
    world.start(async move {
        let mut good = 0;
        for _ in 0..rounds {
            good += u32::from(read(backend.clone(), 0, 512).await.is_ok());
        }
        good
    })
}

/// Holds `node` in a section if `yes`; what its driver is sent then is an error of the test.
fn maybe_drained(yes: bool, node: &Rc<Node>) -> Option<Drained> {
    yes.then(|| node.drained_begin("test"))
}

in_both_lives! {
    fn a_user_is_stopped_exactly_while_the_node_that_it_uses_is_drained(world) {
        for (old_drained, new_drained) in [(false, false), (true, false), (false, true), (true, true)] {
            let case = format!("old {old_drained}, new {new_drained}");
            let (old, _) = world.disk("old");
            let (new, _) = world.disk("new");
            let (parent, edge) = TestParent::of("user", &old);
            let of_old = maybe_drained(old_drained, &old);
            let of_new = maybe_drained(new_drained, &new);
            assert_eq!(parent.told(), (u32::from(old_drained), 0), "{case}");

            world.graph.replace_node(&old, &new).expect("nobody objects");
            assert!(Rc::ptr_eq(&edge.node(), &new), "{case}");
            // Stopped once, whoever began it; let go only if the new node is free.
            assert_eq!(parent.told(), (1, u32::from(!new_drained)), "{case}");

            drop(of_old);
            assert_eq!(parent.told(), (1, u32::from(!new_drained)), "{case}");
            drop(of_new);
            assert_eq!(parent.told(), (1, 1), "{case}");
        }
    }

    fn no_request_reaches_a_drained_node_while_one_is_replaced_by_another(world) {
        for (old_drained, new_drained) in [(false, false), (true, false), (false, true), (true, true)] {
            let case = format!("old {old_drained}, new {new_drained}");
            let (old, old_driver) = world.disk("old");
            let (new, new_driver) = world.disk("new");
            let driver = TestDriver::filter();
            let top = world.node("top", &driver, &[("file", ChildRole::Filtered, &old)]);
            for driver in [&old_driver, &new_driver, &driver] {
                driver.set_pace(Pace::BottomHalf);
            }
            let backend = world.backend("drive", &top);
            let reads = reader(&world, &backend, 20);
            for _ in 0..5 {
                world.context.poll(true);
            }
            assert!(!reads.ended(), "{case}");
            let of_old = maybe_drained(old_drained, &old);
            let of_new = maybe_drained(new_drained, &new);
            world.graph.replace_node(&old, &new).expect("nobody objects");
            let before = (old_driver.served(), new_driver.served());
            world.settle();
            assert_eq!(old_driver.served(), before.0, "{case}: nobody uses it any more");
            if new_drained {
                assert_eq!(new_driver.served(), before.1, "{case}: it is drained");
                assert!(!reads.ended(), "{case}");
            }
            drop((of_old, of_new));
            assert_eq!(world.finish(&reads), 20, "{case}");
            assert!(new_driver.served() > 0, "{case}");
        }
    }

    fn an_edge_from_a_subtree_that_is_drained_stays_stopped_at_a_node_that_is(world) {
        let (old, _) = world.disk("old");
        let (new, _) = world.disk("new");
        let (filter, _) = world.filter("filter", &old);
        let backend = world.backend("drive", &filter);
        let of_subtree = filter.subtree_drained_begin("test");
        let of_new = new.drained_begin("test");
        world.graph.replace_node(&old, &new).expect("nobody objects");
        assert_eq!((old.quiesce_counter(), new.quiesce_counter()), (0, 2));

        drop(of_subtree);
        assert_eq!((filter.quiesce_counter(), new.quiesce_counter()), (1, 1));
        let queued = world.start(read(backend, 0, 512));
        world.settle();
        assert!(!queued.ended(), "the node below is drained");
        drop(of_new);
        assert_eq!(filter.quiesce_counter(), 0);
        world.finish(&queued).expect("let go");
    }

    fn a_replacement_that_is_refused_leaves_all_users_as_free_as_they_were(world) {
        for way in [Way::Node, Way::Subtree, Way::All] {
            let (old, _) = world.disk("old");
            let (new, new_driver) = world.disk("new");
            let (parent, edge) = TestParent::of("user", &old);
            let drained = world.drain(way, &old);
            new_driver.refuse_perms(Some("not with me"));
            let error = world.graph.replace_node(&old, &new).expect_err("refused");
            assert_eq!(error.to_string(), "not with me");
            assert!(Rc::ptr_eq(&edge.node(), &old));
            assert_eq!(parent.told(), (1, 0), "{way:?}");
            drop(drained);
            assert_eq!(parent.told(), (1, 1), "{way:?}");
            assert_eq!((old.quiesce_counter(), new.quiesce_counter()), (0, 0));
        }
    }
}

#[test]
fn a_user_who_means_the_node_stays_at_it() {
    let world = World::new();
    let (old, _) = world.disk("old");
    let (new, _) = world.disk("new");
    let (job, edge) = TestParent::of("job", &old);
    job.stays();
    let backend = world.backend("drive", &old);
    world
        .graph
        .replace_node(&old, &new)
        .expect("nobody objects");
    assert!(Rc::ptr_eq(&edge.node(), &old));
    assert!(Rc::ptr_eq(&backend.node().expect("has one"), &new));
}

//! What moves with what: the cases `/attach/second_node`, `/attach/preserve_blk_ctx` and `/propagate/*` of
//! test-block-iothread.c, but for those with a job.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::mem::{MemDriver, MemOptions};
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::driver::quorum::{QuorumOptions, child_name};
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::{Perm, PermPair};

use crate::world::{LAX, Shard, World};

const LEN: u64 = 64 << 10;

fn mem() -> MemDriver {
    MemOptions::new(LEN).build()
}

fn raw() -> RawDriver {
    RawDriver::new(RawOptions::default(), LEN).expect("the window is all of it")
}

fn names(world: &World) -> [String; 3] {
    [0, 1, 2].map(|place| world.on(place, |here| here.names()).join(" "))
}

/// Two disks that must never differ, and what sees to it.
fn blkverify(here: &Shard) {
    let disks = ["a", "b"].map(|name| here.add(name, mem(), &[]));
    let options = QuorumOptions {
        blkverify: true,
        ..QuorumOptions::new(2)
    };
    let quorum = options.build(&disks).expect("there are two");
    let name = |index| child_name(index).expect("there are more");
    let children = [0, 1].map(|at| (name(at), ChildRole::Data, &disks[at]));
    here.add("verify", quorum, &children);
}

in_both_lives! {
    fn a_node_that_is_put_on_one_of_another_context_lives_there_and_they_move_together(world) {
        world.on(1, |here| {
            here.add("disk", mem(), &[]);
            here.backend("drive", "disk", LAX);
        });
        world.on(1, |here| {
            let top = here.add("top", raw(), &[("file", ChildRole::Filtered, &here.node("disk"))]);
            assert_eq!(top.context().handle().name(), "io0");
        });
        world.send("disk", 1, 0).expect("everybody can");
        assert_eq!(names(&world), ["disk top", "", ""]);
        world.on(0, |here| here.find_backend("drive").remove());
        // Nothing connects the backend with the nodes any more.
        world.send("top", 0, 2).expect("everybody can");
        world.on(0, |here| assert!(here.find_backend("drive").node().is_none()));
        assert_eq!(names(&world), ["", "", "disk top"]);
    }

    fn a_backend_without_a_medium_stays_where_it_is(world) {
        world.on(0, |here| {
            here.add("disk", mem(), &[]);
        });
        world.on(1, |here| {
            let drive = blockjob_block::BlockBackend::new(&here.graph, "drive", LAX);
            here.backends.borrow_mut().push(drive.expect("the name is free"));
        });
        // The medium comes to it, not it to the medium.
        world.send("disk", 0, 1).expect("everybody can");
        world.on(1, |here| {
            let drive = here.find_backend("drive");
            drive.insert(&here.node("disk")).expect("nobody objects");
            drive.remove();
        });
        world.send("disk", 1, 0).expect("everybody can");
        assert_eq!(names(&world), ["disk", "", ""]);
        world.on(1, |here| assert!(here.find_backend("drive").node().is_none()));
    }

    fn a_move_reaches_all_that_is_connected_from_wherever_it_begins(world) {
        world.on(0, |here| {
            blkverify(here);
            here.backend("drive", "verify", LAX);
            here.backend("other", "b", PermPair::new(Perm::CONSISTENT_READ, Perm::ALL));
            // And somebody whom nothing connects with them.
            here.add("lonely", mem(), &[]);
        });
        for (root, from, to) in [("verify", 0, 1), ("a", 1, 2), ("b", 2, 1)] {
            world.send(root, from, to).expect("everybody can");
            let mut expected = ["lonely".to_owned(), String::new(), String::new()];
            expected[to] = "a b verify".to_owned();
            assert_eq!(names(&world), expected);
            world.on(to, |here| {
                let backends = here.graph.backends();
                let on: Vec<_> = backends.iter().filter_map(|it| it.node()).collect();
                assert_eq!(on.len(), 2);
                assert!(Rc::ptr_eq(&on[0], &here.node("b")) || Rc::ptr_eq(&on[1], &here.node("b")));
            });
        }
    }

    fn a_diamond_moves_with_its_two_ways_down_to_one_node(world) {
        world.on(0, |here| {
            let base = here.add("base", mem(), &[]);
            let sides = ["left", "right"].map(|name| {
                here.add(name, OverlayOptions::new(LEN).build(), &[("backing", ChildRole::Cow, &base)])
            });
            let quorum = QuorumOptions::new(1).build(&sides).expect("there are two");
            let name = |index| child_name(index).expect("there are more");
            let children = [0, 1].map(|at| (name(at), ChildRole::Data, &sides[at]));
            here.add("top", quorum, &children);
            here.backend("drive", "top", LAX);
        });
        world.write(0, "drive", 100, b"both").expect("it is writable");
        let dump = |place| world.on(place, |here| {
            let nodes = here.graph.nodes();
            let lines = nodes.iter().map(|node| {
                let below = node.children();
                let edge = |edge: &Rc<blockjob_block::child::Child>| {
                    format!("{}={} {:?} {:?}", edge.name(), edge.node().name(), edge.role(), edge.perms())
                };
                let below: Vec<_> = below.iter().map(edge).collect();
                let limits = node.limits();
                format!("{} {} {below:?} {limits:?} {:?}", node.name(), node.number(), node.len().ok())
            });
            lines.collect::<Vec<_>>().join("\n")
        });
        let before = dump(0);
        world.send("left", 0, 1).expect("everybody can");
        assert_eq!(dump(1), before);
        assert_eq!(world.read(1, "drive", 100, 4), b"both");
        let parents = world.on(1, |here| here.node("base").parents().len());
        assert_eq!(parents, 2);
    }

    fn parents_keep_the_order_in_which_they_came(world) {
        world.on(0, |here| {
            here.add("disk", mem(), &[]);
            here.backend("first", "disk", LAX);
            let disk = here.node("disk");
            here.add("top", raw(), &[("file", ChildRole::Filtered, &disk)]);
            here.backend("last", "disk", LAX);
        });
        let parents = |place| world.on(place, |here| {
            let parents = here.node("disk").parents();
            let parents = parents.iter().filter_map(|edge| Some(edge.parent()?.describe()));
            parents.collect::<Vec<_>>()
        });
        let before = parents(0);
        assert_eq!(before, ["block device 'first'", "node 'top'", "block device 'last'"]);
        world.send("disk", 0, 1).expect("everybody can");
        assert_eq!(parents(1), before);
    }
}

//! What drivers remember, they remember on the other side.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::{
    BlkdebugDriver, BlkdebugOptions, Event, InjectError, SetState,
};
use blockjob_block::driver::copy_on_read::{CopyOnReadDriver, CopyOnReadOptions};
use blockjob_block::driver::mem::{Fill, MemOptions};
use blockjob_block::driver::overlay::{OverlayDriver, OverlayOptions};
use blockjob_block::driver::quorum::{QuorumDriver, QuorumOptions, child_name};
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::driver::throttle::{ThrottleDriver, ThrottleLimits};
use blockjob_block::{ErrorKind, Node};

use crate::world::{LAX, Shard};

const LEN: u64 = 256 << 10;
const SECOND_NS: u64 = 1_000_000_000;

fn mem() -> blockjob_block::driver::mem::MemDriver {
    MemOptions::new(LEN).build()
}

fn driver<T: 'static>(node: &Node) -> &T {
    node.driver()
        .as_any()
        .downcast_ref()
        .expect("it is of that kind")
}

/// An overlay on a disk full of noise.
fn overlay(here: &Shard) -> Rc<Node> {
    let below = here.add(
        "below",
        MemOptions::new(LEN).fill(Fill::Noise(3)).build(),
        &[],
    );
    here.add(
        "over",
        OverlayOptions::new(LEN).build(),
        &[("backing", ChildRole::Cow, &below)],
    )
}

in_both_lives! {
    fn an_overlay_holds_what_was_written_to_it_and_shows_the_rest(world) {
        world.on(0, |here| {
            overlay(here);
            here.backend("drive", "over", LAX);
        });
        world.write(0, "drive", 70_000, b"held").expect("it is writable");
        let before = world.read(0, "drive", 0, LEN as usize);
        world.send("below", 0, 1).expect("everybody can");
        assert_eq!(world.read(1, "drive", 0, LEN as usize), before);
        let held = world.on(1, |here| driver::<OverlayDriver>(&here.node("over")).allocated_bytes());
        assert_eq!(held, 64 << 10);
        // Who uses the backing node is still kept from what he must not do with it.
        let blocked = world.on(1, |here| {
            here.node("below").check_op(blockjob_block::op_blocker::BlockOp::Resize)
        });
        let text = blocked.expect_err("it is a backing node").to_string();
        assert_eq!(text, "Node 'below' is busy: node is used as backing hd of 'over'");
    }

    fn rules_of_blkdebug_stay_and_the_state_they_are_in(world) {
        world.on(0, |here| {
            let disk = here.add("disk", mem(), &[]);
            let debug = BlkdebugOptions::new().build(&disk).expect("fits");
            debug.control().set_state(SetState {
                event: Event::READ_AIO,
                state: None,
                new_state: 5,
            });
            debug.control().inject_error(InjectError::new(Event::WRITE_AIO).in_state(5).once());
            here.add("debug", debug, &[("image", ChildRole::Filtered, &disk)]);
            here.backend("drive", "debug", LAX);
        });
        world.write(0, "drive", 0, b"fits").expect("the state is another one");
        world.read(0, "drive", 0, 512);
        world.send("debug", 0, 1).expect("everybody can");
        assert!(world.write(1, "drive", 0, b"fail").is_err());
        world.write(1, "drive", 0, b"fits").expect("it was one error");
    }

    fn a_request_that_is_suspended_stays_where_it_is_and_so_does_its_disk(world) {
        world.on(0, |here| {
            let disk = here.add("disk", mem(), &[]);
            let debug = BlkdebugOptions::new().build(&disk).expect("fits");
            debug.control().suspend(Event::READ_AIO, "held");
            here.add("debug", debug, &[("image", ChildRole::Filtered, &disk)]);
            let drive = here.backend("drive", "debug", LAX);
            let read = async move { drive.read(0, bytes::BytesMut::zeroed(512)).await.1 };
            here.graph.context().coroutine("guest", async move { drop(read.await) }).wake();
        });
        // The guest comes to its turn before this does.
        world.on(0, |_| ());
        let refused = world.refusal("disk", 0, 1);
        assert_eq!(refused, "Node 'debug' has a request suspended as 'held'");
        world.on(0, |here| {
            let debug = here.node("debug");
            // Nobody is stopped, and the request goes on.
            assert_eq!(debug.quiesce_counter(), 0);
            driver::<BlkdebugDriver>(&debug).control().resume("held").expect("it is there");
        });
        world.send("disk", 0, 1).expect("now everybody can");
    }

    fn copy_on_read_copies_down_to_its_bottom_and_keeps_the_way_there_frozen(world) {
        world.on(0, |here| {
            let over = overlay(here);
            let options = CopyOnReadOptions { bottom: Some("over".to_owned()) };
            let copier = options.build(&over).expect("it is there");
            here.add("copier", copier, &[("file", ChildRole::Filtered, &over)]);
            here.backend("drive", "copier", LAX);
        });
        world.send("over", 0, 1).expect("everybody can");
        world.on(1, |here| {
            let copier = here.node("copier");
            let edge = copier.child("file").expect("it keeps it");
            assert!(edge.is_frozen());
            let it = driver::<CopyOnReadDriver>(&copier);
            assert!(Rc::ptr_eq(&it.bottom().expect("there is one"), &here.node("over")));
            it.unfreeze();
            assert!(!edge.is_frozen());
        });
    }

    fn the_children_of_a_quorum_vote_as_before(world) {
        world.on(0, |here| {
            let disks = ["a", "b", "c"].map(|name| here.add(name, mem(), &[]));
            let quorum = QuorumOptions::new(2).build(&disks).expect("enough of them");
            let name = |index| child_name(index).expect("there are more");
            let children = [0, 1, 2].map(|at| (name(at), ChildRole::Data, &disks[at]));
            here.add("quorum", quorum, &children);
            here.backend("drive", "quorum", LAX);
        });
        world.write(0, "drive", 0, b"same").expect("it is writable");
        world.on(0, |here| {
            let disk = here.node("b");
            driver::<blockjob_block::driver::mem::MemDriver>(&disk).disk().write_at(0, b"else");
        });
        world.send("c", 0, 2).expect("everybody can");
        assert_eq!(world.read(2, "drive", 0, 4), b"same");
        let threshold = world.on(2, |here| driver::<QuorumDriver>(&here.node("quorum")).threshold());
        assert_eq!(threshold, 2);
    }

    fn a_disk_that_was_taken_to_be_raw_may_not_become_another_format_elsewhere(world) {
        world.on(0, |here| {
            let disk = here.add("disk", mem(), &[]);
            let raw = RawDriver::new(RawOptions::default(), LEN).expect("fits").probed();
            here.add("raw", raw, &[("file", ChildRole::Filtered, &disk)]);
            here.backend("drive", "raw", LAX);
        });
        world.send("disk", 0, 1).expect("everybody can");
        let refused = world.write(1, "drive", 0, b"QFI\xfb\0\0\0\x03").expect_err("that is a format");
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        world.write(1, "drive", 0, b"what else").expect("that is none");
    }

    fn whoever_looks_into_a_memory_keeps_it_where_it_is(world) {
        world.on(0, |here| {
            let disk = here.add("disk", mem(), &[]);
            let looking = driver::<blockjob_block::driver::mem::MemDriver>(&disk).disk();
            let look = async move {
                let _looking = looking;
                std::future::pending::<()>().await;
            };
            here.graph.context().coroutine("looks", look).wake();
        });
        let refused = world.refusal("disk", 0, 1);
        assert_eq!(refused, "Somebody looks into the memory of node 'disk'");
        assert_eq!(world.on(0, |here| here.names()), ["disk"]);
    }
}

/// Two throttled disks, without an edge between them, that share ten requests a second.
fn throttled(here: &Shard) {
    let limits = ThrottleLimits {
        iops_total: Some(10),
        ..ThrottleLimits::default()
    };
    let groups = here.graph.throttle_groups();
    let group = groups
        .create(here.graph.context(), "group", &limits)
        .expect("fits");
    for (disk, filter, drive) in [("a", "ta", "one"), ("b", "tb", "two")] {
        let disk = here.add(disk, mem(), &[]);
        here.add(
            filter,
            ThrottleDriver::new(&group),
            &[("file", ChildRole::Filtered, &disk)],
        );
        here.backend(drive, filter, LAX);
    }
}

#[test]
fn a_throttle_group_ties_its_members_together_and_its_levels_go_on() {
    let world = crate::world::World::new();
    // What is measured does not depend on the origin of time.
    let ctx = world.main.clone();
    world.run(async move { ctx.sleep(100 * SECOND_NS).await });
    world.on(0, |here| throttled(here));
    // A second's worth at once, and from then on one each tenth of a second.
    for _ in 0..2 {
        world.read(0, "one", 0, 512);
    }
    let before_ns = world.main.now_ns();
    world.send("a", 0, 1).expect("everybody can");
    assert_eq!(world.main.now_ns(), before_ns, "moving takes no time here");
    assert_eq!(world.on(1, |here| here.names()), ["a", "b", "ta", "tb"]);
    assert_eq!(
        world.on(0, |here| here.graph.throttle_groups().all().len()),
        0
    );
    world.on(1, |here| {
        let group = here
            .graph
            .throttle_groups()
            .find("group")
            .expect("it has moved");
        assert_eq!((group.members(), group.pending()), (2, 0));
        assert_eq!(group.limits().iops_total, Some(10));
        for name in ["ta", "tb"] {
            let node = here.node(name);
            assert!(Rc::ptr_eq(&driver::<ThrottleDriver>(&node).group(), &group));
        }
    });
    // What one has used up here the other one misses there.
    for _ in 0..10 {
        world.read(1, "two", 0, 512);
    }
    let took_ns = world.main.now_ns() - before_ns;
    assert!(
        (SECOND_NS..SECOND_NS + SECOND_NS / 10).contains(&took_ns),
        "{took_ns} ns"
    );
}

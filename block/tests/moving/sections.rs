//! Drained sections over several contexts: those that the main context holds elsewhere, and those that move.

use std::rc::Rc;
use std::sync::Arc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::moving::{self, Family, FamilySection, Home, RemoteDrained};
use bytes::Bytes;

use crate::bouncer::{Bouncer, LEN, Seen};
use crate::world::{LAX, World};

/// A disk with a format on it and a guest, in a context.
fn disk(world: &World, place: usize) -> Arc<Seen> {
    let driver = Bouncer::new();
    let seen = driver.seen.clone();
    world.on(place, move |here| {
        let disk = here.add("disk", driver, &[]);
        let raw = RawDriver::new(RawOptions::default(), LEN).expect("fits");
        here.add("raw", raw, &[("file", ChildRole::Filtered, &disk)]);
        here.backend("drive", "raw", LAX);
    });
    seen
}

/// Has a guest write, and leaves it alone.
fn start_write(world: &World, place: usize) {
    world.on(place, |here| {
        let drive = here.find_backend("drive");
        let write = async move { drive.write(0, Bytes::from_static(b"guest")).await };
        let write = async move { write.await.expect("it is writable") };
        here.graph.context().coroutine("guest", write).enter();
    });
}

fn begin(world: &World, place: usize, node: &'static str) -> RemoteDrained {
    let shard = world.shards[place].clone();
    let begun = world.run(async move { moving::co_drained_begin(&shard, node, "test").await });
    begun.expect("the node is there")
}

fn counters(world: &World, place: usize) -> (u32, u32) {
    world.on(place, |here| {
        let count = |name| here.node(name).quiesce_counter();
        (count("disk"), count("raw"))
    })
}

in_both_lives! {
    fn requests_wait_while_the_main_context_holds_a_section_elsewhere(world) {
        let seen = disk(&world, 1);
        let drained = begin(&world, 1, "disk");
        start_write(&world, 1);
        assert_eq!((world.on(1, |it| it.find_backend("drive").queued()), seen.served()), (1, 0));
        drop(drained);
        // Behind the end of the section in the inbox.
        assert_eq!(world.on(1, |it| it.find_backend("drive").queued()), 0);
        world.run(until(seen.clone(), 1, world.shards[1].clone()));
    }

    fn sections_nest_and_the_last_one_lets_requests_go(world) {
        let seen = disk(&world, 1);
        let mut all = vec![begin(&world, 1, "disk"), begin(&world, 1, "raw")];
        let shards = world.shards.clone();
        all.extend(world.run(async move { moving::co_drain_all_begin(&shards, "test").await }));
        assert_eq!(all.len(), 5, "two, and one for each context");
        // Each of the disk stops its user, and is one of its own; all of them count for both.
        assert_eq!(counters(&world, 1), (3, 4));
        start_write(&world, 1);
        // The newest first, so that the last one is one of the disk.
        for drained in all.into_iter().rev() {
            assert_eq!(seen.served(), 0, "it runs inside a section");
            drop(drained);
            world.on(1, |_| ());
        }
        world.run(until(seen.clone(), 1, world.shards[1].clone()));
        assert_eq!(counters(&world, 1), (0, 0));
        assert_eq!(seen.drained(), (1, 1));
    }

    fn a_section_of_the_main_context_moves_along_and_ends_where_the_family_is(world) {
        let seen = disk(&world, 0);
        let outer = begin(&world, 0, "disk");
        let inner = begin(&world, 0, "raw");
        let before = counters(&world, 0);
        for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2)] {
            world.send("raw", from, to).expect("everybody can");
            world.on(to, |_| ());
            assert_eq!(counters(&world, to), before, "from {from} to {to}");
            let left = world.on(from, |it| it.graph.open_sections().len());
            assert_eq!(left, 0, "from {from} to {to}");
        }
        start_write(&world, 2);
        drop(outer);
        world.on(2, |_| ());
        assert_eq!(seen.served(), 0);
        drop(inner);
        world.run(until(seen.clone(), 1, world.shards[2].clone()));
        let (begins, ends) = seen.drained();
        // The driver there has its section ended that the driver here had begun.
        assert_eq!((begins, ends), (5, 1));
    }

    fn a_section_that_is_held_in_the_context_travels_if_it_is_handed_over(world) {
        disk(&world, 0);
        let parcel = world.on(0, |here| {
            let disk = here.node("disk");
            let (one, two) = (disk.subtree_drained_begin("one"), here.node("raw").drained_begin("two"));
            let section = FamilySection::begin(&disk, "move");
            let mut family = Family::of(&disk);
            drop(disk);
            family.keep(one);
            family.keep(two);
            family.keep_all(section);
            family.check(&|node| here.holds(node)).expect("everybody can");
            here.pack(&family);
            moving::pack(family)
        });
        world.on(1, |here| {
            let mut moved = moving::unpack(parcel, &here.place());
            here.arrived((), &moved);
            let owners: Vec<_> = here.graph.open_sections().iter().map(|it| it.owner()).collect();
            assert_eq!(owners, ["one", "two", "move", "move"]);
            let mut sections = moved.sections();
            drop(moved);
            // One and the one of the move; and those for the disk below, two of its own.
            assert_eq!(here.node("disk").quiesce_counter(), 2);
            assert_eq!(here.node("raw").quiesce_counter(), 3);
            drop(sections.drain(2..));
            assert_eq!(here.node("raw").quiesce_counter(), 2);
            drop(sections);
            assert_eq!(here.node("raw").quiesce_counter(), 0);
        });
    }

    fn a_section_that_nobody_hands_over_keeps_the_family(world) {
        disk(&world, 0);
        world.on(0, |here| {
            let ctx = here.graph.context().clone();
            let disk = here.node("disk");
            let hold = async move {
                let _drained = disk.co_drained_begin("somebody").await;
                ctx.sleep(1 << 60).await;
            };
            here.graph.context().coroutine("holds", hold).enter();
        });
        let refused = world.refusal("raw", 0, 1);
        assert_eq!(
            refused,
            "A drained section of node 'disk' is held by 'somebody', who has not been asked"
        );
        world.on(0, |_| ());
        assert_eq!(counters(&world, 0), (1, 1), "the move has left a section");
    }

    fn a_node_is_born_drained_before_anybody_can_use_it(world) {
        let seen = disk(&world, 0);
        let (parcel, before) = world.on(0, |here| {
            let section = FamilySection::begin(&here.node("disk"), "move");
            let mut family = Family::of(&here.node("disk"));
            family.keep_all(section);
            let before = here.node("raw").quiesce_counter();
            here.pack(&family);
            (moving::pack(family), before)
        });
        let served = seen.clone();
        world.on(1, move |here| {
            let moved = moving::unpack(parcel, &here.place());
            assert_eq!(here.node("raw").quiesce_counter(), before);
            here.arrived((), &moved);
            let drive = here.find_backend("drive");
            let write = async move { drive.write(0, Bytes::from_static(b"guest")).await };
            let write = async move { write.await.expect("it is writable") };
            here.graph.context().coroutine("guest", write).enter();
            assert_eq!((here.find_backend("drive").queued(), served.served()), (1, 0));
            drop(moved);
            assert_eq!(here.find_backend("drive").queued(), 0);
        });
        world.run(until(seen, 1, world.shards[1].clone()));
    }

    fn a_section_that_is_let_go_of_on_the_way_has_ended_on_arrival(world) {
        disk(&world, 0);
        let drained = begin(&world, 0, "disk");
        let parcel = world.on(0, |here| {
            let family = Family::of(&here.node("disk"));
            family.check(&|node| here.holds(node)).expect("everybody can");
            here.pack(&family);
            moving::pack(family)
        });
        drop(drained);
        world.on(1, |here| {
            let moved = moving::unpack(parcel, &here.place());
            here.arrived((), &moved);
        });
        assert_eq!(counters(&world, 1), (0, 0));
    }

    fn what_has_left_the_family_stays_drained_where_it_is(world) {
        disk(&world, 0);
        world.on(0, |here| {
            let other = here.add("other", Bouncer::new(), &[]);
            let edge = here.graph.attach_child(&here.node("raw"), "spare", ChildRole::Data, &other);
            edge.expect("nobody objects");
        });
        let drained = begin(&world, 0, "disk");
        world.on(0, |here| {
            let raw = here.node("raw");
            let edge = raw.child("spare").expect("it has it");
            here.graph.detach_child(&raw, &edge).expect("nobody objects");
        });
        world.send("disk", 0, 1).expect("everybody can");
        let other = |world: &World| world.on(0, |here| here.node("other").quiesce_counter());
        world.on(1, |_| ());
        assert_eq!((other(&world), counters(&world, 1).0), (1, 1));
        drop(drained);
        assert_eq!((other(&world), counters(&world, 1).0), (0, 0));
    }

    fn a_section_of_a_node_that_is_not_there_is_refused(world) {
        let shard = world.shards[1].clone();
        let begun = world.run(async move { moving::co_drained_begin(&shard, "none", "test").await });
        let text = begun.expect_err("there is no such node").to_string();
        assert_eq!(text, "Cannot find device='' nor node-name='none'");
    }
}

/// Waits until so many requests were served, giving the context of `shard` its turns.
async fn until(
    seen: Arc<Seen>,
    count: u32,
    shard: blockjob_runtime::Resident<crate::world::Shard>,
) {
    for _ in 0..1000 {
        if seen.served() == count && seen.active() == 0 {
            return;
        }
        shard
            .request("turn", |_: &Rc<_>| ())
            .await
            .expect("it is there");
    }
    panic!("{} of {count} requests in a thousand turns", seen.served());
}

#[test]
fn a_section_in_a_context_that_ends_stands_for_nothing() {
    let mut world = World::real();
    let seen = disk(&world, 1);
    let drained = begin(&world, 1, "disk");
    let again = begin(&world, 1, "raw");
    world.threads.remove(0).stop();
    drop(drained);
    drop(again);
    assert_eq!(seen.served(), 0);
    let shards = world.shards.clone();
    let all = world.run(async move { moving::co_drain_all_begin(&shards, "test").await });
    assert_eq!(all.len(), 2, "of the contexts that are left");
}

#[test]
fn all_of_it_can_be_done_from_outside_of_coroutines() {
    let world = World::real();
    let seen = disk(&world, 0);
    let (main, shards) = (&world.main, &world.shards);
    moving::set_aio_context(main, "disk", &shards[0], &shards[1]).expect("everybody can");
    // Where it is already, it stays.
    moving::set_aio_context(main, "disk", &shards[1], &shards[1]).expect("there is nothing to do");
    let drained = moving::drained_begin(main, &shards[1], "raw", "test").expect("it is there");
    let all = moving::drain_all_begin(main, shards, "test");
    assert_eq!(all.len(), 3);
    start_write(&world, 1);
    world.on(1, |_| ());
    assert_eq!(seen.served(), 0);
    drop((drained, all));
    world.run(until(seen, 1, shards[1].clone()));
}

//! What arrives is what left: nodes, edges, backends, bitmaps, counts.

use std::future::poll_fn;
use std::task::Poll;

use blockjob_block::child::ChildRole;
use blockjob_block::directory::NameKind;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::null_co::{NullCoDriver, NullCoOptions};
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::moving::co_set_aio_context;
use blockjob_block::settings::NodeSettings;
use blockjob_block::{BlockBackend, Perm, PermPair};
use bytes::{Bytes, BytesMut};

use crate::bouncer::Bouncer;
use crate::world::{EXCLUSIVE, LAX};

const LEN: u64 = 64 << 10;

fn raw() -> RawDriver {
    RawDriver::new(RawOptions::default(), LEN).expect("the window is all of it")
}

in_both_lives! {
    fn a_disk_keeps_its_bytes_there_and_back(world) {
        world.on(0, |here| {
            let disk = here.add("disk", MemOptions::new(LEN).build(), &[]);
            here.add("top", raw(), &[("file", ChildRole::Filtered, &disk)]);
            here.backend("drive0", "top", EXCLUSIVE);
        });
        world.co(0, |here| async move {
            let drive = here.find_backend("drive0");
            drive.write(4096, Bytes::from_static(b"kept")).await
        }).expect("it is writable");
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            world.send("disk", from, to).expect("everybody can");
            assert_eq!(world.on(from, |it| it.names()), [""; 0]);
            let place = world.directory.find(NameKind::Node, "disk");
            assert_eq!(place.as_ref(), Some(world.shards[to].handle()));
            let read = world.co(to, |it| async move {
                let drive = it.find_backend("drive0");
                let (buf, result) = drive.read(4096, BytesMut::zeroed(4)).await;
                result.map(|()| buf)
            });
            assert_eq!(&read.expect("it is there")[..], b"kept");
            // As it was, and nobody is stopped any more.
            world.on(to, |it| {
                assert_eq!(it.names(), ["disk", "top"]);
                let (disk, top) = (it.node("disk"), it.node("top"));
                assert_eq!((disk.quiesce_counter(), top.quiesce_counter()), (0, 0));
                assert_eq!(disk.parents()[0].perms(), EXCLUSIVE);
                assert_eq!(disk.wr_highest_offset(), 4100);
            });
        }
    }

    fn disks_that_remember_nothing_move_too(world) {
        world.on(0, |here| {
            let options = NullCoOptions { size: LEN, read_zeroes: true, ..Default::default() };
            here.add("disk", NullCoDriver::new(options), &[]);
            here.backend("drive0", "disk", LAX);
        });
        world.send("disk", 0, 1).expect("everybody can");
        let len = world.on(1, |it| it.find_backend("drive0").len());
        assert_eq!(len.expect("it has a medium"), LEN);
    }
}

const GRANULE: u64 = 4096;

in_both_lives! {
    fn bitmaps_keep_their_bits_and_go_on_taking_note(world) {
        world.on(0, |here| {
            let disk = here.add("disk", MemOptions::new(LEN).build(), &[]);
            let top = here.add("top", raw(), &[("file", ChildRole::Filtered, &disk)]);
            here.backend("drive", "top", LAX);
            disk.create_dirty_bitmap(Some("named"), GRANULE).expect("the name is free");
            disk.create_dirty_bitmap(None, 2 * GRANULE).expect("it needs none");
            let off = disk.create_dirty_bitmap(Some("off"), GRANULE).expect("the name is free");
            off.bits_mut().set(0, 3 * GRANULE);
            off.set_enabled(false);
            top.show_dirty_bitmap(&disk.find_dirty_bitmap("named").expect("it is there"));
        });
        world.write(0, "drive", 5 * GRANULE, b"dirty").expect("it is writable");
        world.send("disk", 0, 1).expect("everybody can");
        world.write(1, "drive", 9 * GRANULE, b"dirty").expect("it is writable");
        world.on(1, |here| {
            let disk = here.node("disk");
            let [named, unnamed, off] = &disk.dirty_bitmaps()[..] else {
                panic!("there were three");
            };
            let bits = |it: &blockjob_block::bitmap::NodeBitmap| {
                (it.name().map(str::to_owned), it.is_enabled(), it.bits().count(), it.dirtied_granules())
            };
            assert_eq!(bits(named), (Some("named".to_owned()), true, 2, 2));
            assert_eq!(bits(unnamed), (None, true, 2, 2));
            assert_eq!(bits(off), (Some("off".to_owned()), false, 3, 0));
            assert!(named.is_shown_elsewhere() && !off.is_shown_elsewhere());
            assert!(named.bits().get(5 * GRANULE) && named.bits().get(9 * GRANULE));
            // The node that shows it shows the same bits, also what comes to them here.
            let shown = here.node("top").find_dirty_bitmap("named").expect("it is shown");
            assert_eq!(shown.bits().count(), 2);
            assert_eq!(unnamed.bits().granularity(), 2 * GRANULE);
        });
    }

    fn nodes_keep_their_settings_and_their_numbers(world) {
        let before = world.on(0, |here| {
            here.add("first", MemOptions::new(LEN).build(), &[]);
            let disk = here.add("disk", MemOptions::new(LEN).build(), &[]);
            let settings = NodeSettings { no_flush: true, unmap: false, ..disk.settings() };
            disk.set_settings(settings);
            (disk.number(), disk.settings())
        });
        world.on(1, |here| { here.add("other", MemOptions::new(LEN).build(), &[]); });
        world.send("disk", 0, 1).expect("everybody can");
        world.on(1, move |here| {
            let disk = here.node("disk");
            assert_eq!((disk.number(), disk.settings()), before);
            assert!(here.node("other").number() > disk.number(), "it was made later, elsewhere");
        });
    }

    fn names_are_taken_in_all_contexts_and_free_when_their_nodes_are_gone(world) {
        world.on(0, |here| { here.add("disk", MemOptions::new(LEN).build(), &[]); });
        world.send("disk", 0, 1).expect("everybody can");
        let refusal = |place, name: &'static str| world.on(place, move |here| {
            let driver = Box::new(MemOptions::new(LEN).build());
            let made = here.graph.add_node(Some(name), driver, false, &[]);
            made.err().map(|error| error.to_string())
        });
        for place in [0, 1, 2] {
            let text = refusal(place, "disk").expect("it is taken");
            assert_eq!(text, "Duplicate nodes with node-name='disk'");
        }
        world.on(1, |here| { here.backend("drive", "disk", LAX); });
        let text = refusal(2, "drive").expect("it is taken");
        assert_eq!(text, "node-name=drive is conflicting with a device id");
        let backend = world.on(0, |here| {
            let made = BlockBackend::new(&here.graph, "disk", LAX);
            made.err().map(|error| error.to_string())
        });
        assert_eq!(backend.expect("it is taken"), "Device name 'disk' conflicts with an existing node name");
        assert_eq!(world.directory.names(NameKind::Node).len(), 1);
        world.on(1, |here| {
            here.backends.borrow_mut().clear();
            here.nodes.borrow_mut().clear();
        });
        assert_eq!(refusal(0, "disk"), None);
        assert_eq!(world.directory.names(NameKind::Backend), []);
    }

    fn nodes_without_names_get_different_ones_in_different_contexts(world) {
        let names: Vec<String> = [0, 1, 2].map(|place| world.on(place, |here| {
            let driver = Box::new(MemOptions::new(LEN).build());
            let node = here.graph.add_node(None, driver, false, &[]).expect("it needs no name");
            here.nodes.borrow_mut().push(node.clone());
            node.name().to_owned()
        })).into();
        assert_eq!(names, ["#block000", "#block001", "#block002"]);
    }

    fn what_was_not_flushed_before_is_flushed_afterwards_and_only_that(world) {
        let driver = Bouncer::new();
        let seen = driver.seen.clone();
        world.on(0, move |here| {
            here.add("disk", driver, &[]);
            here.backend("drive", "disk", LAX);
        });
        let flush = |place| world.co(place, |here| async move {
            here.find_backend("drive").flush().await.expect("it can be flushed");
        });
        world.write(0, "drive", 0, b"kept").expect("it is writable");
        world.send("disk", 0, 1).expect("everybody can");
        flush(1);
        assert_eq!(seen.flushed(), 1);
        world.send("disk", 1, 2).expect("everybody can");
        flush(2);
        assert_eq!(seen.flushed(), 1, "nothing was written since");
    }

    fn a_target_that_has_ended_gives_the_family_back(world) {
        world.on(0, |here| {
            here.add("disk", MemOptions::new(LEN).build(), &[]);
            here.backend("drive", "disk", LAX);
        });
        world.write(0, "drive", 0, b"kept").expect("it is writable");
        // Its home is gone, as when the context ends.
        let gone = world.shards[1].clone();
        world.run({
            let gone = gone.clone();
            async move {
                let handle = gone.handle().clone();
                handle.request("evict", move |ctx| drop(ctx.evict(&gone))).await.expect("it runs");
            }
        });
        let refused = world.refusal("disk", 0, 1);
        assert_eq!(refused, "context io0 has ended without an answer");
        // The end of the section comes behind.
        world.on(0, |here| assert_eq!(here.names(), ["disk"]));
        assert_eq!(world.read(0, "drive", 0, 4), b"kept");
        world.send("disk", 0, 2).expect("everybody can");
    }

    fn permissions_come_to_hold_once_when_everybody_is_there(world) {
        let driver = Bouncer::new();
        let seen = driver.seen.clone();
        world.on(0, move |here| {
            let disk = here.add("disk", driver, &[]);
            here.add("top", raw(), &[("file", ChildRole::Filtered, &disk)]);
            // The first one does less than both together.
            here.backend("reads", "disk", PermPair::new(Perm::CONSISTENT_READ, Perm::ALL));
            here.backend("writes", "top", LAX);
        });
        let before = world.on(0, |here| here.node("disk").cumulative_perms());
        seen.take_perms();
        world.send("disk", 0, 1).expect("everybody can");
        assert_eq!(seen.take_perms(), [before], "an image lock would have been let go");
    }

    fn a_move_that_is_given_up_half_way_leaves_the_family_in_one_of_the_two_places(world) {
        world.on(0, |here| {
            here.add("disk", MemOptions::new(LEN).build(), &[]);
            here.backend("drive", "disk", LAX);
        });
        let mut at = 0;
        let mut arrived = [false; 2];
        for polls in (1..8).chain(1..8) {
            let (from, to) = (at, 1 - at);
            let shards = [world.shards[from].clone(), world.shards[to].clone()];
            world.run(async move {
                let mut moving = Box::pin(co_set_aio_context("disk", &shards[0], &shards[1]));
                let mut left = polls;
                poll_fn(|cx| {
                    left -= 1;
                    match moving.as_mut().poll(cx) {
                        Poll::Pending if left > 0 => Poll::Pending,
                        _ => Poll::Ready(()),
                    }
                })
                .await;
            });
            // What is still on its way comes to its turn.
            for place in [from, to, from, to] {
                world.on(place, |_| ());
            }
            let has = |place| !world.on(place, |here| here.names().is_empty());
            assert!(has(0) != has(1), "after {polls} polls");
            at = if has(0) { 0 } else { 1 };
            arrived[at] = true;
            let counter = world.on(at, |here| here.node("disk").quiesce_counter());
            assert_eq!(counter, 0, "after {polls} polls");
            world.write(at, "drive", 0, b"used").expect("it can be used");
        }
        assert_eq!(arrived, [true; 2], "the case was not what it should be");
    }
}

/// In virtual time, where main hears of it before it can do anything about it.
#[test]
fn a_family_that_is_packed_when_nobody_waits_for_it_any_more_comes_back() {
    let world = crate::world::World::new();
    let driver = Bouncer::new();
    let seen = driver.seen.clone();
    world.on(1, move |here| {
        here.add("disk", driver, &[]);
        here.backend("drive", "disk", LAX);
    });
    let (shards, packed) = (world.shards.clone(), seen.clone());
    world.run(async move {
        let mut moving = Box::pin(co_set_aio_context("disk", &shards[1], &shards[2]));
        poll_fn(|cx| match packed.packed() {
            0 => moving
                .as_mut()
                .poll(cx)
                .map(|_| panic!("it was not given up")),
            _ => Poll::Ready(()),
        })
        .await;
    });
    assert_eq!(seen.packed(), 1);
    for _ in 0..2 {
        (0..3).for_each(|place| world.on(place, |_| ()));
    }
    let counter = world.on(1, |here| here.node("disk").quiesce_counter());
    assert_eq!(counter, 0);
    world.write(1, "drive", 0, b"used").expect("it can be used");
    assert_eq!(seen.served(), 1);
}

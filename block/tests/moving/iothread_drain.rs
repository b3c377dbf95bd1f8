//! A drain waits for requests that bounce over other contexts: those of test-bdrv-drain.c that are called
//! `iothread/*`.
//!
//! QEMU: `test_iothread_common` (tests/unit/test-bdrv-drain.c).

use std::sync::Arc;

use blockjob_block::moving;
use bytes::BytesMut;

use crate::bouncer::{Bouncer, Seen};
use crate::world::{LAX, World};

/// Who drains what.
#[derive(Debug, Clone, Copy)]
enum Way {
    All,
    Node,
    Subtree,
    Family,
}

/// A node in one context whose requests are answered over another one, with one of them under way.
fn pending(world: &World) -> Arc<Seen> {
    let driver = Bouncer::over(world.shards[2].handle());
    let seen = driver.seen.clone();
    world.on(1, move |here| {
        here.add("disk", driver, &[]);
        let drive = here.backend("drive", "disk", LAX);
        let read = async move { drive.read(0, BytesMut::zeroed(512)).await.1 };
        let read = async move { read.await.expect("it can be read") };
        here.graph.context().coroutine("guest", read).enter();
    });
    seen
}

fn check(world: &World, seen: &Seen, way: Way) {
    assert_eq!((seen.served(), seen.active()), (1, 0), "{way:?}");
    let in_flight = world.on(1, |here| here.find_backend("drive").in_flight());
    assert_eq!(in_flight, 0, "{way:?}");
}

in_both_lives! {
    fn a_drain_from_main_waits_for_a_request_that_bounces_over_another_context(world) {
        for way in [Way::All, Way::Node, Way::Subtree, Way::Family] {
            let seen = pending(&world);
            let (shards, shard) = (world.shards.clone(), world.shards[1].clone());
            match way {
                Way::All => drop(world.run(async move {
                    let all = moving::co_drain_all_begin(&shards, "test").await;
                    assert_eq!(all.len(), 3);
                    all
                })),
                Way::Family => drop(world.run(async move {
                    moving::co_drained_begin(&shard, "disk", "test").await.expect("it is there")
                })),
                Way::Node => world.co(1, |here| async move { here.node("disk").co_drain("test").await }),
                Way::Subtree => world.co(1, |here| async move {
                    drop(here.node("disk").co_subtree_drained_begin("test").await);
                }),
            }
            check(&world, &seen, way);
            world.on(1, |here| {
                here.backends.borrow_mut().clear();
                here.nodes.borrow_mut().clear();
            });
        }
    }
}

/// Polls there, which in virtual time would keep the other contexts from their turns.
#[test]
fn a_drain_from_its_own_thread_waits_for_a_request_that_bounces_over_another_context() {
    let world = World::real();
    for way in [Way::All, Way::Node, Way::Subtree, Way::Family] {
        let seen = pending(&world);
        world.on(1, move |here| {
            let disk = here.node("disk");
            match way {
                Way::All => drop(here.graph.drain_all_begin("test")),
                Way::Node => disk.drain("test"),
                Way::Subtree => drop(disk.subtree_drained_begin("test")),
                Way::Family => drop(moving::FamilySection::begin(&disk, "test")),
            }
        });
        check(&world, &seen, way);
        world.on(1, |here| {
            here.backends.borrow_mut().clear();
            here.nodes.borrow_mut().clear();
        });
    }
}

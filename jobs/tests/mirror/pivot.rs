//! A full mirror with a guest that never stops: the end is a pivot, and no write is lost.

use blockjob_block::driver::mem::MemOptions;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions};

use crate::support::{Guest, MIB, World, content, noise};

#[test]
fn a_guest_that_never_stops_finds_every_write_on_the_target() {
    let world = World::new();
    let len = 4 * MIB;
    let (source, disk) = world.disk(
        "source",
        MemOptions::new(len).latency_ns(100_000).fill(noise()),
    );
    let (target, copy) = world.disk(
        "target",
        MemOptions::new(len).latency_ns(150_000).fill(noise()),
    );
    let blk = world.guest("drive0", &source);
    let guest = Guest::start(&world.ctx, &blk, content(&disk), 42, 700_000);
    let (job, mirror) = world.mirror(&source, &target, &MirrorOptions::new());
    world.until_ready(&job);
    assert_eq!(
        world.take_events(),
        ["created", "running", "ready", "BLOCK_JOB_READY"]
    );
    job.complete().expect("a ready job completes");
    let outcome = world.until_end(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert!(outcome.is_copy());
    assert_eq!(
        world.take_events(),
        [
            "waiting",
            "pending",
            "BLOCK_JOB_COMPLETED",
            "concluded",
            "null"
        ]
    );
    let before = guest.writes.get();
    world.ctx.poll_while(|| guest.writes.get() < before + 20);
    guest.stop(&world.ctx);
    assert_eq!(blk.node().expect("it has one").name(), "target");
    assert!(content(&copy) == *guest.model.borrow(), "a write is lost");
}

//! A full mirror with guests that never stop: the end is a pivot, and no write is lost.

use std::rc::Rc;

use blockjob_block::driver::mem::MemOptions;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions};

use crate::guests::{Guest, Habits};
use crate::lab::LabOptions;
use crate::model::Model;
use crate::support::{KIB, MIB, World, content, noise, options};

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
    let model = Rc::new(Model::new(content(&disk)));
    let guest = Guest::start(&world.ctx, &blk, &model, Habits::new(42));
    let (job, mirror) = world.mirror(&source, &target, &MirrorOptions::new());
    assert_eq!(job.label().as_ref(), "drive0");
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
    let before = guest.done.get();
    world.until(|| guest.done.get() > before + 20);
    guest.stop();
    assert_eq!(blk.node().expect("it has one").name(), "target");
    model.assert_legal(&content(&copy), "the target");
    world.assert_nothing_left(job, mirror);
}

/// The window that the article leaves open: between the last count and the pivot a queued guest
/// would write to the source alone. Over many moments of completion some hit it.
#[test]
fn whenever_it_is_completed_a_deep_queue_of_writes_loses_none() {
    for seed in 1..60 {
        let world = World::new();
        let lab = LabOptions::new(64 * KIB).half_ns(10_000..400_000);
        let (source, disk) = world.lab("source", lab.clone().seed(seed));
        let (target, copy) = world.lab("target", lab.half_ns(0..90_000).seed(seed + 1000));
        let blk = world.guest("drive0", &source);
        let model = Rc::new(Model::new(disk.content()));
        let habits = Habits::new(seed).depth(4).max_sectors(3);
        let habits = habits.rest_ns(3_000_000).only_writes();
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        let (job, mirror) = world.mirror(&source, &target, &options());
        world.until_ready(&job);
        world.pass(seed * 37_000);
        assert_eq!(
            world.complete(&job, &mirror).end,
            MirrorEnd::Pivoted,
            "{seed}"
        );
        guest.stop();
        model.assert_legal(&copy.content(), &format!("the target of seed {seed}"));
    }
}

//! What is copied: all, what the topmost image holds, or what is written from now on.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::mem::{Fill, MemDisk, MemOptions};
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::{BlockBackend, Node};
use blockjob_jobs::mirror::{MirrorEnd, MirrorSync};
use bytes::Bytes;

use crate::guests::{Guest, Habits};
use crate::lab::{Kind, LabOptions};
use crate::model::Model;
use crate::support::{KIB, MIB, World, assert_same, content, noise, options, options_for};

const CLUSTER: u64 = 4 * KIB;

/// A base of noise that is shorter than the overlay above it by a few clusters and a bit.
fn chain(world: &World, name: &str, len: u64) -> (Rc<Node>, Rc<Node>) {
    let base = MemOptions::new(len - 3 * CLUSTER - 512).fill(noise());
    let (base, _) = world.disk(&format!("{name}-base"), base);
    let overlay = OverlayOptions::new(len).cluster_size(CLUSTER).build();
    let top = world.above(name, overlay, ChildRole::Cow, &base);
    (top, base)
}

/// An overlay like another one, above the same base.
fn sibling(world: &World, name: &str, len: u64, base: &Rc<Node>) -> Rc<Node> {
    let overlay = OverlayOptions::new(len).cluster_size(CLUSTER).build();
    world.above(name, overlay, ChildRole::Cow, base)
}

fn write(world: &World, blk: &Rc<BlockBackend>, offset: u64, bytes: u64, fill: u8) {
    let (blk, data) = (blk.clone(), Bytes::from(vec![fill; bytes as usize]));
    let result = world
        .ctx
        .run("write", async move { blk.write(offset, data).await });
    result.expect("the disk is good");
}

fn zero(world: &World, blk: &Rc<BlockBackend>, offset: u64, bytes: u64) {
    let blk = blk.clone();
    let flags = ZeroFlags::default();
    let result = world.ctx.run("zero", async move {
        blk.write_zeroes(offset, bytes, flags).await
    });
    result.expect("the disk is good");
}

#[test]
fn a_full_mirror_copies_the_whole_chain() {
    let world = World::new();
    let (source, _) = chain(&world, "source", MIB);
    let blk = world.guest("drive0", &source);
    write(&world, &blk, 100 * KIB, 10_000, 0x11);
    zero(&world, &blk, 300 * KIB, 64 * KIB);
    let (target, copy) = world.disk("target", MemOptions::new(MIB).fill(Fill::Noise(99)));
    let before = world.read_all(&source);
    let (job, mirror) = world.mirror(&source, &target, &options());
    assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    assert_same(&content(&copy), &before);
}

#[test]
fn a_top_mirror_copies_what_the_top_holds_and_nothing_else() {
    let world = World::new();
    let (source, base) = chain(&world, "source", MIB);
    let target = sibling(&world, "target", MIB, &base);
    let blk = world.guest("drive0", &source);
    write(&world, &blk, 100 * KIB, 10_000, 0x11);
    // Zeroes that hide what the base has are content.
    zero(&world, &blk, 300 * KIB, 64 * KIB);
    // Behind the end of the base.
    write(&world, &blk, MIB - 1000, 1000, 0x22);
    let (job, mirror) = world.mirror(&source, &target, &options_for(MirrorSync::Top));
    let outcome = world.complete(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert_same(&world.read_all(&target), &world.read_all(&source));
    let touched = outcome.stats.copied_bytes;
    assert_eq!(touched, 3 * CLUSTER + CLUSTER, "the ends of two writes");
    assert_eq!(outcome.stats.zeroed_bytes, 64 * KIB);
}

#[test]
fn what_an_intermediate_image_hides_because_it_is_shorter_is_copied_as_zeroes() {
    let world = World::new();
    let (base, _) = world.disk("base", MemOptions::new(MIB).fill(noise()));
    let short = OverlayOptions::new(512 * KIB).cluster_size(CLUSTER).build();
    let middle = world.above("middle", short, ChildRole::Cow, &base);
    let source = sibling(&world, "source", MIB, &middle);
    // A top mirror onto an overlay of the base would have to copy what the middle hides; one onto
    // an overlay of the middle has nothing to do.
    let target = sibling(&world, "target", MIB, &middle);
    let (job, mirror) = world.mirror(&source, &target, &options_for(MirrorSync::Top));
    let outcome = world.complete(&job, &mirror);
    assert_eq!(outcome.stats.copied_bytes + outcome.stats.zeroed_bytes, 0);
    assert_same(&world.read_all(&target), &world.read_all(&source));

    let full = sibling(&world, "full", MIB, &base);
    let (job, mirror) = world.mirror(&source, &full, &options());
    assert!(world.complete(&job, &mirror).is_copy());
    assert_same(&world.read_all(&full), &world.read_all(&source));
}

#[test]
fn a_top_mirror_of_an_image_without_a_backing_file_is_a_full_one() {
    let world = World::new();
    let (source, disk) = world.disk("source", MemOptions::new(MIB).fill(noise()));
    let (target, copy) = world.disk("target", MemOptions::new(MIB));
    let (job, mirror) = world.mirror(&source, &target, &options_for(MirrorSync::Top));
    assert_eq!(mirror.options().sync, MirrorSync::Full);
    assert!(world.complete(&job, &mirror).is_copy());
    assert_same(&content(&copy), &content(&disk));
}

#[test]
fn a_mirror_of_nothing_copies_new_writes_alone() {
    let world = World::new();
    let (source, _disk) = world.lab("source", LabOptions::new(MIB));
    let (target, copy) = world.lab("target", LabOptions::new(MIB).fill(Fill::Noise(99)));
    let blk = world.guest("drive0", &source);
    write(&world, &blk, 0, 64 * KIB, 0x11);
    let granularity = 4 * KIB;
    let mut options = options_for(MirrorSync::None);
    options.granularity = granularity;
    let (job, mirror) = world.mirror(&source, &target, &options);
    world.until_ready(&job);
    assert_eq!(
        copy.requests(),
        0,
        "a target that was not written to is flushed"
    );
    write(&world, &blk, 300 * KIB + 512, 1024, 0x22);
    zero(&world, &blk, 500 * KIB, 8 * KIB);
    let outcome = world.complete(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert_eq!(copy.moved_bytes(Kind::Write), granularity);
    assert_eq!(outcome.stats.copied_bytes, granularity);
    assert_eq!(outcome.stats.zeroed_bytes, 8 * KIB);
    let (new, mut old) = (copy.content(), vec![0; MIB as usize]);
    MemDisk::new(MIB, Fill::Noise(99), 512).read_at(0, &mut old);
    let source = world.read_all(&source);
    let written = (300 * KIB) as usize..(304 * KIB) as usize;
    let zeroed = (500 * KIB) as usize..(508 * KIB) as usize;
    for range in [written.clone(), zeroed.clone()] {
        old[range.clone()].copy_from_slice(&source[range]);
    }
    assert_same(&new, &old);
}

#[test]
fn a_top_mirror_under_a_writing_guest_loses_nothing() {
    for seed in 1..20 {
        let world = World::new();
        let len = 64 * KIB;
        let (source, base) = chain(&world, "source", len);
        let target = sibling(&world, "target", len, &base);
        let blk = world.guest("drive0", &source);
        let model = Rc::new(Model::new(world.read_all(&source)));
        let habits = Habits::new(seed).depth(3).max_sectors(9);
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        world.pass(seed * 100_000);
        let mut options = options_for(MirrorSync::Top);
        options.granularity = 1024;
        let (job, mirror) = world.mirror(&source, &target, &options);
        world.until_ready(&job);
        world.pass(seed * 70_000);
        assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
        guest.stop();
        model.assert_legal(&world.read_all(&target), &format!("seed {seed}"));
    }
}

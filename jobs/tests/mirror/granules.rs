//! Granularity, length and buffer: whatever their proportions, all bytes arrive, once.

use std::rc::Rc;

use blockjob_block::driver::Limits;
use blockjob_block::driver::mem::Fill;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions};

use crate::guests::{Guest, Habits};
use crate::lab::{Kind, LabOptions};
use crate::model::Model;
use crate::support::{KIB, MIB, World, assert_same, options};

/// Copies noise onto other noise.
fn copy_noise(len: u64, granularity: u64, buf_size: u64) {
    let world = World::new();
    let (source, disk) = world.lab("source", LabOptions::new(len).half_ns(0..5_000));
    let lab = LabOptions::new(len).fill(Fill::Noise(99)).half_ns(0..9_000);
    let (target, copy) = world.lab("target", lab);
    let options = MirrorOptions {
        granularity,
        buf_size,
        ..options()
    };
    let (job, mirror) = world.mirror(&source, &target, &options);
    let outcome = world.complete(&job, &mirror);
    let what = format!("{len} bytes, granules of {granularity}, a buffer of {buf_size}");
    assert_eq!(outcome.end, MirrorEnd::Pivoted, "{what}");
    assert_eq!(outcome.stats.copied_bytes, len, "{what}");
    assert_eq!(outcome.stats.recopied_bytes, 0, "{what}");
    assert_eq!(outcome.len_bytes, len);
    assert_eq!(job.progress().current(), len, "{what}");
    assert_eq!(job.progress().total(), len, "{what}");
    assert_same(&copy.content(), &disk.content());
    world.assert_nothing_left(job, mirror);
}

#[test]
fn granules_of_any_size_copy_disks_of_any_length() {
    for granularity in [512, 1024, 4 * KIB, 64 * KIB, MIB, 64 * MIB] {
        for len in [1, 511, 512, 513, 65_535, 100_001, 3 * 64 * KIB + 17, MIB] {
            copy_noise(len, granularity, 0);
        }
    }
}

#[test]
fn the_smallest_buffers_will_do() {
    for buf_size in [1, 512, 513, 4 * KIB, 70_000] {
        for granularity in [512, 64 * KIB] {
            copy_noise(100_001, granularity, buf_size);
        }
    }
}

#[test]
fn the_largest_buffers_overflow_nothing() {
    for buf_size in [1 << 40, i64::MAX as u64] {
        copy_noise(100_001, 512, buf_size);
    }
}

/// A sixteenth of this buffer is no multiple of a sector.
#[test]
fn copies_end_at_granules_whatever_the_buffer() {
    let world = World::new();
    let len = 4 * MIB;
    let (source, _) = world.lab("source", LabOptions::new(len));
    let (target, copy) = world.lab("target", LabOptions::new(len).fill(Fill::Noise(99)));
    let options = MirrorOptions {
        granularity: 512,
        buf_size: 32 * MIB + 512,
        ..options()
    };
    let (job, mirror) = world.mirror(&source, &target, &options);
    assert!(world.complete(&job, &mirror).is_copy());
    for io in copy.log.borrow().iter().filter(|io| io.kind == Kind::Write) {
        assert_eq!(io.offset % 512, 0, "{io:?}");
    }
}

#[test]
fn granules_smaller_than_what_the_disks_take_are_copied() {
    let world = World::new();
    let len = 128 * KIB;
    let sectors = |request_alignment| Limits {
        request_alignment,
        ..Limits::default()
    };
    let lab = LabOptions::new(len).half_ns(1_000..50_000);
    let (source, disk) = world.lab("source", lab.clone().limits(sectors(512)).seed(3));
    let lab = lab.fill(Fill::Noise(99)).limits(sectors(4096));
    let (target, copy) = world.lab("target", lab.seed(4));
    let blk = world.guest("drive0", &source);
    let model = Rc::new(Model::new(disk.content()));
    let habits = Habits::new(11).depth(4).max_sectors(5).rest_ns(100_000);
    let guest = Guest::start(&world.ctx, &blk, &model, habits);
    let options = MirrorOptions {
        granularity: 512,
        buf_size: 6 * 512,
        ..options()
    };
    let (job, mirror) = world.mirror(&source, &target, &options);
    world.pass(30 * crate::support::MS);
    guest.stop();
    assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    model.assert_legal(&copy.content(), "the target");
}

#[test]
fn the_end_of_an_odd_disk_is_written_and_copied_like_the_rest() {
    for len in [513, 5 * 512 + 1, 40_000 + 511] {
        let world = World::new();
        let lab = LabOptions::new(len).half_ns(1_000..50_000);
        let (source, disk) = world.lab("source", lab.clone().seed(len));
        let (target, copy) = world.lab("target", lab.fill(Fill::Noise(99)).seed(len + 1));
        let blk = world.guest("drive0", &source);
        let model = Rc::new(Model::new(disk.content()));
        let habits = Habits::new(len).depth(2).max_sectors(8);
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        let options = MirrorOptions {
            granularity: 4 * KIB,
            ..options()
        };
        let (job, mirror) = world.mirror(&source, &target, &options);
        assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
        guest.stop();
        model.assert_legal(&copy.content(), "the target");
    }
}

#[test]
fn without_a_word_the_granularity_follows_the_targets_clusters() {
    for (cluster_size, granularity) in [
        (0, 64 * KIB),
        (512, 4 * KIB),
        (16 * KIB, 16 * KIB),
        (MIB, 64 * KIB),
    ] {
        let world = World::new();
        let (source, _) = world.lab("source", LabOptions::new(MIB));
        let limits = Limits {
            cluster_size,
            ..Limits::default()
        };
        let (target, _) = world.lab("target", LabOptions::new(MIB).limits(limits));
        let (_job, mirror) = world.mirror(&source, &target, &options());
        assert_eq!(mirror.options().granularity, granularity);
        assert_eq!(mirror.options().buf_size, 16 * MIB);
    }
}

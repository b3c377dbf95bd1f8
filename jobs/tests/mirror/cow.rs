//! A target without its backing file whose clusters are larger than granules: what is copied is
//! widened to clusters, and no old copy of a neighbour lands after a newer one.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::Limits;
use blockjob_block::driver::mem::Fill;
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions, MirrorSync};
use bytes::Bytes;

use crate::guests::{Guest, Habits};
use crate::lab::{Dice, Kind, Lab, LabOptions};
use crate::model::Model;
use crate::support::{KIB, MS, World, options};

const GRANULE: u64 = 512;
const CLUSTER: u64 = 4 * KIB;
const LEN: u64 = 64 * KIB;

fn target_options(seed: u64) -> LabOptions {
    let limits = Limits {
        cluster_size: CLUSTER,
        ..Limits::default()
    };
    let lab = LabOptions::new(LEN).limits(limits).page_bytes(CLUSTER);
    lab.fill(Fill::Noise(99)).seed(seed)
}

/// An overlay above noise.
fn source(world: &World, seed: u64) -> (Rc<Node>, Rc<Lab>) {
    let base = LabOptions::new(LEN).half_ns(0..20_000).seed(seed);
    let (base, lab) = world.lab("base", base);
    let overlay = OverlayOptions::new(LEN).cluster_size(GRANULE).build();
    (world.above("source", overlay, ChildRole::Cow, &base), lab)
}

fn top(buf_size: u64) -> MirrorOptions {
    MirrorOptions {
        sync: MirrorSync::Top,
        granularity: GRANULE,
        buf_size,
        ..options()
    }
}

fn write(world: &World, node: &Rc<Node>, ranges: &[(u64, u64)]) {
    let blk = world.guest("", node);
    for &(offset, bytes) in ranges {
        let (blk, data) = (blk.clone(), Bytes::from(vec![0x77; bytes as usize]));
        let result = world
            .ctx
            .run("write", async move { blk.write(offset, data).await });
        result.expect("the disk is good");
    }
}

#[test]
fn the_neighbours_in_a_cluster_come_along_and_other_clusters_stay() {
    let world = World::new();
    let (source, _) = source(&world, 1);
    let (target, copy) = world.lab("target", target_options(2));
    let untouched = copy.content();
    write(&world, &source, &[(5 * GRANULE, GRANULE), (LEN - 700, 100)]);
    let (job, mirror) = world.mirror(&source, &target, &top(0));
    let outcome = world.complete(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert_eq!(outcome.stats.copied_bytes, 2 * CLUSTER);
    let (shown, copied) = (world.read_all(&source), copy.content());
    for start in (0..LEN).step_by(CLUSTER as usize) {
        let cluster = start as usize..(start + CLUSTER) as usize;
        let touched = start == 0 || start == LEN - CLUSTER;
        let expected = if touched { &shown } else { &untouched };
        assert!(
            copied[cluster.clone()] == expected[cluster],
            "from {start} on"
        );
    }
}

#[test]
fn a_cluster_is_widened_once_and_then_copied_by_granules() {
    let world = World::new();
    let (source, _) = source(&world, 1);
    let (target, copy) = world.lab("target", target_options(2));
    let (job, mirror) = world.mirror(&source, &target, &top(0));
    world.until_ready(&job);
    for expected in [CLUSTER, CLUSTER + GRANULE] {
        write(&world, &source, &[(2 * CLUSTER + GRANULE, GRANULE)]);
        world.pass(200 * MS);
        assert_eq!(copy.moved_bytes(Kind::Write), expected);
    }
    assert!(world.complete(&job, &mirror).is_copy());
}

/// The run of dirty granules fits into the buffer, and what it is widened to does not: nobody could
/// ever make room for it at once.
#[test]
fn a_range_that_only_outgrows_the_buffer_by_widening_is_copied_in_parts() {
    for buf_size in [GRANULE, 2 * GRANULE, 4 * GRANULE, CLUSTER, 9 * GRANULE] {
        let world = World::new();
        let (source, _) = source(&world, 1);
        let (target, copy) = world.lab("target", target_options(2));
        write(&world, &source, &[(CLUSTER - 2 * GRANULE, 4 * GRANULE)]);
        let (job, mirror) = world.mirror(&source, &target, &top(buf_size));
        assert!(world.complete(&job, &mirror).is_copy(), "{buf_size}");
        let both = 2 * CLUSTER as usize;
        let shown = world.read_all(&source);
        assert!(copy.content()[..both] == shown[..both], "{buf_size}");
    }
}

/// Two claims overlap neither as they are dirty nor as they are widened.
#[test]
fn no_granule_is_copied_twice_at_a_time() {
    for seed in 1..40 {
        let world = World::new();
        let (source, _) = source(&world, seed);
        let (target, copy) = world.lab("target", target_options(seed).half_ns(100..900_000));
        let granules = (LEN / GRANULE) as usize;
        let blk = world.guest("drive0", &source);
        let model = Rc::new(Model::new(world.read_all(&source)));
        let habits = Habits::new(seed).depth(4).max_sectors(12).only_writes();
        let habits = habits.rest_ns(300_000);
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        let (job, mirror) = world.mirror(&source, &target, &top(seed % 9 * 3 * GRANULE));
        let claims = world.diary.clone();
        // Now and then somebody drains a side.
        let pulses = Dice::new(seed);
        let next_pulse_ns = Cell::new(pulses.within(0..3 * MS));
        let mut seen = 0;
        let mut copying = vec![false; granules];
        let end_ns = world.ctx.now_ns() + 20 * MS;
        world.until(|| {
            if seed % 3 == 0 && world.ctx.now_ns() >= next_pulse_ns.get() {
                let node = [&source, &target][pulses.within(0..2) as usize];
                drop(node.drained_begin("pulse"));
                next_pulse_ns.set(world.ctx.now_ns() + pulses.within(0..3 * MS));
                // What was claimed and copied meanwhile cannot be told apart.
                seen += claims.mirror_since(seen).len();
            }
            let events = claims.mirror_since(seen);
            seen += events.len();
            for (_, _, event) in events {
                let MirrorEvent::MirrorIteration { offset, bytes } = event else {
                    continue;
                };
                for at in (offset..offset + bytes).step_by(GRANULE as usize) {
                    let granule = (at / GRANULE) as usize;
                    assert!(!copying[granule], "seed {seed}: {at} is claimed twice");
                }
            }
            for (granule, copying) in copying.iter_mut().enumerate() {
                *copying = mirror.is_in_flight(granule as u64 * GRANULE);
            }
            world.ctx.now_ns() >= end_ns
        });
        guest.stop();
        assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
        // What was touched is whole clusters, as the guest left them.
        let (shown, copied) = (world.read_all(&source), copy.content());
        model.assert_legal(&shown, "the source");
        for io in copy.log.borrow().iter().filter(|io| io.kind == Kind::Write) {
            let start = io.offset - io.offset % CLUSTER;
            let cluster = start as usize..(start + CLUSTER) as usize;
            let what = format!("seed {seed}, from {start} on");
            assert!(copied[cluster.clone()] == shown[cluster], "{what}");
        }
    }
}

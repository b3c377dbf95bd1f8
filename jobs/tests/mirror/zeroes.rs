//! Zeroes and holes: they are not copied, and the target gets as sparse as it may.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::mem::{Fill, MemOptions};
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::request::{BlockTrace, RequestKind};
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions, MirrorSync, Outcome};
use blockjob_runtime::trace::Event;

use crate::guests::{Guest, Habits};
use crate::lab::{Kind, Lab, LabOptions};
use crate::model::Model;
use crate::support::{KIB, MIB, World, assert_same, options, options_for};

/// A page each of so many.
fn scatter(lab: &Lab, page: u64, every: u64) -> u64 {
    let mut data = 0;
    for offset in (0..lab.disk.len()).step_by(every as usize) {
        let bytes = page.min(lab.disk.len() - offset);
        lab.disk.write_at(offset, &vec![0x5a; bytes as usize]);
        data += bytes;
    }
    data
}

fn run(world: &World, source: LabOptions, target: LabOptions, options: &MirrorOptions) -> Ran {
    let (source, disk) = world.lab("source", source);
    let data = scatter(&disk, 4 * KIB, 300 * KIB);
    let (target, copy) = world.lab("target", target);
    let (job, mirror) = world.mirror(&source, &target, options);
    let outcome = world.complete(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert_same(&copy.content(), &disk.content());
    Ran {
        outcome,
        data,
        copy,
    }
}

struct Ran {
    outcome: Outcome,
    data: u64,
    copy: Rc<Lab>,
}

fn sparse(len: u64) -> LabOptions {
    LabOptions::new(len).fill(Fill::Zeroes).page_bytes(4 * KIB)
}

fn full(len: u64) -> LabOptions {
    LabOptions::new(len)
        .fill(Fill::Noise(99))
        .page_bytes(4 * KIB)
}

const LEN: u64 = 4 * MIB + 700;

#[test]
fn large_granules_of_a_sparse_disk_copy_its_data_and_no_holes() {
    for granularity in [4 * KIB, 64 * KIB, MIB, 16 * MIB] {
        let world = World::new();
        let options = MirrorOptions {
            granularity,
            ..options()
        };
        let ran = run(&world, sparse(LEN), sparse(LEN), &options);
        assert_eq!(ran.outcome.stats.copied_bytes, ran.data, "{granularity}");
        assert_eq!(ran.outcome.stats.skipped_bytes, LEN - ran.data);
        assert_eq!(ran.copy.count(Kind::Zero), 0, "the target is all zeroes");
        let pages = ran.data.next_multiple_of(4 * KIB);
        assert_eq!(ran.copy.disk.allocated_bytes(), pages);
    }
}

#[test]
fn an_allocated_target_is_zeroed_where_the_source_has_holes_and_nowhere_else() {
    for unmap in [true, false] {
        let world = World::new();
        let options = MirrorOptions { unmap, ..options() };
        let ran = run(&world, sparse(LEN), full(LEN), &options);
        assert_eq!(ran.outcome.stats.copied_bytes, ran.data);
        assert_eq!(ran.outcome.stats.zeroed_bytes, LEN - ran.data);
        assert_eq!(ran.outcome.stats.skipped_bytes, 0);
        assert_eq!(ran.copy.moved_bytes(Kind::Zero), LEN - ran.data);
        assert_eq!(ran.copy.moved_bytes(Kind::Write), ran.data);
        assert_eq!(ran.copy.count(Kind::Discard), 0);
        for io in ran.copy.log.borrow().iter() {
            assert_eq!(io.may_unmap, unmap && io.kind == Kind::Zero, "{io:?}");
        }
    }
}

/// The top of a disk without a base is all of it, and the target is none that was made for it.
#[test]
fn the_top_of_nothing_is_zeroed_where_a_target_that_was_there_holds_something() {
    let world = World::new();
    let options = MirrorOptions {
        sync: MirrorSync::Top,
        zero_target: false,
        target_was_there: true,
        ..options()
    };
    let ran = run(&world, sparse(LEN), full(LEN), &options);
    assert_eq!(ran.outcome.stats.copied_bytes, ran.data);
    assert_eq!(ran.outcome.stats.zeroed_bytes, LEN - ran.data);
}

/// What the target loses before it gets it again is lost if the job fails in between.
#[test]
fn no_target_is_emptied_before_it_is_written() {
    let world = World::new();
    let (source, disk) = world.lab("source", full(LEN).half_ns(1_000..2_000));
    disk.disk.zero_at(2 * MIB, MIB, true);
    let (target, copy) = world.lab("target", full(LEN).half_ns(1_000..2_000));
    let (job, mirror) = world.mirror(&source, &target, &options());
    assert!(world.complete(&job, &mirror).is_copy());
    let log = copy.log.borrow();
    for io in log.iter().filter(|io| io.kind == Kind::Zero) {
        let end = io.offset + io.bytes;
        assert!(2 * MIB <= io.offset && end <= 3 * MIB, "{io:?}");
    }
    assert_eq!(copy.moved_bytes(Kind::Zero), MIB);
}

#[test]
fn a_target_that_holds_zeroes_as_data_loses_them_if_it_may() {
    for unmap in [true, false] {
        let world = World::new();
        let (source, _) = world.lab("source", sparse(MIB));
        let (target, copy) = world.lab("target", sparse(MIB));
        copy.disk.write_at(0, &vec![0; MIB as usize]);
        assert_eq!(copy.disk.allocated_bytes(), MIB);
        let options = MirrorOptions { unmap, ..options() };
        let (job, mirror) = world.mirror(&source, &target, &options);
        assert!(world.complete(&job, &mirror).is_copy());
        let left = if unmap { 0 } else { MIB };
        assert_eq!(copy.disk.allocated_bytes(), left, "unmap={unmap}");
    }
}

#[test]
fn a_target_that_is_known_to_be_zero_gets_the_data_alone() {
    let world = World::new();
    let options = MirrorOptions {
        zero_target: false,
        granularity: 4 * KIB,
        ..options()
    };
    let ran = run(&world, sparse(LEN), sparse(LEN), &options);
    assert_eq!(ran.outcome.stats.copied_bytes, ran.data);
    assert_eq!(
        ran.outcome.stats.skipped_bytes, 0,
        "holes were not even dirty"
    );
    assert_eq!(ran.copy.count(Kind::Zero), 0);
}

#[test]
fn a_guest_that_zeroes_and_discards_finds_zeroes_on_the_target() {
    for (seed, unmap) in (1..30).zip([true, false].into_iter().cycle()) {
        let world = World::new();
        let lab = full(64 * KIB).half_ns(500..30_000);
        let (source, disk) = world.lab("source", lab.clone().page_bytes(1024).seed(seed));
        let (target, copy) = world.lab("target", lab.fill(Fill::Noise(5)).seed(seed + 99));
        let blk = world.guest("drive0", &source);
        let model = Rc::new(Model::new(disk.content()));
        let habits = Habits::new(seed).depth(3).max_sectors(30);
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        let options = MirrorOptions {
            unmap,
            granularity: 2 * KIB,
            ..options()
        };
        let (job, mirror) = world.mirror(&source, &target, &options);
        world.until_ready(&job);
        world.pass(seed * 111_000);
        assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
        guest.stop();
        model.assert_legal(&copy.content(), &format!("the target of seed {seed}"));
    }
}

/// What an image without its backing file does not hold reads as zeroes today, and as whatever the
/// backing file has as soon as it gets it.
#[test]
fn zeroes_are_written_to_a_target_that_will_get_its_backing_file_later() {
    let world = World::new();
    let (base, _) = world.disk("base", MemOptions::new(MIB));
    let overlay = || OverlayOptions::new(MIB).cluster_size(64 * KIB).build();
    let source = world.above("source", overlay(), ChildRole::Cow, &base);
    let target = world.node("target", overlay());
    let blk = world.guest("drive0", &source);
    let zeroed = world.ctx.run("zero", async move {
        blk.write_zeroes(128 * KIB, 64 * KIB, Default::default())
            .await
    });
    zeroed.expect("the disk is good");
    let written = Rc::new(std::cell::RefCell::new(Vec::new()));
    let noted = written.clone();
    world.diary.on_event(move |_, event| {
        if let Event::Layer(layer) = event
            && let Some(BlockTrace::RequestBegin {
                node,
                kind: RequestKind::Write,
                offset,
                bytes,
                ..
            }) = layer.as_any().downcast_ref()
            && &**node == "target"
        {
            noted.borrow_mut().push((*offset, *bytes));
        }
    });
    let (job, mirror) = world.mirror(&source, &target, &options_for(MirrorSync::Top));
    assert!(world.complete(&job, &mirror).is_copy());
    assert_eq!(*written.borrow(), [(128 * KIB, 64 * KIB)]);
}

#[test]
fn a_small_buffer_does_not_cut_holes_into_pieces_that_give_nothing_back() {
    let world = World::new();
    let mut small = options();
    (small.granularity, small.buf_size) = (512, 512);
    let ran = run(&world, sparse(2 * MIB), full(2 * MIB), &small);
    assert_eq!(ran.copy.disk.allocated_bytes(), ran.data);
}

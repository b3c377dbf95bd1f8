//! A forced cancel at any moment: the job begins nothing more, ends soon, and leaves nothing behind.

use std::rc::Rc;

use blockjob_block::driver::mem::Fill;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions};

use crate::guests::{Guest, Habits};
use crate::lab::{Kind, LabOptions};
use crate::model::Model;
use crate::support::{KIB, MS, World, options};

/// Cancels a mirror at `at_ns`, and says how it ended.
fn cancel_at(at_ns: u64, zero_target: bool, guest_seed: Option<u64>) -> MirrorEnd {
    let world = World::new();
    let lab = LabOptions::new(64 * KIB).status_ns(20_000..60_000);
    let lab = lab.half_ns(20_000..90_000).page_bytes(2 * KIB);
    let (source, disk) = world.lab("source", lab.clone().fill(Fill::Zeroes));
    for piece in 0..8 {
        disk.disk.write_at(piece * 8 * KIB, &[0x5a; 5 * 1024]);
    }
    let fill = if zero_target {
        Fill::Noise(99)
    } else {
        Fill::Zeroes
    };
    let (target, copy) = world.lab("target", lab.fill(fill).seed(5));
    let blk = world.guest("drive0", &source);
    let model = Rc::new(Model::new(disk.content()));
    let guest = guest_seed.map(|seed| {
        let habits = Habits::new(seed).depth(2).max_sectors(4).rest_ns(MS);
        Guest::start(&world.ctx, &blk, &model, habits)
    });
    let options = MirrorOptions {
        granularity: 16 * KIB,
        buf_size: 32 * KIB,
        zero_target,
        ..options()
    };
    let (job, mirror) = world.mirror(&source, &target, &options);
    let end_ns = world.ctx.now_ns() + at_ns;
    let alarm = world.ctx.timer("alarm", || {});
    alarm.arm(end_ns);
    world.until(|| {
        if job.is_ready() {
            // Refused if it was told before.
            let _told = job.complete();
        }
        world.ctx.now_ns() >= end_ns
    });
    let reads_under_way = disk.in_flight.get();
    let (reads, writes) = (disk.count(Kind::Read), copy.requests());
    let asked_ns = world.ctx.now_ns();
    // Refused if it is over.
    let told = job.user_cancel(true).is_ok();
    let outcome = world.until_end(&job, &mirror);
    assert!(world.ctx.now_ns() - asked_ns < 2 * MS, "at {at_ns}");
    if told && guest.is_none() {
        assert_eq!(disk.count(Kind::Read), reads, "a read begins after {at_ns}");
        // What had been read by then may be written.
        let writes = copy.requests() - writes;
        assert!(writes <= reads_under_way, "{writes} writes after {at_ns}");
    }
    if let Some(guest) = guest {
        guest.stop();
    }
    assert!(!world.ctx.handle().external_disabled());
    world.assert_nothing_left(job, mirror);
    match blk.node().expect("it has one").name() {
        "target" => model.assert_legal(&copy.content(), "the target"),
        _ => model.assert_legal(&disk.content(), "the source"),
    }
    outcome.end
}

#[test]
fn from_its_first_step_to_its_last_it_can_be_cancelled() {
    for zero_target in [true, false] {
        let mut ends = [0; 2];
        for step in 0..120 {
            match cancel_at(step * 17_000, zero_target, None) {
                MirrorEnd::Abandoned => ends[0] += 1,
                MirrorEnd::Pivoted => ends[1] += 1,
                end => panic!("{end:?}"),
            }
        }
        assert!(ends.iter().all(|count| *count > 10), "{ends:?}");
    }
}

#[test]
fn under_a_guest_it_can_be_cancelled_at_any_moment() {
    for step in 0..80 {
        let end = cancel_at(step * 53_000, step % 2 == 0, Some(step + 1));
        assert!(matches!(end, MirrorEnd::Abandoned | MirrorEnd::Pivoted));
    }
}

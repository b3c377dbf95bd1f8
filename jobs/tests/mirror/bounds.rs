//! What a mirror never exceeds: requests at a time, bytes in buffers, bytes a second.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::driver::mem::Fill;
use blockjob_jobs::mirror::options::MAX_IN_FLIGHT;
use blockjob_jobs::mirror::{MirrorJob, MirrorOptions};
use blockjob_jobs::rate_limit::SLICE_TIME_NS;

use crate::lab::{Dice, Kind, Lab, LabOptions};
use crate::support::{KIB, MIB, MS, SECOND, World, options};

/// The most requests and bytes that were in flight on both disks together.
#[derive(Default)]
struct Most {
    requests: Cell<usize>,
    bytes: Cell<u64>,
}

fn watch(labs: [&Rc<Lab>; 2]) -> Rc<Most> {
    let most = Rc::new(Most::default());
    let pair = labs.map(Rc::downgrade);
    let noted = most.clone();
    let hook: Rc<dyn Fn()> = Rc::new(move || {
        let labs = pair
            .each_ref()
            .map(|lab| lab.upgrade().expect("they are in use"));
        let requests = labs.iter().map(|lab| lab.in_flight.get()).sum();
        let bytes = labs.iter().map(|lab| lab.bytes_in_flight.get()).sum();
        noted.requests.set(noted.requests.get().max(requests));
        noted.bytes.set(noted.bytes.get().max(bytes));
    });
    for lab in labs {
        *lab.on_change.borrow_mut() = Some(hook.clone());
    }
    most
}

#[test]
fn sixteen_requests_are_in_flight_and_never_more() {
    let world = World::new();
    let len = 40 * MIB;
    let (source, a) = world.lab("source", LabOptions::new(len).half_ns(10_000..90_000));
    let lab = LabOptions::new(len)
        .fill(Fill::Zeroes)
        .half_ns(5_000..200_000);
    let (target, b) = world.lab("target", lab);
    let most = watch([&a, &b]);
    let (job, mirror) = world.mirror(&source, &target, &options());
    assert!(world.complete(&job, &mirror).is_copy());
    assert_eq!(most.requests.get(), MAX_IN_FLIGHT);
    assert_eq!(most.bytes.get(), 16 * MIB, "the default buffer is used up");
}

/// Copies of small pieces fill no buffer, and zeroes none at all: only the count holds them back.
#[test]
fn sixteen_requests_are_in_flight_and_never_more_when_they_are_small() {
    let world = World::new();
    let lab = LabOptions::new(MIB).page_bytes(4 * KIB);
    let (source, a) = world.lab("source", lab.clone().fill(Fill::Zeroes));
    for piece in 0..MIB / (8 * KIB) {
        a.disk.write_at(piece * 8 * KIB, &[0x5a; 4096]);
    }
    let (target, b) = world.lab("target", lab.half_ns(MS..2 * MS));
    let most = watch([&a, &b]);
    let (job, mirror) = world.mirror(&source, &target, &options());
    assert!(world.complete(&job, &mirror).is_copy());
    assert_eq!(most.requests.get(), MAX_IN_FLIGHT);
}

#[test]
fn no_more_is_in_flight_than_the_buffer_holds() {
    for buf_size in [1, 64 * KIB, 300_000, 3 * MIB] {
        let world = World::new();
        let len = 4 * MIB + 13;
        let lab = LabOptions::new(len).half_ns(1_000..90_000);
        let (source, a) = world.lab("source", lab.clone());
        let (target, b) = world.lab("target", lab.fill(Fill::Noise(99)).seed(5));
        let most = watch([&a, &b]);
        let options = MirrorOptions {
            buf_size,
            ..options()
        };
        let (job, mirror) = world.mirror(&source, &target, &options);
        assert!(world.complete(&job, &mirror).is_copy());
        let room = mirror.options().buf_size;
        assert_eq!(room, buf_size.next_multiple_of(64 * KIB));
        assert!(most.bytes.get() <= room, "{} of {room}", most.bytes.get());
    }
}

/// In any `n` slices at most `n + 2` slices' worth begins, wherever they start: one of arrears, and
/// one request that begins at the last moment.
fn assert_paced(lab: &Lab, speed: u64, granularity: u64) {
    let log = lab.log.borrow();
    let writes: Vec<_> = log.iter().filter(|io| io.kind == Kind::Write).collect();
    let quota = (speed / 10).max(granularity);
    for (first, begin) in writes.iter().enumerate() {
        let mut bytes = 0;
        for io in &writes[first..] {
            bytes += io.bytes;
            let slices = (io.at_ns - begin.at_ns) / SLICE_TIME_NS + 1;
            assert!(
                bytes <= (slices + 2) * quota,
                "{bytes} bytes in {slices} slices of {quota}, from {} on",
                begin.at_ns
            );
        }
    }
}

fn paced(speed: u64, granularity: u64, disturb: impl Fn(&World, &MirrorJob, &[Rc<Lab>; 2])) {
    let world = World::new();
    let len = 4 * MIB;
    let lab = LabOptions::new(len).half_ns(1_000..90_000);
    let (source, a) = world.lab("source", lab.clone());
    let (target, b) = world.lab("target", lab.fill(Fill::Noise(99)).seed(5));
    let labs = [a, b];
    let options = MirrorOptions {
        speed,
        granularity,
        ..options()
    };
    let begin_ns = world.ctx.now_ns();
    let (job, mirror) = world.mirror(&source, &target, &options);
    while !job.is_ready() {
        disturb(&world, &mirror, &labs);
        world.pass(10 * MS);
    }
    let took_ns = world.ctx.now_ns() - begin_ns;
    assert_paced(&labs[1], speed, granularity);
    let fair_ns = len * SECOND / speed;
    assert!(took_ns > fair_ns - 2 * SLICE_TIME_NS, "{took_ns} ns");
    assert!(took_ns < fair_ns + fair_ns / 4 + SECOND, "{took_ns} ns");
    assert!(world.complete(&job, &mirror).is_copy());
}

#[test]
fn a_speed_limit_is_kept_in_every_slice_and_used_up_on_the_whole() {
    paced(MIB, 64 * KIB, |_, _, _| ());
    paced(333_333, 4 * KIB, |_, _, _| ());
    // A granule is many slices' worth: it goes as a whole, and is paid for after.
    paced(256 * KIB, 512 * KIB, |_, _, _| ());
}

#[test]
fn drained_sections_and_pauses_buy_no_bytes() {
    let dice = Dice::new(9);
    paced(MIB, 64 * KIB, |world, _, _| {
        for _ in 0..5 {
            let name = ["source", "target"][dice.within(0..2) as usize];
            let node = world.graph.find_node(name).expect("it is there");
            drop(node.drained_begin("pulse"));
            world.pass(dice.within(0..2 * MS));
        }
    });
    paced(MIB, 64 * KIB, |world, _, _| {
        let job = world.jobs.find("job0").expect("it runs");
        job.pause();
        world.pass(dice.within(0..MS));
        job.resume();
    });
}

#[test]
fn a_speed_that_is_raised_holds_at_once_and_one_that_is_lowered_too() {
    let world = World::new();
    let lab = LabOptions::new(8 * MIB).half_ns(1_000..9_000);
    let (source, _) = world.lab("source", lab.clone());
    let (target, copy) = world.lab("target", lab.fill(Fill::Noise(99)));
    let options = MirrorOptions {
        speed: 64 * KIB,
        ..options()
    };
    let (job, mirror) = world.mirror(&source, &target, &options);
    let written = || copy.moved_bytes(Kind::Write);
    world.pass(SECOND);
    let slow = written();
    assert!(slow <= 192 * KIB, "{slow}");
    job.set_speed(MIB as i64).expect("a running job takes it");
    world.pass(2 * SECOND);
    let fast = written() - slow;
    assert!((MIB..3 * MIB).contains(&fast), "{fast}");
    job.set_speed(64 * KIB as i64)
        .expect("a running job takes it");
    world.pass(2 * SECOND);
    let slow = written() - slow - fast;
    assert!(slow <= 320 * KIB, "{slow}");
    job.set_speed(0).expect("a running job takes it");
    let before_ns = world.ctx.now_ns();
    assert!(world.complete(&job, &mirror).is_copy());
    assert!(world.ctx.now_ns() - before_ns < SECOND / 10);
}

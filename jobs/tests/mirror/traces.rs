//! The steps come in a legal order, whatever happens to the job; and the same run twice is the same
//! run.

use std::rc::Rc;

use blockjob_block::driver::mem::Fill;
use blockjob_jobs::mirror::MirrorOptions;
use blockjob_jobs::mirror::steps::{MirrorEvent, Step};
use blockjob_runtime::trace::{Recorder, Trace};

use crate::guests::{Guest, Habits};
use crate::lab::{Dice, LabOptions};
use crate::model::Model;
use crate::support::{KIB, MS, World, options};

/// What may follow a step.
fn may_follow(step: Step) -> &'static [Step] {
    use Step::*;
    match step {
        M1 => &[M2, M16],
        M2 => &[M3, M13, M16],
        M3 => &[M4],
        M4 => &[M5],
        M5 => &[M6, M7],
        M6 => &[M6, M7, M16],
        M7 => &[M8, M16],
        M8 => &[M7, M9, M10, M12, M14, M15],
        M9 => &[M7],
        M10 => &[M7, M11, M15],
        M11 => &[M7, M15],
        M12 => &[M7, M13],
        M13 => &[M14, M15, M16],
        M14 => &[M7, M16],
        M15 => &[M7],
        M16 => &[M17],
        M17 => &[],
    }
}

fn assert_legal(steps: &[Step]) {
    assert_eq!(steps.first(), Some(&Step::M1));
    assert_eq!(steps.last(), Some(&Step::M17), "{steps:?}");
    for pair in steps.windows(2) {
        assert!(may_follow(pair[0]).contains(&pair[1]), "{pair:?}");
    }
    let count = |step| steps.iter().filter(|other| **other == step).count();
    for once in [Step::M1, Step::M2, Step::M16, Step::M17] {
        assert_eq!(count(once), 1, "{once}");
    }
    assert!(count(Step::M13) <= 1);
}

/// A mirror under a guest, with things done to it now and then; what it does depends on `seed`.
fn run(world: &World, seed: u64) {
    let lab = LabOptions::new(64 * KIB).half_ns(1_000..90_000);
    let lab = lab.status_ns(0..20_000);
    let (source, disk) = world.lab("source", lab.clone().seed(seed));
    let lab = lab.fill(Fill::Noise(99)).seed(seed + 1);
    let (target, _) = world.lab("target", lab);
    let blk = world.guest("drive0", &source);
    let model = Rc::new(Model::new(disk.content()));
    let habits = Habits::new(seed).depth(3).max_sectors(9).rest_ns(MS);
    let guest = Guest::start(&world.ctx, &blk, &model, habits);
    let options = MirrorOptions {
        granularity: 2 * KIB,
        buf_size: 8 * KIB,
        zero_target: seed.is_multiple_of(2),
        speed: [0, 300_000][(seed / 2 % 2) as usize],
        ..options()
    };
    let (job, mirror) = world.mirror(&source, &target, &options);
    let dice = Dice::new(seed);
    for _ in 0..10 {
        world.pass(dice.within(0..20 * MS));
        if job.is_completed() {
            break;
        }
        match dice.within(0..6) {
            0 => drop(source.drained_begin("test")),
            1 => drop(target.drained_begin("test")),
            2 if !job.is_user_paused() => job.user_pause().expect("it works"),
            3 if job.is_user_paused() => job.user_resume().expect("it is paused"),
            4 if job.is_ready() && !job.cancel_requested() => job.complete().expect("it is ready"),
            5 if dice.within(0..4) == 0 => {
                job.user_cancel(dice.within(0..2) == 0).expect("it works")
            }
            _ => {}
        }
    }
    if job.is_user_paused() {
        job.user_resume().expect("it is paused");
    }
    guest.stop();
    if !job.is_completed() {
        world.until(|| job.is_ready() || job.is_completed());
    }
    if !job.is_completed() {
        let _told = job.complete();
    }
    world.until_end(&job, &mirror);
}

#[test]
fn the_steps_come_in_a_legal_order() {
    for seed in 1..80 {
        let world = World::new();
        run(&world, seed);
        assert_legal(&world.diary.steps("job0"));
    }
}

#[test]
fn there_is_no_step_that_is_never_taken() {
    let mut taken = Vec::new();
    for seed in 1..20 {
        let world = World::new();
        run(&world, seed);
        taken.extend(world.diary.steps("job0"));
    }
    for step in Step::ALL {
        assert!(taken.contains(&step), "{step} is never taken");
    }
}

#[test]
fn the_events_of_qemus_names_say_what_they_should() {
    let world = World::new();
    run(&world, 5);
    let events = world.diary.mirror_since(0);
    assert_eq!(events[0].2, MirrorEvent::MirrorStart);
    let mut before = None;
    for (_, job, event) in events {
        assert_eq!(job, "job0");
        match event {
            MirrorEvent::MirrorYield { in_flight, .. } => {
                assert_eq!(before, Some(Step::M9));
                assert!(in_flight > 0);
            }
            MirrorEvent::MirrorIteration { offset, bytes } => {
                assert_eq!(before, Some(Step::M10));
                assert!(offset.is_multiple_of(2 * KIB) && bytes > 0);
            }
            MirrorEvent::MirrorBeforeFlush => assert_eq!(before, Some(Step::M12)),
            MirrorEvent::MirrorBeforeDrain { dirty_bytes } => {
                assert_eq!(before, Some(Step::M14));
                assert_eq!(dirty_bytes, 0);
            }
            MirrorEvent::MirrorBeforeSleep { .. } => assert_eq!(before, Some(Step::M15)),
            MirrorEvent::Step(step) => before = Some(step),
            _ => {}
        }
    }
}

fn recorded(seed: u64) -> Vec<String> {
    let world = World::new();
    let recorder = Rc::new(Recorder::new());
    let lines = recorder.clone();
    world
        .diary
        .on_event(move |now_ns, event| lines.event(now_ns, "main", event));
    run(&world, seed);
    recorder.take()
}

#[test]
fn the_same_run_twice_makes_the_same_trace() {
    for seed in 1..6 {
        let (first, second) = (recorded(seed), recorded(seed));
        assert!(first.len() > 1000, "{} lines", first.len());
        assert_eq!(first.len(), second.len());
        for (first, second) in first.iter().zip(&second) {
            assert_eq!(first, second);
        }
        assert_ne!(first, recorded(seed + 100), "another seed is another run");
    }
}

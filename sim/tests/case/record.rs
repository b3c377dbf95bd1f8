//! Records of runs.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_runtime::trace::Wants;
use blockjob_sim::decide::Random;
use blockjob_sim::event::{DiskWhat, GuestWhat};
use blockjob_sim::record::{DEFAULT_LIMIT, Record, Recorder, RuntimeEvent, What};
use blockjob_sim::run::Runner;

use super::mischief::{SMALL, config};

pub(super) fn record(told: &str, seed: u64, limit: usize) -> Record {
    let mut runner = Runner::new();
    Record::of(
        &mut runner,
        &config(told),
        Box::new(Random::new(seed)),
        limit,
    )
}

#[test]
fn a_recorded_run_is_the_run_that_it_would_have_been() {
    let mut runner = Runner::new();
    for told in [
        SMALL,
        "own=yes,guests=2,kinds=all,deeds=4,spread=uniform,rest=100000",
    ] {
        for seed in 0..10 {
            let plain = runner.run(&config(told), Box::new(Random::new(seed)));
            let record = record(told, seed, DEFAULT_LIMIT);
            assert_eq!(record.report.digest, plain.digest, "{told} {seed}");
            assert_eq!(record.report.events, plain.events, "{told} {seed}");
            assert_eq!(record.log.len() as u64, plain.decisions, "{told} {seed}");
        }
    }
}

#[test]
fn a_recorder_leaves_its_runner_as_it_was() {
    let (mut runner, config) = (Runner::new(), config(SMALL));
    let before = runner.run(&config, Box::new(Random::new(5)));
    let record = Record::of(&mut runner, &config, Box::new(Random::new(5)), 10);
    let after = runner.run(&config, Box::new(Random::new(5)));
    assert_eq!(before.digest, after.digest);
    assert_eq!(record.entries.len(), 10);
    let recorder = Recorder::new(10);
    let tape = recorder.tape();
    let policy = Box::new(Random::new(5));
    runner.run_watched(&config, policy, vec![Box::new(recorder)], Wants::NOTHING);
    assert_eq!(tape.borrow().entries.len(), 10);
    assert_eq!(Rc::strong_count(&tape), 1, "the recorder is gone");
}

#[test]
fn entries_are_numbered_and_neither_time_nor_decisions_go_back() {
    let record = record(SMALL, 7, DEFAULT_LIMIT);
    assert_eq!(record.lost, 0);
    for (index, entry) in record.entries.iter().enumerate() {
        assert_eq!(entry.seq, index as u64);
    }
    for pair in record.entries.windows(2) {
        assert!(pair[0].at_ns <= pair[1].at_ns);
        assert!(pair[0].decisions <= pair[1].decisions);
    }
    assert!(record.entries.last().unwrap().at_ns > 0);
}

#[test]
fn a_recorder_that_is_full_lets_the_oldest_go_and_counts_them() {
    let whole = record(SMALL, 7, DEFAULT_LIMIT);
    let cut = record(SMALL, 7, 50);
    assert_eq!(cut.entries.len(), 50);
    assert_eq!(cut.lost, whole.entries.len() as u64 - 50);
    assert_eq!(cut.entries[0].seq, cut.lost);
    let tail = &whole.entries[cut.lost as usize..];
    for (one, other) in cut.entries.iter().zip(tail) {
        assert_eq!(format!("{:?}", one.what), format!("{:?}", other.what));
    }
}

#[test]
fn each_request_of_a_guest_is_there_with_its_end_and_all_that_begins_at_a_disk_lands() {
    let record = record("requests=12,depth=3,kinds=all,guests=2", 2, DEFAULT_LIMIT);
    let count = |wanted: fn(&What) -> bool| {
        let entries = record.entries.iter();
        entries.filter(|entry| wanted(&entry.what)).count()
    };
    let asked = count(|what| matches!(what, What::Guest(it) if it.what == GuestWhat::Asks));
    let done = count(|what| matches!(what, What::Guest(it) if it.what == GuestWhat::Done));
    assert_eq!((asked, done), (24, 24));
    let begun = count(|what| matches!(what, What::Disk(it) if it.what == DiskWhat::Begins));
    let landed = count(|what| matches!(what, What::Disk(it) if it.what.lands()));
    assert_eq!(begun, landed);
}

/// What the mirror itself says of its bitmap every so often is what the bits come to that were set and
/// cleared so far.
#[test]
fn the_bits_that_are_set_and_cleared_add_up_to_what_the_mirror_finds_dirty() {
    let mut compared = 0;
    for seed in 0..20 {
        let record = record(
            "requests=12,depth=3,kinds=all,guests=2",
            seed,
            DEFAULT_LIMIT,
        );
        let mut dirty = BTreeSet::new();
        for entry in &record.entries {
            match &entry.what {
                What::Dirty(bits) if &*bits.node == "source" => {
                    let range = bits.offset..bits.offset + bits.bytes;
                    match bits.dirty {
                        true => dirty.extend(range.step_by(512)),
                        false => dirty.retain(|offset| !range.contains(offset)),
                    }
                }
                What::Mirror(trace) => {
                    let (MirrorEvent::MirrorYield { dirty_bytes, .. }
                    | MirrorEvent::MirrorBeforeDrain { dirty_bytes }
                    | MirrorEvent::MirrorBeforeSleep { dirty_bytes, .. }) = trace.event
                    else {
                        continue;
                    };
                    assert_eq!(dirty.len() as u64 * 512, dirty_bytes, "{seed}: {entry:?}");
                    compared += 1;
                }
                _ => {}
            }
        }
    }
    assert!(compared > 100, "{compared} times");
}

/// Each timer that fires was armed, and each bottom half that runs was scheduled, and neither was taken
/// back meanwhile.
#[test]
fn what_fires_was_armed_and_what_runs_was_scheduled() {
    let record = record("own=yes,guests=2,requests=6,speed=8192", 3, DEFAULT_LIMIT);
    let mut armed = BTreeMap::new();
    let mut scheduled = BTreeMap::new();
    let (mut fired, mut ran) = (0, 0);
    for entry in &record.entries {
        let What::Runtime(event) = entry.what else {
            continue;
        };
        let place = |name: &'static str| (entry.context.clone(), name);
        match event {
            RuntimeEvent::TimerArm {
                name,
                id,
                deadline_ns,
            } => {
                armed.insert((place(name), id), deadline_ns);
            }
            RuntimeEvent::TimerDisarm { name, id } => {
                let was_armed = armed.remove(&(place(name), id));
                assert!(was_armed.is_some(), "{entry:?}");
            }
            RuntimeEvent::Timer { name } => {
                let due = armed.iter();
                let mut due =
                    due.filter(|((it, _), at_ns)| *it == place(name) && **at_ns <= entry.at_ns);
                let key = due.next().unwrap_or_else(|| panic!("{entry:?}")).0.clone();
                armed.remove(&key);
                fired += 1;
            }
            RuntimeEvent::BottomHalfSchedule { name } => {
                *scheduled.entry(place(name)).or_insert(0) += 1;
            }
            RuntimeEvent::BottomHalf { name } | RuntimeEvent::BottomHalfCancel { name } => {
                let waits: &mut i32 = scheduled.entry(place(name)).or_default();
                *waits -= 1;
                assert!(*waits >= 0, "{entry:?}");
                ran += 1;
            }
            _ => {}
        }
    }
    assert!(fired > 0 && ran > 0, "{fired} fired, {ran} ran");
}

#[test]
fn an_event_knows_the_coroutine_that_ran_also_in_another_context() {
    let record = record("own=yes,guests=2,requests=3", 4, DEFAULT_LIMIT);
    let mut asked = 0;
    for entry in &record.entries {
        let who = entry.coroutine.as_ref();
        match &entry.what {
            What::Guest(event) if event.what == GuestWhat::Asks => {
                asked += 1;
                let who = who.expect("a guest is a coroutine");
                assert_eq!(who.id.name, "guest");
                assert_eq!(*who.context, *format!("guest{}", event.guest));
            }
            What::Runtime(RuntimeEvent::Yield { coroutine }) => {
                assert_eq!(who.expect("somebody yields").id, *coroutine);
            }
            _ => {}
        }
    }
    assert_eq!(asked, 6);
}

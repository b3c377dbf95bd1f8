//! Records of runs.

use std::rc::Rc;

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

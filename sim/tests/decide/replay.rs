//! Runs made again, exactly and leniently.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_sim::decide::{
    BUILD, Decider, Decision, Drift, Lenient, Log, Random, Recording, Replay, Verdict,
};

use crate::toy::{FAIL, STEP, turns};

/// A run of a random seed.
fn recorded(steps: &[usize]) -> (Recording, Vec<usize>, u64) {
    let decider = Decider::new(Box::new(Random::new(5)));
    let order = turns(&decider, steps);
    let recording = Recording::new("", &decider.log()).expect("plain");
    assert!(recording.nonzero() > 3, "a run that is not dull is wanted");
    (recording, order, decider.digest())
}

/// What `run` makes of a replay of `recording`, and how that went.
fn replayed<T>(recording: Recording, run: impl FnOnce(&Decider) -> T) -> (T, u64, Verdict) {
    let replay = Rc::new(RefCell::new(Replay::new(recording)));
    let decider = Decider::new(Box::new(replay.clone()));
    let result = run(&decider);
    let verdict = replay.borrow_mut().finish();
    (result, decider.digest(), verdict)
}

fn drift(steps: &[usize], run: impl FnOnce(&Decider)) -> Drift {
    let (_, _, verdict) = replayed(recorded(steps).0, run);
    verdict.drift.expect("the run was another one")
}

/// The answers that a recording of `decisions` gives to `run`.
fn log(decisions: &[(&str, u32, u32)]) -> Log {
    let mut log = Log::new();
    for &(site, n, chosen) in decisions {
        log.push(Decision { site, n, chosen });
    }
    log
}

#[test]
fn a_recording_replays_exactly_from_its_text() {
    let (recording, order, digest) = recorded(&[6, 6, 6]);
    let read = recording.to_string().parse().expect("it was printed");
    let (again, digest_again, verdict) = replayed(read, |decider| turns(decider, &[6, 6, 6]));
    assert_eq!((again, digest_again), (order, digest));
    assert_eq!(verdict.to_string(), "repeated exactly");
}

#[test]
fn a_question_that_was_another_one_is_drift_and_all_after_it_is_dull() {
    let recording = Recording::new("", &log(&[("toy.step", 3, 2), ("toy.step", 3, 1)]));
    let run = |decider: &Decider| {
        let first = decider.pick(&STEP, 3);
        (first, decider.pick(&FAIL, 3), decider.pick(&STEP, 3))
    };
    let (answers, _, verdict) = replayed(recording.expect("plain"), run);
    assert_eq!(answers, (2, 0, 0));
    let expected = Drift::Question {
        at: 1,
        expected: ("toy.step".to_owned(), 3),
        asked: ("toy.fail".to_owned(), 3),
    };
    assert_eq!(verdict.drift, Some(expected));
    assert_eq!(
        verdict.to_string(),
        "drifted: decision 1 was about toy.step with 3 options, and now is about toy.fail with 3"
    );
}

#[test]
fn another_number_of_options_is_drift() {
    let drift = drift(&[6, 6, 6], |decider| {
        turns(decider, &[6, 6, 6, 6]);
    });
    assert!(matches!(drift, Drift::Question { .. }), "{drift}");
}

#[test]
fn a_dull_decision_about_something_else_is_drift_in_the_end() {
    let recording = Recording::new("", &log(&[("toy.step", 3, 0), ("toy.step", 3, 1)]));
    for (n, site, drift) in [(3, &STEP, None), (4, &STEP, Some(2)), (3, &FAIL, Some(2))] {
        let (answers, _, verdict) = replayed(recording.clone().expect("plain"), |decider| {
            (decider.pick(site, n), decider.pick(&STEP, 3))
        });
        assert_eq!(answers, (0, 1));
        assert_eq!(verdict.drift, drift.map(|at| Drift::Shape { at }));
    }
}

#[test]
fn a_run_that_is_shorter_or_longer_has_drifted() {
    let recording = Recording::new("", &log(&[("toy.step", 3, 2), ("toy.step", 3, 0)]));
    let ask = |times: usize| {
        let recording = recording.clone().expect("plain");
        let (_, _, verdict) = replayed(recording, |decider| {
            (0..times).for_each(|_| {
                decider.pick(&STEP, 3);
            })
        });
        verdict.drift
    };
    assert_eq!(ask(2), None);
    assert_eq!(ask(1), Some(Drift::Shorter { at: 1, expected: 2 }));
    let asked = ("toy.step".to_owned(), 3);
    assert_eq!(ask(4), Some(Drift::Longer { at: 2, asked }));
}

#[test]
fn another_build_is_named_and_does_not_keep_from_replaying() {
    let (recording, order, _) = recorded(&[6, 6, 6]);
    let text = recording.to_string();
    let other = text.replacen(&format!("{BUILD:016x}"), "00000000000000ab", 1);
    let hash = other
        .parse::<Recording>()
        .expect_err("the hash is of the text before");
    let message = hash.to_string();
    let right = message.split("end with ").nth(1).expect("it says so");
    let (kept, _) = other.rsplit_once('.').expect("there is a hash");
    let other: Recording = format!("{kept}.{}", &right[..8])
        .parse()
        .expect("it is right");
    let (again, _, verdict) = replayed(other, |decider| turns(decider, &[6, 6, 6]));
    assert_eq!(again, order);
    assert_eq!((verdict.other_build, &verdict.drift), (Some(0xab), &None));
    assert_eq!(
        verdict.to_string(),
        format!("made by another build (00000000000000ab, this is {BUILD:016x}), repeated exactly")
    );
}

#[test]
fn a_lenient_replay_of_an_unchanged_log_is_exact() {
    let decider = Decider::new(Box::new(Random::new(5)));
    let run = |decider: &Decider| {
        for index in 0..20 {
            decider.flip(&FAIL, 512);
            decider.pick(&STEP, 2 + index);
        }
    };
    run(&decider);
    let log = decider.log();
    decider.restart(Box::new(Lenient::new(&log)));
    run(&decider);
    assert_eq!(decider.log(), log);
}

#[test]
fn a_lenient_replay_keeps_each_site_to_its_own_answers() {
    let log = log(&[
        ("toy.step", 9, 7),
        ("toy.fail", 2, 1),
        ("toy.step", 9, 7),
        ("toy.step", 9, 5),
    ]);
    let decider = Decider::new(Box::new(Lenient::new(&log)));
    // The failure comes later than it did, and there are fewer steps to choose from.
    assert_eq!(decider.pick(&STEP, 9), 7);
    assert_eq!(decider.pick(&STEP, 3), 2, "no more than there are");
    assert!(decider.flip(&FAIL, 1));
    assert_eq!(decider.pick(&STEP, 9), 5);
    assert_eq!(decider.pick(&STEP, 9), 0, "the log has no more");
    assert!(!decider.flip(&FAIL, 1));
    static UNKNOWN: blockjob_runtime::decide::Site = blockjob_runtime::decide::Site::new("toy.new");
    assert_eq!(decider.pick(&UNKNOWN, 9), 0, "the log never knew it");
}

//! The random policy: its odds, its stream, what it finds and what it misses.

use blockjob_sim::decide::{Decider, Policy, Random};

use crate::toy::{FAIL, STEP, found};

fn random(run: u64) -> Box<dyn Policy> {
    Box::new(Random::new(run))
}

/// How often each answer came.
fn tally(n: usize, ask: impl Fn(&Decider) -> usize) -> Vec<u32> {
    let decider = Decider::new(random(1));
    let mut counts = vec![0; n];
    for _ in 0..10_000 {
        counts[ask(&decider)] += 1;
    }
    counts
}

#[test]
fn without_odds_every_answer_is_as_likely() {
    // 2,000 each are expected, with a standard deviation of 40; the seed is fixed.
    let counts = tally(5, |decider| decider.pick(&STEP, 5));
    assert!(
        counts.iter().all(|it| (1_800..2_200).contains(it)),
        "{counts:?}"
    );
}

#[test]
fn with_odds_another_answer_than_0_is_as_rare_as_asked() {
    // 64 / 1,024 of 10,000 are 625, with a deviation of 24, in three equal parts.
    let counts = tally(4, |decider| decider.pick_rarely(&FAIL, 4, 64));
    assert!((525..725).contains(&(10_000 - counts[0])), "{counts:?}");
    assert!(
        counts[1..].iter().all(|it| (140..280).contains(it)),
        "{counts:?}"
    );
    let counts = tally(2, |decider| usize::from(decider.flip(&FAIL, 1024)));
    assert_eq!(counts, [0, 10_000]);
}

#[test]
fn the_stream_of_a_seed_never_changes() {
    let decider = Decider::new(random(42));
    let answers: Vec<_> = (0..100).map(|_| decider.pick(&STEP, 1000)).collect();
    assert_eq!(answers[..6], [348, 285, 493, 367, 825, 67]);
    // Across a refill.
    assert_eq!(answers[62..68], [446, 916, 232, 290, 741, 556]);
}

#[test]
fn it_finds_what_short_programs_do_wrong_when_turns_alternate() {
    // Each of four turns must go the one way of two: 1 / 16, but the last one has no choice.
    let bug = |order: &[usize]| order == [0, 1, 0, 1];
    let found = found(400, &[2, 2], random, bug);
    // 400 / 8 = 50 expected, deviation 6.6.
    assert!((25..75).contains(&found), "{found}");
}

#[test]
fn it_misses_what_needs_one_thread_to_starve() {
    // One thread must win 30 turns in a row: 1,000 / 2^30.
    let bug = |order: &[usize]| order[30] == 1;
    assert_eq!(found(1_000, &[30, 1], random, bug), 0);
}

//! What the decider asks, logs and digests.

use blockjob_runtime::decide::{Decide, Site};
use blockjob_sim::decide::{Decider, Decision, Log, Random};

use crate::toy::{Asked, FAIL, Fixed, STEP, turns, witnessed};

#[test]
fn a_policy_learns_where_among_how_many_how_rarely_and_who() {
    let (decider, witness) = witnessed();
    assert_eq!(decider.pick(&STEP, 3), 2);
    assert!(decider.flip(&FAIL, 5));
    assert_eq!(decider.pick_rarely(&FAIL, 4, 6), 3);
    assert_eq!(decider.decide(&STEP, 9), 8);
    assert_eq!(
        decider.decide_among(&STEP, 2, &|index| 70 + index as u64),
        1
    );
    let asked = |site, n, odds, who: &[u64]| Asked {
        site,
        n,
        odds,
        who: who.to_vec(),
    };
    assert_eq!(
        witness.borrow().0,
        [
            asked("toy.step", 3, None, &[]),
            asked("toy.fail", 2, Some(5), &[]),
            asked("toy.fail", 4, Some(6), &[]),
            asked("toy.step", 9, None, &[]),
            asked("toy.step", 2, None, &[70, 71]),
        ]
    );
}

#[test]
fn what_was_answered_is_the_log() {
    let (decider, _witness) = witnessed();
    decider.pick(&STEP, 3);
    decider.flip(&FAIL, 5);
    let log = decider.log();
    let decisions: Vec<_> = log.iter().collect();
    let decision = |site, n, chosen| Decision { site, n, chosen };
    assert_eq!(
        decisions,
        [decision("toy.step", 3, 2), decision("toy.fail", 2, 1)]
    );
    assert_eq!(decider.decisions(), 2);
    assert_eq!(log.get(1), Some(decision("toy.fail", 2, 1)));
    assert_eq!(log.get(2), None);
}

#[test]
fn without_a_choice_nobody_is_asked() {
    let (decider, witness) = witnessed();
    let digest = decider.digest();
    assert_eq!(decider.pick(&STEP, 0), 0);
    assert_eq!(decider.pick(&STEP, 1), 0);
    assert_eq!(decider.decide_among(&STEP, 1, &|_| 1), 0);
    assert_eq!(decider.pick_rarely(&FAIL, 1, 1000), 0);
    assert!(!decider.flip(&FAIL, 0), "odds of 0 are no choice");
    assert!(witness.borrow().0.is_empty());
    assert_eq!((decider.decisions(), decider.digest()), (0, digest));
}

#[test]
fn a_calm_decider_answers_the_dullest_and_writes_nothing() {
    let (decider, witness) = witnessed();
    decider.pick(&STEP, 3);
    let digest = decider.digest();
    assert!(!decider.is_calm());
    decider.calm();
    assert!(decider.is_calm());
    assert_eq!(decider.pick(&STEP, 3), 0);
    assert_eq!(decider.decide_among(&STEP, 3, &|_| 1), 0);
    assert!(!decider.flip(&FAIL, 1024));
    assert_eq!(witness.borrow().0.len(), 1);
    assert_eq!((decider.decisions(), decider.digest()), (1, digest));
}

#[test]
fn a_restart_is_a_new_beginning() {
    let (decider, _witness) = witnessed();
    let empty = decider.digest();
    let run = || {
        turns(&decider, &[3, 3]);
        (decider.digest(), decider.log())
    };
    decider.restart(Box::new(Random::new(1)));
    let first = run();
    decider.set_odds(&STEP, Some(1));
    decider.calm();
    decider.restart(Box::new(Random::new(1)));
    assert_eq!((decider.decisions(), decider.digest()), (0, empty));
    assert!(decider.log().is_empty());
    assert_eq!(run(), first);
}

#[test]
fn odds_of_a_site_hold_where_the_question_has_none() {
    let (decider, witness) = witnessed();
    decider.set_odds(&STEP, Some(77));
    decider.decide(&STEP, 2);
    decider.pick_rarely(&STEP, 2, 5);
    decider.pick(&FAIL, 2);
    decider.set_odds(&STEP, None);
    decider.decide(&STEP, 2);
    let odds: Vec<_> = witness.borrow().0.iter().map(|it| it.odds).collect();
    assert_eq!(odds, [Some(77), Some(5), None, None]);
}

#[test]
fn the_digest_tells_runs_apart_by_site_options_answer_and_state() {
    let run = |site: &'static Site, n: usize, chosen: usize, word: Option<u64>| {
        let decider = Decider::new(Box::new(Fixed(vec![chosen])));
        if let Some(word) = word {
            decider.absorb(word);
        }
        decider.pick(site, n);
        // Whatever comes later does not hide the difference.
        for _ in 0..100 {
            decider.pick(&STEP, 2);
        }
        decider.digest()
    };
    let digests = [
        run(&STEP, 3, 0, None),
        run(&FAIL, 3, 0, None),
        run(&STEP, 4, 0, None),
        run(&STEP, 3, 1, None),
        run(&STEP, 3, 0, Some(0)),
        run(&STEP, 3, 0, Some(1)),
    ];
    for (index, digest) in digests.iter().enumerate() {
        assert!(
            !digests[..index].contains(digest),
            "run {index} looks like another"
        );
    }
    assert_eq!(run(&STEP, 3, 1, Some(9)), run(&STEP, 3, 1, Some(9)));
}

#[test]
fn the_digest_depends_on_the_order() {
    let run = |sites: [&'static Site; 2]| {
        let decider = Decider::new(Box::new(Fixed(Vec::new())));
        for site in sites {
            decider.pick(site, 2);
        }
        decider.digest()
    };
    assert_ne!(run([&STEP, &FAIL]), run([&FAIL, &STEP]));
}

#[test]
fn who_asked_in_earlier_runs_does_not_matter() {
    let decider = Decider::new(Box::new(Random::new(3)));
    let run = |decider: &Decider| {
        decider.restart(Box::new(Random::new(3)));
        decider.flip(&FAIL, 500);
        decider.pick(&STEP, 7);
        (decider.digest(), decider.log())
    };
    decider.pick(&STEP, 2);
    let other = Decider::new(Box::new(Random::new(3)));
    assert_eq!(run(&decider), run(&other));
}

#[test]
fn sites_are_known_by_name_and_there_may_be_many() {
    let decider = Decider::new(Box::new(Fixed(Vec::new())));
    let site = |name: String| -> &'static Site { Box::leak(Box::new(Site::new(name.leak()))) };
    for round in 0..2 {
        for index in 0..300 {
            // A second static of the same name in the second round.
            let site = site(format!("site.{index}"));
            decider.pick(site, 2 + round);
            decider.pick(site, 2 + round);
        }
    }
    let log = decider.log();
    for (index, decision) in log.iter().enumerate() {
        assert_eq!(decision.site, format!("site.{}", index / 2 % 300));
        assert_eq!(decision.n as usize, 2 + index / 600);
    }
    // A log that is made of names alone is no other one.
    let mut named = Log::new();
    log.iter().for_each(|decision| named.push(decision));
    assert_eq!(log, named);
}

#[test]
#[should_panic(expected = "a decision log cannot carry")]
fn a_site_whose_name_no_log_can_carry_is_a_bug() {
    static ODD: Site = Site::new("has space");
    Decider::new(Box::new(Fixed(Vec::new()))).pick(&ODD, 2);
}

#[test]
#[should_panic(expected = "answered 2 at toy.step, which has 2 options")]
fn a_policy_that_answers_too_high_is_a_bug() {
    Decider::new(Box::new(Fixed(vec![2]))).pick(&STEP, 2);
}

#[test]
fn a_listing_shows_what_is_not_dull() {
    let decider = Decider::new(Box::new(Fixed(vec![0, 0, 2, 1, 0])));
    for _ in 0..3 {
        decider.pick(&STEP, 3);
    }
    decider.flip(&FAIL, 1);
    decider.flip(&FAIL, 1);
    let lines = [
        "          2 decisions took 0",
        "       2  toy.step took 2 of 3",
        "       3  toy.fail took 1 of 2",
        "          one decision took 0",
        "",
    ];
    assert_eq!(decider.log().listing().to_string(), lines.join("\n"));
}

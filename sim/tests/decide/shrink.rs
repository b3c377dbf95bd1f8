//! Shrinking, on small interpreters of decisions, each with a bug whose least run is known.

use blockjob_runtime::decide::Site;
use blockjob_sim::decide::{
    Decider, Decision, Lenient, Log, Random, ShrinkStats, Size, compare, shrink,
};

static OP: Site = Site::new("toy.op");
static ARG: Site = Site::new("toy.arg");
static NOISE: Site = Site::new("toy.noise");

/// Shrinks the first random run that fails, and says how.
fn shrunk(program: impl Fn(&Decider) -> bool, seed: u64, most_tries: u64) -> (Log, ShrinkStats) {
    let decider = Decider::new(Box::new(Random::new(0)));
    let first = (seed..).find_map(|seed| {
        decider.restart(Box::new(Random::new(seed)));
        program(&decider).then(|| decider.log())
    });
    shrunk_from(first.expect("a run fails"), program, most_tries)
}

/// Shrinks the run of `first`, which fails.
fn shrunk_from(
    first: Log,
    program: impl Fn(&Decider) -> bool,
    most_tries: u64,
) -> (Log, ShrinkStats) {
    let decider = Decider::new(Box::new(Lenient::new(&first)));
    assert!(program(&decider), "it does not fail to begin with");
    let mut runs = 0;
    let (log, stats) = shrink(first, most_tries, &mut |candidate| {
        runs += 1;
        decider.restart(Box::new(Lenient::new(candidate)));
        program(&decider).then(|| decider.log())
    });
    assert_eq!(stats.tries, runs);
    assert!(stats.tries <= most_tries);
    assert_eq!(stats.after, Size::of(&log));
    assert!(stats.after <= stats.before);
    // What comes out is the log of a run that fails.
    decider.restart(Box::new(Lenient::new(&log)));
    assert!(program(&decider), "the result does not fail");
    assert_eq!(compare(&decider.log(), &log), None);
    (log, stats)
}

/// The decisions that are left of 20 runs, which must be the same ones.
#[track_caller]
fn always_becomes(program: impl Fn(&Decider) -> bool, least: &[(&str, u32)]) {
    for seed in (0..20).map(|it| it * 1000) {
        let (log, stats) = shrunk(&program, seed, 10_000);
        let left: Vec<_> = log.iter().map(|it| (it.site, it.chosen)).collect();
        assert_eq!(left, least, "{stats:?} of seed {seed}");
        assert!(stats.fixed_point, "{stats:?} of seed {seed}");
    }
}

#[test]
fn three_of_many_answers_matter_and_three_are_left() {
    // Fails at the third answer that is above 4; noise between.
    let program = |decider: &Decider| {
        let mut high = 0;
        (0..60).any(|_| {
            high += u32::from(decider.pick(&OP, 10) > 4);
            decider.pick(&NOISE, 1000);
            high == 3
        })
    };
    let least = [("toy.op", 5), ("toy.noise", 0)].repeat(3);
    always_becomes(program, &least);
}

#[test]
fn answers_that_decide_what_is_asked_next_shrink_as_well() {
    // An interpreter: 0 does nothing, 1 pushes an argument, 2 adds, 3 wants a block of more
    // questions. It fails when the sum is above 100.
    let program = |decider: &Decider| {
        let mut stack = vec![0];
        (0..100).any(|_| {
            match decider.pick(&OP, 4) {
                1 => stack.push(decider.pick(&ARG, 64)),
                2 if stack.len() > 1 => {
                    let top = stack.pop().expect("two of them");
                    *stack.last_mut().expect("two of them") += top;
                }
                3 => (0..decider.pick(&ARG, 5)).for_each(|_| {
                    decider.flip(&NOISE, 512);
                }),
                _ => (),
            }
            stack.last().is_some_and(|top| *top > 100)
        })
    };
    // Two pushes and an addition do it, or three and two: to get from these to those, one answer
    // would have to rise while others go.
    for seed in 0..20 {
        let (log, stats) = shrunk(program, seed * 1000, 10_000);
        assert!(stats.fixed_point);
        let ops: Vec<_> = log
            .iter()
            .filter(|it| it.site == "toy.op")
            .map(|it| it.chosen)
            .collect();
        let pushes = ops.iter().filter(|op| **op == 1).count();
        assert!(pushes <= 3, "{}", log.listing());
        assert_eq!(ops.len(), 2 * pushes - 1, "{}", log.listing());
        let arguments = log
            .iter()
            .filter(|it| it.site == "toy.arg")
            .map(|it| it.chosen);
        assert_eq!(arguments.sum::<u32>(), 101, "{}", log.listing());
        assert_eq!(log.len(), log.nonzero());
    }
}

#[test]
fn answers_that_must_be_equal_shrink_together() {
    // Fails when two answers in a row are the same and above 2.
    let program = |decider: &Decider| {
        let mut last = 0;
        (0..50).any(|_| {
            let answer = decider.pick(&OP, 50);
            answer > 2 && answer == std::mem::replace(&mut last, answer)
        })
    };
    always_becomes(program, &[("toy.op", 3), ("toy.op", 3)]);
}

#[test]
fn a_failure_that_may_come_sooner_does() {
    // Ten dull rounds pass where one would do: the answer must be moved, no zeroing helps.
    let program =
        |decider: &Decider| (0..40).any(|round| round > 0 && decider.pick_rarely(&OP, 2, 100) == 1);
    always_becomes(program, &[("toy.op", 1)]);
}

#[test]
fn answers_before_the_one_that_matters_are_zeroed_where_they_stand() {
    // The one that matters must stay where it is, so the noise before it cannot be left out.
    let program = |decider: &Decider| {
        let answers: Vec<_> = (0..40).map(|_| decider.pick(&OP, 4)).collect();
        answers[30] == 3
    };
    let mut least = [("toy.op", 0); 40];
    least[30].1 = 3;
    always_becomes(program, &least);
}

#[test]
fn an_answer_moves_ahead_where_another_one_must_stay() {
    // Fails ten rounds after a 1, and not before a 2 in round 20.
    let program = |decider: &Decider| {
        let mut first = None;
        let mut armed = false;
        (0..60).any(|round| {
            match decider.pick(&OP, 4) {
                1 => first = first.or(Some(round)),
                2 => armed |= round == 20,
                _ => (),
            }
            armed && first.is_some_and(|first| round >= first + 10)
        })
    };
    let mut log = Log::new();
    for round in 0..26 {
        let chosen = match round {
            15 => 1,
            20 => 2,
            _ => 0,
        };
        log.push(Decision {
            site: "toy.op",
            n: 4,
            chosen,
        });
    }
    let (log, stats) = shrunk_from(log, program, 1000);
    assert_eq!((log.len(), log.nonzero()), (21, 2), "{stats:?}");
}

#[test]
fn two_that_do_the_work_of_one_become_one() {
    // Fails when the answers so far are 6 or more together; 9 at once is most.
    let program = |decider: &Decider| {
        let mut sum = 0;
        (0..50).any(|_| {
            sum += decider.pick_rarely(&OP, 10, 300);
            sum >= 6
        })
    };
    always_becomes(program, &[("toy.op", 6)]);
}

#[test]
fn another_failure_is_not_taken_for_this_one() {
    // The second fault fails as wanted; the first ends the run in another way, unless it was
    // survived.
    let program = |decider: &Decider| {
        let mut armed = false;
        for _ in 0..50 {
            match decider.pick(&OP, 4) {
                1 => armed = true,
                2 if armed => return true,
                2 => return false,
                _ => (),
            }
        }
        false
    };
    always_becomes(program, &[("toy.op", 1), ("toy.op", 2)]);
}

#[test]
fn a_failure_of_every_run_needs_no_decision() {
    let program = |decider: &Decider| {
        (0..20).for_each(|_| {
            _ = decider.pick(&OP, 9);
        });
        true
    };
    always_becomes(program, &[("toy.op", 0); 20]);
}

#[test]
fn when_the_tries_run_out_the_smallest_so_far_is_returned() {
    let program = |decider: &Decider| {
        let high = |_: &u32| decider.pick(&OP, 10) > 4;
        (0..60).filter(high).count() >= 9
    };
    let (_, whole) = shrunk(program, 0, 10_000);
    assert!(whole.fixed_point);
    for most_tries in [0, 1, 5, 20] {
        let (_, stats) = shrunk(program, 0, most_tries);
        assert!(!stats.fixed_point, "{stats:?}");
        assert_eq!(stats.tries, most_tries);
        assert!(stats.after > whole.after);
    }
    // As many as it takes are enough: the last of them finds nothing more to try.
    let (_, stats) = shrunk(program, 0, whole.tries);
    assert_eq!(stats, whole);
}

#[test]
fn a_log_that_is_no_smaller_is_not_accepted() {
    let decider = Decider::new(Box::new(Random::new(1)));
    (0..10).for_each(|_| {
        _ = decider.pick(&OP, 9);
    });
    let log = decider.log();
    // Whatever is tried, it fails as it did.
    let (same, stats) = shrink(log.clone(), 1000, &mut |_| Some(log.clone()));
    assert_eq!((&same, stats.accepted), (&log, 0));
    assert!(stats.fixed_point);
    // And nothing fails any more.
    let (same, stats) = shrink(log.clone(), 1000, &mut |_| None);
    assert_eq!((&same, stats.accepted), (&log, 0));
    assert_eq!(stats.before, stats.after);
}

#[test]
fn no_run_is_made_twice() {
    let decider = Decider::new(Box::new(Random::new(1)));
    (0..30).for_each(|_| {
        _ = decider.pick(&OP, 3);
    });
    let log = decider.log();
    let mut seen = vec![log.clone()];
    shrink(log, 1000, &mut |candidate| {
        assert!(
            !seen.contains(candidate),
            "tried again: {}",
            candidate.listing()
        );
        seen.push(candidate.clone());
        None
    });
    assert!(seen.len() > 50);
}

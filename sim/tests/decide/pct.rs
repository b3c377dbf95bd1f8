//! PCT: what it finds where chance does not, what a depth cannot find, and its promise.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_runtime::decide::Decide;
use blockjob_sim::decide::{Decider, Pct, Policy, miss_probability};

use crate::toy::{FAIL, STEP, found, turns};

fn pct(depth: u32, steps: u64) -> impl FnMut(u64) -> Box<dyn Policy> {
    move |run| Box::new(Pct::new(run, depth, steps))
}

#[test]
fn depth_1_finds_the_starvation_that_chance_misses() {
    // Half of all runs give the long thread the higher priority: 500 of 1,000, deviation 16.
    let bug = |order: &[usize]| order[30] == 1;
    let found = found(1_000, &[30, 1], pct(1, 0), bug);
    assert!((400..600).contains(&found), "{found}");
}

#[test]
fn depth_1_misses_every_interruption() {
    let interrupted = |order: &[usize]| order == [0, 1, 0];
    assert_eq!(found(1_000, &[2, 1], pct(1, 3), interrupted), 0);
}

#[test]
fn depth_2_finds_the_one_moment_to_interrupt_as_often_as_promised() {
    // The short thread must run between two given steps of the long one. The promise for 2 threads
    // and 30 decisions is 1 / 60, which is 50 of 3,000, deviation 7; chance has one of 2^18.
    let bug = |order: &[usize]| order[17] == 1;
    let found = found(3_000, &[30, 1], pct(2, 30), bug);
    assert!((30..80).contains(&found), "{found}");
}

#[test]
fn depth_2_misses_two_interruptions_and_depth_3_finds_them() {
    // Thread 0 is interrupted by thread 1, and that by thread 0 again.
    let bug = |order: &[usize]| order == [0, 1, 0, 1];
    assert_eq!(found(3_000, &[2, 2], pct(2, 3), bug), 0);
    // Depth 3, 2 threads, 3 decisions: at least 1 / 18, which is 166 of 3,000, deviation 13.
    let found = found(3_000, &[2, 2], pct(3, 3), bug);
    assert!(found > 120, "{found}");
}

#[test]
fn late_changes_go_above_early_ones_as_often_as_below() {
    // Threads 0 and 1 are interrupted once each, and the one that was interrupted first goes on
    // first, or last: were changes in order, one of the two would never be seen.
    let [first, last] = [[0, 1, 2, 0, 1], [0, 1, 2, 1, 0]].map(|wanted| {
        found(20_000, &[2, 2, 1], pct(3, 4), |order: &[usize]| {
            order == wanted
        })
    });
    // Three priorities in this order are one of 6, the two moments one of 16: 1 / 96 or 208,
    // deviation 14.
    assert!((150..270).contains(&first), "{first}");
    assert!((150..270).contains(&last), "{last}");
}

#[test]
fn priorities_go_with_who_and_not_with_where() {
    for seed in 0..20 {
        let decider = Decider::new(Box::new(Pct::new(seed, 1, 0)));
        let ask = |who: [u64; 3]| who[decider.decide_among(&STEP, 3, &|index| who[index])];
        let first = ask([5, 9, 7]);
        assert_eq!(ask([9, 7, 5]), first);
        assert_eq!(ask([7, 5, 9]), first);
    }
}

#[test]
fn whoever_comes_later_may_be_before_or_behind_the_others() {
    let mut before = 0;
    for seed in 0..300 {
        let decider = Decider::new(Box::new(Pct::new(seed, 1, 0)));
        let ask = |who: &[u64]| who[decider.decide_among(&STEP, who.len(), &|index| who[index])];
        ask(&[1, 2]);
        before += u32::from(ask(&[1, 2, 3]) == 3);
    }
    // A third of 300, deviation 8.
    assert!((70..130).contains(&before), "{before}");
}

#[test]
fn steps_are_the_questions_that_say_who() {
    let pct = Rc::new(RefCell::new(Pct::new(1, 3, 10)));
    let decider = Decider::new(Box::new(pct.clone()));
    decider.pick(&STEP, 9);
    decider.flip(&FAIL, 5);
    assert_eq!(pct.borrow().steps(), 0);
    turns(&decider, &[4, 0]);
    assert_eq!(
        pct.borrow().steps(),
        0,
        "nobody is asked where one thread is left"
    );
    let order = turns(&decider, &[4, 4]);
    // As long as both have steps, each turn is a decision.
    let first = order.len()
        - order
            .iter()
            .rev()
            .take_while(|it| *it == order.last().expect("8"))
            .count();
    assert_eq!(pct.borrow().steps(), first as u64);
}

#[test]
fn faults_are_as_rare_as_they_should_be() {
    let decider = Decider::new(Box::new(Pct::new(1, 3, 10)));
    let faults = (0..10_000).filter(|_| decider.flip(&FAIL, 64)).count();
    // 625 expected, deviation 24.
    assert!((525..725).contains(&faults), "{faults}");
}

#[test]
fn the_probability_to_miss_a_bug_is_as_published() {
    let near = |left: f64, right: f64| assert!((left - right).abs() < 1e-9, "{left} {right}");
    near(miss_probability(1, 2, 100, 1), 0.5);
    near(miss_probability(2, 2, 100, 1), 1.0 - 1.0 / 200.0);
    near(
        miss_probability(3, 4, 10, 2),
        (1.0 - 1.0 / 400.0) * (1.0 - 1.0 / 400.0),
    );
    near(miss_probability(1, 1, 1, 1), 0.0);
    near(miss_probability(3, 10, 1_000, 0), 1.0);
    // Where one run's chance does not show beside 1: 1 / (4 * 10^18), as many times.
    near(
        miss_probability(4, 4, 1_000_000, 4_000_000_000_000_000_000),
        (-1.0_f64).exp(),
    );
}

//! Exhaustive search: that it is, how it is limited, and that it says so.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use blockjob_runtime::decide::Site;
use blockjob_sim::decide::{Decider, Drift, Exhaustive};

use crate::toy::{FAIL, STEP, turns};

/// What `run` makes of every schedule, in order, with the number of decisions that are not 0.
fn all<T>(search: Exhaustive, mut run: impl FnMut(&Decider) -> T) -> (Vec<(T, usize)>, Exhaustive) {
    let search = Rc::new(RefCell::new(search));
    let decider = Decider::new(Box::new(search.clone()));
    let mut results = Vec::new();
    loop {
        let result = run(&decider);
        results.push((result, decider.log().nonzero()));
        if !search.borrow_mut().next_run() {
            break;
        }
        decider.restart(Box::new(search.clone()));
    }
    drop(decider);
    let search = Rc::into_inner(search)
        .expect("the decider is gone")
        .into_inner();
    assert_eq!(search.schedules(), results.len() as u64);
    (results, search)
}

fn orders(search: Exhaustive, steps: &[usize]) -> (BTreeSet<Vec<usize>>, Exhaustive) {
    let (results, search) = all(search, |decider| turns(decider, steps));
    let count = results.len();
    let orders: BTreeSet<_> = results.into_iter().map(|it| it.0).collect();
    assert_eq!(orders.len(), count, "a schedule was run twice");
    (orders, search)
}

#[test]
fn every_schedule_is_run_once() {
    // 4! / (2! 2!), and 8! / (3! 3! 2!).
    for (steps, count) in [(&[2, 2][..], 6), (&[3, 3, 2][..], 560)] {
        let (orders, search) = orders(Exhaustive::new(), steps);
        assert_eq!(orders.len(), count);
        assert!(search.is_complete());
        assert!(!search.cut_by_bound() && !search.cut_by_depth());
    }
}

#[test]
fn it_finds_the_one_schedule_in_560_that_fails() {
    let bug = vec![2, 0, 1, 0, 1, 2, 1, 0];
    let (orders, _) = orders(Exhaustive::new(), &[3, 3, 2]);
    assert!(orders.contains(&bug));
    // With a bound it misses it, and knows that something was missed.
    let (orders, search) = self::orders(Exhaustive::new().bound(2), &[3, 3, 2]);
    assert!(!orders.contains(&bug));
    assert!(search.cut_by_bound() && !search.is_complete());
}

#[test]
fn a_bound_leaves_all_schedules_of_so_few_deviations_and_no_other() {
    let (every, _) = all(Exhaustive::new(), |decider| turns(decider, &[3, 3, 2]));
    let most = every
        .iter()
        .map(|it| it.1)
        .max()
        .expect("there are schedules");
    for bound in 0..=most {
        let (results, search) = all(Exhaustive::new().bound(bound), |decider| {
            turns(decider, &[3, 3, 2])
        });
        let wanted: Vec<_> = every.iter().filter(|it| it.1 <= bound).cloned().collect();
        assert_eq!(results, wanted, "bound {bound}");
        assert_eq!(
            search.cut_by_bound(),
            bound < most,
            "bound {bound} of {most}"
        );
        assert!(!search.cut_by_depth());
    }
}

#[test]
fn a_depth_leaves_all_schedules_that_deviate_early() {
    let every = |decider: &Decider| {
        turns(decider, &[3, 3, 2]);
        decider.log().iter().map(|it| it.chosen).collect::<Vec<_>>()
    };
    let (all_of_them, _) = all(Exhaustive::new(), every);
    let (results, search) = all(Exhaustive::new().depth(3), every);
    let early = |answers: &Vec<u32>| answers[3..].iter().all(|it| *it == 0);
    let wanted: Vec<_> = all_of_them
        .iter()
        .filter(|it| early(&it.0))
        .cloned()
        .collect();
    assert_eq!(results, wanted);
    assert!(search.cut_by_depth() && !search.is_complete() && !search.cut_by_bound());
    // Deep enough is as good as no limit.
    let (_, search) = all(Exhaustive::new().depth(7), every);
    assert!(search.is_complete());
}

#[test]
fn other_sites_than_the_given_are_dull() {
    let run = |decider: &Decider| {
        (
            decider.flip(&FAIL, 5),
            turns(decider, &[2, 2]),
            decider.flip(&FAIL, 5),
        )
    };
    let (results, search) = all(Exhaustive::new().only(&[&STEP]), run);
    assert_eq!(results.len(), 6);
    assert!(results.iter().all(|((first, _, last), _)| !first && !last));
    assert!(search.is_complete());
    let (results, _) = all(Exhaustive::new().only(&[&FAIL]), run);
    assert_eq!(results.len(), 4);
    assert!(
        results
            .iter()
            .all(|((_, order, _), _)| *order == [0, 0, 1, 1])
    );
    // They take no room in bound and depth.
    let (results, _) = all(Exhaustive::new().only(&[&FAIL]).bound(1).depth(2), run);
    assert_eq!(results.len(), 3);
}

#[test]
fn a_run_without_decisions_is_the_only_one() {
    let (results, search) = all(Exhaustive::new(), |_| ());
    assert_eq!(results.len(), 1);
    assert!(search.is_complete());
}

#[test]
fn a_program_that_is_not_deterministic_is_found_out() {
    static OTHER: Site = Site::new("toy.other");
    let drift = |run: &dyn Fn(&Decider, usize)| {
        let mut runs = 0;
        let (_, search) = all(Exhaustive::new(), |decider| {
            run(decider, runs);
            runs += 1;
        });
        assert!(!search.is_complete());
        search
            .drift()
            .expect("the second run was another one")
            .clone()
    };
    // The second run asks elsewhere, or for more, or less often.
    let expected = ("toy.step".to_owned(), 2);
    let question = |site: &str, n| Drift::Question {
        at: 0,
        expected: expected.clone(),
        asked: (site.to_owned(), n),
    };
    let elsewhere = drift(&|decider, run| {
        decider.pick(if run == 0 { &STEP } else { &OTHER }, 2);
    });
    assert_eq!(elsewhere, question("toy.other", 2));
    let more = drift(&|decider, run| {
        decider.pick(&STEP, 2 + run);
    });
    assert_eq!(more, question("toy.step", 3));
    let less = drift(&|decider, run| {
        if run == 0 {
            decider.pick(&STEP, 2);
        }
    });
    assert_eq!(less, Drift::Shorter { at: 0, expected: 1 });
}

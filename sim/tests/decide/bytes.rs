//! Answers out of bytes.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_sim::decide::{Bytes, Decider};

use crate::toy::{FAIL, STEP, turns};

/// A decider of `bytes`, and how many of them were taken.
fn fed(bytes: &[u8]) -> (Rc<Decider>, impl Fn() -> usize) {
    let policy = Rc::new(RefCell::new(Bytes::new(bytes.to_vec())));
    let taken = policy.clone();
    (Decider::new(Box::new(policy)), move || {
        taken.borrow().taken()
    })
}

#[test]
fn a_decision_takes_as_many_bytes_as_it_needs() {
    let (decider, taken) = fed(&[7, 255, 1, 2, 1, 2, 3, 9]);
    assert_eq!(decider.pick(&STEP, 5), 2);
    assert_eq!(decider.pick(&STEP, 256), 255);
    assert_eq!(taken(), 2);
    assert_eq!(decider.pick(&STEP, 257), 0x102 % 257);
    assert_eq!(taken(), 4);
    assert_eq!(decider.pick(&STEP, 70_000), 0x10203);
    assert_eq!(taken(), 7);
    // One byte is left and two are wanted.
    assert_eq!(decider.pick(&STEP, 10_000), 0x900);
    assert_eq!((decider.pick(&STEP, 2), taken()), (0, 8));
}

#[test]
fn odds_take_two_bytes_and_their_highest_values() {
    let (decider, taken) = fed(&[255, 0b0011_1111, 255, 0b0100_0000, 0, 0, 255, 255, 1]);
    // 3 of 1,024: draws of 1,021 and above, which are 255 and one of 01, 10, 11.
    assert!(!decider.flip(&FAIL, 3));
    assert!(decider.flip(&FAIL, 3));
    assert!(!decider.flip(&FAIL, 3));
    assert_eq!(taken(), 6);
    assert_eq!(decider.pick_rarely(&FAIL, 4, 3), 1 + 1);
    assert_eq!(taken(), 9);
}

#[test]
fn without_bytes_everything_is_dull() {
    let (decider, _) = fed(&[]);
    assert_eq!(turns(&decider, &[2, 2]), [0, 0, 1, 1]);
    assert_eq!(decider.log().nonzero(), 0);
}

#[test]
fn a_fuzzer_that_knows_the_way_finds_what_no_seed_would() {
    // One of 3^16 orders of turns, which a byte each spells out.
    let wanted = [2, 0, 1, 1, 2, 0, 0, 2, 1, 1, 0, 2, 2, 1, 0, 1];
    let bytes: Vec<u8> = wanted.iter().map(|it| *it as u8).collect();
    let (decider, _) = fed(&bytes);
    assert_eq!(turns(&decider, &[20, 20, 20])[..16], wanted);
    // Without them the first thread has all of these turns.
    let (decider, _) = fed(&[]);
    assert_eq!(turns(&decider, &[20, 20, 20])[..16], [0; 16]);
}

//! Two runs side by side.

use blockjob_sim::view::Difference;

use super::support::{BUSY, decisions, document, events, parsed, record};

#[test]
fn a_run_does_not_differ_from_itself() {
    let (a, b) = (document(&record(BUSY, 1)), document(&record(BUSY, 1)));
    assert_eq!(Difference::of(&a, &b), Difference::default());
    let json = Difference::default().to_json();
    let none = r#"{"first_difference":{"event_a":null,"event_b":null,"decision":null}}"#;
    assert_eq!(json, none);
}

#[test]
fn all_before_the_first_difference_is_the_same_and_it_is_not() {
    let (mut a, mut b) = (document(&record(BUSY, 1)), document(&record(BUSY, 2)));
    let difference = Difference::of(&a, &b);
    let (a, b) = (parsed(&mut a), parsed(&mut b));
    let (events_a, events_b) = (events(&a), events(&b));
    let event = difference.event_a.expect("the runs differ") as usize;
    assert_eq!(difference.event_b, difference.event_a);
    assert_eq!(events_a[..event], events_b[..event]);
    assert_ne!(events_a[event], events_b[event]);
    let place = difference.decision.expect("the runs decide otherwise") as usize;
    let (a, b) = (decisions(&a), decisions(&b));
    let same = |place: usize| {
        a[place].site == b[place].site
            && a[place].n == b[place].n
            && a[place].chosen == b[place].chosen
    };
    assert!((0..place).all(same) && !same(place));
}

#[test]
fn where_one_run_is_over_the_other_has_the_difference() {
    let whole = record(BUSY, 1);
    let mut part = record(BUSY, 1);
    let kept = part.entries.len() - 3;
    part.entries.truncate(kept);
    let difference = Difference::of(&document(&whole), &document(&part));
    assert_eq!(difference.event_a, Some(kept as u64));
    assert_eq!(difference.event_b, None);
    assert_eq!(difference.decision, None);
}

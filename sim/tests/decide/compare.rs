//! Where two runs part ways.

use blockjob_sim::decide::{Decision, Divergence, Log, compare};

fn log(decisions: &[(&str, u32, u32)]) -> Log {
    let mut log = Log::new();
    for &(site, n, chosen) in decisions {
        log.push(Decision { site, n, chosen });
    }
    log
}

#[test]
fn equal_logs_do_not_part() {
    let one = log(&[("x", 2, 1), ("y", 3, 0)]);
    assert_eq!(compare(&one, &one.clone()), None);
    assert_eq!(compare(&Log::new(), &Log::new()), None);
}

#[test]
fn the_first_difference_is_found_in_site_options_and_answer() {
    let one = log(&[("x", 2, 1), ("y", 3, 0), ("x", 2, 0)]);
    for other in [("z", 3, 0), ("y", 4, 0), ("y", 3, 2)] {
        let two = log(&[("x", 2, 1), other, ("x", 2, 1)]);
        let left = Some(("y".to_owned(), 3, 0));
        let right = Some((other.0.to_owned(), other.1, other.2));
        let expected = Divergence {
            index: 1,
            left,
            right,
        };
        assert_eq!(compare(&one, &two), Some(expected));
    }
}

#[test]
fn a_log_that_ends_first_parts_there() {
    let one = log(&[("x", 2, 1)]);
    let two = log(&[("x", 2, 1), ("y", 3, 2)]);
    let divergence = compare(&one, &two).expect("one is longer");
    assert_eq!((divergence.index, &divergence.left), (1, &None));
    assert_eq!(
        compare(&two, &one).expect("one is longer").to_string(),
        "decision 1: 2 of 3 at y in one run, nothing any more in the other"
    );
}

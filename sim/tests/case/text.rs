//! Cases as text.

use blockjob_sim::case::{Case, CaseError, parse_told, told};
use blockjob_sim::decide::Random;
use blockjob_sim::run::Runner;

use super::mischief::{SMALL, config};

fn some_case() -> Case {
    let mut runner = Runner::new();
    let config = config(SMALL);
    runner.run(&config, Box::new(Random::new(3)));
    Case::new(&config, &runner.decider().log())
}

#[test]
fn a_case_is_read_back_from_its_line() {
    let case = some_case();
    let line = case.to_string();
    assert!(line.starts_with("bj1:"), "{line}");
    let read: Case = line.parse().expect("it was written by a case");
    assert_eq!(read, case);
    assert_eq!(*read.config(), config(SMALL));
    assert_eq!(read.bug(), None);
    assert!(read.recording().nonzero() > 0, "{line}");
}

#[test]
fn the_exhibit_of_a_case_is_part_of_its_line() {
    let case = some_case().with_bug("mir_02").expect("that is an id");
    let line = case.to_string();
    assert!(line.contains(",bug=MIR-02:"), "{line}");
    let read: Case = line.parse().expect("it was written by a case");
    assert_eq!(read.bug(), Some("MIR-02"));
    assert_eq!(*read.config(), config(SMALL));
}

#[test]
fn what_is_no_id_of_an_exhibit_is_refused() {
    for id in ["", "MIR 02", "MIR:02", "ä"] {
        let refused = some_case().with_bug(id);
        assert!(matches!(refused, Err(CaseError::Bug(_))), "{id:?}");
    }
}

#[test]
fn what_a_run_is_told_can_name_an_exhibit_anywhere() {
    let plain = config("granules=2");
    for text in [
        "bug=HZ-01,granules=2",
        "granules=2,bug=HZ-01",
        "granules=2,bug=hz_01",
    ] {
        let (config, bug) = parse_told(text).expect("it is well formed");
        assert_eq!(
            (config, bug.as_deref()),
            (plain.clone(), Some("HZ-01")),
            "{text}"
        );
    }
    assert_eq!(told(&config(""), Some("HZ-01")), "bug=HZ-01");
    assert_eq!(told(&plain, None), "granules=2");
    assert_eq!(told(&config(""), None), "");
    assert_eq!(parse_told("bug=HZ-01").unwrap().0, config(""));
    assert!(matches!(parse_told("granule=2"), Err(CaseError::Config(_))));
}

#[test]
fn in_a_file_the_first_line_that_begins_like_a_case_is_it() {
    let case = some_case();
    let text = case.in_file("Found by a sweep.\n\nIt is about bj1: not this one.");
    assert!(
        text.starts_with("# Found by a sweep.\n#\n# It is"),
        "{text}"
    );
    assert_eq!(Case::find_in(&text).expect("it is in there"), case);
    let other = some_case().with_bug("HZ-02").expect("that is an id");
    let both = format!("{text}{other}\n");
    assert_eq!(Case::find_in(&both).expect("it is in there"), case);
    assert_eq!(Case::find_in("# nothing\n"), Err(CaseError::NoCase));
}

#[test]
fn a_case_in_which_a_character_was_changed_is_refused() {
    let line = some_case().to_string();
    let broken = line.replacen("requests", "requestz", 1);
    assert_ne!(line, broken);
    assert!(matches!(broken.parse::<Case>(), Err(CaseError::Log(_))));
}

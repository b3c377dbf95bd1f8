//! The examples do what they say.

#[allow(dead_code)] // Their `main` is for people.
#[path = "../examples/own_checker.rs"]
mod own_checker;
#[allow(dead_code)]
#[path = "../examples/own_guest.rs"]
mod own_guest;
#[allow(dead_code)]
#[path = "../examples/own_job.rs"]
mod own_job;
#[allow(dead_code)]
#[path = "../examples/own_policy.rs"]
mod own_policy;

/// The numbers in `text`, in order.
fn numbers(text: &str) -> Vec<u64> {
    let parts = text.split(|it: char| !it.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}

#[test]
fn a_job_of_ones_own_holds_the_rules_unless_it_comes_past_no_pause_point() {
    let report = own_job::report();
    let lines: Vec<_> = report.lines().collect();
    assert_eq!(lines[0], "polite: true. 0 of 200 runs fail: none fails");
    assert!(lines[1].starts_with("polite: false. "), "{report}");
    assert!(lines[1].contains("DRAIN at begins-inside"), "{report}");
    assert!(numbers(lines[1])[0] > 20, "{report}");
}

#[test]
fn a_policy_of_ones_own_makes_many_runs_of_few_unusual_decisions() {
    let report = own_policy::report();
    let counts: Vec<_> = report.lines().map(numbers).collect();
    let [dull, nudged, random] = &counts[..] else {
        panic!("{report}");
    };
    assert_eq!((dull[0], dull[1]), (1, 0), "{report}");
    assert!(nudged[0] > 180 && random[0] == 200, "{report}");
    assert!(nudged[1] * 6 < random[1], "{report}");
}

#[test]
fn a_rule_of_ones_own_is_broken_shrunk_and_told() {
    let report = own_checker::report();
    assert!(report.contains("PROGRESS at slow-request"), "{report}");
    assert!(
        report.contains("nothing simpler fails like this"),
        "{report}"
    );
    assert!(report.contains("\nbj1:"), "{report}");
    assert!(report.contains("drains"), "{report}");
    let after = report.lines().find(|line| line.starts_with("after:"));
    let after = numbers(after.expect("its size is told"));
    assert!(after[0] < 40 && after[1] < 6, "{report}");
}

#[test]
fn a_guest_of_ones_own_loses_nothing_wherever_its_disk_goes() {
    let report = own_guest::report();
    let counts = numbers(&report);
    assert_eq!((counts[0], counts[1]), (200, 2400), "{report}");
    assert!(counts[2] > 20, "{report}");
    assert_eq!(counts[3], 0, "{report}");
}

#[test]
fn each_example_is_shorter_than_sixty_lines_of_code() {
    for name in ["own_checker", "own_guest", "own_job", "own_policy"] {
        let path = format!("{}/examples/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the example is there");
        let code = text.lines().map(str::trim);
        let code = code.filter(|line| !line.is_empty() && !line.starts_with("//"));
        assert!(code.count() < 60, "{name}");
    }
}

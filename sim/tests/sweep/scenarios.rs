//! The texts of scenarios: what is taken, and what is said of what is not.

use blockjob_sim::config::Field;
use blockjob_sim::swarm::{Scenario, ScenarioErrorKind, fields_help};

fn error(text: &str) -> String {
    match Scenario::parse(text) {
        Ok(scenario) => panic!("{scenario:?}"),
        Err(error) => error.in_file("my.txt").to_string(),
    }
}

#[test]
fn comments_units_and_order_do_not_matter() {
    let one = "name = one\nlatency = 1ms\ngranules = 4 # few\n\n# and\ngranularity = 4K\n";
    let other = "granularity=4096\ngranules=4\nlatency = 1000000\nname=one";
    let (one, other) = (Scenario::parse(one), Scenario::parse(other));
    assert_eq!(
        one.as_ref().map(|it| it.draw(1)),
        other.as_ref().map(|it| it.draw(1))
    );
    let config = one.unwrap().draw(1).unwrap();
    assert_eq!(config.get(Field::Granularity), 4096);
    assert_eq!(config.get(Field::Latency), 1_000_000);
}

#[test]
fn the_comment_at_the_head_says_what_a_scenario_is_about() {
    let text = "# Two disks\n# and a guest.\n\n# Not this.\nname = two\n";
    assert_eq!(
        Scenario::parse(text).unwrap().about(),
        "Two disks and a guest."
    );
}

#[test]
fn an_error_names_the_file_and_the_line_and_says_what_would_be_right() {
    let cases = [
        (
            "name = x\ngranule = 4",
            "my.txt:2: 'granule' is no field: did you mean granules?",
        ),
        (
            "name = x\n\nhot = maybe",
            "my.txt:3: hot = maybe: expected one of no, yes",
        ),
        (
            "name = x\nhot = no..yes",
            "my.txt:2: hot = no..yes: expected alternatives joined by |: only numbers have ranges",
        ),
        (
            "name = x\ngranules = 9..3",
            "my.txt:2: granules = 9..3: expected the smaller end of a range first",
        ),
        (
            "name = x\nspeed = 0..1M log",
            "my.txt:2: speed = 0..1M log: expected a log range from 1 or more; 0 can be an alternative",
        ),
        (
            "name = x\ngranules = 1 |",
            "my.txt:2: granules = : expected a value",
        ),
        (
            "name = x\nguests = 17",
            "my.txt:2: guests = 17: expected a number up to 16",
        ),
        (
            "name = x\nguests = 1Ki",
            "my.txt:2: guests = 1Ki: expected a number up to 16",
        ),
        (
            "name = x\nguests",
            "my.txt:2: 'guests' has no value: write key = value",
        ),
        (
            "name = x\nguests=1\nguests=2",
            "my.txt:3: guests has a line already: write the values behind each other, with | between them",
        ),
        (
            "name = x\nkinds = some of love",
            "my.txt:2: kinds = love: expected none, all, some, or some of read, zero, discard, flush joined by +",
        ),
        (
            "name = my disk",
            "my.txt:1: 'my disk' is no name: write letters, digits and -, so that no shell wants it quoted",
        ),
        (
            "granules = 4",
            "my.txt: the scenario has no name: write name = ..., in letters, digits and -",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn values_that_never_go_together_are_an_error_and_no_endless_loop() {
    let text = "name = x\ntbacking = yes\nbacking = no";
    let error = Scenario::parse(text).unwrap_err();
    assert!(
        matches!(error.kind, ScenarioErrorKind::Never { tries: 1000, .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("expected backing=yes"), "{text}");
}

#[test]
fn the_scenarios_that_come_with_the_program_can_be_drawn_and_say_what_they_are() {
    let names: Vec<_> = Scenario::built_in_names().collect();
    assert_eq!(
        names,
        [
            "mirror",
            "tiny",
            "iothread",
            "qcow2",
            "many-jobs",
            "noisy-guest",
            "bench"
        ]
    );
    for name in names {
        let scenario = Scenario::built_in(name).unwrap();
        assert_eq!(scenario.name(), name);
        assert!(
            scenario.about().ends_with('.'),
            "{name}: {}",
            scenario.about()
        );
        for seed in 0..2_000 {
            scenario.draw(seed).unwrap().check().unwrap();
        }
    }
    let error = Scenario::built_in("mirrors").unwrap_err().to_string();
    assert!(error.contains("there are mirror, tiny"), "{error}");
}

#[test]
fn the_help_has_a_line_for_each_field() {
    let help = fields_help();
    assert_eq!(help.lines().count(), Field::ALL.len());
    let line = help.lines().find(|line| line.starts_with("spread "));
    let line = line.expect("there is a field of that name");
    assert!(
        line.contains("one of constant, uniform, tail; constant if it is not set"),
        "{line}"
    );
}

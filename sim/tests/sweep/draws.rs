//! Drawing configurations.

use blockjob_sim::config::{Config, Field};
use blockjob_sim::swarm::Scenario;

fn drawn(line: &str, field: Field, seeds: u64) -> Vec<u64> {
    let scenario = Scenario::parse(&format!("name = x\n{line}")).unwrap();
    let values = (0..seeds).map(|seed| scenario.draw(seed).unwrap().get(field));
    values.collect()
}

fn share(values: &[u64], holds: impl Fn(u64) -> bool) -> f64 {
    let held = values.iter().filter(|value| holds(**value)).count();
    held as f64 / values.len() as f64
}

/// The odds of being off by more than 4 standard deviations are 1 in 15,000, and the seeds are fixed: it
/// either always holds or never.
fn about(share: f64, expected: f64, of: usize) {
    let deviation = (expected * (1.0 - expected) / of as f64).sqrt();
    assert!(
        (share - expected).abs() <= 4.0 * deviation,
        "{share} for {expected}"
    );
}

#[test]
fn a_seed_draws_the_same_configuration_on_every_machine() {
    let text = "name = x\ngranules = 2..40\nspeed = 0 | 1K..1M log\nkinds = some\nhot = no | yes";
    let scenario = Scenario::parse(text).unwrap();
    let drawn: Vec<_> = (0..3)
        .map(|seed| scenario.draw(seed).unwrap().to_string())
        .collect();
    assert_eq!(drawn, GOLDEN);
}

const GOLDEN: [&str; 3] = [
    "granules=17,hot=yes,kinds=zero+discard",
    "granules=13,speed=1852,hot=yes,kinds=zero+discard+flush",
    "granules=13,hot=yes,kinds=read+zero+discard",
];

#[test]
fn every_value_of_a_range_is_drawn_as_often_as_the_others() {
    let values = drawn("granules = 3..6", Field::Granules, 4_000);
    for value in 3..=6 {
        about(share(&values, |it| it == value), 0.25, 4_000);
    }
}

#[test]
fn a_log_range_draws_each_power_of_two_as_often_and_both_ends() {
    let values = drawn("requests = 3..17 log", Field::Requests, 8_000);
    assert_eq!(values.iter().min(), Some(&3));
    assert_eq!(values.iter().max(), Some(&17));
    for (from, to) in [(2, 3), (4, 7), (8, 15), (16, 31)] {
        about(share(&values, |it| (from..=to).contains(&it)), 0.25, 8_000);
    }
}

#[test]
fn an_alternative_that_is_written_twice_is_drawn_twice_as_often() {
    let values = drawn("rest = 0 | 0 | 1..1000", Field::Rest, 3_000);
    about(share(&values, |it| it == 0), 2.0 / 3.0, 3_000);
}

#[test]
fn each_member_of_a_set_is_drawn_as_often_as_not_and_no_other() {
    let values = drawn("kinds = some of read+flush", Field::Kinds, 3_000);
    for (bits, expected) in [(1, 0.5), (8, 0.5), (9, 0.25), (2, 0.0), (4, 0.0)] {
        about(share(&values, |it| it & bits == bits), expected, 3_000);
    }
}

#[test]
fn the_schedule_of_a_seed_is_not_drawn_from_what_its_configuration_was() {
    // If it were, the seeds that draw a feature would all begin with the same decisions.
    let scenario =
        Scenario::parse("name = x\nguests = 1\nhot = no | yes\nspread = uniform").unwrap();
    let firsts = (0..400).filter(|seed| scenario.draw(*seed).unwrap().is(Field::Hot));
    let mut runner = blockjob_sim::run::Runner::with_checkers(Vec::new());
    let config = Config::parse("spread=uniform,granules=8").unwrap();
    let dull = firsts.clone().filter(|seed| {
        runner.run(&config, Box::new(blockjob_sim::decide::Random::new(*seed)));
        runner
            .decider()
            .log()
            .get(0)
            .is_some_and(|first| first.chosen == 0)
    });
    let (dull, all) = (dull.count(), firsts.count());
    assert!(dull > 0 && dull < all, "{dull} of {all}");
}

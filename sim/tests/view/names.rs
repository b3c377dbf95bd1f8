//! Names of the options of decisions.

use blockjob_sim::decide::Random;
use blockjob_sim::run::Runner;
use blockjob_sim::swarm::Scenario;

use super::support::{BUSY, MOVING, config, decisions, document, events, parsed, record};

#[test]
fn every_decision_has_a_name_for_each_of_its_options() {
    let mut seen = std::collections::BTreeSet::new();
    for name in ["mirror", "iothread", "many-jobs", "qcow2"] {
        let scenario = Scenario::built_in(name).expect("it is built in");
        for seed in 0..6 {
            let told = scenario.draw(seed).expect("it can be drawn").to_string();
            let shown = parsed(&mut document(&record(&told, seed)));
            for decision in decisions(&shown) {
                assert_eq!(
                    decision.labels.len() as u64,
                    decision.n,
                    "{}",
                    decision.site
                );
                assert!(decision.labels.iter().all(|label| !label.is_empty()));
                seen.insert(decision.site);
            }
        }
    }
    assert!(
        seen.len() > 15,
        "too few sites were met to show anything: {seen:?}"
    );
}

#[test]
fn the_coroutine_that_was_chosen_is_the_one_that_runs() {
    let mut compared = 0;
    for (told, seed) in [(BUSY, 1), (BUSY, 2), (MOVING, 3)] {
        let shown = parsed(&mut document(&record(told, seed)));
        let events = events(&shown);
        for (place, decision) in decisions(&shown).iter().enumerate() {
            let label = &decision.labels[decision.chosen as usize];
            let since = place as u64 + 1;
            let after = |it: &&serde_json::Map<_, _>| {
                it["decisions"].as_u64().is_some_and(|it: u64| it >= since)
            };
            let next = events.iter().find(after);
            let Some(next) = next.filter(|_| decision.site == "aio.next") else {
                continue;
            };
            let ran = match next["kind"].as_str().expect("a kind") {
                "coroutine-enter" => next["entered"].as_str().map(str::to_owned),
                "bottom-half" => next["name"]
                    .as_str()
                    .map(|name| format!("bottom half {name}")),
                "timer" => next["name"].as_str().map(|name| format!("timer {name}")),
                "event-source" => next["name"]
                    .as_str()
                    .map(|name| format!("event source {name}")),
                // A pass may come to nothing: what was queued was cancelled meanwhile.
                _ => continue,
            };
            assert_eq!(ran.as_ref(), Some(label), "{told}: decision {place}");
            compared += 1;
        }
    }
    assert!(compared > 60, "only {compared} decisions were compared");
}

#[test]
fn the_request_that_was_chosen_is_the_one_that_the_disks_deliver() {
    let shown = parsed(&mut document(&record(BUSY, 2)));
    let events = events(&shown);
    let mut compared = 0;
    for (place, decision) in decisions(&shown).iter().enumerate() {
        let label = &decision.labels[decision.chosen as usize];
        let since = place as u64 + 1;
        let mut after = events
            .iter()
            .filter(|it| it["decisions"].as_u64() >= Some(since));
        if decision.site != "disk.deliver" || !label.ends_with(" lands") {
            continue;
        }
        let next = after
            .find(|it| it["kind"] == "disk-land")
            .expect("it lands");
        let (disk, what) = label
            .split_once(": the ")
            .expect("the label names the disk");
        assert_eq!(next["disk"], disk, "decision {place}: {label}");
        let begin = format!(" of {}..", next["offset"]);
        assert!(
            what.contains(&begin),
            "decision {place}: {label}, but {next:?} landed"
        );
        compared += 1;
    }
    assert!(compared > 5, "only {compared} decisions were compared");
}

#[test]
fn nobody_is_asked_for_names_unless_somebody_records() {
    let mut runner = Runner::new();
    runner.run(&config(BUSY), Box::new(Random::new(1)));
    assert!(runner.decider().take_names().is_empty());
    let recorded = record(BUSY, 1);
    assert_eq!(recorded.names.len(), recorded.log.len());
    assert_eq!(recorded.names.of(recorded.log.len() as u64), None);
}

//! Where a failing run went wrong, as a document says it.

use blockjob_sim::check::{Checker, Interest, Scene, Seen};
use blockjob_sim::event::GuestWhat;
use blockjob_sim::failure::Rule;
use blockjob_sim::record::{DEFAULT_LIMIT, Record};
use blockjob_sim::run::Runner;

use super::support::{BUSY, config, document, events, parsed};

/// Lets no guest hear of more than five requests.
#[derive(Default)]
struct NoSixth(u64);

impl Checker for NoSixth {
    fn rule(&self) -> Rule {
        Rule::Count
    }

    fn wants(&self) -> Interest {
        Interest::GUEST
    }

    fn reset(&mut self) {
        self.0 = 0;
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        let Seen::Guest(event) = seen else { return };
        self.0 += u64::from(event.what == GuestWhat::Done);
        if self.0 == 6 {
            let parties = vec!["job0".to_owned()];
            scene.fail(
                Rule::Count,
                "sixth",
                parties,
                "a sixth request is done".to_owned(),
            );
        }
    }
}

#[test]
fn a_failure_points_at_the_event_at_which_it_was_seen() {
    let mut runner = Runner::with_checkers(vec![Box::new(NoSixth::default())]);
    let policy = Box::new(blockjob_sim::decide::Random::new(1));
    let record = Record::of(&mut runner, &config(BUSY), policy, DEFAULT_LIMIT);
    let shown = parsed(&mut document(&record));
    let failure = &shown["failure"];
    assert_eq!(
        (&failure["rule"], &failure["place"]),
        (&"COUNT".into(), &"sixth".into())
    );
    assert_eq!(failure["sentence"], "A sixth request is done.");
    assert_eq!(failure["parties"][0], "job0");
    let events = events(&shown);
    let event = failure["event"].as_u64().expect("a place") as usize;
    assert_eq!(events[event]["kind"], "guest-done");
    let before = events[..event]
        .iter()
        .filter(|it| it["kind"] == "guest-done");
    assert_eq!(before.count(), 5);
    assert_eq!(failure["wrong_event"], failure["event"]);
}

#[test]
fn a_run_that_broke_no_rule_has_no_failure() {
    let shown = parsed(&mut document(&super::support::record(BUSY, 1)));
    assert_eq!(shown["failure"], serde_json::Value::Null);
}

#[cfg(feature = "museum")]
mod museum {
    use blockjob_sim::case::{Case, WhatIf};
    use blockjob_sim::decide::{Dull, Random};
    use blockjob_sim::museum::room;
    use blockjob_sim::record::DEFAULT_LIMIT;
    use blockjob_sim::run::Runner;

    use super::super::support::{document, events, parsed};

    /// The first run that loses a write because of MIR-02.
    fn found() -> Case {
        let exhibit = blockjob_sim::museum::exhibits().find(|it| it.id == "MIR-02");
        let room = room(exhibit.expect("it is there")).expect("it has a room");
        let mut runner = Runner::new();
        for seed in 0..2_000 {
            let config = room.draw(seed).expect("it can be drawn");
            let switch = blockjob_sim::case::switch_on(Some("MIR-02")).expect("it has a switch");
            let report = runner.run(&config, Box::new(Random::new(seed)));
            drop(switch);
            if report.failure.is_some() {
                let case = Case::new(&config, &runner.decider().log());
                return case.with_bug("MIR-02").expect("that is an id");
            }
        }
        panic!("no seed fails");
    }

    #[test]
    fn the_lost_write_of_mir_02_went_wrong_when_the_drained_section_ended() {
        let recorded = found().record(&mut Runner::new(), true, DEFAULT_LIMIT);
        let (record, _) = recorded.expect("it has a switch");
        let shown = parsed(&mut document(&record));
        assert_eq!(shown["bug"], "MIR-02");
        let failure = &shown["failure"];
        let events = events(&shown);
        let wrong = failure["wrong_event"].as_u64().expect("a place") as usize;
        assert_eq!(events[wrong]["kind"], "drain-end");
        assert_eq!(events[wrong]["node"], "source");
        let owner = events[wrong]["owner"].as_str().expect("it has an owner");
        assert!(owner.starts_with("mirror"), "{owner}");
        let seen = failure["event"].as_u64().expect("a place") as usize;
        assert!(wrong < seen, "the checker has seen it later");
        let sentence = failure["sentence"].as_str().expect("a sentence");
        assert!(
            sentence.contains("ended at") && sentence.contains("before the pivot"),
            "{sentence}"
        );
        assert_eq!(
            sentence.matches(". ").count(),
            0,
            "it is one sentence: {sentence}"
        );
        assert!(sentence.ends_with('.'), "{sentence}");
    }

    #[test]
    fn another_decision_saves_the_write_that_mir_02_loses() {
        let case = found();
        let lost = case
            .replay(&mut Runner::new(), true)
            .expect("it has a switch");
        let saved = (0..lost.log.len() as u64).find(|decision| {
            let other = WhatIf {
                decision: *decision,
                chosen: 0,
            };
            let run = case.what_if(&mut Runner::new(), other, Box::new(Dull), 10);
            run.is_ok_and(|record| record.report.failure.is_none())
        });
        assert!(saved.is_some(), "no decision changes the outcome");
    }
}

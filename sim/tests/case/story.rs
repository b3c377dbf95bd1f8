//! Stories of runs without bugs.

use std::ops::ControlFlow;
use std::rc::Rc;

use blockjob_sim::case::Case;
use blockjob_sim::config::Field;
use blockjob_sim::decide::Random;
use blockjob_sim::event::Note;
use blockjob_sim::failure::Rule;
use blockjob_sim::record::{DEFAULT_LIMIT, Record};
use blockjob_sim::run::Runner;
use blockjob_sim::shrink::{Budget, shrink};
use blockjob_sim::story::{Length, Story};
use blockjob_sim::sweep::quiet_panics;

use super::mischief::config;

/// Where each of `parts` stands in `text`, one after the other.
pub(super) fn in_order(text: &str, parts: &[&str]) {
    // Lines are broken where they are full.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = &*text;
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("'{part}' is not in what is left: {rest}\n\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

fn record(runner: &mut Runner, told: &str) -> Record {
    Record::of(
        runner,
        &config(told),
        Box::new(Random::new(1)),
        DEFAULT_LIMIT,
    )
}

#[test]
fn the_long_story_tells_the_life_of_a_job_and_each_request() {
    let record = record(
        &mut Runner::new(),
        "granules=2,requests=3,kinds=all,verbs=complete",
    );
    let story = Story::of(&record, Length::Long);
    assert_eq!(story.left_out, 0);
    let text = story.to_string();
    in_order(
        &text,
        &[
            "Nothing went wrong.",
            "job0 is made.",
            "job0 begins to run (M1).",
            "which is dirty, to copy it: copy 1",
            "from source",
            "has written",
            "to target",
            "READY (M13)",
            "drains the source, to count what is dirty once more (M14)",
            "ends (M16)",
            "mirror_exit (M17)",
            "The pivot: whoever used source uses target from now on.",
            "tells its watchers that it has completed",
        ],
    );
    for request in 1..=3 {
        let lines = story.lines.iter();
        let asked = lines.filter(|line| line.text.contains(&format!(": request {request}.")));
        assert_eq!(asked.count(), 1, "{text}");
    }
    for pair in story.lines.windows(2) {
        assert!(pair[0].at.seq <= pair[1].at.seq, "{pair:?}");
    }
    assert!(text.lines().all(|line| line.len() <= 101), "{text}");
}

/// A runner in whose runs somebody has the source drained from the first to the second time, in
/// nanoseconds, for each pair of them.
fn draining(times_ns: &'static [(u64, u64)]) -> Runner {
    let mut runner = Runner::new();
    runner.add_prologue(move |cast| {
        for (from_ns, to_ns) in times_ns {
            let (node, main) = (cast.pairs[0].source_node().clone(), cast.main.clone());
            let (open, context) = (cast.keep_open(), main.clone());
            let tester = main.coroutine("tester", async move {
                if *from_ns > 0 {
                    context.sleep(*from_ns).await;
                }
                let drained = node.co_drained_begin("tester").await;
                context.sleep(to_ns - from_ns).await;
                drop((drained, open));
            });
            tester.enter();
        }
    });
    runner
}

/// A runner in whose runs a visitor comes, says so, and fails if he is to.
fn visited(fails: bool) -> Runner {
    let mut runner = Runner::new();
    runner.add_prologue(move |cast| {
        let (cast, open) = (cast.clone(), cast.keep_open());
        let visitor = cast.main.clone().coroutine("visitor", async move {
            let says = |text: &str| {
                cast.note(|| Note {
                    who: "visitor 1".to_owned(),
                    text: text.to_owned(),
                });
            };
            says("comes in");
            cast.main.sleep(1_000).await;
            assert!(!fails, "he has fallen");
            says("goes away");
            drop(open);
        });
        visitor.wake();
    });
    runner
}

#[test]
fn who_was_added_to_a_run_is_heard_in_its_story_and_changes_nothing_by_that() {
    let told = "mirror=no,guests=0,requests=0";
    let mut runner = visited(false);
    let record = record(&mut runner, told);
    let story = Story::of(&record, Length::Long).to_string();
    in_order(&story, &["Visitor 1 comes in.", "Visitor 1 goes away."]);
    assert!(!story.contains("job0"), "there is no mirror: {story}");
    let unheard = runner.run(&config(told), Box::new(Random::new(1)));
    assert_eq!(unheard.events, record.report.events);
}

#[test]
fn a_panic_of_who_was_added_says_where_it_was_and_shrinks_to_no_run_with_a_mirror() {
    let _quiet = quiet_panics();
    let mut runner = visited(true);
    let told = config("mirror=no,granules=9,guests=3,requests=9");
    let report = runner.run(&told, Box::new(Random::new(1)));
    let failure = report.failure.expect("he falls");
    assert_eq!(failure.rule, Rule::Panic);
    let (what, place) = failure.text.split_once(" (").expect("a place is named");
    assert_eq!(what, "he has fallen");
    assert!(place.contains("case/story.rs:"), "{place}");
    let case = Case::new(&told, &runner.decider().log());
    let budget = Budget {
        runs: 200,
        steps: 100_000,
    };
    let shrunk = shrink(&case, &failure, &mut runner, budget, &mut |_: &_| {
        ControlFlow::Continue(())
    });
    let shrunk = shrunk.expect("it fails each time").case;
    assert_eq!(shrunk.config().get(Field::Mirror), 0, "{shrunk}");
    assert_eq!(shrunk.config().get(Field::Requests), 0, "{shrunk}");
}

#[test]
fn a_request_that_waits_for_the_end_of_a_section_is_told_so() {
    let record = record(&mut draining(&[(0, 1_000_000)]), "requests=1,mirror=no");
    let story = Story::of(&record, Length::Long).to_string();
    in_order(
        &story,
        &[
            "tester drains source: section 1 of tester.",
            "Guest 0 writes",
            "request 1. But source is drained (section 1 of tester), and so the request is queued.",
            "1.000 ms Section 1 of tester ends",
            "Section 1 of tester has ended: request 1 is let go, and goes to source.",
            "Request 1 lands on source, and guest 0 hears that it is done.",
        ],
    );
}

#[test]
fn a_request_is_let_go_by_the_last_of_the_sections_that_hold_it_back() {
    let sections = &[(0, 1_000_000), (500_000, 2_000_000)];
    let record = record(&mut draining(sections), "requests=2,mirror=no");
    let story = Story::of(&record, Length::Long).to_string();
    in_order(
        &story,
        &[
            "request 1. But source is drained (section 1 of tester), and so the request is queued.",
            "1.000 ms Section 1 of tester ends",
            "2.000 ms Section 2 of tester ends",
            "Section 2 of tester has ended: request 1 is let go, and goes to source.",
            ": request 2.",
            "Request 2 lands on source",
        ],
    );
    assert_eq!(story.matches("is let go").count(), 1, "{story}");
}

#[test]
fn of_a_run_that_is_stuck_the_story_says_who_waits_for_whom() {
    let mut runner = Runner::new();
    runner.add_prologue(|cast| {
        let drained = cast.pairs[0].source_node().drained_begin_no_poll("tester");
        // It is never ended, and the world never comes to rest.
        let open = cast.keep_open();
        let kept = Rc::new((drained, open));
        let tester = cast.main.coroutine("tester", async move {
            std::future::pending::<()>().await;
            drop(kept);
        });
        tester.enter();
    });
    let record = record(&mut runner, "requests=1,mirror=no");
    let failure = record.report.failure.as_ref().expect("nobody can go on");
    assert!(
        matches!(failure.rule, Rule::Progress | Rule::Wake),
        "{failure}"
    );
    let story = Story::of(&record, Length::Short);
    let text = story.to_string();
    in_order(
        &text,
        &[
            "In the end",
            "Section 1 of tester",
            "source",
            "Request 1 (guest 0 writes",
            "is queued.",
        ],
    );
}

#[test]
fn what_the_monitor_asks_for_is_told_with_the_reason_if_it_is_refused() {
    let mut refused = 0;
    for seed in 0..40 {
        let policy = Box::new(Random::new(seed));
        let told = config("requests=2,deeds=1,verbs=complete");
        let record = Record::of(&mut Runner::new(), &told, policy, DEFAULT_LIMIT);
        let story = Story::of(&record, Length::Long).to_string();
        if story.contains("The monitor asks for job-complete, and is refused:") {
            refused += 1;
            let story = story.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                story.contains("cannot accept command verb 'complete'"),
                "{story}"
            );
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_record_that_was_cut_off_is_told_from_where_it_begins() {
    let mut runner = Runner::new();
    let told = config("requests=8");
    let record = Record::of(&mut runner, &told, Box::new(Random::new(1)), 40);
    let story = Story::of(&record, Length::Long);
    assert_eq!(story.lost, record.lost);
    assert!(
        story.to_string().contains("The record begins after"),
        "{story}"
    );
}

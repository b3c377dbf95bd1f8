//! Marks and steps.

use std::collections::BTreeSet;
use std::rc::Rc;

use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::state::JobStatus;
use blockjob_runtime::trace::Mark;
use blockjob_sim::config::Config;
use blockjob_sim::coverage::{StepWatch, all_marks, mark_place};
use blockjob_sim::decide::Random;
use blockjob_sim::run::Runner;
use blockjob_sim::sweep::Sweep;

use crate::planted::{runner, small};

#[test]
fn every_mark_has_a_name_of_its_own_in_kebab_case_and_a_sentence() {
    let mut names = BTreeSet::new();
    for mark in all_marks() {
        let kebab = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        assert!(mark.name.bytes().all(kebab), "{}", mark.name);
        assert!(
            names.insert(mark.name),
            "two marks are called {}",
            mark.name
        );
        assert!(mark.what.ends_with('.'), "{}: {}", mark.name, mark.what);
    }
    assert!(names.len() >= 25, "{}", names.len());
}

#[test]
fn every_mark_is_found_at_its_place_in_the_list() {
    for (place, mark) in all_marks().enumerate() {
        assert_eq!(mark_place(mark), Some(place), "{}", mark.name);
    }
    static OTHER: Mark = Mark::new("drain-polled");
    assert_eq!(
        mark_place(&OTHER),
        None,
        "its name does not make it the same"
    );
}

#[test]
fn marks_of_a_run_are_counted_those_of_a_test_too() {
    static OTHER: Mark = Mark::new("of-a-test");
    let mut runner = runner(Vec::new());
    runner.add_prologue(|cast| {
        cast.main.mark(&OTHER);
        cast.main.mark(&blockjob_block::marks::QUEUE_MOVED);
        cast.main.mark(&OTHER);
        cast.main.mark_if(|| false, &OTHER);
    });
    let report = runner.run(&Config::new(), Box::new(Random::new(0)));
    let hits = |mark: &Mark| {
        let mut marks = report.marks.iter();
        marks
            .find(|(known, _)| *known == mark)
            .map(|(_, hits)| *hits)
    };
    assert_eq!(hits(&OTHER), Some(2));
    assert_eq!(hits(&blockjob_block::marks::QUEUE_MOVED), Some(1));
    let report = runner.run(&Config::new(), Box::new(Random::new(0)));
    let again: Vec<_> = report
        .marks
        .iter()
        .filter(|(mark, _)| **mark == OTHER)
        .collect();
    assert_eq!(again, [&(&OTHER, 2)], "each run counts anew");
}

#[test]
fn a_sweep_says_which_marks_were_hit_how_often_and_in_how_many_runs() {
    let sweep = Sweep::new(small(), 0..10).with_runner(|| {
        let mut runner = runner(Vec::new());
        runner.add_prologue(|cast| {
            let seed = cast.config.get(blockjob_sim::config::Field::Granules);
            for _ in 0..seed {
                cast.main.mark(&blockjob_jobs::marks::ROOM_KEPT);
            }
        });
        runner
    });
    let report = sweep.run().unwrap();
    let marks = report.marks();
    let kept = marks
        .iter()
        .find(|hits| *hits.mark == blockjob_jobs::marks::ROOM_KEPT);
    let kept = kept.expect("it is a mark of the engine");
    let granules = |seed| {
        small()
            .draw(seed)
            .unwrap()
            .get(blockjob_sim::config::Field::Granules)
    };
    assert_eq!((kept.hits, kept.runs), ((0..10).map(granules).sum(), 10));
    let missed: Vec<_> = report.missed_marks().iter().map(|mark| mark.name).collect();
    assert!(!missed.contains(&"room-kept"));
    assert!(
        missed.contains(&"full-stopped"),
        "nothing is ever full here: {missed:?}"
    );
    assert!(
        report.to_string().contains("full-stopped            never"),
        "{report}"
    );
}

#[test]
fn the_steps_of_a_mirror_are_counted_in_the_state_in_which_they_were_taken() {
    let table = Rc::default();
    let mut runner = Runner::with_checkers(vec![Box::new(StepWatch::new(&table))]);
    let config = Config::parse("granules=2,guests=0").unwrap();
    runner.run(&config, Box::new(Random::new(0)));
    let once = table.borrow().clone();
    for (step, status) in [
        (Step::M1, JobStatus::Running),
        (Step::M12, JobStatus::Running),
        (Step::M14, JobStatus::Ready),
        (Step::M17, JobStatus::Pending),
    ] {
        assert_eq!(once.hits(step, status), 1, "{step} {}", status.as_str());
    }
    assert_eq!(once.hits(Step::M14, JobStatus::Running), 0);
    assert!(
        once.missed().contains(&Step::M6),
        "all of it is dirty without asking"
    );
    runner.run(&config, Box::new(Random::new(0)));
    let mut twice = once.clone();
    twice.add(&once);
    assert_eq!(*table.borrow(), twice);
}

#[test]
fn a_job_that_stands_by_is_seen_to() {
    let table = Rc::default();
    let mut runner = Runner::with_checkers(vec![Box::new(StepWatch::new(&table))]);
    let config = "granules=2,guests=0,deeds=6,verbs=pause+resume,end=force";
    let config = Config::parse(config).unwrap();
    for seed in 0..40 {
        runner.run(&config, Box::new(Random::new(seed)));
    }
    let table = table.borrow();
    let text = table.to_string();
    assert!(table.hits(Step::M17, JobStatus::Aborting) > 0, "{text}");
    assert!(text.contains("aborting"), "{text}");
    assert!(!text.contains("null"), "no step is taken in it: {text}");
}

//! HOME.

use blockjob_jobs::trace::JobTraceKind;
use blockjob_runtime::trace::Wants;
use blockjob_sim::check::home::{Home, rule_of_panic};
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;

use crate::support::{PLAIN, assert_is, finds, forge_job, is_over, is_ready, when};

#[test]
fn a_job_is_entered_only_when_it_waits_for_that() {
    let failure = finds::<Home>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            // One of the two comes to a job that is busy already.
            forge_job(&cast, JobTraceKind::Enter);
            forge_job(&cast, JobTraceKind::Enter);
        });
    });
    assert_is(&failure, Rule::Home, "entered-twice");
}

#[test]
fn a_job_that_has_ended_is_not_entered() {
    let failure = finds::<Home>(PLAIN, |cast| {
        let open = cast.keep_open();
        when(cast, is_over, |cast| async move {
            forge_job(&cast, JobTraceKind::Enter);
            drop(open);
        });
    });
    assert_is(&failure, Rule::Home, "runs-after-its-end");
}

#[test]
fn a_job_yields_only_when_it_was_entered() {
    let failure = finds::<Home>(PLAIN, |cast| {
        when(cast, is_ready, |cast| async move {
            forge_job(&cast, JobTraceKind::Yield);
            forge_job(&cast, JobTraceKind::Yield);
        });
    });
    assert_is(&failure, Rule::Home, "runs-unentered");
}

#[test]
fn a_coroutine_that_is_entered_after_its_end_breaks_the_rule_by_a_panic() {
    let failure = finds::<Home>("granules=4,guests=0,mirror=no", |cast| {
        let coroutine = cast.main.coroutine("short", async {});
        coroutine.enter();
        coroutine.enter();
    });
    assert_is(&failure, Rule::Home, "engine");
    assert!(failure.text.contains("after it had ended"), "{failure}");
}

#[test]
fn other_panics_are_none_of_its_business() {
    assert_eq!(rule_of_panic("'source' is busy"), None);
    assert_eq!(
        rule_of_panic("Job(mirror 'job0' running) yields twice"),
        Some(Rule::Home)
    );
}

#[test]
fn coroutines_leave_the_stack_as_they_came() {
    let config = format!("{PLAIN},own=yes,deeds=6,kinds=all");
    let config = Config::parse(&config).expect("the text is right");
    let mut runner = Runner::with_checkers(vec![Box::new(Home::new())]);
    runner.set_runtime_events(Wants::COROUTINES);
    for seed in 0..20 {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "seed {seed}");
    }
}

//! QEMU's bugs are found by the checkers that are named for them.

use blockjob_runtime::museum::{
    Exhibit, HZ_02, JOB_01, JOB_03B, JOB_04, MIR_03, MIR_04A, MIR_04B, MIR_06B, MIR_10, switch_on,
};
use blockjob_sim::check::{
    Checker, cancel::Cancel, fsm::Fsm, progress::Progress, rate::Rate, waitgraph::Waits,
};
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::{Failure, Rule};
use blockjob_sim::run::Runner;

use crate::support::assert_is;

/// What `checker` alone finds in at most a thousand runs of `config`; without the bug it finds nothing.
fn found(exhibit: &'static Exhibit, checker: impl Checker + 'static, config: &str) -> Failure {
    let config = Config::parse(config).expect("the text is a configuration");
    let mut runner = Runner::with_checkers(vec![Box::new(checker)]);
    for seed in 0..100 {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "without the bug, seed {seed}");
    }
    let _on = switch_on(exhibit);
    let mut seeds = 0..1_000;
    let found = seeds.find_map(|seed| runner.run(&config, Box::new(Random::new(seed))).failure);
    found.expect("the bug comes to light")
}

#[test]
fn copies_that_wait_for_each_others_buffers_are_a_ring() {
    let config = "granules=10,sync=top,backing=yes,tfill=holes,buf=3,maxio=2,inflight=6,tspread=uniform,\
                  tcluster=1024,requests=6";
    for exhibit in [&MIR_04A, &MIR_04B] {
        let failure = found(exhibit, Waits::new(), config);
        assert_is(&failure, Rule::WaitGraph, "cycle");
        assert!(failure.text.contains("to give buffers back"), "{failure}");
    }
}

#[test]
fn guests_writes_that_wait_for_each_other_are_a_ring() {
    let config = "copymode=write-blocking,guests=2,depth=3,requests=20,hot=yes,spread=uniform,\
                  tspread=tail";
    let failure = found(&MIR_03, Waits::new(), config);
    assert_is(&failure, Rule::WaitGraph, "cycle");
    assert!(
        failure.text.contains("which it must not overlap"),
        "{failure}"
    );
}

#[test]
fn a_job_that_waits_for_itself_in_its_own_drained_section_is_a_ring() {
    let config = "granules=4,guests=1,requests=4";
    let failure = found(&MIR_06B, Waits::new(), config);
    assert_is(&failure, Rule::WaitGraph, "cycle");
    assert!(failure.text.contains("'mirror_run' on source"), "{failure}");
    let failure = found(&JOB_03B, Waits::new(), config);
    assert_is(&failure, Rule::WaitGraph, "cycle");
    // The first of its sections that cannot begin: around the filter, which goes before the pivot.
    assert!(
        failure.text.contains("'mirror_exit' on #block"),
        "{failure}"
    );
}

#[test]
fn a_busy_job_starves_who_drains_its_target() {
    let config = "granules=8,guests=2,depth=3,requests=600,hot=yes,slice=1000000,latency=50000,\
                  tlatency=50000,tspread=uniform,deeds=4,verbs=tdrain+thold";
    let failure = found(&HZ_02, Progress::new(), config);
    assert_is(&failure, Rule::Progress, "drain-starved");
}

#[test]
fn a_soft_cancel_of_a_job_that_is_done_changes_its_outcome() {
    let config = "granules=4,guests=1,requests=4,deeds=4,verbs=complete+cancel,eager=yes";
    let failure = found(&JOB_01, Fsm::new(), config);
    assert_is(&failure, Rule::Fsm, "outcome-changed");
}

#[test]
fn drained_sections_buy_a_slow_job_bursts() {
    let config = "granules=32,speed=16384,guests=1,requests=4,deeds=8,verbs=drain+tdrain";
    let failure = found(&JOB_04, Rate::new(), config);
    assert_is(&failure, Rule::Rate, "too-fast");
}

#[test]
fn a_job_whose_flush_keeps_failing_does_not_see_its_cancel() {
    let config = "granules=4,ontarget=ignore,flusherror=1024,guests=1,requests=4,deeds=3,\
                  verbs=force+complete";
    let failure = found(&MIR_10, Cancel::new(), config);
    assert_eq!(failure.rule, Rule::Cancel, "{failure}");
}

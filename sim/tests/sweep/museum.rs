//! Sweeps with a historical bug switched on.

use blockjob_sim::case::Case;
use blockjob_sim::swarm::Scenario;
use blockjob_sim::sweep::Sweep;

#[test]
fn a_bug_of_the_museum_is_on_in_every_thread_and_off_afterwards() {
    let mut sweep = Sweep::new(Scenario::built_in("mirror").unwrap(), 0..400);
    let without = sweep.run().unwrap();
    sweep.bug = Some("MIR-02".to_owned());
    let with = sweep.run().unwrap();
    assert_ne!(without.digest(), with.digest());
    sweep.jobs = 2;
    assert_eq!(sweep.run().unwrap().digest(), with.digest());
    sweep.bug = None;
    assert_eq!(sweep.run().unwrap().digest(), without.digest());
}

#[test]
fn the_command_and_the_log_of_a_failure_name_the_bug() {
    let mut sweep = Sweep::new(Scenario::built_in("mirror").unwrap(), 0..2_000);
    sweep.bug = Some("hz_03".to_owned());
    sweep.stop_at_first = true;
    let report = sweep.run().unwrap();
    let found = report
        .first()
        .expect("a mirror that does not count again loses writes");
    assert!(found.command.ends_with("--bug hz_03"), "{}", found.command);
    let case: Case = found.case.to_string().parse().unwrap();
    assert_eq!(case.bug(), Some("HZ-03"));
}

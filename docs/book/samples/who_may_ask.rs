//! The two tables of the job model, as a program asks them.

use blockjob_jobs::state::{JobStatus, can_transition};
use blockjob_jobs::verb::{JobVerb, verb_allowed};

fn main() {
    for from in JobStatus::ALL {
        let next = JobStatus::ALL
            .into_iter()
            .filter(|&to| can_transition(from, to));
        let next: Vec<_> = next.map(JobStatus::as_str).collect();
        println!("{:<10} -> {}", from.as_str(), next.join(", "));
    }
    println!();
    for verb in JobVerb::ALL {
        let states = JobStatus::ALL
            .into_iter()
            .filter(|&status| verb_allowed(verb, status));
        let states: Vec<_> = states.map(JobStatus::as_str).collect();
        println!("{:<9} is heard in: {}", verb.as_str(), states.join(", "));
    }
}

#[test]
fn it_runs() {
    main();
}

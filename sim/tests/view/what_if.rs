//! What would have come of it.

use blockjob_sim::case::{Case, WhatIf, WhatIfError};
use blockjob_sim::decide::{Dull, Random};
use blockjob_sim::run::Runner;

use super::support::{BUSY, record};

const LIMIT: usize = 100_000;

fn case(seed: u64) -> Case {
    let record = record(BUSY, seed);
    Case::new(&record.config, &record.log)
}

#[test]
fn all_before_the_decision_stays_and_the_other_option_is_taken() {
    let case = case(3);
    let before = record(BUSY, 3);
    for decision in [0, 7, before.log.len() as u64 - 1] {
        let was = before.log.get(decision as usize).expect("it is there");
        let chosen = (was.chosen + 1) % was.n;
        let other = WhatIf { decision, chosen };
        let after = case.what_if(&mut Runner::new(), other, Box::new(Dull), LIMIT);
        let after = after.expect("there is such a decision");
        let kept = decision as usize;
        assert!(before.log.iter().take(kept).eq(after.log.iter().take(kept)));
        assert_eq!(after.log.get(kept).map(|it| it.chosen), Some(chosen));
        assert!(
            after.log.iter().skip(kept + 1).all(|it| it.chosen == 0),
            "it is dull from there"
        );
        // What came of it is a run like others.
        let again = Case::new(&after.config, &after.log).replay(&mut Runner::new(), true);
        let again = again.expect("it has no bug");
        assert!(again.is_exact(), "{again}");
        assert_eq!(again.report.digest, after.report.digest);
    }
}

#[test]
fn whoever_goes_on_at_random_goes_by_his_seed() {
    let case = case(3);
    let other = WhatIf {
        decision: 5,
        chosen: 0,
    };
    let run = |seed| {
        let then = Box::new(Random::new(seed));
        let record = case.what_if(&mut Runner::new(), other, then, LIMIT);
        record.expect("there is such a decision").report.digest
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_decision_that_is_not_there_and_an_option_that_it_has_not_are_refused() {
    let case = case(3);
    let ask = |decision, chosen| {
        let other = WhatIf { decision, chosen };
        let error = case.what_if(&mut Runner::new(), other, Box::new(Dull), LIMIT);
        error.expect_err("there is no such thing")
    };
    let made = case.recording().len();
    assert_eq!(
        ask(made, 0),
        WhatIfError::NoDecision {
            decision: made,
            made
        }
    );
    let n = record(BUSY, 3).log.get(2).expect("it is there").n;
    assert_eq!(
        ask(2, n),
        WhatIfError::NoOption {
            decision: 2,
            chosen: n,
            n
        }
    );
    assert_eq!(
        ask(2, n).to_string(),
        format!("decision 2 has no option {n}: it has {n}, and the first one is 0")
    );
}

#[test]
fn a_log_whose_run_this_program_does_not_make_has_no_what_if() {
    // Another disk asks other questions.
    let log = record(BUSY, 3).log;
    let other = super::support::config("granules=9,deeds=2");
    let case = Case::new(&other, &log);
    let ask = |decision| {
        let other = WhatIf {
            decision,
            chosen: 0,
        };
        let answer = case.what_if(&mut Runner::new(), other, Box::new(Dull), LIMIT);
        answer.map(|record| record.log.len())
    };
    // The other run comes to this decision, but not by the way that the log says.
    let early = ask(30);
    assert!(matches!(early, Err(WhatIfError::Drifted(_))), "{early:?}");
    let last = ask(log.len() as u64 - 1);
    assert!(matches!(
        last,
        Err(WhatIfError::Drifted(_) | WhatIfError::NoDecision { .. })
    ));
}

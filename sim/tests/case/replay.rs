//! Cases made again.

use blockjob_sim::case::Case;
use blockjob_sim::decide::{BUILD, Drift, Random};
use blockjob_sim::run::Runner;

use super::mischief::{SMALL, config, failing, runner_with_rule};

#[test]
fn a_case_made_again_is_the_same_run() {
    let (mut runner, config) = (Runner::new(), config(SMALL));
    for seed in 0..20 {
        let report = runner.run(&config, Box::new(Random::new(seed)));
        let log = runner.decider().log();
        let case: Case = Case::new(&config, &log).to_string().parse().unwrap();
        let replayed = case
            .replay(&mut runner, true)
            .expect("no exhibit is needed");
        assert!(replayed.is_exact(), "{replayed}");
        assert_eq!(replayed.log, log);
        assert_eq!(replayed.report.digest, report.digest);
        assert_eq!(replayed.report.virtual_ns, report.virtual_ns);
        assert!(
            replayed
                .to_string()
                .contains("repeated exactly: no failure"),
            "{replayed}"
        );
    }
}

#[test]
fn a_failing_case_made_again_fails_like_that() {
    let (mut runner, config) = (runner_with_rule(640), config(SMALL));
    let (case, failure) = failing(&mut runner, &config);
    let replayed = case
        .replay(&mut runner, true)
        .expect("no exhibit is needed");
    assert_eq!(replayed.report.failure, Some(failure));
}

/// The log of one configuration with another.
fn drifting() -> (Runner, Case) {
    let (mut runner, told) = (runner_with_rule(640), config(SMALL));
    let (case, _) = failing(&mut runner, &told);
    let replayed = case
        .replay(&mut runner, true)
        .expect("no exhibit is needed");
    // One kind of requests less is one option less when the guest draws.
    let other = config("granules=4,depth=2,requests=8,deeds=2,verbs=query+drain");
    (runner, Case::new(&other, &replayed.log))
}

#[test]
fn a_strict_replay_that_drifts_says_where_and_is_broken_off() {
    let (mut runner, case) = drifting();
    let replayed = case
        .replay(&mut runner, true)
        .expect("no exhibit is needed");
    let Some(Drift::Question {
        at,
        expected,
        asked,
    }) = replayed.drift()
    else {
        panic!("{replayed}");
    };
    assert_ne!(expected, asked);
    assert!(replayed.report.failure.is_none(), "{replayed}");
    // The actor that asked acts to its end, and no other after it.
    assert!(
        replayed.report.decisions < at + 8,
        "{} after {at}",
        replayed.report.decisions
    );
    let text = replayed.to_string();
    let place = format!(
        "decision {at} was about {} with {} options",
        expected.0, expected.1
    );
    assert!(text.contains(&place), "{text}");
    assert!(
        text.contains(&format!("now is about {} with {}", asked.0, asked.1)),
        "{text}"
    );
    assert!(text.ends_with("nothing can be said of the case"), "{text}");
}

#[test]
fn a_lenient_replay_that_drifts_goes_on_to_the_end() {
    let (mut runner, case) = drifting();
    let strict = case
        .replay(&mut runner, true)
        .expect("no exhibit is needed");
    let lenient = case
        .replay(&mut runner, false)
        .expect("no exhibit is needed");
    assert_eq!(lenient.drift(), strict.drift());
    assert!(lenient.report.decisions > strict.report.decisions);
    assert!(lenient.report.steps > strict.report.steps);
}

/// The hash at the end of a line, as the module of recordings describes it.
fn fnv32(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[test]
fn a_case_of_another_build_says_so() {
    let (mut runner, config) = (Runner::new(), config(SMALL));
    runner.run(&config, Box::new(Random::new(1)));
    let line = Case::new(&config, &runner.decider().log()).to_string();
    let (text, _) = line.rsplit_once('.').expect("a hash stands at the end");
    let text = text.replace(&format!("{BUILD:016x}"), &format!("{:016x}", BUILD ^ 1));
    let case: Case = format!("{text}.{:08x}", fnv32(&text)).parse().unwrap();
    let replayed = case
        .replay(&mut runner, true)
        .expect("no exhibit is needed");
    assert_eq!(replayed.verdict.other_build, Some(BUILD ^ 1));
    assert!(
        replayed.to_string().starts_with("made by another build"),
        "{replayed}"
    );
    assert!(replayed.is_exact(), "{replayed}");
}

#[cfg(not(feature = "museum"))]
#[test]
fn a_case_with_an_exhibit_needs_the_museum() {
    let mut runner = Runner::new();
    let log = blockjob_sim::decide::Log::new();
    let case = Case::new(&config(""), &log).with_bug("MIR-02").unwrap();
    let refused = case
        .replay(&mut runner, true)
        .expect_err("there is no museum");
    assert!(
        refused
            .to_string()
            .contains("build with the feature 'museum'"),
        "{refused}"
    );
}

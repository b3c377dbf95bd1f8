//! What a decision costs; run by hand: `cargo test --release -p blockjob-sim --test decide --
//! --ignored --nocapture speed`.

use std::time::Duration;

use blockjob_runtime::decide::Decide;
use blockjob_sim::decide::{Decider, Random};

use crate::toy::{FAIL, STEP};

#[allow(clippy::disallowed_methods, reason = "a measurement of the real clock")]
fn timed(run: impl FnOnce()) -> Duration {
    let start = std::time::Instant::now();
    run();
    start.elapsed()
}

#[test]
#[ignore = "a measurement"]
fn speed_of_a_decision() {
    const RUNS: u64 = 1_000;
    const EACH: u64 = 10_000;
    let decider = Decider::new(Box::new(Random::new(0)));
    let mut sum = 0;
    let report = |what: &str, spent: Duration| {
        let nanoseconds = spent.as_secs_f64() * 1e9 / (RUNS * EACH) as f64;
        println!("{what:<40} {nanoseconds:.2} ns");
    };
    for round in 0..2 {
        let mut measure = |what: &str, ask: &dyn Fn(usize) -> usize| {
            let spent = timed(|| {
                for run in 0..RUNS {
                    decider.restart(Box::new(Random::new(run)));
                    for index in 0..EACH {
                        sum += ask(index as usize);
                    }
                }
            });
            if round == 1 {
                report(what, spent);
            }
        };
        measure("pick", &|index| decider.pick(&STEP, 2 + index % 16));
        measure("flip", &|_| usize::from(decider.flip(&FAIL, 16)));
        measure("decide_among", &|index| {
            decider.decide_among(&STEP, 2 + index % 16, &|who| who as u64)
        });
    }
    println!("(sum {sum})");
}

//! How fast worlds run: whole mirror jobs in a second, decisions in a second, and what each checker
//! costs. `cargo bench -p blockjob-sim` prints the table. The parts are measured in turns, several
//! times, because other work on the machine disturbs all of them alike; the medians are shown.

use std::process::ExitCode;

use blockjob_runtime::clock::{Clock, RealClock};
use blockjob_sim::check::{self, Checker};
use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;
use blockjob_sim::swarm::Scenario;

/// So many runs are measured at a time.
const RUNS: u64 = 200;
/// So often.
const ROUNDS: usize = 7;

/// One thing that is measured.
struct Contender {
    name: String,
    config: Config,
    runner: Runner,
    took_ns: Vec<u64>,
    decisions: u64,
}

impl Contender {
    fn new(name: &str, config: &Config, checkers: Vec<Box<dyn Checker>>) -> Contender {
        Contender {
            name: name.to_owned(),
            config: config.clone(),
            runner: Runner::with_checkers(checkers),
            took_ns: Vec::new(),
            decisions: 0,
        }
    }

    /// Runs a batch; false if a run failed.
    fn round(&mut self, clock: &RealClock) -> bool {
        let began_ns = clock.now_ns();
        self.decisions = 0;
        for seed in 0..RUNS {
            let report = self.runner.run(&self.config, Box::new(Random::new(seed)));
            self.decisions += report.decisions;
            if let Some(failure) = report.failure {
                println!("{}: seed {seed}: {failure}", self.name);
                return false;
            }
        }
        self.took_ns.push(clock.now_ns() - began_ns);
        true
    }

    /// Nanoseconds a run: the median.
    fn run_ns(&self) -> f64 {
        let mut sorted = self.took_ns.clone();
        sorted.sort_unstable();
        sorted[sorted.len() / 2] as f64 / RUNS as f64
    }
}

fn without(rule: Rule) -> Vec<Box<dyn Checker>> {
    let all = check::all().into_iter();
    all.filter(|checker| checker.rule() != rule).collect()
}

fn main() -> ExitCode {
    // `cargo test --benches` only wants to see that it runs.
    let rounds = if std::env::args().any(|word| word == "--bench") {
        ROUNDS
    } else {
        1
    };
    let scenario = Scenario::built_in("bench").expect("it comes with the program");
    let config = scenario.draw(0).expect("it can be drawn");
    // As QEMU's defaults have it: sixteen granules of 64 KiB are one copy of 1 MiB, and the buffer holds
    // sixteen of those.
    let wide = Config::parse(&format!("{config},maxio=16,buf=256")).expect("it goes together");
    let mut contenders = vec![
        Contender::new("all checkers", &config, check::all()),
        Contender::new("no checkers", &config, Vec::new()),
        Contender::new("all checkers, copies of 16 granules", &wide, check::all()),
    ];
    for checker in check::all() {
        let rule = checker.rule();
        contenders.push(Contender::new(
            &format!("all but {rule}"),
            &config,
            without(rule),
        ));
    }
    let clock = RealClock::new();
    for _ in 0..rounds {
        for contender in &mut contenders {
            if !contender.round(&clock) {
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{config}");
    println!(
        "{:<38} {:>9} {:>9} {:>12} {:>9}",
        "", "us a run", "runs/s", "decisions/s", "costs us"
    );
    let all_ns = contenders[0].run_ns();
    for (index, contender) in contenders.iter().enumerate() {
        let run_ns = contender.run_ns();
        let decisions = contender.decisions as f64 / RUNS as f64;
        let cost = match index {
            0..=2 => String::new(),
            _ => format!("{:.1}", (all_ns - run_ns) / 1e3),
        };
        println!(
            "{:<38} {:>9.1} {:>9.0} {:>12.0} {cost:>9}",
            contender.name,
            run_ns / 1e3,
            1e9 / run_ns,
            decisions * 1e9 / run_ns,
        );
    }
    ExitCode::SUCCESS
}

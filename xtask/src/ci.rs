//! `cargo xtask ci`: what a submission must pass, stopping at the first failure.

use std::process::Command;

use crate::Failure;
use crate::book;
use crate::clock::Stopwatch;
use crate::suites::{self, heading};
use crate::tree;

/// Runs the steps in order and prints what each took. False when one of them failed; an error
/// when a tool could not be started.
pub(crate) fn run() -> Result<bool, Failure> {
    let mut times = Vec::new();
    for (name, mut command) in steps() {
        heading(&format!("{name}: {}", spelled(&command)));
        let watch = Stopwatch::start();
        let good = command.status()?.success();
        times.push((name, watch.seconds()));
        if !good {
            print_times(&times);
            println!("{name} failed");
            return Ok(false);
        }
    }

    heading("book: cargo xtask book --test");
    let watch = Stopwatch::start();
    let good = book::test()?;
    times.push(("book", watch.seconds()));
    if !good {
        print_times(&times);
        println!("book failed");
        return Ok(false);
    }

    heading("tests: cargo xtask test");
    let watch = Stopwatch::start();
    let report = suites::run(false)?;
    times.push(("tests", watch.seconds()));
    print_times(&times);
    println!("{}", report.closing_line());
    Ok(report.is_good())
}

/// The checks before the tests, cheapest first.
fn steps() -> Vec<(&'static str, Command)> {
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    let mut docs = tree::cargo(["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        ("formatting", tree::cargo(["fmt", "--all", "--check"])),
        ("lints", tree::cargo(clippy)),
        ("documentation", docs),
    ]
}

/// The command as a person would type it.
fn spelled(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={:?}", name.to_str()?, value?)));
    let words = command.get_args().map(|word| word.display().to_string());
    let mut all: Vec<String> = variables.collect();
    all.push("cargo".into());
    all.extend(words);
    all.join(" ")
}

fn print_times(times: &[(&str, f64)]) {
    heading("times");
    for (name, seconds) in times {
        println!("{name:<28} {seconds:>8.1} s");
    }
}

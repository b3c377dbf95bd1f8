//! `cargo xtask tsan`: the tests with real threads under ThreadSanitizer.
//!
//! The sanitizer needs a nightly compiler, and to see everything it needs a standard library that was
//! compiled with it, which needs the library's sources. Without them, the library's locks are
//! invisible and everything that they order looks like a race. So this builds the engine with
//! `--cfg blockjob_tsan`, in which the seam for threads (`runtime/src/sync.rs`) has locks that are
//! compiled with the program, and passes over the few places that are left (`tsan.supp`).

use std::process::{Command, Output, Stdio};

use crate::Failure;
use crate::clock::Stopwatch;
use crate::suites::heading;
use crate::tree;

/// The test programs in which real threads meet: the package, and the program.
const PROGRAMS: &[(&str, &str)] = &[
    ("blockjob-runtime", "iothread"),
    ("blockjob-runtime", "aio"),
    ("blockjob-runtime", "co_lock"),
    ("blockjob-runtime", "lane"),
    ("blockjob-runtime", "thread_pool"),
    ("blockjob-block", "moving"),
    ("blockjob-jobs", "moving"),
    ("blockjob-jobs", "hop"),
];

/// How long the drill of loom-tests runs, with how many I/O threads: whole mirrors, guests, moves.
const DRILL: [&str; 5] = ["soak", "--seconds", "60", "--iothreads", "3"];

/// Tests whose names have this in them use another event loop, which the library's own `OnceLock` guards.
const SKIPPED: &str = "async_io";

/// The one target that the sanitizer's library is there for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What the sanitizer prints once a race.
const REPORT: &str = "WARNING: ThreadSanitizer";

/// Runs the programs and prints the table. False if a race was reported or a test failed.
pub(crate) fn run() -> Result<bool, Failure> {
    let mut rows = Vec::new();
    for (package, program) in PROGRAMS {
        heading(&format!("{package}: {program}"));
        rows.push(run_one(package, program)?);
    }
    heading("blockjob-loom-tests: drill");
    rows.push(run_drill()?);
    heading("ThreadSanitizer");
    println!(
        "{:<32} {:>6} {:>7} {:>8}",
        "program", "tests", "races", "seconds"
    );
    let mut good = true;
    for row in &rows {
        println!(
            "{:<32} {:>6} {:>7} {:>8.1}",
            row.name, row.tests, row.races, row.seconds
        );
        good &= row.is_good();
    }
    Ok(good)
}

struct Row {
    name: String,
    tests: u64,
    races: usize,
    success: bool,
    seconds: f64,
}

impl Row {
    /// Of a program that has ended. What it said is shown if it was not what it should be.
    fn of(name: String, tests: u64, output: &Output, seconds: f64) -> Self {
        let out = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let races = errors.matches(REPORT).count() + out.matches(REPORT).count();
        if races > 0 || !output.status.success() {
            print!("{out}");
            eprint!("{errors}");
        }
        Self {
            name,
            tests,
            races,
            success: output.status.success(),
            seconds,
        }
    }

    /// A program without tests proves nothing.
    fn is_good(&self) -> bool {
        self.success && self.races == 0 && self.tests > 0
    }
}

/// The tests of one program.
fn run_one(package: &str, program: &str) -> Result<Row, Failure> {
    let words = ["test", "--package", package, "--test", program];
    let mut command = sanitized(&words);
    command.args(["--", "--skip", SKIPPED]);
    let (output, seconds) = run_and_time(command)?;
    let out = String::from_utf8_lossy(&output.stdout);
    let mut counts = crate::counts::Counts::default();
    out.lines().for_each(|line| counts.read_line(line));
    Ok(Row::of(
        format!("{package} {program}"),
        counts.passed,
        &output,
        seconds,
    ))
}

/// The drill on real threads, which counts as one test.
fn run_drill() -> Result<Row, Failure> {
    let package = "blockjob-loom-tests";
    let mut command = sanitized(&["run", "--package", package, "--bin", "drill"]);
    command.arg("--").args(DRILL);
    let (output, seconds) = run_and_time(command)?;
    let tests = u64::from(output.status.success());
    Ok(Row::of(format!("{package} drill"), tests, &output, seconds))
}

/// Cargo with these words, for code that the sanitizer sees.
fn sanitized(words: &[&str]) -> Command {
    let suppressions = tree::root().join("xtask/tsan.supp");
    let mut command = Command::new("cargo");
    command
        .arg("+nightly")
        .args(words)
        .args(["--target", TARGET])
        .current_dir(tree::root())
        // Those of the compiler that runs this task would reach the other one.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC")
        .env_remove("RUSTDOC")
        .env_remove("CARGO")
        .env(
            "RUSTFLAGS",
            "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg blockjob_tsan",
        )
        .env(
            "TSAN_OPTIONS",
            format!("suppressions={}", suppressions.display()),
        )
        .env("CARGO_TARGET_DIR", tree::target_dir().join("tsan"))
        // A panic that a test expects is printed under a lock of the library's.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}

fn run_and_time(mut command: Command) -> Result<(Output, f64), Failure> {
    let watch = Stopwatch::start();
    let output = command.output()?;
    Ok((output, watch.seconds()))
}

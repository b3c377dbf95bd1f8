//! `cargo xtask test`: every suite of the workspace, one after another, and their counts.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::Failure;
use crate::counts::Counts;
use crate::drill;
use crate::labs;
use crate::loom;
use crate::page;
use crate::tree;

/// The crates whose code loom and shuttle can run, with their types in place of std's.
const MODEL_CRATES: [&str; 3] = ["blockjob-runtime", "blockjob-block", "blockjob-jobs"];

/// The outcome of all suites that ran.
pub(crate) struct Report {
    suites: Vec<Suite>,
}

struct Suite {
    name: &'static str,
    counts: Counts,
    /// A suite that shrinks to nothing must fail, else nobody notices that it no longer runs.
    must_not_be_empty: bool,
}

impl Suite {
    fn is_good(&self) -> bool {
        self.counts.failed == 0 && !self.is_wrongly_empty()
    }

    fn is_wrongly_empty(&self) -> bool {
        self.must_not_be_empty && self.counts.passed == 0
    }
}

impl Report {
    /// Whether every suite passed and none that must have tests is empty.
    pub(crate) fn is_good(&self) -> bool {
        self.suites.iter().all(Suite::is_good)
    }

    /// `N passed, N failed`, to be printed last and alone on its line. A suite that is empty
    /// and must not be counts as one failure.
    pub(crate) fn closing_line(&self) -> String {
        let sum = self
            .suites
            .iter()
            .fold(Counts::default(), |sum, suite| sum.plus(suite.counts));
        let empty = self.suites.iter().filter(|s| s.is_wrongly_empty()).count() as u64;
        format!("{} passed, {} failed", sum.passed, sum.failed + empty)
    }

    fn print_summary(&self) {
        heading("summary");
        for Suite { name, counts, .. } in &self.suites {
            print!(
                "{name:<28} {:>6} passed {:>4} failed",
                counts.passed, counts.failed
            );
            if counts.ignored > 0 {
                print!(" {:>4} ignored", counts.ignored);
            }
            println!();
        }
        for suite in self.suites.iter().filter(|suite| suite.is_wrongly_empty()) {
            println!("{}: none passed, and there must be some", suite.name);
        }
    }
}

/// So many schedules of the drill take seconds; by hand there are 100,000.
const SCHEDULES: u64 = 4_000;

/// Runs all suites, goes on after one that fails, and prints the summary. `quick` leaves out
/// the type checks. An error means that cargo could not be started.
pub(crate) fn run(quick: bool) -> Result<Report, Failure> {
    let mut suites = vec![
        test_suite("unit and integration tests", "--tests")?,
        test_suite("doc tests", "--doc")?,
    ];
    if !quick {
        suites.push(simulated_runs()?);
        suites.push(museum_tests()?);
        suites.push(museum()?);
        suites.extend(page_tests()?);
        suites.push(labs_suite()?);
        suites.push(loom_models()?);
        suites.push(shuttle_schedules()?);
        suites.push(type_check("loom type check", "loom")?);
        suites.push(type_check("shuttle type check", "shuttle")?);
    }
    let report = Report { suites };
    report.print_summary();
    Ok(report)
}

/// Prints a heading that stands out between the output of other programs.
pub(crate) fn heading(text: &str) {
    println!("\n== {text}");
}

/// Runs one half of `cargo test --workspace`. The halves are apart because the programs' closing
/// lines do not say which of them are doc tests.
fn test_suite(name: &'static str, half: &str) -> Result<Suite, Failure> {
    let words = ["test", "--workspace", half, "--no-fail-fast"];
    heading(&format!("{name}: cargo {}", words.join(" ")));
    let counts = run_counting(&mut tree::cargo(words))?;
    Ok(Suite {
        name,
        counts,
        must_not_be_empty: true,
    })
}

/// The program as it simulates: with every assertion, and quick enough.
fn simulator(features: &[&str], words: &[&str]) -> Command {
    let mut all = vec!["run", "--quiet", "--profile", "simulation"];
    all.extend(features);
    all.extend(["--", "sim"]);
    all.extend(words);
    heading(&format!("cargo {}", all.join(" ")));
    tree::cargo(all)
}

/// Sweeps through the shipped code: random seeds of everything that can be drawn, with every mark of
/// the engine hit; each seed twice; every schedule of the smallest mirror; mirrors of qcow2 images; and
/// mirrors of disks in a context of their own. Each counts as one.
fn simulated_runs() -> Result<Suite, Failure> {
    let sweeps: [&[&str]; 5] = [
        &["run", "--seeds", "0..20000", "--all-marks", "--jobs", "2"],
        &["run", "--seeds", "0..1000", "--check-determinism"],
        &["run", "--scenario", "tiny", "--policy", "exhaustive"],
        &[
            "run",
            "--scenario",
            "qcow2",
            "--seeds",
            "0..3000",
            "--jobs",
            "2",
        ],
        &[
            "run",
            "--scenario",
            "iothread",
            "--seeds",
            "0..3000",
            "--jobs",
            "2",
        ],
    ];
    let mut counts = Counts::default();
    for words in sweeps {
        let good = simulator(&[], words).status()?.success();
        counts.passed += u64::from(good);
        counts.failed += u64::from(!good);
    }
    Ok(Suite {
        name: "simulated runs",
        counts,
        must_not_be_empty: true,
    })
}

/// The tests of QEMU's historical bugs: that properties find theirs, and that cases of the others
/// shrink and can be told.
fn museum_tests() -> Result<Suite, Failure> {
    let words = [
        "test",
        "-p",
        "blockjob-runtime",
        "-p",
        "blockjob-block",
        "-p",
        "blockjob-sim",
        "--features",
        "blockjob-sim/museum",
        "--test",
        "museum",
        "--test",
        "co_lock",
        "--test",
        "hbitmap",
        "--test",
        "case",
        "--no-fail-fast",
    ];
    heading(&format!("museum tests: cargo {}", words.join(" ")));
    let counts = run_counting(&mut tree::cargo(words))?;
    Ok(Suite {
        name: "museum tests",
        counts,
        must_not_be_empty: true,
    })
}

/// The museum: each exhibit that is found, and not found without its bug, counts as one.
fn museum() -> Result<Suite, Failure> {
    let mut command = simulator(&["--features", "museum"], &["museum"]);
    let output = command.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let mut counts = exhibits(&text);
    if !output.status.success() && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(Suite {
        name: "museum exhibits",
        counts,
        must_not_be_empty: true,
    })
}

/// Reads `20 of 21 exhibits found`.
fn exhibits(text: &str) -> Counts {
    let numbers = text.lines().rev().find_map(|line| {
        let (found, rest) = line.split_once(" of ")?;
        let all = rest.split_once(" exhibits found")?.0;
        Some((found.parse().ok()?, all.parse().ok()?))
    });
    let (passed, all): (u64, u64) = numbers.unwrap_or_default();
    Counts {
        passed,
        failed: all.saturating_sub(passed),
        ignored: 0,
    }
}

/// The page that shows a run. Where node or Chromium is missing nothing of it may pass, unless this is CI.
fn page_tests() -> Result<Vec<Suite>, Failure> {
    let halves = page::run()?.into_iter().map(|half| Suite {
        name: half.name,
        counts: half.counts,
        must_not_be_empty: half.counts.ignored == 0 || page::is_strict(),
    });
    Ok(halves.collect())
}

/// The labs: each whose solution passes, and whose wrong one fails with its sentence, counts as one.
fn labs_suite() -> Result<Suite, Failure> {
    Ok(Suite {
        name: "labs",
        counts: labs::run()?,
        must_not_be_empty: true,
    })
}

/// The models of what crosses threads, and the historical bugs that they find; each counts as one.
fn loom_models() -> Result<Suite, Failure> {
    Ok(Suite {
        name: "loom models",
        counts: loom::run(loom::Scope::All, loom::Depth::Shipped)?,
        must_not_be_empty: true,
    })
}

/// The drill in turns that seeds give: fewer of them than by hand, and the same exhibits.
fn shuttle_schedules() -> Result<Suite, Failure> {
    Ok(Suite {
        name: "shuttle schedules",
        counts: drill::run(SCHEDULES, 1)?,
        must_not_be_empty: true,
    })
}

/// Checks that the crates compile with the types of loom or shuttle; it counts as one.
fn type_check(name: &'static str, tool: &str) -> Result<Suite, Failure> {
    let mut words = vec!["check"];
    for package in MODEL_CRATES {
        words.extend(["-p", package]);
    }
    let flags = format!("--cfg blockjob_{tool}");
    heading(&format!(
        "{name}: RUSTFLAGS=\"{flags}\" cargo {}",
        words.join(" ")
    ));
    let success = tree::cargo(words)
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", tree::target_dir().join(tool))
        .status()?
        .success();
    let counts = Counts {
        passed: u64::from(success),
        ..Counts::default()
    };
    Ok(Suite {
        name,
        counts: counts.with_exit(success),
        must_not_be_empty: false,
    })
}

/// Runs a command, passes its output on line by line, and counts the tests in it.
fn run_counting(command: &mut Command) -> Result<Counts, Failure> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let output = child
        .stdout
        .take()
        .expect("the child's output was asked for as a pipe");
    let mut counts = Counts::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counts.read_line(&line);
    }
    Ok(counts.with_exit(child.wait()?.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(passed: u64, failed: u64, must_not_be_empty: bool) -> Suite {
        let counts = Counts {
            passed,
            failed,
            ignored: 0,
        };
        Suite {
            name: "a suite",
            counts,
            must_not_be_empty,
        }
    }

    #[test]
    fn the_closing_line_adds_all_suites() {
        let report = Report {
            suites: vec![suite(7, 0, true), suite(2, 0, true)],
        };
        assert_eq!(report.closing_line(), "9 passed, 0 failed");
        assert!(report.is_good());
    }

    #[test]
    fn a_suite_without_tests_fails_the_run() {
        let report = Report {
            suites: vec![suite(7, 0, true), suite(0, 0, true)],
        };
        assert_eq!(report.closing_line(), "7 passed, 1 failed");
        assert!(!report.is_good());
    }

    #[test]
    fn exhibits_that_were_not_found_fail() {
        let text = "MIR-02 ...\n\n20 of 21 exhibits found, and nothing without them\n";
        let counts = exhibits(text);
        assert_eq!((counts.passed, counts.failed), (20, 1));
        assert_eq!(exhibits("it was broken off").passed, 0);
    }

    #[test]
    fn a_command_that_fails_is_counted_though_it_prints_no_result() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'test result: ok. 2 passed; 0 failed'; exit 3"]);
        let counts = run_counting(&mut command).expect("sh runs");
        assert_eq!((counts.passed, counts.failed), (2, 1));
    }
}

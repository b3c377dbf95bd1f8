//! `cargo xtask page`: the tests of the page that shows a run, under node and in Chromium.
//!
//! The page is plain JavaScript in `sim/page`. Its modules are tested under node alone; the whole page in a
//! real browser, with pages and a server of the program, which is built with the museum for that.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;
use crate::counts::Counts;
use crate::suites::heading;
use crate::tree;

/// What one half of the tests gave, under the name that the summary has for it.
pub(crate) struct Half {
    pub(crate) name: &'static str,
    pub(crate) counts: Counts,
}

/// Whether this run has to prove everything: then a tool that is missing is a failure.
pub(crate) fn is_strict() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}

/// Runs both halves. What cannot run, because node or Chromium is missing, is said and counts as one that
/// was ignored.
///
/// # Errors
///
/// If `CI` is `true` and a tool is missing, or if the packages of the tests cannot be installed.
pub(crate) fn run() -> Result<Vec<Half>, Failure> {
    let modules = "page modules (node)";
    let browser = "page (Chromium)";
    if !answers("node") || !answers("npm") {
        let skipped = skip("node and npm are missing: the page is not tested")?;
        return Ok([modules, browser]
            .map(|name| Half {
                name,
                counts: skipped,
            })
            .into());
    }
    install()?;
    heading("page modules: node --test sim/page/tests/*.test.js");
    let mut halves = vec![Half {
        name: modules,
        counts: node_tests(&files("tests", ".test.js")?, None)?,
    }];
    let chromium = chromium();
    let counts = if chromium.exists() {
        in_browser(&chromium)?
    } else {
        let path = chromium.display();
        skip(&format!(
            "there is no Chromium at {path}: the page is not tested in a browser. \
             BLOCKJOB_CHROMIUM names another one"
        ))?
    };
    halves.push(Half {
        name: browser,
        counts,
    });
    Ok(halves)
}

/// Tests of pages that others have made, in the same browser and with the same packages.
///
/// # Errors
///
/// If `CI` is `true` and a tool is missing, or if the packages of the tests cannot be installed.
pub(crate) fn of_others(files: &[PathBuf]) -> Result<Counts, Failure> {
    let chromium = chromium();
    if !answers("node") || !answers("npm") || !chromium.exists() {
        return skip("node, npm or Chromium is missing: the pages are not tested in a browser");
    }
    install()?;
    node_tests(files, Some(&chromium))
}

/// The task: both halves, with one line that sums them up.
pub(crate) fn task() -> Result<bool, Failure> {
    let sum = run()?
        .iter()
        .fold(Counts::default(), |sum, half| sum.plus(half.counts));
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(sum.failed == 0 && (sum.passed > 0 || !is_strict()))
}

fn skip(why: &str) -> Result<Counts, Failure> {
    if is_strict() {
        return Err(format!("{why}; with CI=true that is a failure").into());
    }
    println!("{why}");
    Ok(Counts {
        ignored: 1,
        ..Counts::default()
    })
}

fn folder() -> PathBuf {
    tree::root().join("sim/page")
}

fn chromium() -> PathBuf {
    env::var_os("BLOCKJOB_CHROMIUM").map_or_else(|| "/usr/bin/chromium".into(), PathBuf::from)
}

fn answers(tool: &str) -> bool {
    let mut command = Command::new(tool);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The tests' own packages, which are no part of the page: the browser's remote control and axe.
fn install() -> Result<(), Failure> {
    if folder().join("node_modules").is_dir() {
        return Ok(());
    }
    heading("npm ci");
    let status = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(folder())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("npm ci has failed in sim/page".into())
    }
}

fn in_browser(chromium: &Path) -> Result<Counts, Failure> {
    let build = [
        "build",
        "--profile",
        "simulation",
        "--package",
        "blockjob",
        "--features",
        "museum",
    ];
    heading(&format!("cargo {}", build.join(" ")));
    if !tree::cargo(build).status()?.success() {
        return Ok(Counts::default().with_exit(false));
    }
    heading("page: node --test sim/page/browser/*.test.mjs");
    node_tests(&files("browser", ".test.mjs")?, Some(chromium))
}

/// The files of a folder of the page that end so, in order.
fn files(folder_name: &str, ending: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in folder().join(folder_name).read_dir()? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs node's tests, prints what they print, and counts them.
fn node_tests(files: &[PathBuf], chromium: Option<&Path>) -> Result<Counts, Failure> {
    let mut command = Command::new("node");
    command.args(["--test", "--test-reporter", "tap"]);
    if let Some(chromium) = chromium {
        // One browser at a time: they take both memory and processors.
        command.arg("--test-concurrency=1");
        command.env("BLOCKJOB_CHROMIUM", chromium);
        command.env(
            "BLOCKJOB_PROGRAM",
            tree::target_dir().join("simulation/blockjob"),
        );
        command.env("BLOCKJOB_BOOK", tree::target_dir().join("book"));
    }
    let output = command
        .args(files)
        .current_dir(folder())
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{}", without_details(&text));
    let counts = read(&text).with_exit(output.status.success());
    println!(
        "test result: {}. {} passed; {} failed; {} ignored",
        if counts.failed == 0 { "ok" } else { "FAILED" },
        counts.passed,
        counts.failed,
        counts.ignored
    );
    Ok(counts)
}

/// The lines that one reads: of a test that passed its name, of one that failed everything.
fn without_details(tap: &str) -> String {
    let mut shown = String::new();
    let mut failed = false;
    for line in tap.lines() {
        if line.starts_with("ok ") {
            failed = false;
        } else if line.starts_with("not ok ") {
            failed = true;
        } else if line.starts_with('#') || !failed {
            continue;
        }
        shown.push_str(line);
        shown.push('\n');
    }
    shown
}

/// Reads the closing lines of node's tests: `# pass 12`, `# fail 0`, `# skipped 1`.
fn read(tap: &str) -> Counts {
    let number = |word: &str| {
        let line = tap.lines().rev().find_map(|line| line.strip_prefix(word));
        line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
    };
    Counts {
        passed: number("# pass "),
        failed: number("# fail ") + number("# cancelled "),
        ignored: number("# skipped ") + number("# todo "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAP: &str = "TAP version 13\n# Subtest: one\nok 1 - one\n  ---\n  duration_ms: 1\n  ...\n\
        # Subtest: two\nnot ok 2 - two\n  ---\n  error: 'why'\n  ...\n1..2\n# tests 2\n# pass 1\n\
        # fail 1\n# cancelled 0\n# skipped 0\n# todo 0\n";

    #[test]
    fn the_closing_lines_of_node_are_counted() {
        let counts = read(TAP);
        assert_eq!((counts.passed, counts.failed, counts.ignored), (1, 1, 0));
    }

    #[test]
    fn output_without_closing_lines_counts_nothing_and_fails_by_its_exit() {
        let counts = read("node: bad option").with_exit(false);
        assert_eq!((counts.passed, counts.failed), (0, 1));
    }

    #[test]
    fn of_a_test_that_failed_everything_is_shown() {
        let shown = without_details(TAP);
        assert!(shown.contains("ok 1 - one\nnot ok 2 - two"));
        assert!(shown.contains("error: 'why'"));
        assert!(!shown.contains("duration_ms"));
    }
}

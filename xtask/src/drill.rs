//! `cargo xtask shuttle` and `cargo xtask soak`: the drill of loom-tests, in turns that a seed gives, and on
//! real threads.
//!
//! Each policy runs in a process of its own, because a run that fails cannot be left otherwise. The program
//! prints a line a policy, which is read here.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;

use crate::Failure;
use crate::clock::side_by_side;
use crate::counts::Counts;
use crate::suites::heading;
use crate::tree;

/// As the simulated runs are built: quick, and with every assertion.
const PROFILE: &str = "simulation";

/// How turns are given.
const POLICIES: [&str; 2] = ["random", "pct3"];

/// After so many schedules of a policy an exhibit is given up.
const PATIENCE: u64 = 20_000;

/// Exhibits that are for another tool to find, and that a drill finds as well.
const ALSO: [&str; 11] = [
    "MIR-02", "MIR-03", "MIR-05", "MIR-08", "MIR-10", "DRN-01", "DRN-09", "JOB-05", "AIO-05",
    "HZ-01", "HZ-03",
];

/// What `cargo xtask shuttle` can be told.
#[derive(Args)]
pub(crate) struct ShuttleOptions {
    /// How many schedules, half of them in random order and half by PCT.
    #[arg(long, default_value_t = 100_000)]
    schedules: u64,
    /// What the first one is made of.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One of them again, as a failure prints it: `pct3:17`.
    #[arg(long)]
    case: Option<String>,
    /// With this historical bug.
    #[arg(long)]
    bug: Option<String>,
}

/// What `cargo xtask soak` can be told.
#[derive(Args)]
pub(crate) struct SoakOptions {
    /// How long, in seconds.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Threads besides the main one.
    #[arg(long, default_value_t = 4)]
    iothreads: usize,
    /// What the first drill is made of.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Soaks; false if something was found.
pub(crate) fn soak(options: &SoakOptions) -> Result<bool, Failure> {
    let program = build("", &[])?;
    let mut command = Command::new(program);
    command.arg("soak");
    command.args(["--seconds", &options.seconds.to_string()]);
    command.args(["--iothreads", &options.iothreads.to_string()]);
    command.args(["--seed", &options.seed.to_string()]);
    Ok(command.status()?.success())
}

/// Runs schedules, those that are kept, and the museum; false if something was found.
pub(crate) fn shuttle(options: &ShuttleOptions) -> Result<bool, Failure> {
    if options.case.is_some() || options.bug.is_some() {
        return one(options);
    }
    let counts = run(options.schedules, options.seed)?;
    println!("{} passed, {} failed", counts.passed, counts.failed);
    Ok(counts.failed == 0 && counts.passed > 0)
}

/// One case again, or one bug.
fn one(options: &ShuttleOptions) -> Result<bool, Failure> {
    let features: &[&str] = match options.bug {
        Some(_) => &["museum"],
        None => &[],
    };
    let mut command = Command::new(build("--cfg blockjob_shuttle", features)?);
    command.arg("shuttle");
    match &options.case {
        Some(case) => command.args(["--case", case]),
        None => command.args(["--schedules", &options.schedules.to_string()]),
    };
    if let Some(bug) = &options.bug {
        command.args(["--bug", bug]);
    }
    Ok(command.status()?.success())
}

/// All of it; each policy, each kept case and each exhibit counts as one.
pub(crate) fn run(schedules: u64, seed: u64) -> Result<Counts, Failure> {
    heading("the drill under shuttle");
    let program = build("--cfg blockjob_shuttle", &[])?;
    let mut counts = found(&program)?;
    let (each, seed) = ((schedules / 2).to_string(), seed.to_string());
    let jobs = POLICIES.map(|policy| {
        let mut command = Command::new(&program);
        command.args(["shuttle", "--policy", policy]);
        command.args(["--schedules", &each, "--seed", &seed]);
        move || command.stderr(Stdio::piped()).output()
    });
    println!(
        "{:<8} {:>9} {:>8}  seeds from {seed} on",
        "policy", "schedules", "seconds"
    );
    for (policy, output) in POLICIES.iter().zip(side_by_side(2, jobs.into())) {
        let output = output?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().rev().find_map(Line::read);
        match line {
            Some(Line {
                runs,
                seconds,
                fails: None,
            }) if runs > 0 => {
                counts.passed += 1;
                println!("{policy:<8} {runs:>9} {seconds:>8.1}");
                let done = text.lines().next().unwrap_or_default();
                println!("         {done}");
            }
            _ => {
                counts.failed += 1;
                eprint!("{}", String::from_utf8_lossy(&output.stderr));
                println!("{policy} fails: {text}");
            }
        }
    }
    Ok(counts.plus(museum()?))
}

/// Those that once failed hold.
fn found(program: &PathBuf) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    let folder = tree::root().join("loom-tests/found");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == "txt"));
    files.sort();
    for file in files {
        let status = Command::new(program)
            .arg("found")
            .arg(&file)
            .stdout(Stdio::null())
            .status()?;
        counts.passed += u64::from(status.success());
        counts.failed += u64::from(!status.success());
    }
    println!(
        "{} kept cases hold, {} do not",
        counts.passed, counts.failed
    );
    Ok(counts)
}

/// The historical bugs: each is found, by the first policy that does, in runs that hold without it.
fn museum() -> Result<Counts, Failure> {
    heading("museum exhibits under shuttle");
    let clean = build("--cfg blockjob_shuttle", &[])?;
    let program = build("--cfg blockjob_shuttle", &["museum"])?;
    let exhibits = Command::new(&program).arg("exhibits").output()?;
    let exhibits = String::from_utf8(exhibits.stdout)?;
    let marked = exhibits.lines().filter_map(|line| line.split_once(' '));
    let ids = marked.map(|(id, _)| id).chain(ALSO);
    println!(
        "{:<8} {:<8} {:>9} {:>8}  what it breaks",
        "exhibit", "policy", "found by", "seconds"
    );
    let mut counts = Counts::default();
    for id in ids {
        for policy in POLICIES {
            let with = search(&program, policy, PATIENCE, Some(id))?;
            let Some((case, why)) = with.fails else {
                counts.failed += 1;
                println!(
                    "{id:<8} {policy:<8} {:>9} {:>8.1}  not found",
                    "-", with.seconds
                );
                continue;
            };
            let without = search(&clean, policy, with.runs, None)?;
            let holds = without.fails.is_none() && without.runs == with.runs;
            counts.passed += u64::from(holds);
            counts.failed += u64::from(!holds);
            let (runs, seconds) = (with.runs, with.seconds);
            println!("{id:<8} {policy:<8} {runs:>9} {seconds:>8.1}  {case} {why}");
            if !holds {
                println!("{id:<8} {policy:<8} fails without the bug as well");
            }
        }
    }
    Ok(counts)
}

/// Runs schedules until one fails.
fn search(
    program: &PathBuf,
    policy: &str,
    schedules: u64,
    bug: Option<&str>,
) -> Result<Line, Failure> {
    let mut command = Command::new(program);
    command.args(["shuttle", "--print", "no", "--policy", policy]);
    command.args(["--schedules", &schedules.to_string()]);
    if let Some(bug) = bug {
        command.args(["--bug", bug]);
    }
    let output = command.stderr(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rev().find_map(Line::read);
    let died = || {
        format!(
            "the drill died: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into()
    };
    line.ok_or_else(died)
}

/// `POLICY RUNS SECONDS holds`, or `POLICY RUNS SECONDS fails CASE WHY`, the last line that is printed.
struct Line {
    runs: u64,
    seconds: f64,
    fails: Option<(String, String)>,
}

impl Line {
    fn read(line: &str) -> Option<Line> {
        let mut words = line.splitn(4, ' ').skip(1);
        let runs = words.next()?.parse().ok()?;
        let seconds = words.next()?.parse().ok()?;
        let verdict = words.next()?;
        let fails = verdict.strip_prefix("fails ");
        let fails = match fails {
            Some(how) => how
                .split_once(' ')
                .map(|(case, why)| (case.to_owned(), why.to_owned())),
            None if verdict == "holds" => None,
            None => return None,
        };
        Some(Line {
            runs,
            seconds,
            fails,
        })
    }
}

/// Builds the program for a life. It is kept under a name of its own, because that with other features
/// has the same.
fn build(cfg: &str, features: &[&str]) -> Result<PathBuf, Failure> {
    let target = tree::target_dir().join(if cfg.is_empty() { "soak" } else { "shuttle" });
    let mut command = tree::cargo(["build", "--quiet", "--bin", "drill"]);
    command.args(["-p", "blockjob-loom-tests", "--profile", PROFILE]);
    if !features.is_empty() {
        command.args(["--features", &features.join(",")]);
    }
    command
        .env("RUSTFLAGS", cfg)
        .env("CARGO_TARGET_DIR", &target);
    if !command.status()?.success() {
        return Err("the drill does not compile".into());
    }
    let built = target.join(PROFILE).join("drill");
    let path = built.with_file_name(format!("drill-of-{}", features.join("-")));
    std::fs::copy(built, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_about_a_policy_is_read() {
        let line =
            Line::read("pct3 315 4.2 fails pct3:315 DRAIN: a request begins").expect("a line");
        let (case, why) = line.fails.expect("it fails");
        assert_eq!((line.runs, &*case), (315, "pct3:315"));
        assert_eq!(why, "DRAIN: a request begins");
        let line = Line::read("random 50000 60.1 holds").expect("a line");
        assert!(line.fails.is_none() && line.runs == 50_000);
        assert!(Line::read("Request 25271, Start 3828, Completed 1566").is_none());
    }
}

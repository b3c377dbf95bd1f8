//! `blockjob sim run`.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use blockjob::runtime::clock::{Clock, RealClock};
use blockjob_sim::case::Case;
use blockjob_sim::export;
use blockjob_sim::run::Runner;
use blockjob_sim::sweep::{
    Fault, Found, PolicySpec, Progress, Sweep, SweepReport, Watch, quiet_panics,
};
use serde_json::{Value, json};

use super::args::RunArgs;
use super::{FOUND, NOT_THE_SAME, bad_input, scenario, write_file, write_json};
use crate::failure::Failure;
use crate::say;

/// So many seeds are run if nobody says how many.
const SEEDS: u64 = 1_000;

/// A log that is longer is not pasted into a shell.
const MAX_PASTE: usize = 2_000;

/// So many of the last events are shown of a run that failed.
const LAST_EVENTS: usize = 12;

/// Runs the seeds, and says what came of it.
pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let policy: PolicySpec = args.policy.parse().map_err(|error| bad_input(&error))?;
    let seeds = match (args.seed, args.seeds, policy) {
        (Some(seed), _, PolicySpec::Exhaustive { .. }) => seed..u64::MAX,
        (None, None, PolicySpec::Exhaustive { .. }) => 0..u64::MAX,
        (Some(seed), ..) => seed..seed.saturating_add(1),
        (None, Some((from, to)), _) => from..to,
        (None, None, _) => 0..SEEDS,
    };
    let mut sweep = Sweep::new(scenario(&args.scenario)?, seeds.clone());
    sweep.policy = policy;
    sweep.jobs = usize::from(args.jobs);
    sweep.stop_at_first = !args.keep_going;
    sweep.bug.clone_from(&args.bug);
    sweep.check_determinism = args.check_determinism;
    if let Some(seed) = args.seed {
        let config = sweep
            .scenario
            .draw(seed)
            .map_err(|error| bad_input(&error))?;
        say::out(&format!("seed {seed}: {config}"));
    }
    let watch = Terminal::new();
    let report = sweep
        .run_watched(&watch)
        .map_err(|error| bad_input(&error))?;
    watch.end();
    if let Some(path) = &args.json {
        write_json(path, &in_json(&report))?;
    }
    if report.runs() > 1 || report.exhausted.is_some() {
        say::out(report.to_string().trim_end());
    }
    if let (Some(path), Some(found)) = (&args.save, report.first()) {
        let comment = format!("{}\n{}", found.fault, again(found, args));
        write_file(path, &found.case.in_file(&comment))?;
    }
    Ok(ExitCode::from(tell_end(&report, args)))
}

/// Says what was found, and how it is made again. Returns the status.
fn tell_end(report: &SweepReport, args: &RunArgs) -> u8 {
    if let Some(found) = report.first() {
        say::out(&found_text(found, args));
        if let Some(lines) = last_events(&found.case) {
            say::out(&format!("  the last that happened:\n{lines}"));
        }
        return match found.fault {
            Fault::Broken(_) => FOUND,
            Fault::Nondeterministic(_) | Fault::Drifted(_) => NOT_THE_SAME,
        };
    }
    let missed = report.missed_marks();
    if args.all_marks && !missed.is_empty() {
        let names: Vec<_> = missed.iter().map(|mark| mark.name).collect();
        say::out(&format!("\nnever hit: {}", names.join(", ")));
        return FOUND;
    }
    if report.runs() == 1 && report.exhausted.is_none() {
        say::out("no rule was broken");
    }
    0
}

/// The last steps of the run, made again.
fn last_events(case: &Case) -> Option<String> {
    let _quiet = quiet_panics();
    let recorded = case.record(&mut Runner::new(), true, LAST_EVENTS);
    let (record, verdict) = recorded.ok()?;
    // A run that is not the same twice has no last steps.
    verdict.drift.is_none().then(|| {
        let text = export::text::export(&record);
        let lines = text.trim_end().lines();
        lines.map(|line| format!("    {line}\n")).collect()
    })
}

fn found_text(found: &Found, args: &RunArgs) -> String {
    let log = match (&args.save, found.case.to_string()) {
        (Some(path), _) => path.display().to_string(),
        (None, case) if case.len() <= MAX_PASTE => format!("'{case}'"),
        (None, _) => "FILE, after the same with --save FILE".to_owned(),
    };
    format!(
        "\nseed {} found {}\n  config  {}\n  again   {}\n  why     blockjob sim explain {log}",
        found.seed,
        found.fault,
        found.config,
        again(found, args),
    )
}

/// The one command that repeats the run; a scenario from a file goes by the name of the file.
fn again(found: &Found, args: &RunArgs) -> String {
    match found.policy {
        PolicySpec::Exhaustive { .. } => found.command.clone(),
        policy => {
            let mut command = format!(
                "blockjob sim run --scenario {} --seed {}",
                args.scenario, found.seed
            );
            if policy != PolicySpec::Random {
                command.push_str(&format!(" --policy {policy}"));
            }
            if let Some(bug) = &args.bug {
                command.push_str(&format!(" --bug {bug}"));
            }
            if let Fault::Nondeterministic(_) = found.fault {
                command.push_str(" --check-determinism");
            }
            command
        }
    }
}

fn in_json(report: &SweepReport) -> Value {
    let failures = report.failures().iter().map(|kind| {
        json!({
            "kind": kind.first.fault.kind(),
            "runs": kind.runs,
            "seed": kind.first.seed,
            "config": kind.first.config.to_string(),
            "text": kind.first.fault.to_string(),
            "case": kind.first.case.to_string(),
            "again": kind.first.command,
        })
    });
    let failures: Vec<_> = failures.collect();
    let marks = report.marks().into_iter().map(|hits| {
        let counts = json!({ "hits": hits.hits, "runs": hits.runs });
        (hits.mark.name.to_owned(), counts)
    });
    let marks: serde_json::Map<_, _> = marks.collect();
    let exhausted = report.exhausted.map(|exhausted| {
        json!({
            "schedules": exhausted.schedules,
            "bound": exhausted.bound,
            "complete": exhausted.is_complete(),
        })
    });
    json!({
        "version": 1,
        "scenario": report.scenario,
        "policy": report.policy.to_string(),
        "bug": report.bug,
        "runs": report.runs(),
        "failed": report.failed_runs(),
        "decisions": report.decisions(),
        "distinct": report.distinct(),
        "digest": format!("{:016x}", report.digest()),
        "checked_determinism": report.checked_determinism,
        "exhausted": exhausted,
        "failures": failures,
        "marks": marks,
        "confidence": report.confidence().sentences(),
    })
}

/// Shows on a terminal how far it is.
struct Terminal {
    clock: RealClock,
    shows: bool,
}

impl Terminal {
    fn new() -> Terminal {
        Terminal {
            clock: RealClock::new(),
            shows: io::stderr().is_terminal(),
        }
    }

    fn end(&self) {
        if self.shows {
            let _nobody_looks = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Watch for Terminal {
    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    fn progress(&self, progress: &Progress) -> ControlFlow<()> {
        if self.shows {
            let _nobody_looks = write!(
                io::stderr(),
                "\r\x1b[K{} of {} seeds, {:.0} in a second; {} of {} marks; {} found",
                progress.seeds_done,
                progress.seeds,
                progress.seeds_per_s,
                progress.marks_hit,
                progress.marks,
                progress.failures,
            );
        }
        ControlFlow::Continue(())
    }
}

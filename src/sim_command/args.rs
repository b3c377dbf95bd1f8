//! What `blockjob sim` can be asked.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

pub(crate) use super::view::args::ViewArgs;

/// Runs block jobs in simulated worlds, where every choice is a decision that can be replayed
///
/// The worlds run the shipped engine: the same event loop, block layer and mirror that copy real
/// disks, in virtual time, on disks that reorder, delay and fail, with guests that write and a monitor
/// that issues every command at any step. Checkers watch each run.
///
/// Exit status: 0, nothing was found. 1, a rule was broken. 2, the request makes no sense. 3, a run was
/// not the same twice.
#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    Run(RunArgs),
    Replay(ReplayArgs),
    Shrink(ShrinkArgs),
    Explain(ExplainArgs),
    Trace(TraceArgs),
    View(ViewArgs),
    Compare(CompareArgs),
    Museum(MuseumArgs),
    Scenarios(ScenariosArgs),
}

/// Runs a scenario, once for each seed, and says what was covered and what was found
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The scenario: the name of one that is built in, or a file; see `blockjob sim scenarios`
    #[arg(long, value_name = "NAME|FILE", default_value = "mirror")]
    pub(crate) scenario: String,
    /// The seeds, from A up to but without B
    #[arg(long, value_name = "A..B", value_parser = parse_seeds, conflicts_with = "seed")]
    pub(crate) seeds: Option<(u64, u64)>,
    /// One seed
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Who makes the decisions: random, pct:D (priorities that change D-1 times), exhaustive (every
    /// schedule of the first seed's configuration), or exhaustive:N (those with at most N decisions
    /// that are not the dullest)
    #[arg(long, value_name = "POLICY", default_value = "random")]
    pub(crate) policy: String,
    /// Threads
    #[arg(long, value_name = "J", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Switches one of QEMU's historical bugs on; needs a build with `--features museum`
    #[arg(long, value_name = "ID")]
    pub(crate) bug: Option<String>,
    /// Goes on after a failure, to the last seed
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Runs every seed twice, and finds the first decision in which the two differ
    #[arg(long)]
    pub(crate) check_determinism: bool,
    /// Fails with 1 if a mark was never hit
    #[arg(long)]
    pub(crate) all_marks: bool,
    /// Writes the log of the first failure to a file, for replay, shrink, explain and trace
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Writes what came of it to a file, as one JSON object; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Runs one log again, decision by decision
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A log, which begins with bj1:, or a file with one, or a seed as in mirror@17
    #[arg(value_name = "LOG|FILE|SCENARIO@SEED")]
    pub(crate) log: String,
    /// Prints what happened, event by event
    #[arg(long)]
    pub(crate) trace: bool,
}

/// Makes the log of a failure as short as it gets, with the same failure
#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// A log, which begins with bj1:, or a file with one, or a seed as in mirror@17
    #[arg(value_name = "LOG|FILE|SCENARIO@SEED")]
    pub(crate) log: String,
    /// So many runs may it take
    #[arg(long, value_name = "N", default_value_t = 40_000)]
    pub(crate) tries: u64,
}

/// Tells a run in sentences: who did what, who waited for whom, where it went wrong
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A log, which begins with bj1:, or a file with one, or a seed as in mirror@17
    #[arg(value_name = "LOG|FILE|SCENARIO@SEED")]
    pub(crate) log: String,
    /// Everything, and not only what led to the failure
    #[arg(long)]
    pub(crate) long: bool,
}

/// Writes the events of a run, for a person or for another program
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// A log, which begins with bj1:, or a file with one, or a seed as in mirror@17
    #[arg(value_name = "LOG|FILE|SCENARIO@SEED")]
    pub(crate) log: String,
    /// The form
    #[arg(long, default_value = "text")]
    pub(crate) format: TraceFormat,
}

/// How the events of a run are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceFormat {
    Text,
    Json,
    Perfetto,
    Shiviz,
}

/// Measures a scenario under several policies or settings, in virtual time, and compares them
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The scenario: the name of one that is built in, or a file
    #[arg(long, value_name = "NAME|FILE", default_value = "noisy-guest")]
    pub(crate) scenario: String,
    /// A schedule to compare: fifo, lifo, random, pct:D; several times
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Vec<String>,
    /// A field of the scenario with the values to compare, such as slice=1ms,10ms,100ms; several times,
    /// and then every combination is
    #[arg(long, value_name = "FIELD=A,B,..")]
    pub(crate) vary: Vec<String>,
    /// How many seeds: each alternative runs all of them
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) seeds: u64,
    /// Threads
    #[arg(long, value_name = "J", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Draws the distributions into an SVG file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Writes the numbers to a file, as one JSON object; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Shows that the checkers find QEMU's historical bugs; needs a build with `--features museum`
#[derive(Debug, Args)]
pub(crate) struct MuseumArgs {
    /// Only this exhibit
    #[arg(long, value_name = "ID")]
    pub(crate) bug: Option<String>,
    /// So many seeds each exhibit may take
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub(crate) seeds: u64,
    /// Threads
    #[arg(long, value_name = "J", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,
    /// Prints the shrunk log of each
    #[arg(long)]
    pub(crate) logs: bool,
    /// Writes the table to a file, as one JSON object; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Lists the scenarios that are built in, or prints one, to be changed and run from a file
#[derive(Debug, Args)]
pub(crate) struct ScenariosArgs {
    /// The scenario to print
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Lists the fields of a scenario file instead
    #[arg(long, conflicts_with = "name")]
    pub(crate) fields: bool,
}

fn parse_seeds(text: &str) -> Result<(u64, u64), String> {
    let wrong = || "expected A..B with A less than B, such as 0..2000".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.replace('_', "").parse::<u64>().map_err(|_| wrong());
    let seeds = (number(from)?, number(to)?);
    if seeds.0 < seeds.1 {
        Ok(seeds)
    } else {
        Err(wrong())
    }
}

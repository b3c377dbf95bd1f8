//! `blockjob lab`: labs in which a learner writes parts of the engine, and the simulator tries them.

mod build;
mod course;
mod hints;
mod made;
mod progress;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::Failure;

/// Labs of half an hour each: write a part of the engine, and see the simulator break it
///
/// `blockjob lab start DIR` makes a small crate with a file for each lab. In it, `blockjob lab run` tries
/// what you have written for the present lab; the tasks are in DIR/tasks. What you have done is in
/// DIR/progress.json.
///
/// Exit status: 0, all is well. 1, the lab is not passed. 2, something was asked that cannot be done.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// List the labs, and how far you are
    List(Here),
    /// Make a crate to work in
    Start(StartArgs),
    /// Build what you have written for a lab, and try it
    Run(OneLab),
    /// The same, again whenever a file has changed; h gives a hint, r runs again, q ends
    Watch(OneLab),
    /// Give a hint, each time one more: there are three
    Hint(OneLab),
    /// Say where the run is in which the lab failed, and what happened in it
    Show(OneLab),
    /// Try all labs that are passed, or lab N, with seeds that `run` does not use
    Grade(OneLab),
    /// Print a solution, after three tries that failed
    Solution(SolutionArgs),
}

/// Where the learner works.
#[derive(Debug, Args)]
pub(crate) struct Here {
    /// The crate that `start` has made
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// The number of a lab.
fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        format!(
            "expected the number of a lab, as {}",
            blockjob_labs::all()[0].number
        )
    })
}

/// A lab of a crate.
#[derive(Debug, Args)]
pub(crate) struct OneLab {
    /// The number of the lab; the first that is not passed, if there is none
    #[arg(value_name = "N", value_parser = number)]
    number: Option<u32>,
    #[command(flatten)]
    here: Here,
}

/// Arguments of `start`.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Where to make the crate: a folder that is empty or does not exist. In one whose progress.json is
    /// gone that file is made anew, and nothing else is touched
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The sources of blockjob, which the crate builds on; else those that this program was built from
    #[arg(long, value_name = "PATH")]
    blockjob: Option<PathBuf>,
}

/// Arguments of `solution`.
#[derive(Debug, Args)]
pub(crate) struct SolutionArgs {
    #[command(flatten)]
    lab: OneLab,
    /// Also without having tried
    #[arg(long)]
    spoil: bool,
}

/// Does what is asked.
pub(crate) fn run(command: &LabCommand) -> Result<ExitCode, Failure> {
    match command {
        LabCommand::List(here) => course::list(&here.dir),
        LabCommand::Start(args) => made::start(&args.dir, args.blockjob.as_deref()),
        LabCommand::Run(lab) => course::run(&lab.here.dir, lab.number),
        LabCommand::Watch(lab) => watch::watch(&lab.here.dir, lab.number),
        LabCommand::Hint(lab) => hints::hint(&lab.here.dir, lab.number),
        LabCommand::Show(lab) => hints::show(&lab.here.dir, lab.number),
        LabCommand::Grade(lab) => course::grade(&lab.here.dir, lab.number),
        LabCommand::Solution(args) => {
            hints::solution(&args.lab.here.dir, args.lab.number, args.spoil)
        }
    }
}

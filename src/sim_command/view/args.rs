//! What `blockjob sim view` can be asked.

use std::path::PathBuf;

use clap::Args;

/// Writes a run as one HTML page that shows it step by step, or serves the page
///
/// The page needs no network and no program. From a server it can also ask for other runs, and what
/// would have come of it had one decision been another.
///
/// Without a log and a seed the bug of --bug is looked for, in the scenario of its exhibit, until a run
/// fails.
#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// A log, which begins with bj1:, or a file with one, or a seed as in mirror@17
    #[arg(value_name = "LOG|FILE|SCENARIO@SEED", conflicts_with_all = ["scenario", "seed", "policy"])]
    pub(crate) log: Option<String>,
    /// The scenario: the name of one that is built in, or a file; mirror if nothing is said
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) scenario: Option<String>,
    /// The seed; 0 if nothing is said
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Switches one of QEMU's historical bugs on; needs a build with `--features museum`
    #[arg(long, value_name = "ID")]
    pub(crate) bug: Option<String>,
    /// Who makes the decisions: random, or pct:D
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<String>,
    /// Shows another run beside it, with the first difference: a log, a file with one, a seed
    #[arg(long, value_name = "LOG|FILE|SCENARIO@SEED|SEED", group = "beside")]
    pub(crate) against: Option<String>,
    /// Shows the same failure beside it, in a run as short as it gets
    #[arg(long, group = "beside")]
    pub(crate) against_shrunk: bool,
    /// Shows the same run beside it, without its bug
    #[arg(long, group = "beside")]
    pub(crate) against_clean: bool,
    /// Where the page is written; a name that ends in .json gets the document alone
    #[arg(
        long,
        value_name = "FILE",
        default_value = "run.html",
        conflicts_with = "serve"
    )]
    pub(crate) out: PathBuf,
    /// Serves the page on 127.0.0.1 until Ctrl-C
    #[arg(long)]
    pub(crate) serve: bool,
    /// The port of the server; 0 is any that is free
    #[arg(long, value_name = "N", default_value_t = 0, requires = "serve")]
    pub(crate) port: u16,
}

//! The command line: what can be asked, and how a mistake in it is told, in one line.

use std::path::PathBuf;
use std::process::ExitCode;

use blockjob::jobs::driver::MirrorCopyMode;
use blockjob::jobs::error_policy::OnError;
use blockjob::jobs::mirror::MirrorSync;
use blockjob::jobs::mirror::options::{MAX_GRANULARITY, MIN_GRANULARITY};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::explain_command::{self, ExplainArgs};
use crate::failure::Failure;
use crate::lab_command::LabCommand;
use crate::monitor_command::MonitorArgs;
use crate::receipts_command::{self, ReceiptsArgs};
use crate::record::Recording;
use crate::record::args::RecordArgs;
use crate::serve::args::ServeArgs;
use crate::sim_command::args::SimCommand;
use crate::view_command::{self, ViewArgs};
use crate::{
    bench_many, demo, lab_command, mirror_command, mirror_socket, monitor_command, say, serve,
    sim_command, size,
};

/// Copies disks that are in use, with the block jobs of QEMU.
#[derive(Debug, Parser)]
#[command(
    name = "blockjob",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Mirror(MirrorArgs),
    Serve(ServeArgs),
    Monitor(MonitorArgs),
    Explain(ExplainArgs),
    Receipts(ReceiptsArgs),
    View(ViewArgs),
    #[command(subcommand)]
    Sim(SimCommand),
    #[command(subcommand)]
    Lab(LabCommand),
    /// Measures the engine.
    #[command(hide = true, subcommand)]
    Bench(Bench),
}

#[derive(Debug, Subcommand)]
enum Bench {
    Many(BenchManyArgs),
}

/// Copies the disk image SRC to DST; without both, shows itself on a sample disk
///
/// SRC and DST are regular files, block devices or exports of NBD servers: nbd://HOST:PORT/EXPORT and
/// nbd+unix:///EXPORT?socket=PATH. An export is never created: as DST it must have the size of SRC,
/// and is overwritten. Whoever writes to SRC at the same time must do so
/// through this program; while another process has SRC open for writing, or DST open at all, and
/// says so with QEMU's image locks, the copy is refused.
///
/// Exit status: 0, DST is a copy of SRC and safe from a crash. 1, the copy failed. 2, the request
/// was refused, and nothing has been created or changed. 128 and a signal's number, the copy was
/// interrupted (Ctrl-C: 130). A DST that was created and is no copy is removed again.
///
/// SIZES are bytes, or a number with K, M, G or T for powers of 1024.
#[derive(Debug, Args)]
pub(crate) struct MirrorArgs {
    /// The image to copy; it is not changed
    #[arg(value_name = "SRC", requires = "target")]
    pub(crate) source: Option<PathBuf>,
    /// The image to make, or with --mode existing, to overwrite
    #[arg(value_name = "DST")]
    pub(crate) target: Option<PathBuf>,
    /// Which parts to copy; top is what is above the backing file of SRC, onto a DST above the same
    /// one, and all of an image that has none; none copies only what is written from now on, onto a
    /// DST that is a copy already
    #[arg(
        long,
        value_name = "PARTS",
        default_value = "full",
        requires = "source"
    )]
    pub(crate) sync: Sync,
    /// Whether DST is created, and then must not be there yet, or is there with the size of SRC and
    /// is overwritten
    #[arg(
        long,
        value_name = "MODE",
        default_value = "absolute-paths",
        requires = "source"
    )]
    pub(crate) mode: Mode,
    /// The format of both images, or of DST alone if --source-format is given [default: raw; an SRC
    /// that looks like something else must be named]
    #[arg(long, requires = "source")]
    pub(crate) format: Option<Format>,
    /// The format of SRC, if it is another one
    #[arg(
        long,
        value_name = "FORMAT",
        requires = "source",
        conflicts_with = "socket"
    )]
    pub(crate) source_format: Option<Format>,
    /// Have a daemon do it that listens for QMP on this unix socket: SRC is then one of its drives
    /// or nodes, which may be in use
    #[arg(long, value_name = "SOCKET", requires = "target")]
    pub(crate) socket: Option<PathBuf>,
    /// What a daemon does once DST has caught up: use it in place of the disk, or leave it as a copy
    #[arg(long, value_name = "END", default_value = "pivot", requires = "socket")]
    pub(crate) then: Then,
    /// The unit in which writes to SRC are tracked: a power of two from 512 to 64M
    #[arg(long, value_name = "SIZE", value_parser = parse_granularity, allow_hyphen_values = true,
          requires = "source")]
    pub(crate) granularity: Option<u64>,
    /// How much may be on its way at a time (default: 16M)
    #[arg(long, value_name = "SIZE", value_parser = size::parse, allow_hyphen_values = true,
          requires = "source")]
    pub(crate) buf_size: Option<u64>,
    /// How much to copy in a second, at most; 0 is no limit
    #[arg(long, value_name = "SIZE", value_parser = size::parse, allow_hyphen_values = true,
          requires = "source")]
    pub(crate) speed: Option<u64>,
    /// When writes to SRC reach DST: in the background, at once (write-blocking), or in the background
    /// for as long as that can win (auto) [default: auto; background if the daemon behind --socket does
    /// not know that]
    #[arg(long, value_name = "MODE", requires = "source")]
    pub(crate) copy_mode: Option<CopyMode>,
    /// What the copy may cost those who use SRC, as a time with us, ms or s, a request; it goes before
    /// being ready
    #[arg(long, value_name = "TIME", value_parser = parse_latency_ns, allow_hyphen_values = true,
          requires = "source")]
    pub(crate) guest_latency: Option<u64>,
    /// Where DST has to be zeroed, keep its storage allocated
    #[arg(long, requires = "source")]
    pub(crate) no_unmap: bool,
    /// What an error on SRC does; stop waits for SIGCONT, ignore tries again
    #[arg(long, value_name = "POLICY", value_parser = on_error(), default_value = "report",
          requires = "source")]
    pub(crate) on_source_error: OnError,
    /// What an error on DST does
    #[arg(long, value_name = "POLICY", value_parser = on_error(), default_value = "report",
          requires = "source")]
    pub(crate) on_target_error: OnError,
    /// When DST has caught up, read both sides back and compare them, while whoever uses SRC waits; a
    /// difference fails the copy. What DST is read from is its storage only past the page cache
    #[arg(long, requires = "source")]
    pub(crate) verify: bool,
    /// Bypass the page cache on both sides
    #[arg(long, requires = "source")]
    pub(crate) cache_direct: bool,
    /// Print what it came to as one JSON object on standard output
    #[arg(long, requires = "source")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) recording: RecordArgs,
    /// What the guest of the sample disk draws its numbers from
    #[arg(
        long,
        value_name = "NUMBER",
        conflicts_with = "source",
        default_value_t = 1
    )]
    pub(crate) seed: u64,
}

/// What of the source is copied. QEMU: `MirrorSyncMode` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sync {
    Full,
    Top,
    None,
}

impl From<Sync> for MirrorSync {
    fn from(sync: Sync) -> Self {
        match sync {
            Sync::Full => MirrorSync::Full,
            Sync::Top => MirrorSync::Top,
            Sync::None => MirrorSync::None,
        }
    }
}

/// When writes of the guest reach the target. QEMU: `MirrorCopyMode` (qapi/block-core.json), without the
/// last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CopyMode {
    Background,
    WriteBlocking,
    Auto,
}

impl From<CopyMode> for MirrorCopyMode {
    fn from(mode: CopyMode) -> Self {
        match mode {
            CopyMode::Background => MirrorCopyMode::Background,
            CopyMode::WriteBlocking => MirrorCopyMode::WriteBlocking,
            CopyMode::Auto => MirrorCopyMode::Auto,
        }
    }
}

/// Where the target comes from. QEMU: `NewImageMode` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    AbsolutePaths,
    Existing,
}

/// How the bytes of a disk lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Raw,
    Qcow2,
}

impl Format {
    /// The name of the driver.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        }
    }
}

/// How a mirror in a daemon ends once it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Then {
    /// The users of the disk get the copy.
    Pivot,
    /// The copy is left as of that moment.
    Copy,
}

/// Runs many small mirrors at once, and prints what that took as one JSON object.
#[derive(Debug, Args)]
pub(crate) struct BenchManyArgs {
    /// How many
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: u32,
    /// The size of each disk
    #[arg(long, value_parser = size::parse, default_value = "1M")]
    pub(crate) size: u64,
    /// Disks in memory instead of files
    #[arg(long)]
    pub(crate) mem: bool,
    /// Where the files go, in a folder of their own
    #[arg(long, default_value = ".")]
    pub(crate) dir: PathBuf,
}

fn on_error() -> impl TypedValueParser<Value = OnError> {
    PossibleValuesParser::new(OnError::ALL.map(OnError::as_str))
        .map(|name| OnError::from_name(&name).expect("the parser lets only these names pass"))
}

fn parse_granularity(text: &str) -> Result<u64, String> {
    let bytes = size::parse(text)?;
    if !bytes.is_power_of_two() || !(MIN_GRANULARITY..=MAX_GRANULARITY).contains(&bytes) {
        return Err("it must be a power of two from 512 to 64M".to_owned());
    }
    Ok(bytes)
}

/// A time in nanoseconds: a whole number and a unit.
fn parse_latency_ns(text: &str) -> Result<u64, String> {
    let units = [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
    let parsed = units.iter().find_map(|(name, unit_ns)| {
        let number = text.strip_suffix(name)?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| number.parse::<u64>().ok())??;
        number.checked_mul(*unit_ns)
    });
    parsed.ok_or_else(|| "a time is a whole number with us, ms or s after it".to_owned())
}

/// The program: reads the command line, does what it says, and says how that went.
pub(crate) fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches();
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    let result = match cli.command {
        Command::Mirror(args) => mirror(&args),
        Command::View(args) => view_command::run(&args),
        Command::Monitor(args) => monitor_command::run(&args),
        Command::Explain(args) => explain_command::run(&args),
        Command::Receipts(args) => receipts_command::run(&args),
        Command::Serve(args) => {
            let matches = matches.subcommand_matches("serve");
            serve::run(&args, matches.expect("clap says that it is this one"))
        }
        Command::Sim(command) => sim_command::run(&command),
        Command::Lab(command) => lab_command::run(&command),
        Command::Bench(Bench::Many(args)) => bench_many::run(&args),
    };
    result.unwrap_or_else(|failure| {
        tell(&failure);
        failure.exit_code()
    })
}

fn mirror(args: &MirrorArgs) -> Result<ExitCode, Failure> {
    if let (Some(source), Some(target), Some(socket)) = (&args.source, &args.target, &args.socket) {
        if args.recording.record.is_some() {
            return Err(Failure::bad_input(
                "--record records what this program does, and with --socket a daemon does it: \
                 'blockjob serve' has --record, too",
            ));
        }
        return mirror_socket::run(socket, &source.to_string_lossy(), target, args);
    }
    let recording = Recording::begin(&args.recording)?;
    let result = match (&args.source, &args.target) {
        (Some(source), Some(target)) => {
            mirror_command::run(source, target, args, recording.as_ref())
        }
        _ => demo::run(args.seed, recording.as_ref()),
    };
    if let Some(recording) = recording {
        recording.end();
    }
    result
}

fn tell(failure: &Failure) {
    say::err(&format!("blockjob: {}", failure.line()));
    if let Some(hint) = failure.hint() {
        say::err(hint);
    }
}

/// Help and version as they are; a mistake in one line. `clap` spreads the latter over several
/// paragraphs, of which the first says what is wrong.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            say::out(text.trim_end());
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say::err(text.trim_end());
            ExitCode::from(crate::failure::BAD_INPUT)
        }
        _ => {
            let failure = match std::env::args().nth(1).as_deref() {
                Some("serve") => serve::args::mistake(error, first_paragraph(&text)),
                _ => Failure::bad_input(first_paragraph(&text)),
            };
            tell(&failure);
            failure.exit_code()
        }
    }
}

fn first_paragraph(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let paragraph = lines.join(" ");
    match paragraph.strip_prefix("error: ") {
        Some(rest) => rest.to_owned(),
        None => paragraph,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_has_a_unit() {
        let right = [
            ("500us", 500_000),
            ("2ms", 2_000_000),
            ("1s", 1_000_000_000),
            ("0us", 0),
        ];
        for (text, ns) in right {
            assert_eq!(parse_latency_ns(text), Ok(ns), "{text}");
        }
        for text in [
            "",
            "us",
            "500",
            "-1us",
            "1.5ms",
            "1 ms",
            "99999999999999999s",
            "5m",
        ] {
            assert!(parse_latency_ns(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_in_one_line() {
        let wrong: [&[&str]; 10] = [
            &["mirror", "a"],
            &["mirror", "a", "b", "--granularity", "513"],
            &["mirror", "a", "b", "--speed", "-5M"],
            &["mirror", "a", "b", "--format", "qcow"],
            &["mirror", "a", "b", "--then", "copy"],
            &["mirror", "a", "b", "c"],
            &["mirror", "a", "b", "--copy-mode", "foreground"],
            &["mirror", "a", "b", "--guest-latency", "500"],
            &["mirror", "--json"],
            &["mirrow"],
        ];
        for words in wrong {
            let words = ["blockjob"].iter().chain(words);
            let error = Cli::try_parse_from(words.clone()).expect_err("it is wrong");
            let line = first_paragraph(&error.render().to_string());
            assert!(!line.is_empty() && !line.contains('\n'), "{line}");
        }
    }
}

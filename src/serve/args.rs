//! What `blockjob serve` is told, in the order in which it is told.
//!
//! QEMU: `process_options` (storage-daemon/qemu-storage-daemon.c).

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Args};

use crate::failure::Failure;
use crate::record::args::RecordArgs;

/// Serves disks: a storage daemon with the options and the QMP of qemu-storage-daemon
///
/// Options are done in the order in which they are given; what one needs must have been given
/// before. The daemon ends by the command `quit` or by a signal (SIGINT, SIGTERM, SIGHUP), and then
/// cancels its jobs first.
///
/// Exit status: 0, it was told to end. 1, an option was wrong, and nothing is left of it.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Open a node: driver=qcow2,node-name=disk,file.driver=file,file.filename=disk.qcow2, or the
    /// same as JSON
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) blockdev: Vec<String>,
    /// Open a named drive, with probing, as a system emulator does:
    /// id=drive0,file=disk.qcow2,format=qcow2,if=none,node-name=top
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) drive: Vec<String>,
    /// Make a door for a monitor: socket,id=qmp,path=qmp.sock,server=on,wait=off, or
    /// socket,id=qmp,host=127.0.0.1,port=4444,server=on,wait=off, or stdio,id=term
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) chardev: Vec<String>,
    /// Speak QMP (mode=control, the default) or HMP (mode=readline) through a chardev:
    /// chardev=qmp,mode=control,pretty=off
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) monitor: Vec<String>,
    /// Make an object: iothread,id=iot0, or throttle-group,id=tg0,x-iops-total=100, or
    /// secret,id=s0,data=...
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) object: Vec<String>,
    /// Start the NBD server: addr.type=unix,addr.path=nbd.sock, or addr.type=inet,addr.host=127.0.0.1,
    /// addr.port=10809; max-connections=100, handshake-max-seconds=10
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) nbd_server: Vec<String>,
    /// Export a node through it, read-only unless writable=on:
    /// type=nbd,id=disk0,node-name=disk,name=disk,writable=on,iothread=iot0
    #[arg(long, value_name = "OPTIONS")]
    pub(crate) export: Vec<String>,
    /// Print what the engine does: enable=mirror_*,file=trace.log ('help' lists the events)
    #[arg(short = 'T', long, value_name = "OPTIONS", num_args = 0..=1, default_missing_value = "")]
    pub(crate) trace: Vec<String>,
    #[command(flatten)]
    pub(crate) recording: RecordArgs,
    /// Write the number of the process to a file, once it has started
    #[arg(long, value_name = "PATH")]
    pub(crate) pidfile: Option<PathBuf>,
    /// Go to the background, and end in the foreground once everything has started
    #[arg(long)]
    pub(crate) daemonize: bool,
}

/// One option, to be done in its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The name of the option, without dashes.
    pub(super) option: &'static str,
    /// What it was given.
    pub(super) text: String,
}

/// The options that make something, as clap knows them and as people do.
const OPTIONS: [&str; 7] = [
    "blockdev",
    "drive",
    "chardev",
    "monitor",
    "object",
    "nbd_server",
    "export",
];

/// The options that make something, in the order in which they were given.
pub(super) fn in_order(matches: &ArgMatches) -> Vec<Step> {
    let mut steps = Vec::new();
    for option in OPTIONS {
        let texts = matches.get_many::<String>(option).into_iter().flatten();
        let places = matches.indices_of(option).into_iter().flatten();
        for (text, place) in texts.zip(places) {
            let text = text.clone();
            steps.push((place, Step { option, text }));
        }
    }
    steps.sort_by_key(|(place, _)| *place);
    steps.into_iter().map(|(_, step)| step).collect()
}

/// A mistake in the command line, in the words of the peer, for whose scripts this command is.
pub(crate) fn mistake(error: &clap::Error, otherwise: String) -> Failure {
    Failure::failed(mistake_in(std::env::args(), error, otherwise))
}

/// The line for a mistake in these words. `getopt_long` of the C library makes the peer's.
fn mistake_in(
    mut words: impl Iterator<Item = String>,
    error: &clap::Error,
    otherwise: String,
) -> String {
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => name.split([' ', '=']).next().unwrap_or_default(),
        _ => "",
    };
    match (error.kind(), named) {
        (ErrorKind::UnknownArgument, name) if name.starts_with("--") => {
            // As it was given: with what was to be its value.
            let given = words.find(|word| word.split('=').next() == Some(name));
            format!("unrecognized option '{}'", given.as_deref().unwrap_or(name))
        }
        (ErrorKind::UnknownArgument, name) if name.starts_with('-') => {
            let letter = name.trim_start_matches('-').chars().next();
            format!("invalid option -- '{}'", letter.unwrap_or('-'))
        }
        (ErrorKind::TooManyValues, name) => format!("option '{name}' doesn't allow an argument"),
        (ErrorKind::UnknownArgument, name) => format!("{name}: Unexpected argument"),
        (
            ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues,
            name,
        ) if error.get(ContextKind::InvalidValue) == Some(&ContextValue::String(String::new())) => {
            format!("option '{name}' requires an argument")
        }
        _ => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Command;

    #[test]
    fn mistakes_are_told_as_the_c_library_tells_them() {
        let line = |word: &str| {
            let command = ServeArgs::augment_args(Command::new("serve"));
            let words = ["serve", word];
            let error = command.try_get_matches_from(words).expect_err("a mistake");
            let words = words.into_iter().map(str::to_owned);
            mistake_in(words, &error, "something else".to_owned())
        };
        assert_eq!(line("--nope=1"), "unrecognized option '--nope=1'");
        assert_eq!(line("-xy"), "invalid option -- 'x'");
        assert_eq!(line("word"), "word: Unexpected argument");
        assert_eq!(
            line("--daemonize=1"),
            "option '--daemonize' doesn't allow an argument"
        );
        assert_eq!(
            line("--blockdev"),
            "option '--blockdev' requires an argument"
        );
    }

    #[test]
    fn options_of_different_kinds_keep_their_order() {
        let command = ServeArgs::augment_args(Command::new("serve"));
        let words = [
            "serve",
            "--monitor",
            "a",
            "--blockdev",
            "b",
            "--monitor=c",
            "--chardev",
            "d",
        ];
        let matches = command.try_get_matches_from(words).expect("they are right");
        let steps = in_order(&matches);
        let seen: Vec<_> = steps
            .iter()
            .map(|step| (step.option, &*step.text))
            .collect();
        assert_eq!(
            seen,
            [
                ("monitor", "a"),
                ("blockdev", "b"),
                ("monitor", "c"),
                ("chardev", "d")
            ]
        );
    }
}

//! HMP: the monitor for people. Its commands are written in terms of the QMP commands.
//!
//! QEMU: monitor/hmp.c, hmp-commands.hx, block/monitor/block-hmp-cmds.c.

mod args;
mod block_info;
mod commands;
mod disk_io;
mod info;
mod size;

use std::rc::Rc;

use super::{Daemon, contexts};
use crate::qapi::{Dict, QmpError, QmpResult, Value};
use args::{Arg, Parsed};

/// A command of a monitor for people.
///
/// QEMU: `HMPCommand` (monitor/monitor-internal.h).
struct HmpCommand {
    /// Its names, separated by `|`.
    names: &'static str,
    /// What it takes.
    args: &'static [Arg],
    /// What it takes, for `help`.
    params: &'static str,
    /// What it does, for `help`.
    help: &'static str,
    /// Does it, and writes what a person is to read.
    run: fn(&Rc<Daemon>, &Parsed, &mut String) -> QmpResult<()>,
}

impl HmpCommand {
    fn is_named(&self, name: &str) -> bool {
        self.names.split('|').any(|own| own == name)
    }
}

/// Runs a line and returns what a person reads, with an end of line after each line of it.
///
/// QEMU: `handle_hmp_command` (monitor/hmp.c).
pub fn run(daemon: &Rc<Daemon>, line: &str) -> String {
    let mut out = String::new();
    let line = line.trim_start();
    if line.is_empty() {
        return out;
    }
    let (name, rest) = match line.split_once(char::is_whitespace) {
        Some((name, rest)) => (name, rest),
        None => (line.trim_end(), ""),
    };
    let (table, shown, rest) = match (name, rest.trim_start()) {
        ("info", "") => {
            help(&mut out, "info");
            return out;
        }
        ("info", rest) => {
            let (what, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            (info::COMMANDS, format!("info {}", what.trim_end()), rest)
        }
        (name, rest) => (commands::COMMANDS, name.to_owned(), rest),
    };
    let last = shown.rsplit(' ').next().unwrap_or_default();
    let Some(command) = table.iter().find(|command| command.is_named(last)) else {
        out.push_str(&format!("unknown command: '{shown}'\n"));
        return out;
    };
    let result = match args::parse(command.args, rest) {
        Ok(parsed) => (command.run)(daemon, &parsed, &mut out),
        Err(wrong) => {
            let name = command.names.split('|').next().unwrap_or_default();
            out.push_str(&format!(
                "{name}: {wrong}\nTry \"help {shown}\" for more information\n"
            ));
            return out;
        }
    };
    if let Err(error) = result {
        out.push_str(&format!("Error: {}\n", error.desc));
        if let Some(hint) = error.hint {
            out.push_str(&format!("{hint}\n"));
        }
    }
    out
}

/// What `help`, `help NAME` and `info` print.
///
/// QEMU: `help_cmd` (monitor/hmp.c).
fn help(out: &mut String, of: &str) {
    let line = |out: &mut String, prefix: &str, command: &HmpCommand| {
        let params = if command.params.is_empty() { "" } else { " " };
        out.push_str(&format!(
            "{prefix}{}{params}{} -- {}\n",
            command.names, command.params, command.help
        ));
    };
    if of.is_empty() {
        for command in commands::COMMANDS {
            line(out, "", command);
        }
    }
    match of.strip_prefix("info") {
        Some(what) => {
            let what = what.trim();
            let shown = info::COMMANDS.iter();
            for command in shown.filter(|command| what.is_empty() || command.is_named(what)) {
                line(out, "info ", command);
            }
        }
        None => {
            for command in commands::COMMANDS
                .iter()
                .filter(|command| command.is_named(of))
            {
                line(out, "", command);
            }
        }
    }
}

/// Runs a QMP command from here.
fn qmp(daemon: &Rc<Daemon>, name: &str, args: Dict) -> QmpResult<Value> {
    match super::commands::find(name) {
        Some(command) => contexts::run(daemon, command, args),
        None => Err(QmpError::generic(format!(
            "The command {name} has not been found"
        ))),
    }
}

/// The names that a client may complete: of the commands, and of what there is to ask for by `info`.
pub fn names() -> (Vec<&'static str>, Vec<&'static str>) {
    let names = |table: &'static [HmpCommand]| {
        let all = table.iter().flat_map(|command| command.names.split('|'));
        all.collect()
    };
    (names(commands::COMMANDS), names(info::COMMANDS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockjob_runtime::AioContext;

    fn say(line: &str) -> String {
        let context = AioContext::new();
        let _current = context.make_current();
        run(&Daemon::new(&context), line)
    }

    #[test]
    fn what_is_no_command_is_named() {
        assert_eq!(say("bogus 1"), "unknown command: 'bogus'\n");
        assert_eq!(say("info bogus"), "unknown command: 'info bogus'\n");
        assert_eq!(say("  "), "");
    }

    #[test]
    fn a_missing_argument_points_to_the_help() {
        assert_eq!(
            say("block_job_cancel"),
            "block_job_cancel: block device name expected\n\
             Try \"help block_job_cancel\" for more information\n"
        );
        assert!(say("help block_job_cancel").starts_with("block_job_cancel [-f] device -- "));
    }

    #[test]
    fn help_lists_every_command_and_info_every_topic() {
        let help = say("help");
        for command in commands::COMMANDS {
            assert!(help.contains(command.names), "{}", command.names);
        }
        for command in info::COMMANDS {
            assert!(say("info").contains(&format!("info {}", command.names)));
        }
    }

    #[test]
    fn an_error_of_a_command_is_shown() {
        assert_eq!(say("block_job_pause x"), "Error: Block job 'x' not found\n");
    }
}

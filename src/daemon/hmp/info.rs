//! What can be asked for by `info`.
//!
//! QEMU: block/monitor/block-hmp-cmds.c, monitor/hmp-cmds.c.

use super::args::Arg;
use super::{HmpCommand, block_info, qmp};
use crate::qapi::{Dict, Number, Value};

pub(super) static COMMANDS: &[HmpCommand] = &[
    HmpCommand {
        names: "block",
        args: &[Arg::Flag('n'), Arg::Flag('v'), Arg::OptionalWord("device")],
        params: "[-n] [-v] [device]",
        help: "show the drives; -n: the named nodes instead, -v: details",
        run: block_info::run,
    },
    HmpCommand {
        names: "block-jobs",
        args: &[],
        params: "",
        help: "show the block jobs under way",
        run: |daemon, _, out| {
            let jobs = qmp(daemon, "query-block-jobs", Dict::new())?;
            let jobs = jobs.as_list().unwrap_or_default();
            if jobs.is_empty() {
                out.push_str("No active jobs\n");
            }
            for job in jobs.iter().filter_map(Value::as_dict) {
                out.push_str(&block_job_line(job));
            }
            Ok(())
        },
    },
    HmpCommand {
        names: "status",
        args: &[],
        params: "",
        help: "show whether guests run",
        run: |daemon, _, out| {
            let running = daemon.run_state.is_running();
            out.push_str(if running {
                "VM status: running\n"
            } else {
                "VM status: paused\n"
            });
            Ok(())
        },
    },
    HmpCommand {
        names: "version",
        args: &[],
        params: "",
        help: "show the version",
        run: |_, _, out| {
            out.push_str(concat!(env!("CARGO_PKG_VERSION"), "\n"));
            Ok(())
        },
    },
];

/// QEMU: `hmp_info_block_jobs` (block/monitor/block-hmp-cmds.c).
fn block_job_line(job: &Dict) -> String {
    format!(
        "Type {}, device {}: Completed {} of {} bytes, speed limit {} bytes/s\n",
        text(job, "type"),
        text(job, "device"),
        number(job, "offset"),
        number(job, "len"),
        number(job, "speed"),
    )
}

/// The text of a member of an answer of ours; empty if it is not there.
pub(super) fn text<'a>(dict: &'a Dict, name: &str) -> &'a str {
    dict.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The integer of a member of an answer of ours; 0 if it is not there.
pub(super) fn number(dict: &Dict, name: &str) -> i64 {
    match dict.get(name) {
        Some(Value::Num(Number::Int(value))) => *value,
        _ => 0,
    }
}

/// The truth of a member of an answer of ours; false if it is not there.
pub(super) fn flag(dict: &Dict, name: &str) -> bool {
    matches!(dict.get(name), Some(Value::Bool(true)))
}

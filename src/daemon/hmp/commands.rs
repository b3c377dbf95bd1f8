//! The commands that change something.
//!
//! QEMU: block/monitor/block-hmp-cmds.c, monitor/hmp-cmds.c.

use std::rc::Rc;

use super::args::{Arg, Parsed};
use super::{HmpCommand, disk_io, help, qmp};
use crate::daemon::{Daemon, contexts};
use crate::qapi::{Dict, QmpError, QmpResult, Value};

pub(super) static COMMANDS: &[HmpCommand] = &[
    HmpCommand {
        names: "help|?",
        args: &[Arg::OptionalWord("name"), Arg::OptionalWord("topic")],
        params: "[cmd]",
        help: "show the help",
        run: |_, args, out| {
            let name = args.word("name").unwrap_or_default();
            let topic = args.word("topic").unwrap_or_default();
            help(out, format!("{name} {topic}").trim());
            Ok(())
        },
    },
    HmpCommand {
        names: "info",
        args: &[Arg::OptionalWord("topic")],
        params: "[subcommand]",
        help: "show various information about the system state",
        run: |_, _, out| {
            help(out, "info");
            Ok(())
        },
    },
    HmpCommand {
        names: "drive_mirror",
        args: &[
            Arg::Flag('n'),
            Arg::Flag('f'),
            Arg::Device("device"),
            Arg::Word("target"),
            Arg::OptionalWord("format"),
        ],
        params: "[-n] [-f] device target [format]",
        help: "start mirroring the device to the new image target; -n: use the image that is there \
               instead of creating one, -f: copy the whole disk and not only its topmost image",
        run: hmp_drive_mirror,
    },
    HmpCommand {
        names: "block_job_cancel",
        args: &[Arg::Flag('f'), Arg::Device("device")],
        params: "[-f] device",
        help: "stop a block job; -f: abandon a mirror that is ready, too",
        run: |daemon, args, _| {
            let force = args.flag('f');
            job_verb(daemon, "block-job-cancel", args, [("force", force.into())])
        },
    },
    HmpCommand {
        names: "block_job_complete",
        args: &[Arg::Device("device")],
        params: "device",
        help: "have a mirror that is ready put its copy in the place of the disk",
        run: |daemon, args, _| job_verb(daemon, "block-job-complete", args, []),
    },
    HmpCommand {
        names: "block_job_pause",
        args: &[Arg::Device("device")],
        params: "device",
        help: "pause a block job",
        run: |daemon, args, _| job_verb(daemon, "block-job-pause", args, []),
    },
    HmpCommand {
        names: "block_job_resume",
        args: &[Arg::Device("device")],
        params: "device",
        help: "resume a paused block job",
        run: |daemon, args, _| job_verb(daemon, "block-job-resume", args, []),
    },
    HmpCommand {
        names: "block_job_set_speed",
        args: &[Arg::Device("device"), Arg::Size("speed")],
        params: "device value",
        help: "limit a block job to so many bytes per second (mebibytes without a suffix); 0: no limit",
        run: |daemon, args, _| {
            let speed = args.size("speed");
            job_verb(
                daemon,
                "block-job-set-speed",
                args,
                [("speed", speed.into())],
            )
        },
    },
    HmpCommand {
        names: "block_resize",
        args: &[Arg::Device("device"), Arg::Size("size")],
        params: "device size",
        help: "resize a disk (mebibytes without a suffix)",
        run: |daemon, args, _| {
            let mut members = Dict::new();
            members.put("device", args.need("device"));
            members.put("size", args.size("size"));
            nothing(qmp(daemon, "block_resize", members))
        },
    },
    HmpCommand {
        names: "snapshot_blkdev",
        args: &[
            Arg::Flag('n'),
            Arg::Device("device"),
            Arg::Word("file"),
            Arg::OptionalWord("format"),
        ],
        params: "[-n] device new-image [format]",
        help: "go on in a new overlay of the disk; -n: use the image that is there",
        run: hmp_snapshot_blkdev,
    },
    HmpCommand {
        names: "qemu-io",
        args: &[Arg::Device("device"), Arg::Word("command")],
        params: "device \"command\"",
        help: "be the guest: run a command of qemu-io on a drive or node, such as \
               \"write -P 0x11 0 64k\"; \"help\" lists them",
        run: hmp_qemu_io,
    },
    HmpCommand {
        names: "stop|s",
        args: &[],
        params: "",
        help: "stop the guests",
        run: |daemon, _, _| nothing(qmp(daemon, "stop", Dict::new())),
    },
    HmpCommand {
        names: "cont|c",
        args: &[],
        params: "",
        help: "let the guests go on",
        run: |daemon, _, _| nothing(qmp(daemon, "cont", Dict::new())),
    },
    HmpCommand {
        names: "quit|q",
        args: &[],
        params: "",
        help: "end the daemon; jobs are cancelled",
        run: |daemon, _, _| nothing(qmp(daemon, "quit", Dict::new())),
    },
];

fn nothing(result: QmpResult<Value>) -> QmpResult<()> {
    result.map(|_nothing| ())
}

/// QEMU: `hmp_drive_mirror` (block/monitor/block-hmp-cmds.c).
fn hmp_drive_mirror(daemon: &Rc<Daemon>, args: &Parsed, _out: &mut String) -> QmpResult<()> {
    let full = args.flag('f');
    let reuse = args.flag('n');
    let mut members = Dict::new();
    members.put("device", args.need("device"));
    members.put("target", args.need("target"));
    if let Some(format) = args.word("format") {
        members.put("format", format);
    }
    members.put("sync", if full { "full" } else { "top" });
    members.put("mode", if reuse { "existing" } else { "absolute-paths" });
    members.put("unmap", true);
    nothing(qmp(daemon, "drive-mirror", members))
}

/// QEMU: `hmp_snapshot_blkdev` (block/monitor/block-hmp-cmds.c).
fn hmp_snapshot_blkdev(daemon: &Rc<Daemon>, args: &Parsed, _out: &mut String) -> QmpResult<()> {
    let mut members = Dict::new();
    members.put("device", args.need("device"));
    members.put("snapshot-file", args.need("file"));
    if let Some(format) = args.word("format") {
        members.put("format", format);
    }
    let reuse = args.flag('n');
    members.put("mode", if reuse { "existing" } else { "absolute-paths" });
    nothing(qmp(daemon, "blockdev-snapshot-sync", members))
}

/// QEMU: `hmp_qemu_io` (block/monitor/block-hmp-cmds.c).
fn hmp_qemu_io(daemon: &Rc<Daemon>, args: &Parsed, out: &mut String) -> QmpResult<()> {
    let device = args.need("device").to_owned();
    let command = args.need("command").to_owned();
    let home = contexts::place_of(daemon, &device);
    let home = home.unwrap_or_else(|| daemon.context().handle());
    let (printed, result) = contexts::call(daemon, &home, move |daemon| {
        let mut printed = String::new();
        let result = disk_io::run(daemon, &device, &command, &mut printed);
        (printed, result)
    })?;
    out.push_str(&printed);
    result
}

fn job_verb<const N: usize>(
    daemon: &Rc<Daemon>,
    command: &'static str,
    args: &Parsed,
    more: [(&'static str, Value); N],
) -> QmpResult<()> {
    let device = args.need("device");
    if daemon.common().names.lock().job(device).is_none() {
        // Also when the QMP command would say it in other words: a person typed a device.
        return Err(QmpError::generic(format!("Block job '{device}' not found")));
    }
    let mut members = Dict::new();
    members.put("device", device);
    for (name, value) in more {
        members.put(name, value);
    }
    nothing(qmp(daemon, command, members))
}

//! The commands, and the table of them.
//!
//! QEMU: blockdev.c, job-qmp.c, block/qapi.c.

pub mod block_job;
pub mod blockdev;
pub mod blockstats;
pub mod control;
pub mod create;
pub mod drive_mirror;
pub mod explain;
pub mod export;
pub mod graph_dump;
mod image_info;
pub mod iothread;
pub mod job;
pub mod job_events;
pub mod mirror;
pub mod nbd;
pub mod object;
pub mod query_block;
pub mod query_nodes;
pub mod receipts;
pub mod reopen;
pub mod resize;
pub mod run;
pub mod schema;
pub mod snapshot;

use super::Daemon;
use crate::qapi::Command;

/// All commands, in groups; a group is the table of the file that has its handlers.
pub static COMMANDS: &[&[Command<Daemon>]] = &[
    job::COMMANDS,
    receipts::COMMANDS,
    explain::COMMANDS,
    block_job::COMMANDS,
    blockdev::COMMANDS,
    reopen::COMMANDS,
    snapshot::COMMANDS,
    resize::COMMANDS,
    create::COMMANDS,
    mirror::COMMANDS,
    drive_mirror::COMMANDS,
    nbd::COMMANDS,
    export::COMMANDS,
    object::COMMANDS,
    iothread::COMMANDS,
    control::COMMANDS,
    query_block::COMMANDS,
    query_nodes::COMMANDS,
    run::COMMANDS,
    blockstats::COMMANDS,
    graph_dump::COMMANDS,
    schema::COMMANDS,
];

/// The command of that name.
pub fn find(name: &str) -> Option<&'static Command<Daemon>> {
    let mut all = COMMANDS.iter().copied().flatten();
    all.find(|command| command.name == name)
}

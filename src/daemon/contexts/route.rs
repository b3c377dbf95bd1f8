//! Where each command runs.

use std::rc::Rc;

use super::merge::keys;
use crate::daemon::Daemon;
use crate::qapi::Dict;

/// In which context a command runs, and what comes of it if that is several.
///
/// What is named and cannot be found is looked for in the main context, which says so.
#[derive(Clone, Copy)]
pub enum Route {
    /// In the main context. If it is about more, its handler asks the others.
    Main,
    /// Where the nodes and drives are that these members name. Those of the later ones come to where
    /// the first one is.
    Nodes(&'static [&'static str]),
    /// Where the nodes are to which the options of a node refer, which are all arguments.
    References,
    /// Where the job is that this member names.
    Job(&'static str),
    /// Where the export is that this member names.
    Export(&'static str),
    /// In all of them.
    All(Merge),
}

/// What comes of the answers of several contexts.
#[derive(Clone, Copy)]
pub enum Merge {
    /// One array, of what has these keys, in this order.
    List(Keys, Order),
    /// One graph.
    Graph,
}

/// The keys of what a command returns in a context, one for each element, in its order.
pub(super) type Keys = fn(&Rc<Daemon>, &Dict) -> Vec<u64>;

/// The order of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the lowest key to the highest.
    OldestFirst,
    /// From the highest key to the lowest.
    NewestFirst,
}

/// Where the command of that name runs; `None` if there is no such command.
pub fn route(command: &str) -> Option<Route> {
    use Order::{NewestFirst, OldestFirst};
    Some(match command {
        "job-pause" | "job-resume" | "job-cancel" | "job-complete" | "job-finalize"
        | "job-dismiss" | "block-job-finalize" | "block-job-dismiss" | "block-job-change"
        | "x-job-explain" => Route::Job("id"),
        "block-job-set-speed"
        | "block-job-cancel"
        | "block-job-pause"
        | "block-job-resume"
        | "block-job-complete" => Route::Job("device"),
        "query-jobs" | "x-job-explain-all" => {
            Route::All(Merge::List(keys::named_jobs, NewestFirst))
        }
        "query-block-jobs" => Route::All(Merge::List(keys::block_jobs, NewestFirst)),
        "blockdev-add" | "blockdev-create" => Route::References,
        "blockdev-del" => Route::Nodes(&["node-name"]),
        "block_resize" | "blockdev-snapshot-sync" => Route::Nodes(&["device", "node-name"]),
        "blockdev-snapshot" => Route::Nodes(&["node", "overlay"]),
        "blockdev-mirror" => Route::Nodes(&["device", "target"]),
        "drive-mirror" | "nbd-server-add" => Route::Nodes(&["device"]),
        "block-export-del" => Route::Export("id"),
        "nbd-server-remove" => Route::Export("name"),
        "query-block-exports" => Route::All(Merge::List(keys::exports, NewestFirst)),
        "query-named-block-nodes" => Route::All(Merge::List(keys::nodes, NewestFirst)),
        "query-blockstats" => Route::All(Merge::List(keys::block_stats, OldestFirst)),
        "x-debug-query-block-graph" => Route::All(Merge::Graph),
        // Receipts are common to all; drives do not leave the main context; the rest is about the
        // program, or asks the other contexts itself.
        "x-query-job-receipts"
        | "query-block"
        | "nbd-server-start"
        | "nbd-server-stop"
        | "block-export-add"
        | "blockdev-reopen"
        | "x-blockdev-set-iothread"
        | "object-add"
        | "object-del"
        | "query-version"
        | "human-monitor-command"
        | "query-status"
        | "stop"
        | "cont"
        | "quit"
        | "qmp_capabilities"
        | "query-commands"
        | "query-qmp-schema" => Route::Main,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::commands::COMMANDS;

    #[test]
    fn every_command_has_a_route() {
        let commands = COMMANDS.iter().copied().flatten();
        let lost: Vec<_> = commands
            .map(|command| command.name)
            .filter(|name| route(name).is_none())
            .collect();
        assert_eq!(lost, Vec::<&str>::new());
    }

    #[test]
    fn a_command_that_is_not_there_has_no_route() {
        assert!(route("query-iothreads").is_none());
    }
}

//! `query-blockstats`.
//!
//! The counters of requests are those of guests' devices, as with the peer: a daemon has none, and so
//! they are zero. What nodes know themselves is how far they were written.
//!
//! QEMU: `qmp_query_blockstats` (block/qapi.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::{Child, ChildRole};

use crate::command;
use crate::daemon::Daemon;
use crate::qapi::types::block_stats::{
    BlockDeviceStats, BlockStats, BlockStatsSpecific, BlockStatsSpecificBase,
    BlockStatsSpecificData, BlockStatsSpecificFile, QueryBlockstats,
};
use crate::qapi::types::node_options::BlockdevDriver;
use crate::qapi::{Command, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("query-blockstats", "Says what drives, or nodes, have done.",
        QueryBlockstats => Vec<BlockStats>, qmp_query_blockstats),
];

/// QEMU: `qmp_query_blockstats` (block/qapi.c).
fn qmp_query_blockstats(daemon: &Rc<Daemon>, args: QueryBlockstats) -> QmpResult<Vec<BlockStats>> {
    if args.query_nodes.unwrap_or(false) {
        let mut nodes = daemon.graph().nodes();
        nodes.sort_by_key(|node| node.number());
        return Ok(nodes.iter().map(|node| node_stats(node, false)).collect());
    }
    let drives = daemon.owned.drives();
    let stats = drives.iter().map(|drive| {
        let mut stats = match drive.node() {
            Some(node) => node_stats(&node, true),
            None => no_stats(),
        };
        stats.device = Some(drive.name().to_owned());
        stats.stats.account_invalid = true;
        stats.stats.account_failed = true;
        stats
    });
    Ok(stats.collect())
}

/// What a node has done, and those below it. Of a drive (`blk_level`) nodes are passed over that
/// nobody has asked for, and the chain of images is shown as well.
///
/// QEMU: `bdrv_query_bds_stats` (block/qapi.c).
fn node_stats(node: &Rc<Node>, blk_level: bool) -> BlockStats {
    let node = match blk_level {
        true => node.skip_implicit_filters(),
        false => node.clone(),
    };
    let below = primary(&node);
    let backing = node.filter_or_cow().filter(|_| blk_level);
    BlockStats {
        node_name: Some(node.name().to_owned()),
        stats: BlockDeviceStats {
            wr_highest_offset: node.wr_highest_offset().cast_signed(),
            ..no_requests()
        },
        driver_specific: specific(&node),
        parent: below.map(|edge| Box::new(node_stats(&edge.node(), blk_level))),
        backing: backing.map(|node| Box::new(node_stats(&node, blk_level))),
        ..no_stats()
    }
}

/// The child that holds the data, if it is one.
///
/// QEMU: `bdrv_primary_child` (block.c).
fn primary(node: &Node) -> Option<Rc<Child>> {
    let mut found = node
        .children()
        .into_iter()
        .filter(|edge| edge.role() != ChildRole::Cow);
    // Of several, as of a quorum's, none is it.
    found.next().filter(|_| found.next().is_none())
}

fn specific(node: &Node) -> Option<BlockStatsSpecific> {
    let driver = match node.driver().format_name() {
        "file" => BlockdevDriver::File,
        "host_device" => BlockdevDriver::HostDevice,
        _ => return None,
    };
    let stats = Box::new(BlockStatsSpecificFile {
        discard_nb_ok: 0,
        discard_nb_failed: 0,
        discard_bytes_ok: 0,
    });
    Some(BlockStatsSpecific {
        base: BlockStatsSpecificBase { driver },
        u: match driver {
            BlockdevDriver::File => BlockStatsSpecificData::File(stats),
            _ => BlockStatsSpecificData::HostDevice(stats),
        },
    })
}

fn no_stats() -> BlockStats {
    BlockStats {
        device: None,
        qdev: None,
        node_name: None,
        stats: no_requests(),
        driver_specific: None,
        parent: None,
        backing: None,
    }
}

fn no_requests() -> BlockDeviceStats {
    BlockDeviceStats {
        rd_bytes: 0,
        wr_bytes: 0,
        zone_append_bytes: 0,
        unmap_bytes: 0,
        rd_operations: 0,
        wr_operations: 0,
        zone_append_operations: 0,
        flush_operations: 0,
        unmap_operations: 0,
        rd_total_time_ns: 0,
        wr_total_time_ns: 0,
        zone_append_total_time_ns: 0,
        flush_total_time_ns: 0,
        unmap_total_time_ns: 0,
        wr_highest_offset: 0,
        rd_merged: 0,
        wr_merged: 0,
        zone_append_merged: 0,
        unmap_merged: 0,
        idle_time_ns: None,
        failed_rd_operations: 0,
        failed_wr_operations: 0,
        failed_zone_append_operations: 0,
        failed_flush_operations: 0,
        failed_unmap_operations: 0,
        invalid_rd_operations: 0,
        invalid_wr_operations: 0,
        invalid_zone_append_operations: 0,
        invalid_flush_operations: 0,
        invalid_unmap_operations: 0,
        account_invalid: false,
        account_failed: false,
        timed_stats: Vec::new(),
        rd_latency_histogram: None,
        wr_latency_histogram: None,
        zone_append_latency_histogram: None,
        flush_latency_histogram: None,
    }
}

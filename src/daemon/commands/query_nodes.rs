//! `query-named-block-nodes`, and what is known of a node.
//!
//! QEMU: `bdrv_named_nodes_list` (block.c), `bdrv_block_device_info` (block/qapi.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::bitmap::NodeBitmap;

use super::image_info::{Behind, image_info};
use crate::command;
use crate::daemon::Daemon;
use crate::daemon::open::filename;
use crate::qapi::types::query_block::{
    BlockDeviceInfo, BlockDirtyInfo, BlockdevCacheInfo, QueryNamedBlockNodes,
};
use crate::qapi::{Command, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("query-named-block-nodes", "Says what nodes there are, the newest first.",
        QueryNamedBlockNodes => Vec<BlockDeviceInfo>, qmp_query_named_block_nodes),
];

/// QEMU: `qmp_query_named_block_nodes` (blockdev.c).
fn qmp_query_named_block_nodes(
    daemon: &Rc<Daemon>,
    args: QueryNamedBlockNodes,
) -> QmpResult<Vec<BlockDeviceInfo>> {
    let behind = match args.flat.unwrap_or(false) {
        true => Behind::Nothing,
        false => Behind::All,
    };
    let mut nodes = daemon.graph().nodes();
    nodes.sort_by_key(|node| std::cmp::Reverse(node.number()));
    let infos = nodes
        .iter()
        .map(|node| block_device_info(daemon, node, behind));
    infos.collect()
}

/// What is known of a node.
///
/// QEMU: `bdrv_block_device_info` (block/qapi.c).
///
/// # Errors
///
/// The length of an image cannot be found out.
pub(super) fn block_device_info(
    daemon: &Rc<Daemon>,
    node: &Rc<Node>,
    behind: Behind,
) -> QmpResult<BlockDeviceInfo> {
    let facts = daemon.facts.of(node);
    let image = image_info(daemon, node, behind)?;
    let below = std::iter::successors(behind.next(node), |node| behind.next(node));
    let backing = node.backing().map(|edge| edge.node());
    Ok(BlockDeviceInfo {
        file: image.filename.clone(),
        node_name: Some(node.name().to_owned()),
        ro: node.is_read_only(),
        drv: node.driver().format_name().to_owned(),
        backing_file: backing.map(|backing| filename::of(daemon, &backing).shown()),
        backing_file_depth: below.count() as i64,
        active: true,
        encrypted: false,
        detect_zeroes: facts.detect_zeroes.get(),
        bps: 0,
        bps_rd: 0,
        bps_wr: 0,
        iops: 0,
        iops_rd: 0,
        iops_wr: 0,
        image,
        bps_max: None,
        bps_rd_max: None,
        bps_wr_max: None,
        iops_max: None,
        iops_rd_max: None,
        iops_wr_max: None,
        bps_max_length: None,
        bps_rd_max_length: None,
        bps_wr_max_length: None,
        iops_max_length: None,
        iops_rd_max_length: None,
        iops_wr_max_length: None,
        iops_size: None,
        group: None,
        cache: BlockdevCacheInfo {
            writeback: true,
            direct: facts.cache_direct.get(),
            no_flush: facts.cache_no_flush.get(),
        },
        write_threshold: 0,
        dirty_bitmaps: dirty_bitmaps(node),
    })
}

/// QEMU: `bdrv_query_dirty_bitmaps` (block/dirty-bitmap.c).
fn dirty_bitmaps(node: &Node) -> Option<Vec<BlockDirtyInfo>> {
    let bitmaps = node.dirty_bitmaps();
    let shown = bitmaps.iter().filter(|bitmap| !bitmap.is_shown_elsewhere());
    let infos: Vec<_> = shown.map(|bitmap| dirty_info(bitmap)).collect();
    (!infos.is_empty()).then_some(infos)
}

fn dirty_info(bitmap: &NodeBitmap) -> BlockDirtyInfo {
    let bits = bitmap.bits();
    BlockDirtyInfo {
        name: bitmap.name().map(str::to_owned),
        count: bits.dirty_bytes().cast_signed(),
        // No bitmap is coarser than 2 GiB.
        granularity: u32::try_from(bits.granularity()).unwrap_or(u32::MAX),
        recording: bitmap.is_enabled(),
        busy: false,
        persistent: false,
        inconsistent: None,
    }
}

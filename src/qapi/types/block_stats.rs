//! What nodes and drives have done so far: `query-blockstats`.
//!
//! QEMU: `BlockStats`, `BlockDeviceStats` (qapi/block-core.json).

use super::node_options::BlockdevDriver;
use crate::{qapi_struct, qapi_union};

qapi_struct! {
    /// The arguments of `query-blockstats`.
    pub struct QueryBlockstats {
        /// All nodes that have names, and not the drives.
        "query-nodes" query_nodes: Option<bool>,
    }
}

qapi_struct! {
    /// How many requests took how long.
    pub struct BlockLatencyHistogramInfo {
        /// Where one bin ends and the next begins, in nanoseconds.
        "boundaries" boundaries: Vec<u64>,
        /// How many requests are in each bin.
        "bins" bins: Vec<u64>,
    }
}

qapi_struct! {
    /// What was done in the last so many seconds.
    pub struct BlockDeviceTimedStats {
        /// The length of time, in seconds.
        "interval_length" interval_length: i64,
        /// The shortest time of reads in nanoseconds.
        "min_rd_latency_ns" min_rd_latency_ns: i64,
        /// The longest time of reads in nanoseconds.
        "max_rd_latency_ns" max_rd_latency_ns: i64,
        /// The mean time of reads in nanoseconds.
        "avg_rd_latency_ns" avg_rd_latency_ns: i64,
        /// The shortest time of writes in nanoseconds.
        "min_wr_latency_ns" min_wr_latency_ns: i64,
        /// The longest time of writes in nanoseconds.
        "max_wr_latency_ns" max_wr_latency_ns: i64,
        /// The mean time of writes in nanoseconds.
        "avg_wr_latency_ns" avg_wr_latency_ns: i64,
        /// The shortest time of appends to zones in nanoseconds.
        "min_zone_append_latency_ns" min_zone_append_latency_ns: i64,
        /// The longest time of appends to zones in nanoseconds.
        "max_zone_append_latency_ns" max_zone_append_latency_ns: i64,
        /// The mean time of appends to zones in nanoseconds.
        "avg_zone_append_latency_ns" avg_zone_append_latency_ns: i64,
        /// The shortest time of flushes in nanoseconds.
        "min_flush_latency_ns" min_flush_latency_ns: i64,
        /// The longest time of flushes in nanoseconds.
        "max_flush_latency_ns" max_flush_latency_ns: i64,
        /// The mean time of flushes in nanoseconds.
        "avg_flush_latency_ns" avg_flush_latency_ns: i64,
        /// How many reads were under way on average.
        "avg_rd_queue_depth" avg_rd_queue_depth: f64,
        /// How many writes were under way on average.
        "avg_wr_queue_depth" avg_wr_queue_depth: f64,
        /// How many appends to zones were under way on average.
        "avg_zone_append_queue_depth" avg_zone_append_queue_depth: f64,
    }
}

qapi_struct! {
    /// What a drive or node has done.
    pub struct BlockDeviceStats {
        /// Bytes of reads.
        "rd_bytes" rd_bytes: i64,
        /// Bytes of writes.
        "wr_bytes" wr_bytes: i64,
        /// Bytes of appends to zones.
        "zone_append_bytes" zone_append_bytes: i64,
        /// Bytes of discards.
        "unmap_bytes" unmap_bytes: i64,
        /// How many reads have ended well.
        "rd_operations" rd_operations: i64,
        /// How many writes have ended well.
        "wr_operations" wr_operations: i64,
        /// How many appends to zones have ended well.
        "zone_append_operations" zone_append_operations: i64,
        /// How many flushes have ended well.
        "flush_operations" flush_operations: i64,
        /// How many discards have ended well.
        "unmap_operations" unmap_operations: i64,
        /// How long reads took together, in nanoseconds.
        "rd_total_time_ns" rd_total_time_ns: i64,
        /// How long writes took together, in nanoseconds.
        "wr_total_time_ns" wr_total_time_ns: i64,
        /// How long appends to zones took together, in nanoseconds.
        "zone_append_total_time_ns" zone_append_total_time_ns: i64,
        /// How long flushes took together, in nanoseconds.
        "flush_total_time_ns" flush_total_time_ns: i64,
        /// How long discards took together, in nanoseconds.
        "unmap_total_time_ns" unmap_total_time_ns: i64,
        /// The end of the highest write, in bytes.
        "wr_highest_offset" wr_highest_offset: i64,
        /// How many reads were merged into others.
        "rd_merged" rd_merged: i64,
        /// How many writes were merged into others.
        "wr_merged" wr_merged: i64,
        /// How many appends to zones were merged into others.
        "zone_append_merged" zone_append_merged: i64,
        /// How many discards were merged into others.
        "unmap_merged" unmap_merged: i64,
        /// How long ago the last request ended, in nanoseconds.
        "idle_time_ns" idle_time_ns: Option<i64>,
        /// How many reads have failed.
        "failed_rd_operations" failed_rd_operations: i64,
        /// How many writes have failed.
        "failed_wr_operations" failed_wr_operations: i64,
        /// How many appends to zones have failed.
        "failed_zone_append_operations" failed_zone_append_operations: i64,
        /// How many flushes have failed.
        "failed_flush_operations" failed_flush_operations: i64,
        /// How many discards have failed.
        "failed_unmap_operations" failed_unmap_operations: i64,
        /// How many reads were refused.
        "invalid_rd_operations" invalid_rd_operations: i64,
        /// How many writes were refused.
        "invalid_wr_operations" invalid_wr_operations: i64,
        /// How many appends to zones were refused.
        "invalid_zone_append_operations" invalid_zone_append_operations: i64,
        /// How many flushes were refused.
        "invalid_flush_operations" invalid_flush_operations: i64,
        /// How many discards were refused.
        "invalid_unmap_operations" invalid_unmap_operations: i64,
        /// Whether refused requests count.
        "account_invalid" account_invalid: bool,
        /// Whether failed requests count.
        "account_failed" account_failed: bool,
        /// The same for lengths of time that were asked for.
        "timed_stats" timed_stats: Vec<BlockDeviceTimedStats>,
        /// How many reads took how long.
        "rd_latency_histogram" rd_latency_histogram: Option<BlockLatencyHistogramInfo>,
        /// How many writes took how long.
        "wr_latency_histogram" wr_latency_histogram: Option<BlockLatencyHistogramInfo>,
        /// How many appends to zones took how long.
        "zone_append_latency_histogram" zone_append_latency_histogram: Option<BlockLatencyHistogramInfo>,
        /// How many flushes took how long.
        "flush_latency_histogram" flush_latency_histogram: Option<BlockLatencyHistogramInfo>,
    }
}

qapi_struct! {
    /// What a file has done.
    pub struct BlockStatsSpecificFile {
        /// How many discards have ended well.
        "discard-nb-ok" discard_nb_ok: u64,
        /// How many have failed.
        "discard-nb-failed" discard_nb_failed: u64,
        /// Bytes of those that have ended well.
        "discard-bytes-ok" discard_bytes_ok: u64,
    }
}

qapi_struct! {
    /// Which driver it is.
    pub struct BlockStatsSpecificBase {
        /// The driver.
        "driver" driver: BlockdevDriver,
    }
}

qapi_union! {
    /// What a node of that driver has done.
    pub union BlockStatsSpecific as BlockStatsSpecificData {
        base: BlockStatsSpecificBase,
        tag "driver" driver: BlockdevDriver,
        "file" File => BlockStatsSpecificFile,
        "host_device" HostDevice => BlockStatsSpecificFile,
    }
}

qapi_struct! {
    /// What a drive or node has done, and what those below have.
    pub struct BlockStats {
        /// The name of the drive.
        "device" device: Option<String>,
        /// The guest's device that uses it.
        "qdev" qdev: Option<String>,
        /// The name of the node.
        "node-name" node_name: Option<String>,
        /// What it has done.
        "stats" stats: BlockDeviceStats,
        /// What nodes of its driver tell in addition.
        "driver-specific" driver_specific: Option<BlockStatsSpecific>,
        /// The node that holds the data.
        "parent" parent: Option<Box<BlockStats>>,
        /// The image behind it.
        "backing" backing: Option<Box<BlockStats>>,
    }
}

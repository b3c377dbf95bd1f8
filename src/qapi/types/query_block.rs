//! What is known of drives and nodes: `query-block` and `query-named-block-nodes`.
//!
//! QEMU: `BlockInfo`, `BlockDeviceInfo` (qapi/block-core.json).

use blockjob_block::error_policy::IoStatus;
use blockjob_block::settings::ZeroDetection;

use super::image_info::ImageInfo;
use crate::qapi_struct;

qapi_struct! {
    /// The arguments of `query-named-block-nodes`.
    pub struct QueryNamedBlockNodes {
        /// Leaves out what is known of images behind images.
        "flat" flat: Option<bool>,
    }
}

qapi_struct! {
    /// How a node is cached.
    pub struct BlockdevCacheInfo {
        /// Writes are not followed by a flush each.
        "writeback" writeback: bool,
        /// The page cache of the host is passed by.
        "direct" direct: bool,
        /// Flushes are ignored.
        "no-flush" no_flush: bool,
    }
}

qapi_struct! {
    /// What is known of a dirty bitmap.
    pub struct BlockDirtyInfo {
        /// Its name; a job's has none.
        "name" name: Option<String>,
        /// How many bytes are dirty.
        "count" count: i64,
        /// How many bytes a bit stands for.
        "granularity" granularity: u32,
        /// Whether it notes writes.
        "recording" recording: bool,
        /// Whether somebody uses it.
        "busy" busy: bool,
        /// Whether it is saved with the image.
        "persistent" persistent: bool,
        /// Whether it was not saved when it should have been.
        "inconsistent" inconsistent: Option<bool>,
    }
}

qapi_struct! {
    /// What is known of a node.
    pub struct BlockDeviceInfo {
        /// The name of its image.
        "file" file: String,
        /// Its name.
        "node-name" node_name: Option<String>,
        /// Whether it refuses to be written to.
        "ro" ro: bool,
        /// Its driver.
        "drv" drv: String,
        /// The name of the image behind its image.
        "backing_file" backing_file: Option<String>,
        /// How many images are behind its image.
        "backing_file_depth" backing_file_depth: i64,
        /// Whether it may be used.
        "active" active: bool,
        /// Whether its image is encrypted.
        "encrypted" encrypted: bool,
        /// Whether writes are searched for zeroes.
        "detect_zeroes" detect_zeroes: ZeroDetection,
        /// The limit in bytes a second, 0 for none, here as below.
        "bps" bps: i64,
        /// That of reads.
        "bps_rd" bps_rd: i64,
        /// That of writes.
        "bps_wr" bps_wr: i64,
        /// The limit in requests a second.
        "iops" iops: i64,
        /// That of reads.
        "iops_rd" iops_rd: i64,
        /// That of writes.
        "iops_wr" iops_wr: i64,
        /// What is known of its image.
        "image" image: ImageInfo,
        /// The limit of a burst in bytes a second, here as below.
        "bps_max" bps_max: Option<i64>,
        /// That of reads.
        "bps_rd_max" bps_rd_max: Option<i64>,
        /// That of writes.
        "bps_wr_max" bps_wr_max: Option<i64>,
        /// The limit of a burst in requests a second.
        "iops_max" iops_max: Option<i64>,
        /// That of reads.
        "iops_rd_max" iops_rd_max: Option<i64>,
        /// That of writes.
        "iops_wr_max" iops_wr_max: Option<i64>,
        /// How long a burst in bytes may be, in seconds, here as below.
        "bps_max_length" bps_max_length: Option<i64>,
        /// That of reads.
        "bps_rd_max_length" bps_rd_max_length: Option<i64>,
        /// That of writes.
        "bps_wr_max_length" bps_wr_max_length: Option<i64>,
        /// How long a burst in requests may be, in seconds.
        "iops_max_length" iops_max_length: Option<i64>,
        /// That of reads.
        "iops_rd_max_length" iops_rd_max_length: Option<i64>,
        /// That of writes.
        "iops_wr_max_length" iops_wr_max_length: Option<i64>,
        /// From how many bytes on a request counts as several.
        "iops_size" iops_size: Option<i64>,
        /// The throttle group.
        "group" group: Option<String>,
        /// How it is cached.
        "cache" cache: BlockdevCacheInfo,
        /// From which offset on a write is told to clients; 0 for none.
        "write_threshold" write_threshold: i64,
        /// Its dirty bitmaps.
        "dirty-bitmaps" dirty_bitmaps: Option<Vec<BlockDirtyInfo>>,
    }
}

qapi_struct! {
    /// What is known of a drive.
    pub struct BlockInfo {
        /// Its name.
        "device" device: String,
        /// The guest's device that uses it.
        "qdev" qdev: Option<String>,
        /// Nothing of use any more: `unknown`.
        "type" device_type: String,
        /// Whether its medium can be taken out.
        "removable" removable: bool,
        /// Whether the guest keeps it in.
        "locked" locked: bool,
        /// The node below, if there is a medium.
        "inserted" inserted: Option<BlockDeviceInfo>,
        /// Whether its tray is open, if it has one.
        "tray_open" tray_open: Option<bool>,
        /// Whether its requests fail, if that is watched.
        "io-status" io_status: Option<IoStatus>,
    }
}

//! Options of `blkdebug`.
//!
//! QEMU: `BlockdevOptionsBlkdebug` (qapi/block-core.json).

use super::BlockdevRef;
use crate::qapi::types::graph::BlockPermission;
use crate::{qapi_enum, qapi_struct};

qapi_enum! {
    /// The places in drivers at which a rule may act.
    pub enum BlkdebugEvent {
        /// An L1 table changes.
        "l1_update" L1Update,
        /// A larger L1 table gets its place.
        "l1_grow_alloc_table" L1GrowAllocTable,
        /// A larger L1 table is written.
        "l1_grow_write_table" L1GrowWriteTable,
        /// A larger L1 table comes into use.
        "l1_grow_activate_table" L1GrowActivateTable,
        /// An L2 table is read.
        "l2_load" L2Load,
        /// An L2 table changes.
        "l2_update" L2Update,
        /// An L2 table changes for a compressed cluster.
        "l2_update_compressed" L2UpdateCompressed,
        /// An L2 table is copied: its read.
        "l2_alloc_cow_read" L2AllocCowRead,
        /// A new L2 table is written.
        "l2_alloc_write" L2AllocWrite,
        /// A read.
        "read_aio" ReadAio,
        /// A read from the backing file.
        "read_backing_aio" ReadBackingAio,
        /// A read of a compressed cluster.
        "read_compressed" ReadCompressed,
        /// A write.
        "write_aio" WriteAio,
        /// A write of a compressed cluster.
        "write_compressed" WriteCompressed,
        /// The state of a machine is read.
        "vmstate_load" VmstateLoad,
        /// The state of a machine is written.
        "vmstate_save" VmstateSave,
        /// A cluster is copied: its read.
        "cow_read" CowRead,
        /// A cluster is copied: its write.
        "cow_write" CowWrite,
        /// The table of reference blocks is read.
        "reftable_load" ReftableLoad,
        /// The table of reference blocks grows.
        "reftable_grow" ReftableGrow,
        /// The table of reference blocks changes.
        "reftable_update" ReftableUpdate,
        /// A reference block is read.
        "refblock_load" RefblockLoad,
        /// A reference block changes.
        "refblock_update" RefblockUpdate,
        /// A part of a reference block changes.
        "refblock_update_part" RefblockUpdatePart,
        /// A reference block gets its place.
        "refblock_alloc" RefblockAlloc,
        /// A new reference block comes into use.
        "refblock_alloc_hookup" RefblockAllocHookup,
        /// A new reference block is written.
        "refblock_alloc_write" RefblockAllocWrite,
        /// New reference blocks are written.
        "refblock_alloc_write_blocks" RefblockAllocWriteBlocks,
        /// A new table of reference blocks is written.
        "refblock_alloc_write_table" RefblockAllocWriteTable,
        /// A new table of reference blocks comes into use.
        "refblock_alloc_switch_table" RefblockAllocSwitchTable,
        /// Clusters get their places.
        "cluster_alloc" ClusterAlloc,
        /// A part of a cluster gets its place.
        "cluster_alloc_bytes" ClusterAllocBytes,
        /// Clusters are given up.
        "cluster_free" ClusterFree,
        /// A cache is written to the host.
        "flush_to_os" FlushToOs,
        /// A flush.
        "flush_to_disk" FlushToDisk,
        /// The head of a write is padded: before the read.
        "pwritev_rmw_head" PwritevRmwHead,
        /// The head of a write is padded: after the read.
        "pwritev_rmw_after_head" PwritevRmwAfterHead,
        /// The tail of a write is padded: before the read.
        "pwritev_rmw_tail" PwritevRmwTail,
        /// The tail of a write is padded: after the read.
        "pwritev_rmw_after_tail" PwritevRmwAfterTail,
        /// A write, when it is aligned.
        "pwritev" Pwritev,
        /// A write of zeroes, when it is aligned.
        "pwritev_zero" PwritevZero,
        /// A write has ended.
        "pwritev_done" PwritevDone,
        /// An image is emptied.
        "empty_image_prepare" EmptyImagePrepare,
        /// A smaller L1 table is written.
        "l1_shrink_write_table" L1ShrinkWriteTable,
        /// L2 tables are given up.
        "l1_shrink_free_l2_clusters" L1ShrinkFreeL2Clusters,
        /// What was read is written into the image.
        "cor_write" CorWrite,
        /// A cluster gets space in the file.
        "cluster_alloc_space" ClusterAllocSpace,
        /// None: a rule acts at each request.
        "none" None,
    }
}

qapi_enum! {
    /// Which requests a rule is for.
    pub enum BlkdebugIOType {
        /// Reads.
        "read" Read,
        /// Writes.
        "write" Write,
        /// Writes of zeroes.
        "write-zeroes" WriteZeroes,
        /// Discards.
        "discard" Discard,
        /// Flushes.
        "flush" Flush,
        /// Questions about what is allocated.
        "block-status" BlockStatus,
    }
}

qapi_struct! {
    /// A rule that makes requests fail.
    pub struct BlkdebugInjectErrorOptions {
        /// At which place.
        "event" event: BlkdebugEvent,
        /// In which state; in any if it is left out.
        "state" state: Option<i64>,
        /// Which requests; reads, writes, zeroes, discards and flushes if it is left out.
        "iotype" iotype: Option<BlkdebugIOType>,
        /// With which error; EIO if it is left out.
        "errno" errno: Option<i64>,
        /// Only requests that touch this sector of 512 bytes.
        "sector" sector: Option<i64>,
        /// Only one request.
        "once" once: Option<bool>,
        /// At once, and not after a turn of the loop.
        "immediately" immediately: Option<bool>,
    }
}

qapi_struct! {
    /// A rule that changes the state that other rules ask for.
    pub struct BlkdebugSetStateOptions {
        /// At which place.
        "event" event: BlkdebugEvent,
        /// In which state; in any if it is left out.
        "state" state: Option<i64>,
        /// The state from then on.
        "new_state" new_state: i64,
    }
}

qapi_struct! {
    /// What `blkdebug` takes.
    pub struct BlockdevOptionsBlkdebug {
        /// The node below.
        "image" image: BlockdevRef,
        /// A file with rules.
        "config" config: Option<String>,
        /// The alignment that it asks for, in bytes.
        "align" align: Option<i64>,
        /// The largest request that it takes, in bytes.
        "max-transfer" max_transfer: Option<i32>,
        /// The alignment at which zeroes are cheap, in bytes.
        "opt-write-zero" opt_write_zero: Option<i32>,
        /// The largest request for zeroes that it takes, in bytes.
        "max-write-zero" max_write_zero: Option<i32>,
        /// The alignment at which discards are cheap, in bytes.
        "opt-discard" opt_discard: Option<i32>,
        /// The largest discard that it takes, in bytes.
        "max-discard" max_discard: Option<i32>,
        /// Rules that make requests fail.
        "inject-error" inject_error: Option<Vec<BlkdebugInjectErrorOptions>>,
        /// Rules that change the state.
        "set-state" set_state: Option<Vec<BlkdebugSetStateOptions>>,
        /// What it asks of the node below in addition.
        "take-child-perms" take_child_perms: Option<Vec<BlockPermission>>,
        /// What it does not let others do with the node below.
        "unshare-child-perms" unshare_child_perms: Option<Vec<BlockPermission>>,
    }
}

//! What a rule can wait for: the events of a node, and the kinds of request.

use std::fmt;
use std::str::FromStr;

use crate::error::{BlockError, ErrorKind};

/// A point in the work of a node at which rules apply.
///
/// QEMU: `BlkdebugEvent` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event(&'static str);

impl Event {
    /// No event: the rule holds from the beginning, until another error rule takes over.
    pub const NONE: Event = Event("none");
    /// A read begins.
    pub const READ_AIO: Event = Event("read_aio");
    /// A write begins.
    pub const WRITE_AIO: Event = Event("write_aio");
    /// A write goes to the child.
    pub const PWRITEV: Event = Event("pwritev");
    /// A write of zeroes goes to the child.
    pub const PWRITEV_ZERO: Event = Event("pwritev_zero");
    /// A write, also of zeroes, has ended at the child, well or not.
    pub const PWRITEV_DONE: Event = Event("pwritev_done");
    /// A discard begins. QEMU has no such event.
    pub const PDISCARD: Event = Event("pdiscard");
    /// A flush begins.
    pub const FLUSH_TO_OS: Event = Event("flush_to_os");
    /// A flush goes to the child.
    pub const FLUSH_TO_DISK: Event = Event("flush_to_disk");

    /// Its name, as in QMP.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl FromStr for Event {
    type Err = BlockError;

    /// Knows all events of QEMU, also those that only its image formats raise.
    fn from_str(name: &str) -> Result<Event, BlockError> {
        let known = EVENT_NAMES.iter().find(|known| **known == name);
        known.map(|known| Event(known)).ok_or_else(|| {
            BlockError::new(
                ErrorKind::Invalid,
                format!("invalid parameter value: {name}"),
            )
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[rustfmt::skip]
const EVENT_NAMES: &[&str] = &[
    "none", "l1_update", "l1_grow_alloc_table", "l1_grow_write_table", "l1_grow_activate_table",
    "l2_load", "l2_update", "l2_update_compressed", "l2_alloc_cow_read", "l2_alloc_write",
    "read_aio", "read_backing_aio", "read_compressed", "write_aio", "write_compressed",
    "vmstate_load", "vmstate_save", "cow_read", "cow_write", "reftable_load", "reftable_grow",
    "reftable_update", "refblock_load", "refblock_update", "refblock_update_part",
    "refblock_alloc", "refblock_alloc_hookup", "refblock_alloc_write",
    "refblock_alloc_write_blocks", "refblock_alloc_write_table", "refblock_alloc_switch_table",
    "cluster_alloc", "cluster_alloc_bytes", "cluster_free", "flush_to_os", "flush_to_disk",
    "pwritev_rmw_head", "pwritev_rmw_after_head", "pwritev_rmw_tail", "pwritev_rmw_after_tail",
    "pwritev", "pwritev_zero", "pwritev_done", "empty_image_prepare", "l1_shrink_write_table",
    "l1_shrink_free_l2_clusters", "cor_write", "cluster_alloc_space", "pdiscard",
];

/// A kind of request that a rule can let fail.
///
/// QEMU: `BlkdebugIOType` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IoType {
    /// Reads.
    Read,
    /// Writes of data.
    Write,
    /// Writes of zeroes.
    WriteZeroes,
    /// Discards.
    Discard,
    /// Flushes.
    Flush,
    /// Questions for the block status.
    BlockStatus,
}

impl IoType {
    /// What an error rule that names no kind lets fail: all but block status.
    ///
    /// QEMU: `add_rule` (block/blkdebug.c).
    pub(super) const DEFAULT: [IoType; 5] = [
        IoType::Read,
        IoType::Write,
        IoType::WriteZeroes,
        IoType::Discard,
        IoType::Flush,
    ];

    /// Its name, as in QMP.
    pub const fn name(self) -> &'static str {
        match self {
            IoType::Read => "read",
            IoType::Write => "write",
            IoType::WriteZeroes => "write-zeroes",
            IoType::Discard => "discard",
            IoType::Flush => "flush",
            IoType::BlockStatus => "block-status",
        }
    }
}

impl FromStr for IoType {
    type Err = BlockError;

    fn from_str(name: &str) -> Result<IoType, BlockError> {
        let mut all = Self::DEFAULT.into_iter().chain([IoType::BlockStatus]);
        all.find(|kind| kind.name() == name).ok_or_else(|| {
            BlockError::new(
                ErrorKind::Invalid,
                format!("invalid parameter value: {name}"),
            )
        })
    }
}

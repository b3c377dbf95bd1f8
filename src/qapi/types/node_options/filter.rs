//! Options of drivers above other nodes that are no formats.
//!
//! QEMU: `BlockdevOptionsRaw`, `BlockdevOptionsThrottle`, `BlockdevOptionsCor`, `BlockdevOptionsQuorum`
//! (qapi/block-core.json).

use super::BlockdevRef;
use crate::{qapi_enum, qapi_struct};

qapi_struct! {
    /// What `raw` takes.
    pub struct BlockdevOptionsRaw {
        /// The node below.
        "file" file: BlockdevRef,
        /// Where in it the disk begins, in bytes.
        "offset" offset: Option<i64>,
        /// How large the disk is, in bytes; up to the end if it is left out.
        "size" size: Option<i64>,
    }
}

qapi_struct! {
    /// What `throttle` takes.
    pub struct BlockdevOptionsThrottle {
        /// The group whose limits hold.
        "throttle-group" throttle_group: String,
        /// The node below.
        "file" file: BlockdevRef,
    }
}

qapi_struct! {
    /// What `copy-on-read` takes.
    pub struct BlockdevOptionsCor {
        /// The node below.
        "file" file: BlockdevRef,
        /// The last node of the chain from which is copied.
        "bottom" bottom: Option<String>,
    }
}

qapi_enum! {
    /// How a quorum reads.
    pub enum QuorumReadPattern {
        /// From all, and the most win.
        "quorum" Quorum,
        /// From the first that answers without an error.
        "fifo" Fifo,
    }
}

qapi_struct! {
    /// What `quorum` takes.
    pub struct BlockdevOptionsQuorum {
        /// Whether two children that differ end the program.
        "blkverify" blkverify: Option<bool>,
        /// The nodes below.
        "children" children: Vec<BlockdevRef>,
        /// How many must agree.
        "vote-threshold" vote_threshold: i64,
        /// Whether who was outvoted is written over.
        "rewrite-corrupted" rewrite_corrupted: Option<bool>,
        /// How it reads; `quorum` if it is left out.
        "read-pattern" read_pattern: Option<QuorumReadPattern>,
    }
}

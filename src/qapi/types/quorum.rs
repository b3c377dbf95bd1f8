//! What a quorum tells of its children.
//!
//! QEMU: qapi/block-core.json.

use crate::{qapi_enum, qapi_event};

qapi_enum! {
    /// What a request to a quorum was.
    pub enum QuorumOpType {
        /// A read.
        "read" Read,
        /// A write.
        "write" Write,
        /// A flush.
        "flush" Flush,
    }
}

qapi_event! {
    /// Too few children agreed.
    pub struct QuorumFailure = "QUORUM_FAILURE" {
        /// The drive, or the node if there is none.
        "reference" reference: String,
        /// Where the request began, in sectors of 512 bytes.
        "sector-num" sector_num: i64,
        /// How long it was, in sectors.
        "sectors-count" sectors_count: i64,
    }
}

qapi_event! {
    /// A child failed or was outvoted.
    pub struct QuorumReportBad = "QUORUM_REPORT_BAD" {
        /// What the request was.
        "type" op_type: QuorumOpType,
        /// How it failed; absent if it was outvoted.
        "error" error: Option<String>,
        /// The child.
        "node-name" node_name: String,
        /// Where the request began, in sectors of 512 bytes.
        "sector-num" sector_num: i64,
        /// How long it was, in sectors.
        "sectors-count" sectors_count: i64,
    }
}

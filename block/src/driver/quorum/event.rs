//! What a quorum tells of its children.
//!
//! QEMU: `quorum_report_bad`, `quorum_report_failure` (block/quorum.c).

use crate::error::{BlockError, errno_text};
use crate::node::Node;

/// The unit in which events say where something is, in bytes.
const SECTOR_BYTES: u64 = 512;

/// What was being done.
///
/// QEMU: `QuorumOpType` (qapi/block.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuorumOp {
    /// A read, or a question for the block status.
    Read,
    /// A write, also of zeroes.
    Write,
    /// A flush.
    Flush,
}

impl QuorumOp {
    /// Its name, as in QMP.
    pub const fn name(self) -> &'static str {
        match self {
            QuorumOp::Read => "read",
            QuorumOp::Write => "write",
            QuorumOp::Flush => "flush",
        }
    }
}

/// Where it was, in sectors of 512 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sectors {
    /// The first sector that the request touches.
    pub num: u64,
    /// How many it touches.
    pub count: u64,
}

impl Sectors {
    pub(super) fn of(offset: u64, bytes: u64) -> Sectors {
        let num = offset / SECTOR_BYTES;
        let end = (offset + bytes).div_ceil(SECTOR_BYTES);
        Sectors {
            num,
            count: end - num,
        }
    }
}

/// What a quorum tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuorumEvent {
    /// A child has failed, or says something else than the majority (`QUORUM_REPORT_BAD`).
    ReportBad {
        /// What was being done.
        op: QuorumOp,
        /// The name of the child's node.
        node_name: String,
        /// Where.
        sectors: Sectors,
        /// The system's text for the error; none if the child has answered, and wrongly.
        error: Option<String>,
    },
    /// Too few children agree, and the request fails (`QUORUM_FAILURE`).
    Failure {
        /// The name of the backend that uses the quorum, or else of its node.
        reference: String,
        /// Where.
        sectors: Sectors,
    },
    /// With `blkverify`: the two children differ. QEMU prints that, and exits.
    Mismatch {
        /// The name of the quorum's node.
        node_name: String,
        /// Where the two differ, in bytes.
        offset: u64,
    },
}

impl QuorumEvent {
    pub(super) fn bad(
        op: QuorumOp,
        child: &Node,
        sectors: Sectors,
        error: Option<&BlockError>,
    ) -> QuorumEvent {
        QuorumEvent::ReportBad {
            op,
            node_name: child.name().to_owned(),
            sectors,
            error: error.map(|error| errno_text(error.errno())),
        }
    }

    /// QEMU: `bdrv_get_device_or_node_name` (block.c).
    pub(super) fn failure(node: &Node, sectors: Sectors) -> QuorumEvent {
        let users = node.parents().into_iter().filter_map(|edge| edge.parent());
        let mut names = users.map(|user| user.backend_name());
        let device = names.find(|name| !name.is_empty());
        QuorumEvent::Failure {
            reference: device.unwrap_or_else(|| node.name().to_owned()),
            sectors,
        }
    }
}

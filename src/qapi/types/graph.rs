//! The graph of nodes, as `x-debug-query-block-graph` shows it.
//!
//! QEMU: `XDbgBlockGraph` (qapi/block-core.json).

use crate::{qapi_enum, qapi_struct};

qapi_enum! {
    /// What a user of a node may do with it.
    pub enum BlockPermission {
        /// Read what was written before.
        "consistent-read" ConsistentRead,
        /// Write.
        "write" Write,
        /// Write what is there already.
        "write-unchanged" WriteUnchanged,
        /// Change the length.
        "resize" Resize,
    }
}

qapi_enum! {
    /// What a vertex of the graph is.
    pub enum XDbgBlockGraphNodeType {
        /// A drive, or another user at the top.
        "block-backend" BlockBackend,
        /// A job.
        "block-job" BlockJob,
        /// A node.
        "block-driver" BlockDriver,
    }
}

qapi_struct! {
    /// A vertex of the graph.
    pub struct XDbgBlockGraphNode {
        /// Its number in this answer.
        "id" id: u64,
        /// What it is.
        "type" node_type: XDbgBlockGraphNodeType,
        /// Its name.
        "name" name: String,
    }
}

qapi_struct! {
    /// An edge of the graph.
    pub struct XDbgBlockGraphEdge {
        /// The number of who uses.
        "parent" parent: u64,
        /// The number of who is used.
        "child" child: u64,
        /// What for: `file`, `backing`, `root`.
        "name" name: String,
        /// What the user may do.
        "perm" perm: Vec<BlockPermission>,
        /// What it lets others do.
        "shared-perm" shared_perm: Vec<BlockPermission>,
    }
}

qapi_struct! {
    /// The graph.
    pub struct XDbgBlockGraph {
        /// Its vertices.
        "nodes" nodes: Vec<XDbgBlockGraphNode>,
        /// Its edges.
        "edges" edges: Vec<XDbgBlockGraphEdge>,
    }
}

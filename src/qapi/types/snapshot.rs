//! Overlays over nodes, and the length of nodes.
//!
//! QEMU: qapi/block-core.json.

use super::mirror::NewImageMode;
use crate::qapi_struct;

qapi_struct! {
    /// The arguments of `blockdev-snapshot`.
    pub struct BlockdevSnapshot {
        /// The node that becomes a backing file.
        "node" node: String,
        /// The node that comes above it. It has no backing file yet.
        "overlay" overlay: String,
    }
}

qapi_struct! {
    /// The arguments of `blockdev-snapshot-sync`.
    pub struct BlockdevSnapshotSync {
        /// The drive whose topmost node becomes a backing file.
        "device" device: Option<String>,
        /// Or that node.
        "node-name" node_name: Option<String>,
        /// The file of the image that comes above it.
        "snapshot-file" snapshot_file: String,
        /// The name that its node gets.
        "snapshot-node-name" snapshot_node_name: Option<String>,
        /// Its format; `qcow2` if it is left out.
        "format" format: Option<String>,
        /// Whether it is made; it is, if this is left out.
        "mode" mode: Option<NewImageMode>,
    }
}

qapi_struct! {
    /// The arguments of `block_resize`.
    pub struct BlockResize {
        /// The drive.
        "device" device: Option<String>,
        /// Or the node.
        "node-name" node_name: Option<String>,
        /// Its new length in bytes.
        "size" size: i64,
    }
}

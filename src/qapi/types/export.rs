//! Exports, and the NBD server.
//!
//! QEMU: qapi/block-export.json.

use super::sockets::{SocketAddress, SocketAddressLegacy};
use crate::{qapi_alternate, qapi_enum, qapi_event, qapi_struct, qapi_union};

qapi_struct! {
    /// What makes an NBD server, save its address.
    pub struct NbdServerOptionsBase {
        /// How long a client may take until it has chosen an export, in seconds; 0 for as long as it
        /// likes. 10 if it is left out.
        "handshake-max-seconds" handshake_max_seconds: Option<u32>,
        /// The credentials of encrypted connections. There are none: connections are plain.
        "tls-creds" tls_creds: Option<String>,
        /// Who may come over encrypted connections.
        "tls-authz" tls_authz: Option<String>,
        /// How many clients there may be at a time; 0 for any number. 100 if it is left out. With 1, no
        /// writable export says that it takes several connections.
        "max-connections" max_connections: Option<u32>,
    }
}

qapi_struct! {
    /// The arguments of `nbd-server-start`.
    pub struct NbdServerOptionsLegacy [base: NbdServerOptionsBase] {
        /// Where clients come.
        "addr" addr: SocketAddressLegacy,
    }
}

qapi_struct! {
    /// What `--nbd-server` is told.
    pub struct NbdServerOptions [base: NbdServerOptionsBase] {
        /// Where clients come.
        "addr" addr: SocketAddress,
    }
}

qapi_enum! {
    /// What a node is exported as.
    pub enum BlockExportType {
        /// A disk over the network block device protocol.
        "nbd" Nbd,
    }
}

qapi_struct! {
    /// A dirty bitmap of a node.
    pub struct BlockDirtyBitmap {
        /// The node.
        "node" node: String,
        /// The bitmap.
        "name" name: String,
    }
}

qapi_alternate! {
    /// A dirty bitmap.
    pub enum BlockDirtyBitmapOrStr {
        /// One of the node that is exported.
        string Local(String),
        /// One of another node.
        object External(BlockDirtyBitmap),
    }
}

qapi_struct! {
    /// What every export is told.
    pub struct BlockExportOptionsBase {
        /// What kind it is.
        "type" export_type: BlockExportType,
        /// Its name among the exports.
        "id" id: String,
        /// Whether the node stays in the thread in which it is now, or in the one that is named, for as
        /// long as it is exported. Then it fails if it cannot go there.
        "fixed-iothread" fixed_iothread: Option<bool>,
        /// The I/O thread that it is served in: the node goes there, with all that is connected with it, if
        /// it can.
        "iothread" iothread: Option<String>,
        /// The node.
        "node-name" node_name: String,
        /// Whether clients may write. They may not, if it is left out.
        "writable" writable: Option<bool>,
        /// Whether each write is safe from a crash when it is answered.
        "writethrough" writethrough: Option<bool>,
        /// Whether the node may be inactive, as it is in a machine that migrates. No node here is.
        "allow-inactive" allow_inactive: Option<bool>,
    }
}

qapi_struct! {
    /// What an NBD export is told in addition.
    pub struct BlockExportOptionsNbd {
        /// By what name clients ask for it; that of the node if it is left out.
        "name" name: Option<String>,
        /// A description for people.
        "description" description: Option<String>,
        /// Dirty bitmaps that clients can look at. There are none.
        "bitmaps" bitmaps: Option<Vec<BlockDirtyBitmapOrStr>>,
        /// Whether clients can ask at which depth data is. They can not.
        "allocation-depth" allocation_depth: Option<bool>,
    }
}

qapi_union! {
    /// The arguments of `block-export-add`.
    pub union BlockExportOptions as BlockExportOptionsKind {
        base: BlockExportOptionsBase,
        tag "type" export_type: BlockExportType,
        "nbd" Nbd => BlockExportOptionsNbd,
    }
}

qapi_enum! {
    /// What becomes of the clients of an export that is to end.
    pub enum BlockExportRemoveMode {
        /// If there are any, it does not end.
        "safe" Safe,
        /// They lose it.
        "hard" Hard,
    }
}

qapi_struct! {
    /// The arguments of `block-export-del`.
    pub struct BlockExportDel {
        /// The export.
        "id" id: String,
        /// What becomes of its clients; `safe` if it is left out.
        "mode" mode: Option<BlockExportRemoveMode>,
    }
}

qapi_struct! {
    /// The arguments of `nbd-server-add`.
    pub struct NbdServerAddOptions {
        /// By what name clients ask for it; that of the node if it is left out.
        "name" name: Option<String>,
        /// A description for people.
        "description" description: Option<String>,
        /// The node, or the drive.
        "device" device: String,
        /// Whether clients may write, if the node can be written to.
        "writable" writable: Option<bool>,
        /// A dirty bitmap that clients can look at. There is none.
        "bitmap" bitmap: Option<String>,
    }
}

qapi_struct! {
    /// The arguments of `nbd-server-remove`.
    pub struct NbdServerRemove {
        /// The name by which clients ask for the export.
        "name" name: String,
        /// What becomes of its clients; `safe` if it is left out.
        "mode" mode: Option<BlockExportRemoveMode>,
    }
}

qapi_struct! {
    /// What `query-block-exports` says of an export.
    pub struct BlockExportInfo {
        /// Its name among the exports.
        "id" id: String,
        /// What kind it is.
        "type" export_type: BlockExportType,
        /// The node that it uses now.
        "node-name" node_name: String,
        /// It is to end, and waits for requests of its clients.
        "shutting-down" shutting_down: bool,
    }
}

qapi_event! {
    /// An export is gone.
    pub struct BlockExportDeleted = "BLOCK_EXPORT_DELETED" {
        /// Its name among the exports.
        "id" id: String,
    }
}

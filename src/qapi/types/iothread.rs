//! In which thread nodes live.
//!
//! QEMU: `x-blockdev-set-iothread` (qapi/block-core.json).

use crate::qapi::Null;
use crate::{qapi_alternate, qapi_struct};

qapi_alternate! {
    /// A name or none.
    pub enum StrOrNull {
        /// The name.
        string Str(String),
        /// None.
        null None(Null),
    }
}

qapi_struct! {
    /// The arguments of `x-blockdev-set-iothread`.
    pub struct XBlockdevSetIothread {
        /// A node. All that is connected with it goes along.
        "node-name" node_name: String,
        /// The I/O thread; none for the main loop.
        "iothread" iothread: StrOrNull,
        /// Do it also if somebody may be using the node.
        "force" force: Option<bool>,
    }
}

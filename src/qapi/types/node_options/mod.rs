//! How a node is opened: the arguments of `blockdev-add`, one file for what each kind of driver adds.
//!
//! QEMU: `BlockdevOptions` (qapi/block-core.json).

pub mod blkdebug;
pub mod filter;
pub mod nbd;
pub mod protocol;
pub mod qcow2;

use blockjob_block::settings::ZeroDetection;

use crate::qapi::Null;
use crate::{qapi_alternate, qapi_enum, qapi_struct, qapi_union};
use blkdebug::BlockdevOptionsBlkdebug;
use filter::{
    BlockdevOptionsCor, BlockdevOptionsQuorum, BlockdevOptionsRaw, BlockdevOptionsThrottle,
};
use nbd::BlockdevOptionsNbd;
use protocol::{BlockdevOptionsFile, BlockdevOptionsNull};
use qcow2::BlockdevOptionsQcow2;

qapi_enum! {
    /// The drivers.
    pub enum BlockdevDriver {
        /// Fails requests on purpose.
        "blkdebug" Blkdebug,
        /// Keeps what was read from a backing file.
        "copy-on-read" CopyOnRead,
        /// A file.
        "file" File,
        /// A disk of the host.
        "host_device" HostDevice,
        /// An export of a server.
        "nbd" Nbd,
        /// Nothing; requests take a time that is given.
        "null-aio" NullAio,
        /// The same.
        "null-co" NullCo,
        /// An image in QEMU's own format.
        "qcow2" Qcow2,
        /// Several nodes with the same content.
        "quorum" Quorum,
        /// An image without a format, or a part of a node.
        "raw" Raw,
        /// Takes its turn in a throttle group.
        "throttle" Throttle,
    }
}

qapi_enum! {
    /// What becomes of discards.
    pub enum BlockdevDiscardOptions {
        /// Nothing.
        "ignore" Ignore,
        /// They are passed on.
        "unmap" Unmap,
    }
}

qapi_enum!(
    impl ZeroDetection as "BlockdevDetectZeroesOptions",
    "Whether writes are searched for zeroes, and what becomes of them.",
    {
        "off" Off,
        "on" On,
        "unmap" Unmap,
    }
);

qapi_struct! {
    /// How a node is cached.
    pub struct BlockdevCacheOptions {
        /// The page cache of the host is passed by.
        "direct" direct: Option<bool>,
        /// Flushes are ignored, so that a crash may cost everything.
        "no-flush" no_flush: Option<bool>,
    }
}

qapi_struct! {
    /// What all drivers take.
    pub struct BlockdevOptionsBase {
        /// The driver.
        "driver" driver: BlockdevDriver,
        /// The name of the node; one that is made up if it is left out.
        "node-name" node_name: Option<String>,
        /// What becomes of discards; `ignore` if it is left out.
        "discard" discard: Option<BlockdevDiscardOptions>,
        /// How it is cached; `writeback` alone if it is left out.
        "cache" cache: Option<BlockdevCacheOptions>,
        /// Whether the node may be used at once.
        "active" active: Option<bool>,
        /// Whether it refuses to be written to; false if it is left out.
        "read-only" read_only: Option<bool>,
        /// Whether it refuses to be written to when it cannot be, instead of not being opened.
        "auto-read-only" auto_read_only: Option<bool>,
        /// Whether others may do with the image whatever they like meanwhile.
        "force-share" force_share: Option<bool>,
        /// Whether writes are searched for zeroes; `off` if it is left out.
        "detect-zeroes" detect_zeroes: Option<ZeroDetection>,
    }
}

qapi_union! {
    /// How a node is opened.
    pub union BlockdevOptions as BlockdevOptionsKind {
        base: BlockdevOptionsBase,
        tag "driver" driver: BlockdevDriver,
        "blkdebug" Blkdebug => BlockdevOptionsBlkdebug,
        "copy-on-read" CopyOnRead => BlockdevOptionsCor,
        "file" File => BlockdevOptionsFile,
        "host_device" HostDevice => BlockdevOptionsFile,
        "nbd" Nbd => BlockdevOptionsNbd,
        "null-aio" NullAio => BlockdevOptionsNull,
        "null-co" NullCo => BlockdevOptionsNull,
        "qcow2" Qcow2 => BlockdevOptionsQcow2,
        "quorum" Quorum => BlockdevOptionsQuorum,
        "raw" Raw => BlockdevOptionsRaw,
        "throttle" Throttle => BlockdevOptionsThrottle,
    }
}

qapi_alternate! {
    /// A node: a new one, or one that is there.
    pub enum BlockdevRef {
        /// How to open it.
        object Definition(BlockdevOptions),
        /// Its name.
        string Reference(String),
    }
}

qapi_alternate! {
    /// A node or none.
    pub enum BlockdevRefOrNull {
        /// How to open it.
        object Definition(BlockdevOptions),
        /// Its name.
        string Reference(String),
        /// None, whatever the image says.
        null None(Null),
    }
}

qapi_struct! {
    /// The arguments of `blockdev-del`.
    pub struct BlockdevDel {
        /// The node.
        "node-name" node_name: String,
    }
}

qapi_struct! {
    /// The arguments of `blockdev-reopen`.
    pub struct BlockdevReopen {
        /// How each node is to be from now on, all of it: what is left out gets its default.
        "options" options: Vec<BlockdevOptions>,
    }
}

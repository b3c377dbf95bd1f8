//! From options to nodes: what `--blockdev`, `blockdev-add`, `--drive` and `drive-mirror` open.
//!
//! Whatever way an image is named, it becomes a flat list of [`options`], and one function makes nodes
//! of it: the node itself, the nodes below it that its options define, its format if nobody says
//! which, and its backing file.
//!
//! QEMU: `bdrv_open_inherit` (block.c), `qmp_blockdev_add` (blockdev.c).

mod backing;
mod build;
mod common;
mod create;
mod drive;
pub mod filename;
mod flags;
pub mod format;
mod inherit;
mod nbd_name;
mod nbd_socket;
pub mod options;
mod probing;
mod protocol;
mod reopen;
mod say;

use std::rc::Rc;

use blockjob_block::Node;

pub use backing::{full_backing_filename, open_backing_chain};
pub(in crate::daemon) use create::make_file;
pub use create::{NewImage, create_image, creating_backend};
pub use drive::drive_new;
pub use flags::OpenFlags;
use inherit::Wanted;
use options::Options;
pub use protocol::has_protocol;
pub use reopen::{Reopening, reopen, reopen_read_only};
pub(in crate::daemon) use say::warn;

use super::Daemon;
use crate::qapi::types::node_options::{BlockdevOptions, BlockdevRef};
use crate::qapi::{Dict, Qapi, QapiObject, QmpError, QmpResult};

/// Opens an image by its name, by options, or by both. `flags` say what holds where the options say
/// nothing. Nobody owns the node yet.
///
/// QEMU: `bdrv_open` (block.c).
///
/// # Errors
///
/// In the peer's words. Then nothing of it is left open.
///
/// # Panics
///
/// Inside of a coroutine: it polls.
pub fn open_image(
    daemon: &Rc<Daemon>,
    filename: Option<&str>,
    options: Options,
    flags: OpenFlags,
) -> QmpResult<Rc<Node>> {
    let wanted = Wanted {
        filename: filename.map(str::to_owned),
        options,
        flags,
        parse_filename: true,
        ..Wanted::default()
    };
    Ok(inherit::open(daemon, wanted)?.node)
}

/// Opens what a reference defines, or finds the node that it names.
///
/// QEMU: `bdrv_open_blockdev_ref` (block.c).
///
/// # Errors
///
/// In the peer's words.
pub fn open_ref(daemon: &Rc<Daemon>, reference: &BlockdevRef) -> QmpResult<Rc<Node>> {
    match reference {
        BlockdevRef::Reference(name) => Ok(daemon.graph().lookup(name)?),
        BlockdevRef::Definition(options) => tree(daemon, options_of(&**options)),
    }
}

/// How a node is open, for others that are to be opened like it.
///
/// QEMU: `open_flags` of `BlockDriverState` (include/block/block_int-common.h).
pub fn flags_of(daemon: &Rc<Daemon>, node: &Rc<Node>) -> OpenFlags {
    let facts = daemon.facts.of(node);
    OpenFlags {
        writable: !node.is_read_only(),
        direct: facts.cache_direct.get(),
        no_flush: facts.cache_no_flush.get(),
        unmap: facts.discard_unmap.get(),
        no_backing: facts.no_backing.get(),
        ..OpenFlags::default()
    }
}

/// The options that a declared object means.
pub fn options_of<T: QapiObject>(object: &T) -> Options {
    let mut dict = Dict::new();
    object.put_members(&mut dict);
    Options::flatten(&dict)
}

/// Opens what `options` say, with the defaults of `blockdev-add`. Nobody owns the node yet.
///
/// QEMU: `bds_tree_init` (blockdev.c).
///
/// # Errors
///
/// In the peer's words.
pub fn tree(daemon: &Rc<Daemon>, mut options: Options) -> QmpResult<Rc<Node>> {
    for name in ["cache.direct", "cache.no-flush", "read-only"] {
        options.put_default(name, "off");
    }
    open_image(daemon, None, options, OpenFlags::default())
}

/// Makes the node that `options` define. The user owns it from now on.
///
/// QEMU: `qmp_blockdev_add` (blockdev.c).
///
/// # Errors
///
/// In the peer's words. Then nothing of it is left open.
pub fn blockdev_add(daemon: &Rc<Daemon>, options: &BlockdevOptions) -> QmpResult<Rc<Node>> {
    let options = options_of(options);
    if !options.contains("node-name") {
        return Err(QmpError::generic(
            "'node-name' must be specified for the root node",
        ));
    }
    let node = tree(daemon, options)?;
    daemon.owned.add_node(node.clone());
    Ok(node)
}

/// Lets a node be safe before its last user lets it go: what images keep in memory is written.
///
/// QEMU: `bdrv_close` (block.c).
pub fn flush_before_close(daemon: &Rc<Daemon>, node: &Rc<Node>) {
    if node.is_read_only() {
        return;
    }
    let flushed = node.clone();
    let result = daemon
        .context()
        .run("close", async move { flushed.flush().await });
    if let Err(error) = result {
        eprintln!(
            "blockjob: warning: '{}' could not be flushed: {error}",
            node.name()
        );
    }
}

/// Reads the value of `--blockdev`: JSON if it begins with a brace, else `key=value,...`.
///
/// QEMU: `qobject_input_visitor_new_str` (qapi/qobject-input-visitor.c).
///
/// # Errors
///
/// In the peer's words.
pub fn parse_blockdev(text: &str) -> QmpResult<BlockdevOptions> {
    crate::qapi::keyval::parse_input(text, Some("driver"), BlockdevOptions::visit)
}

//! The drivers themselves, from the options that only they know.
//!
//! An option that a driver of ours does not do is refused by its name: see [`refuse`].

mod blkdebug;
mod file;
mod filters;
mod nbd;
mod null;
mod qcow2;
mod raw;

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::Driver;

use super::common::Shared;
use super::format::Format;
use super::inherit::Opening;
use super::options::Options;
use crate::daemon::facts::NodeFacts;
use crate::qapi::{QmpError, QmpResult};

/// What a node is made of.
pub(super) struct Built {
    pub(super) driver: Box<dyn Driver>,
    pub(super) read_only: bool,
    pub(super) children: Vec<(&'static str, ChildRole, Rc<Node>)>,
}

/// Makes the driver of a node.
///
/// QEMU: `bdrv_open`, `bdrv_file_open` of `BlockDriver` (include/block/block_int-common.h).
pub(super) fn driver(
    opening: &mut Opening<'_>,
    format: Format,
    file: Option<Rc<Node>>,
    shared: &Shared,
    facts: &Rc<NodeFacts>,
) -> QmpResult<Built> {
    match format {
        Format::File | Format::HostDevice => file::open(opening, format, shared),
        Format::Nbd => nbd::open(opening),
        Format::NullCo | Format::NullAio => null::open(opening, format),
        Format::Blkdebug => blkdebug::open(opening),
        Format::Raw => raw::open(opening, need(file)?, facts),
        Format::Qcow2 => qcow2::open(opening, need(file)?, facts),
        Format::Throttle => filters::throttle(opening, need(file)?),
        Format::CopyOnRead => filters::copy_on_read(opening, need(file)?),
        Format::Quorum => filters::quorum(opening),
    }
}

fn need(file: Option<Rc<Node>>) -> QmpResult<Rc<Node>> {
    file.ok_or_else(|| QmpError::generic("A block device must be specified for \"file\""))
}

/// Refuses what `qcow2` cannot do.
pub(super) fn check_qcow2_options(options: &mut Options) -> QmpResult<()> {
    qcow2::check_options(options)
}

/// Refuses an option of QEMU's that we do not do, unless it says what is done anyway.
fn refuse(
    format: Format,
    options: &mut Options,
    name: &str,
    anyway: Option<&str>,
) -> QmpResult<()> {
    match options.take(name) {
        Some(text) if anyway != Some(&*text) => Err(QmpError::generic(format!(
            "The driver '{}' does not support the option '{name}' here",
            format.name()
        ))),
        _ => Ok(()),
    }
}

/// As [`refuse`], for all options that begin with `prefix` and a dot.
fn refuse_all(format: Format, options: &mut Options, prefix: &str) -> QmpResult<()> {
    refuse(format, options, prefix, None)?;
    if options.take_child(prefix).is_empty() {
        return Ok(());
    }
    Err(QmpError::generic(format!(
        "The driver '{}' does not support the option '{prefix}' here",
        format.name()
    )))
}

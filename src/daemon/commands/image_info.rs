//! What is known of images.
//!
//! QEMU: `bdrv_do_query_node_info`, `bdrv_query_image_info` (block/qapi.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::file::FileDriver;
use blockjob_block::driver::qcow2::{Qcow2Driver, Qcow2Facts};

use crate::daemon::Daemon;
use crate::daemon::open::{filename, full_backing_filename};
use crate::qapi::QmpResult;
use crate::qapi::types::blockdev_create::Qcow2CompressionType;
use crate::qapi::types::image_info::{
    ImageInfo, ImageInfoSpecific, ImageInfoSpecificBase, ImageInfoSpecificData,
    ImageInfoSpecificFile, ImageInfoSpecificFileWrapper, ImageInfoSpecificKind,
    ImageInfoSpecificQCow2, ImageInfoSpecificQCow2Wrapper,
};

/// Which images behind an image are told of as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// None.
    Nothing,
    /// All.
    All,
    /// All that somebody has asked for.
    Explicit,
}

impl Behind {
    /// The next node down the chain, if it is to be told of.
    pub(super) fn next(self, node: &Node) -> Option<Rc<Node>> {
        let below = node.filter_or_cow()?;
        match self {
            Behind::Nothing => None,
            Behind::All => Some(below),
            Behind::Explicit => Some(below.skip_implicit_filters()),
        }
    }
}

/// What is known of the image of `node`, and of those behind it.
///
/// QEMU: `bdrv_query_image_info` (block/qapi.c).
///
/// # Errors
///
/// Its length cannot be found out.
pub(super) fn image_info(
    daemon: &Rc<Daemon>,
    node: &Rc<Node>,
    behind: Behind,
) -> QmpResult<ImageInfo> {
    let facts = daemon.facts.of(node);
    let names = filename::of(daemon, node).shown();
    let len = node.len().map_err(|error| {
        let text = format!("Can't get image size '{names}'");
        blockjob_block::BlockError::from_errno(error.errno(), text)
    })?;
    let info = driver_info(node);
    let backing_filename = facts.backing_file.borrow().clone();
    let backing_format = facts.backing_format.borrow().clone();
    let names_backing = !backing_filename.is_empty();
    let full = match names_backing {
        true => full_backing_filename(daemon, node).ok().flatten(),
        false => None,
    };
    let image_behind = match behind.next(node) {
        Some(below) => Some(Box::new(image_info(daemon, &below, behind)?)),
        None => None,
    };
    Ok(ImageInfo {
        filename: names,
        format: node.driver().format_name().to_owned(),
        dirty_flag: info.map(|info| info.dirty),
        actual_size: allocated_file_size(node).map(u64::cast_signed),
        virtual_size: len.cast_signed(),
        cluster_size: info
            .map(|info| info.cluster_size.cast_signed())
            .filter(|size| *size != 0),
        encrypted: None,
        compressed: None,
        backing_filename: names_backing.then_some(backing_filename),
        full_backing_filename: full,
        backing_filename_format: (names_backing && !backing_format.is_empty())
            .then_some(backing_format),
        snapshots: None,
        format_specific: specific(node),
        backing_image: image_behind,
    })
}

#[derive(Clone, Copy)]
struct DriverInfo {
    cluster_size: u64,
    dirty: bool,
}

/// QEMU: `bdrv_get_info` (block.c).
fn driver_info(node: &Node) -> Option<DriverInfo> {
    let driver = node.driver();
    if let Some(facts) = qcow2_facts(node) {
        return Some(DriverInfo {
            cluster_size: facts.cluster_size,
            dirty: facts.dirty,
        });
    }
    match driver.format_name() {
        "file" | "host_device" => Some(DriverInfo {
            cluster_size: 0,
            dirty: false,
        }),
        "raw" => driver_info(&node.child("file")?.node()),
        _ if driver.is_filter() => driver_info(&node.filtered()?.node()),
        _ => None,
    }
}

/// How many bytes an image takes, with those below that belong to it, as far as is known.
///
/// QEMU: `bdrv_get_allocated_file_size` (block.c).
fn allocated_file_size(node: &Node) -> Option<u64> {
    if let Some(file) = node.driver().as_any().downcast_ref::<FileDriver>() {
        return file.handle().allocated_size();
    }
    match node.driver().format_name() {
        "null-co" | "null-aio" => Some(0),
        "blkdebug" => None,
        _ => {
            let children = node.children();
            let mut own = children
                .iter()
                .filter(|edge| edge.role() != ChildRole::Cow)
                .peekable();
            own.peek()?;
            own.map(|edge| allocated_file_size(&edge.node())).sum()
        }
    }
}

fn qcow2_facts(node: &Node) -> Option<Qcow2Facts> {
    let driver = node.driver().as_any().downcast_ref::<Qcow2Driver>();
    driver.map(Qcow2Driver::facts)
}

/// QEMU: `bdrv_get_specific_info` (block.c), `qcow2_get_specific_info` (block/qcow2.c),
/// `raw_get_specific_info` (block/file-posix.c).
fn specific(node: &Node) -> Option<ImageInfoSpecific> {
    if let Some(facts) = qcow2_facts(node) {
        // What an old version cannot have is not said of it.
        let new = facts.version >= 3;
        let data = ImageInfoSpecificQCow2 {
            compat: facts.compat().to_owned(),
            data_file: facts.data_file.clone(),
            data_file_raw: None,
            extended_l2: new.then_some(facts.extended_l2),
            lazy_refcounts: new.then_some(facts.lazy_refcounts),
            corrupt: new.then_some(facts.corrupt),
            refcount_bits: facts.refcount_bits.into(),
            bitmaps: None,
            compression_type: Qcow2CompressionType::Zlib,
        };
        return Some(ImageInfoSpecific {
            base: ImageInfoSpecificBase {
                kind: ImageInfoSpecificKind::Qcow2,
            },
            u: ImageInfoSpecificData::Qcow2(Box::new(ImageInfoSpecificQCow2Wrapper { data })),
        });
    }
    node.driver().as_any().downcast_ref::<FileDriver>()?;
    let data = ImageInfoSpecificFile {
        extent_size_hint: None,
    };
    Some(ImageInfoSpecific {
        base: ImageInfoSpecificBase {
            kind: ImageInfoSpecificKind::File,
        },
        u: ImageInfoSpecificData::File(Box::new(ImageInfoSpecificFileWrapper { data })),
    })
}

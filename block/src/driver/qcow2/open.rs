//! Opening an image, and telling that something is one.

use std::rc::Rc;

use super::Qcow2Driver;
use super::facts::Qcow2Facts;
use super::file::File;
use super::header::{MAGIC, incompatible};
use super::image::Image;
use super::{load, verify};
use crate::error::BlockResult;
use crate::node::Node;

/// How an image is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// The node will be read-only: also images that may not be written to can be opened.
    pub read_only: bool,
}

/// An image that was opened.
pub struct Opened {
    /// The driver for a node whose child `file` is the node that the image was opened on.
    pub driver: Qcow2Driver,
    /// What the header says: the name of the backing file, for one.
    pub facts: Qcow2Facts,
}

/// How sure one can be that a file is such an image, given its first bytes: 0 if it is none, at
/// most 100.
///
/// QEMU: `qcow2_probe` (block/qcow2.c).
pub fn probe(first_bytes: &[u8]) -> u32 {
    let magic = first_bytes.starts_with(&MAGIC.to_be_bytes());
    let version = first_bytes
        .get(4..8)
        .is_some_and(|v| v >= [0, 0, 0, 2].as_slice());
    if magic && version { 100 } else { 0 }
}

/// Opens the image on the node `file`. Nothing is written: what must be changed in the header of an
/// image that is written to is changed before the first write.
///
/// The backing file is not opened; its name is among the facts. Whoever opens it gives it to the node
/// as the child `backing`.
///
/// QEMU: `qcow2_open` (block/qcow2.c).
///
/// # Errors
///
/// In QEMU's words, if the file is no such image, is broken, or needs what is not supported. Without
/// `read_only` also if it may not be written to: because it is corrupt, or has persistent bitmaps. An image
/// that is dirty is repaired before the first write, which fails if that cannot be done.
pub async fn open(file: &Rc<Node>, options: OpenOptions) -> BlockResult<Opened> {
    let end = File::Bare(file.clone());
    let apart = end.clone();
    let (header, image) = end
        .apart("qcow2_open", async move {
            let header = load::load(&apart, options.read_only).await?;
            if !options.read_only {
                load::check_writable(&header)?;
                if header.incompatible & incompatible::DIRTY == 0 {
                    verify::check_refcounts(&apart, &header).await?;
                }
            }
            let image = Image::open(&apart, header.clone()).await?;
            BlockResult::Ok((header, image))
        })
        .await?;
    Ok(Opened {
        driver: Qcow2Driver::new(image),
        facts: Qcow2Facts::of(&header),
    })
}

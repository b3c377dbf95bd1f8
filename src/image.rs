//! Image files as nodes: a `file` node, and a `raw` node on top of it.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use blockjob::block::driver::file::{FileDriver, FileIdentity, OpenOptions};
use blockjob::block::driver::raw::{RawDriver, RawOptions};
use blockjob::block::{BlockResult, Graph, Node};

use crate::cli::Format;

/// How an image is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    pub(crate) read_only: bool,
    pub(crate) direct: bool,
}

/// Opens an image, which neither creates nor changes nor locks it yet.
pub(crate) fn open(path: &Path, access: Access) -> BlockResult<FileDriver> {
    let options = OpenOptions::new(path)
        .read_only(access.read_only)
        .direct(access.direct);
    FileDriver::open(&options)
}

/// What others want to know of an image that has gone into a node.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) path: PathBuf,
    pub(crate) identity: FileIdentity,
    pub(crate) len_bytes: u64,
}

impl Facts {
    /// Of an open image.
    pub(crate) fn of(file: &FileDriver) -> BlockResult<Facts> {
        let file = file.handle();
        Ok(Facts {
            path: file.path().to_owned(),
            identity: file.identity(),
            len_bytes: file.size()?,
        })
    }
}

/// Makes the nodes `NAME-file` and `NAME` of an open image, and returns the upper one.
pub(crate) fn add(
    graph: &Rc<Graph>,
    name: &str,
    file: FileDriver,
    format: Format,
) -> BlockResult<Rc<Node>> {
    let read_only = file.handle().is_read_only();
    let len_bytes = file.handle().size()?;
    let file_name = format!("{name}-file");
    let file = graph.add_node(Some(&file_name), Box::new(file), read_only, &[])?;
    match format {
        Format::Raw => {
            let options = RawOptions::default();
            let raw = Box::new(RawDriver::new(options, len_bytes)?);
            let child = ("file", RawDriver::child_role(options), file);
            graph.add_node(Some(name), raw, read_only, &[child])
        }
        Format::Qcow2 => unreachable!("not yet"),
    }
}

/// What tells the file at a path from all others, as [`FileIdentity`] of an open image does; none
/// for what cannot be an image.
pub(crate) fn identity(metadata: &Metadata) -> Option<FileIdentity> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Some(FileIdentity::File {
            device: metadata.dev(),
            inode: metadata.ino(),
        });
    }
    kind.is_block_device().then(|| FileIdentity::Device {
        number: metadata.rdev(),
    })
}

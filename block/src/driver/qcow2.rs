//! The driver `qcow2`: QEMU's image format, over the crate `imago`.
//!
//! ```text
//! open(&file, OpenOptions { read_only }).await?  -> Opened { driver, facts }
//! graph.add_node(name, Box::new(driver), read_only,
//!                &[("file", ChildRole::Data, file), ("backing", ChildRole::Cow, backing)])?
//! create(&file, CreateOptions { ..CreateOptions::new(size) }).await?
//! probe(first_bytes) -> 0..=100
//! Qcow2Driver: facts(), change_backing_file(node, name, format).await, check_writable()
//! ```
//!
//! `imago` knows the tables, and what is mapped where; the data goes from the guest's buffers to the
//! child `file` and back, past `imago`. What the image does not hold is read from whatever child
//! `backing` the node has at that moment. So the backing node can be changed at run time as that of
//! any other node, and a node can be made writable at run time: the image is opened for writing before
//! the first write. Whoever does that asks [`Qcow2Driver::check_writable`] before.
//!
//! **Flush the node before it is given up or made read-only**: else it is as if the program had been
//! killed. What was flushed before is safe then, and an image of version 3 is marked as dirty if its
//! refcounts in the file may be wrong; QEMU repairs such an image when it opens it for writing, and so
//! does this driver before the first write.
//!
//! Each request is a coroutine of its own, which goes on when the future of the request is dropped.
//! Requests that change mappings have their clusters for themselves: see `qcow2/ranges.rs`; and
//! `qcow2/image.rs` for the other locks.
//!
//! QEMU: block/qcow2.c, block/qcow2-cluster.c, block/qcow2-refcount.c.

mod allocate;
mod copies;
mod create;
mod facts;
mod file;
mod header;
mod image;
mod load;
mod moving;
mod open;
mod owed;
mod port;
mod ranges;
mod read;
mod repair;
mod resize;
mod server;
mod tables;
mod verify;
mod write;
mod zero;

use std::any::Any;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

pub use create::{CreateOptions, Preallocation, create};
pub use facts::Qcow2Facts;
pub use open::{OpenOptions, Opened, open, probe};

use self::file::File;
use self::header::{Extension, extension};
use self::image::Image;
use super::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use crate::error::BlockResult;
use crate::moving::PackedDriver;
use crate::node::Node;
use crate::perm::{Perm, PermPair};

/// The driver `qcow2`. Its node has the children `file`, with the role
/// [`Data`](crate::child::ChildRole::Data), and, if the image has one, `backing`, with the role
/// [`Cow`](crate::child::ChildRole::Cow).
pub struct Qcow2Driver {
    image: Rc<Image>,
}

impl Qcow2Driver {
    fn new(image: Rc<Image>) -> Self {
        Qcow2Driver { image }
    }

    /// What the header says now.
    pub fn facts(&self) -> Qcow2Facts {
        Qcow2Facts::of(&self.image.server.header.borrow())
    }

    /// Whether the image may be written to. Asked when a node is to be made writable.
    ///
    /// # Errors
    ///
    /// If it is corrupt, has persistent bitmaps, or is dirty and has internal snapshots.
    pub fn check_writable(&self) -> BlockResult<()> {
        load::check_writable(&self.image.server.header.borrow())
    }

    /// Writes the name of another backing file, or of none, into the header. The children of the node
    /// stay as they are.
    ///
    /// QEMU: `qcow2_co_change_backing_file` (block/qcow2.c).
    ///
    /// # Errors
    ///
    /// `NoSpace` if the name does not fit into the first cluster.
    pub async fn change_backing_file(
        &self,
        node: &Node,
        name: Option<&str>,
        format: Option<&str>,
    ) -> BlockResult<()> {
        let (image, file) = (self.image.clone(), File::of(node));
        let name = name.map(|name| Bytes::copy_from_slice(name.as_bytes()));
        let format = format.map(|format| Extension {
            kind: extension::BACKING_FORMAT,
            data: Bytes::copy_from_slice(format.as_bytes()),
        });
        let end = file.clone();
        let change = async move {
            image.ready_to_write(&end).await?;
            image
                .server
                .change_header(&end, |header| {
                    header.backing_file = name;
                    header
                        .extensions
                        .retain(|old| old.kind != extension::BACKING_FORMAT);
                    header.extensions.extend(format);
                })
                .await
        };
        file.apart("qcow2_change_backing", change).await
    }
}

impl Driver for Qcow2Driver {
    fn format_name(&self) -> &'static str {
        "qcow2"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, node: &Node) -> Limits {
        let file = node.child("file").map(|file| file.node().limits());
        Limits {
            cluster_size: self.image.cluster_size(),
            memory_alignment: file.map_or(1, |limits| limits.memory_alignment),
            ..Limits::default()
        }
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(self.image.size())
    }

    fn has_zero_init(&self, _node: &Node) -> bool {
        true
    }

    fn check_perms(&self, _node: &Node, perms: PermPair) -> BlockResult<()> {
        if perms.used.intersects(Perm::WRITE | Perm::WRITE_UNCHANGED) {
            return self.check_writable();
        }
        Ok(())
    }

    fn read<'a>(&'a self, node: &'a Node, offset: u64, buf: BytesMut) -> IoFuture<'a, ReadResult> {
        let (image, file) = (self.image.clone(), File::of(node));
        let end = file.clone();
        let read = image.read(node.rc(), end, offset, buf);
        Box::pin(async move { file.apart("qcow2_co_preadv", read).await })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        let file = File::of(node);
        let write = self
            .image
            .clone()
            .write(node.rc(), file.clone(), offset, data);
        let write = self.image.clone().settled(file.clone(), write);
        Box::pin(async move { file.apart("qcow2_co_pwritev", write).await })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        let file = File::of(node);
        let range = offset..offset + bytes;
        let image = self.image.clone();
        let zero = image
            .clone()
            .write_zeroes(node.rc(), file.clone(), range, flags);
        let zero = image.settled(file.clone(), zero);
        Box::pin(async move { file.apart("qcow2_co_pwrite_zeroes", zero).await })
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        let file = File::of(node);
        let range = offset..offset + bytes;
        let discard = self.image.clone().discard(node.rc(), file.clone(), range);
        let discard = self.image.clone().settled(file.clone(), discard);
        Box::pin(async move { file.apart("qcow2_co_pdiscard", discard).await })
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        let file = File::of(node);
        let flush = self.image.clone().flush(file.clone());
        Box::pin(async move { file.apart("qcow2_co_flush", flush).await })
    }

    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        let file = File::of(node);
        let status = self.image.clone().status(file.clone(), offset, bytes);
        Box::pin(async move { file.apart("qcow2_co_block_status", status).await })
    }

    fn truncate<'a>(&'a self, node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        let file = File::of(node);
        let resize = self.image.clone().resize(node.rc(), file.clone(), len);
        Box::pin(async move { file.apart("qcow2_co_truncate", resize).await })
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        self.image.pack_up()
    }
}

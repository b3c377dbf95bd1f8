//! Where images are made, opened and repaired: a context of its own, in which nothing fails, takes time,
//! or is decided.
//!
//! What a run does with its images happens in its world, on disks that can fail. But a run begins with an
//! image that is there already, and ends with somebody who looks at what the crash has left.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::mem::{MemDisk, MemOptions};
use blockjob_block::driver::qcow2::{CreateOptions, OpenOptions, Qcow2Driver, create, open};
use blockjob_block::{BlockResult, Graph, Node};
use blockjob_runtime::AioContext;
use bytes::{Bytes, BytesMut};

/// What an image is to hold: its length, its clusters, and the ranges of data in it.
pub(crate) struct Plan<'a> {
    pub(crate) len: u64,
    pub(crate) cluster_bytes: u64,
    /// Each with its offset.
    pub(crate) data: Vec<(u64, &'a [u8])>,
}

/// The smallest clusters, a power of two, of which one table of each level covers a disk of `len` bytes.
/// `imago` writes several tables back in an order that differs from run to run.
pub(crate) fn cluster_bytes(len: u64, at_least: u64) -> u64 {
    let mut cluster_bytes = at_least.max(512);
    while cluster_bytes * cluster_bytes / 8 < len {
        cluster_bytes *= 2;
    }
    cluster_bytes
}

/// See the module.
pub(crate) struct Workshop {
    context: AioContext,
    graph: Rc<Graph>,
}

impl Workshop {
    pub(crate) fn new() -> Workshop {
        let context = AioContext::builder().virtual_time().build();
        let _current = context.make_current();
        Workshop {
            graph: Graph::new(&context),
            context: context.clone(),
        }
    }

    /// A node that holds `bytes`, and grows.
    fn file(&self, bytes: &[u8]) -> (Rc<Node>, Rc<MemDisk>) {
        let driver = MemOptions::new(bytes.len() as u64)
            .growable(true)
            .cluster_size(4096)
            .build();
        let disk = driver.disk();
        disk.write_at(0, bytes);
        let node = self.graph.add_node(None, Box::new(driver), false, &[]);
        (node.expect("a node without parents"), disk)
    }

    fn image(&self, file: &Rc<Node>, base: Option<&Rc<Node>>) -> BlockResult<Rc<Node>> {
        let driver = self.open_node(file)?;
        let mut children = vec![("file", ChildRole::Data, file.clone())];
        children.extend(base.map(|base| ("backing", ChildRole::Cow, base.clone())));
        self.graph
            .add_node(None, Box::new(driver), false, &children)
    }

    fn open_node(&self, file: &Rc<Node>) -> BlockResult<Qcow2Driver> {
        let file = file.clone();
        let options = OpenOptions { read_only: false };
        let opened = self
            .context
            .run("open", async move { open(&file, options).await });
        Ok(opened?.driver)
    }

    /// The file of a new image.
    pub(crate) fn make(&self, plan: &Plan<'_>) -> BlockResult<Vec<u8>> {
        let _current = self.context.make_current();
        let (file, disk) = self.file(&[]);
        let options = CreateOptions {
            cluster_size: plan.cluster_bytes,
            ..CreateOptions::new(plan.len)
        };
        let created = file.clone();
        self.context
            .run("create", async move { create(&created, options).await })?;
        let image = self.image(&file, None)?;
        let data = plan.data.iter();
        let data: Vec<_> = data
            .map(|(offset, data)| (*offset, Bytes::copy_from_slice(data)))
            .collect();
        self.context.run("fill", async move {
            for (offset, data) in data {
                image.co_write(offset, data).await?;
            }
            image.flush().await
        })?;
        Ok(content(&disk))
    }

    /// A driver for the image in a file that holds `bytes`.
    pub(crate) fn open(&self, bytes: &[u8]) -> BlockResult<Qcow2Driver> {
        let _current = self.context.make_current();
        let (file, _) = self.file(bytes);
        self.open_node(&file)
    }

    /// Opens the image in a file that holds `bytes`, above `base`, reads the first `len` bytes, and has
    /// the driver write to it. Says what it read, and what the file holds then.
    pub(crate) fn recover(
        &self,
        bytes: &[u8],
        base: Option<&[u8]>,
        len: u64,
    ) -> BlockResult<(BytesMut, Vec<u8>)> {
        let _current = self.context.make_current();
        let (file, disk) = self.file(bytes);
        let base = base.map(|base| self.file(base).0);
        let image = self.image(&file, base.as_ref())?;
        let shown = self.context.run("recover", async move {
            let (shown, result) = image.co_read(0, BytesMut::zeroed(len as usize)).await;
            result?;
            let first = Bytes::copy_from_slice(&shown[..512.min(shown.len())]);
            image.co_write(0, first).await?;
            image.flush().await?;
            BlockResult::Ok(shown)
        })?;
        Ok((shown, content(&disk)))
    }
}

fn content(disk: &MemDisk) -> Vec<u8> {
    let mut bytes = vec![0; disk.len() as usize];
    disk.read_at(0, &mut bytes);
    bytes
}

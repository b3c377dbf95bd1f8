//! What these tests need: a world with a graph, images in files or in memory, and requests.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::file::{FileDriver, OpenOptions as FileOptions};
use blockjob_block::driver::mem::{MemDisk, MemOptions};
use blockjob_block::driver::qcow2::{CreateOptions, OpenOptions, Opened, create, open};
use blockjob_block::driver::{Driver, ReadResult, ZeroFlags};
use blockjob_block::{BlockBackend, BlockResult, Graph, Node, Perm, PermPair};
use blockjob_runtime::AioContext;
use bytes::{Bytes, BytesMut};
use tempfile::TempDir;

/// A context and an empty graph.
pub(crate) struct World {
    pub(crate) context: AioContext,
    pub(crate) graph: Rc<Graph>,
}

impl World {
    /// In virtual time, where a sleep costs nothing.
    pub(crate) fn simulated() -> World {
        Self::on(AioContext::builder().virtual_time().build())
    }

    /// On this machine, with its clock and thread pool.
    pub(crate) fn real() -> World {
        Self::on(AioContext::new())
    }

    pub(crate) fn on(context: AioContext) -> World {
        let graph = Graph::new(&context);
        World { context, graph }
    }

    pub(crate) fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        self.context.run("test", future)
    }

    /// A node without children.
    pub(crate) fn leaf(&self, driver: impl Driver, read_only: bool) -> Rc<Node> {
        self.graph
            .add_node(None, Box::new(driver), read_only, &[])
            .expect("nobody objects")
    }

    /// A node on a file of the machine.
    pub(crate) fn file(&self, path: &Path, read_only: bool) -> Rc<Node> {
        let options = FileOptions::new(path).read_only(read_only);
        self.leaf(FileDriver::open(&options).expect("opens"), read_only)
    }

    /// A node in memory that grows as a file does, and what it stores.
    pub(crate) fn memory(&self) -> (Rc<Node>, Rc<MemDisk>) {
        let driver = MemOptions::new(0).growable(true).build();
        let disk = driver.disk();
        (self.leaf(driver, false), disk)
    }

    pub(crate) fn try_open(&self, file: &Rc<Node>, read_only: bool) -> BlockResult<Opened> {
        let file = file.clone();
        self.run(async move { open(&file, OpenOptions { read_only }).await })
    }

    /// The image on a node.
    pub(crate) fn image(
        &self,
        file: &Rc<Node>,
        read_only: bool,
        backing: Option<&Rc<Node>>,
    ) -> Rc<Node> {
        let opened = self.try_open(file, read_only).expect("the image opens");
        let mut children = vec![("file", ChildRole::Data, file.clone())];
        if let Some(backing) = backing {
            children.push(("backing", ChildRole::Cow, backing.clone()));
        }
        self.graph
            .add_node(None, Box::new(opened.driver), read_only, &children)
            .expect("nobody objects")
    }

    pub(crate) fn try_create(&self, file: &Rc<Node>, options: CreateOptions) -> BlockResult<()> {
        let file = file.clone();
        self.run(async move { create(&file, options).await })
    }

    /// A user who does everything but resize what it reads from.
    pub(crate) fn backend(&self, node: &Rc<Node>) -> Rc<BlockBackend> {
        let used = if node.is_read_only() {
            Perm::CONSISTENT_READ
        } else {
            Perm::CONSISTENT_READ | Perm::WRITE | Perm::RESIZE
        };
        let backend =
            BlockBackend::new(&self.graph, "", PermPair::new(used, Perm::ALL)).expect("unnamed");
        backend.insert(node).expect("nobody objects");
        backend
    }

    pub(crate) fn read(&self, backend: &Rc<BlockBackend>, offset: u64, len: usize) -> Vec<u8> {
        let backend = backend.clone();
        self.run(async move { read(&backend, offset, len).await.expect("reads") })
    }

    pub(crate) fn write(&self, backend: &Rc<BlockBackend>, offset: u64, data: &[u8]) {
        let (backend, data) = (backend.clone(), Bytes::copy_from_slice(data));
        self.run(async move { backend.write(offset, data).await.expect("writes") });
    }

    pub(crate) fn zero(&self, backend: &Rc<BlockBackend>, offset: u64, bytes: u64, unmap: bool) {
        let backend = backend.clone();
        let flags = ZeroFlags {
            may_unmap: unmap,
            no_fallback: false,
        };
        self.run(async move {
            backend
                .write_zeroes(offset, bytes, flags)
                .await
                .expect("zeroes")
        });
    }

    pub(crate) fn discard(&self, backend: &Rc<BlockBackend>, offset: u64, bytes: u64) {
        let backend = backend.clone();
        self.run(async move { backend.discard(offset, bytes).await.expect("discards") });
    }

    pub(crate) fn flush(&self, node: &Rc<Node>) {
        let node = node.clone();
        self.run(async move { node.flush().await.expect("flushes") });
    }

    pub(crate) fn truncate(&self, backend: &Rc<BlockBackend>, len: u64) -> BlockResult<()> {
        let backend = backend.clone();
        self.run(async move { backend.truncate(len).await })
    }

    /// Runs the loop until nothing is ready.
    pub(crate) fn settle(&self) {
        while self.context.poll(false) {}
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.context.close();
    }
}

/// Reads into a buffer that holds something else.
pub(crate) async fn read(backend: &BlockBackend, offset: u64, len: usize) -> BlockResult<Vec<u8>> {
    let mut buf = BytesMut::zeroed(len);
    buf.fill(0xee);
    let (buf, result): ReadResult = backend.read(offset, buf).await;
    assert_eq!(buf.len(), len, "the whole buffer comes back");
    result.map(|()| buf.to_vec())
}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Runs all at once, and returns their results in order.
pub(crate) async fn join_all<T>(mut futures: Vec<BoxFuture<T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *result = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    results.into_iter().map(|r| r.expect("ready")).collect()
}

/// Bytes that depend on their place and never are zero.
pub(crate) fn noise(seed: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| 1 + ((i * 7 + i / 251 * 31 + usize::from(seed) * 13) % 255) as u8)
        .collect()
}

/// A folder for images.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with these bytes.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        path
    }

    /// What a disk in memory stores, as a file.
    pub(crate) fn dump(&self, name: &str, disk: &MemDisk) -> PathBuf {
        let mut bytes = vec![0; disk.len() as usize];
        disk.read_at(0, &mut bytes);
        self.file(name, &bytes)
    }
}

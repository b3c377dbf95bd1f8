//! The file below, and coroutines that use it.

use std::rc::Rc;

use blockjob_runtime::AioContext;
use bytes::{Bytes, BytesMut};

use crate::child::Child;
use crate::driver::{ReadResult, ZeroFlags};
use crate::error::BlockResult;
use crate::node::Node;
use crate::oneshot;

/// How the file is reached: by the edge of the node, or, while there is no such node yet, as the
/// node that it is.
#[derive(Clone)]
pub(super) enum File {
    /// The image is being opened or created.
    Bare(Rc<Node>),
    /// The image is in use by a node.
    Edge(Rc<Node>, Rc<Child>),
}

impl File {
    /// The file of a node in use.
    pub(super) fn of(node: &Node) -> File {
        let child = node
            .child("file")
            .expect("a qcow2 node is made with its file and keeps it");
        File::Edge(node.rc(), child)
    }

    /// Who is busy while a request is under way.
    fn owner(&self) -> &Rc<Node> {
        match self {
            File::Bare(node) | File::Edge(node, _) => node,
        }
    }

    /// The context of it all.
    pub(super) fn context(&self) -> &AioContext {
        self.owner().context()
    }

    /// The node that holds the bytes.
    pub(super) fn node(&self) -> Rc<Node> {
        match self {
            File::Bare(node) => node.clone(),
            File::Edge(_, child) => child.node(),
        }
    }

    pub(super) async fn read(&self, offset: u64, buf: BytesMut) -> ReadResult {
        match self {
            File::Bare(node) => node.co_read(offset, buf).await,
            File::Edge(_, child) => child.read(offset, buf).await,
        }
    }

    /// Some bytes of metadata.
    pub(super) async fn read_bytes(&self, offset: u64, len: usize) -> BlockResult<Bytes> {
        let (buf, result) = self.read(offset, BytesMut::zeroed(len)).await;
        result.map(|()| buf.freeze())
    }

    pub(super) async fn write(&self, offset: u64, data: Bytes) -> BlockResult<()> {
        match self {
            File::Bare(node) => node.co_write(offset, data).await,
            File::Edge(_, child) => child.write(offset, data).await,
        }
    }

    pub(super) async fn write_zeroes(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        let flags = ZeroFlags::default();
        match self {
            File::Bare(node) => node.co_write_zeroes(offset, bytes, flags).await,
            File::Edge(_, child) => child.write_zeroes(offset, bytes, flags).await,
        }
    }

    pub(super) async fn discard(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        match self {
            File::Bare(node) => node.co_discard(offset, bytes).await,
            File::Edge(_, child) => child.discard(offset, bytes).await,
        }
    }

    pub(super) async fn truncate(&self, len: u64) -> BlockResult<()> {
        match self {
            File::Bare(node) => node.co_truncate(len).await,
            File::Edge(_, child) => child.truncate(len).await,
        }
    }

    pub(super) async fn flush(&self) -> BlockResult<()> {
        self.node().flush().await
    }

    /// Runs `future` as a coroutine of its own, which is in flight at the owner and goes on if
    /// whoever waits for it does not any more.
    pub(super) async fn apart<T: 'static>(
        &self,
        name: &'static str,
        future: impl Future<Output = T> + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        self.start(name, async move {
            sender.send(future.await);
        });
        receiver.await
    }

    /// Starts a coroutine that is in flight at the owner until it ends.
    pub(super) fn start(&self, name: &'static str, future: impl Future<Output = ()> + 'static) {
        let owner = self.owner().clone();
        let coroutine = self.context().coroutine(name, async move {
            let in_flight = owner.begin_internal();
            future.await;
            drop(in_flight);
        });
        coroutine.enter();
    }
}

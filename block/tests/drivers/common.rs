//! What these tests need: a little world with one context and one graph, and requests to run in it.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::Driver;
use blockjob_block::{BlockBackend, BlockResult, Graph, Node, Perm, PermPair};
use blockjob_runtime::AioContext;
use bytes::{Bytes, BytesMut};

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

    fn on(context: AioContext) -> World {
        let graph = Graph::new(&context);
        World { context, graph }
    }

    pub(crate) fn node(
        &self,
        driver: impl Driver,
        children: &[(&'static str, ChildRole, Rc<Node>)],
    ) -> Rc<Node> {
        self.graph
            .add_node(None, Box::new(driver), false, children)
            .expect("nobody objects")
    }

    /// A user who does everything and minds nothing.
    pub(crate) fn backend(&self, node: &Rc<Node>) -> Rc<BlockBackend> {
        self.backend_for(node, Perm::ALL)
    }

    /// A user who does `used` and minds nothing.
    pub(crate) fn backend_for(&self, node: &Rc<Node>, used: Perm) -> Rc<BlockBackend> {
        let perms = PermPair::new(used, Perm::ALL);
        let backend = BlockBackend::new(&self.graph, "", perms).expect("unnamed");
        backend.insert(node).expect("nobody objects");
        backend
    }

    pub(crate) fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        self.context.run("test", future)
    }

    pub(crate) fn read(&self, backend: &Rc<BlockBackend>, offset: u64, len: usize) -> Vec<u8> {
        let backend = backend.clone();
        self.run(async move { read(&backend, offset, len).await.expect("reads") })
    }

    pub(crate) fn write(&self, backend: &Rc<BlockBackend>, offset: u64, data: &[u8]) {
        let (backend, data) = (backend.clone(), Bytes::copy_from_slice(data));
        self.run(async move { backend.write(offset, data).await.expect("writes") });
    }

    /// Runs the loop until nothing is ready; what waits for a timer or for somebody stays.
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
    let (buf, result) = backend.read(offset, buf).await;
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

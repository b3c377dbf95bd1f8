//! The file below, and `imago` served with it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use blockjob_runtime::{AioContext, CoMutex};
use bytes::{Bytes, BytesMut};

use super::header::Header;
use super::port::{Op, PortRequest, Queue};
use crate::child::Child;
use crate::driver::{ReadResult, ZeroFlags};
use crate::error::{BlockError, BlockResult, ErrorKind};
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

/// What serves `imago`: the queue of its requests, and the header, which it sees a picture of.
#[derive(Default)]
pub(super) struct Server {
    pub(super) queue: Queue,
    /// The header as it is in the file.
    pub(super) header: RefCell<Header>,
    header_lock: CoMutex,
    /// Each batch of writes waits until the one before it is safe from a crash.
    ordered: Cell<bool>,
    /// There was a batch of writes since.
    batch_before: Cell<bool>,
}

impl Server {
    /// Polls a future of `imago` to its end, and runs what it asks for meanwhile.
    pub(super) async fn serve<T>(
        self: &Rc<Self>,
        file: &File,
        future: impl Future<Output = T>,
    ) -> T {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let poll = future.as_mut().poll(cx);
            self.dispatch(file);
            poll
        })
        .await
    }

    /// As [`serve`](Self::serve), but what `imago` writes after it has waited for earlier writes
    /// reaches the disk after those. It writes back refcounts and tables in this way, and one must
    /// not be there without the other.
    pub(super) async fn serve_ordered<T>(
        self: &Rc<Self>,
        file: &File,
        future: impl Future<Output = T>,
    ) -> T {
        self.ordered.set(true);
        self.batch_before.set(false);
        let output = self.serve(file, future).await;
        self.ordered.set(false);
        output
    }

    fn dispatch(self: &Rc<Self>, file: &File) {
        let mut requests = self.queue.take();
        if requests.is_empty() {
            return;
        }
        // Its caches are hash maps, whose order differs from run to run.
        requests.sort_by_key(|request| request.op.offset());
        let writes = requests
            .iter()
            .any(|request| matches!(request.op, Op::Write { .. } | Op::WriteZeroes { .. }));
        let wait = self.ordered.get() && writes && self.batch_before.replace(true);
        if !wait {
            for request in requests {
                self.start(file, request);
            }
            return;
        }
        let (server, end) = (self.clone(), file.clone());
        file.start("qcow2_order", async move {
            let flushed = end.flush().await;
            for request in requests {
                match &flushed {
                    Ok(()) => server.start(&end, request),
                    Err(error) => request.answer(Err(to_io(error))),
                }
            }
        });
    }

    fn start(self: &Rc<Self>, file: &File, request: PortRequest) {
        let (server, end) = (self.clone(), file.clone());
        file.start("qcow2_metadata", async move {
            let result = server.run(&end, &request.op).await;
            request.answer(result.map_err(|error| to_io(&error)));
        });
    }

    async fn run(&self, file: &File, op: &Op) -> BlockResult<Bytes> {
        match op {
            Op::Read { offset, len } => {
                let picture = self.header.borrow().picture();
                match picture.get(*offset as usize..) {
                    // Only the header is read there: no table may begin in the first cluster.
                    Some(rest) if *offset < picture.len() as u64 => {
                        let mut bytes = rest[..rest.len().min(*len)].to_vec();
                        bytes.resize(*len, 0);
                        Ok(Bytes::from(bytes))
                    }
                    _ => file.read_bytes(*offset, *len).await,
                }
            }
            Op::Write { offset: 0, data } => self.write_header(file, data).await,
            Op::Write { offset, data } => {
                let done = file.write(*offset, data.clone()).await;
                done.map(|()| Bytes::new())
            }
            Op::WriteZeroes { offset, len } => {
                let done = file.write_zeroes(*offset, *len).await;
                done.map(|()| Bytes::new())
            }
            Op::Flush => file.flush().await.map(|()| Bytes::new()),
        }
    }
}

impl Server {
    /// Writes a header that `imago` has changed. Two of them may be under way at the same time; what
    /// is written is always the newest, so that it does not matter which one comes last.
    async fn write_header(&self, file: &File, picture: &[u8]) -> BlockResult<Bytes> {
        let old_size = self.header.borrow().size;
        self.header.borrow_mut().take_over(picture)?;
        let _alone = self.header_lock.lock().await;
        let bytes = self.header.borrow().base_bytes();
        let written = file.write(0, bytes).await;
        if written.is_err() {
            // The one change that `imago` takes back.
            self.header.borrow_mut().size = old_size;
        }
        written.map(|()| Bytes::new())
    }
}

/// An error of ours for `imago`, which passes it on.
fn to_io(error: &BlockError) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}

/// An error of `imago` for us. What it found out itself is about the image.
pub(super) fn from_io(error: &io::Error, context: &str) -> BlockError {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            BlockError::new(ErrorKind::Invalid, format!("{context}: {error}"))
        }
        io::ErrorKind::Unsupported if error.raw_os_error().is_none() => {
            BlockError::new(ErrorKind::NotSupported, format!("{context}: {error}"))
        }
        _ => BlockError::from_io(error, context),
    }
}

//! The driver itself: each request goes to the thread pool, with its buffer moved in and out.

use std::any::Any;
use std::cell::RefCell;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;

use blockjob_runtime::BlockingTask;
use blockjob_runtime::sync::atomic::{AtomicU64, Ordering};
use blockjob_runtime::sync::{Arc, Mutex};
use bytes::{Bytes, BytesMut};

use super::at_once::AtOnce;
use super::known_data::KnownData;
use super::lanes::{Lanes, Way};
use super::{BlockStatus as FileStatus, FileHandle, ImagePermissions, OpenOptions};
use crate::driver::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::moving::PackedDriver;
use crate::node::Node;
use crate::perm::PermPair;

/// An open file and its length, as the threads of the pool share them.
pub(super) struct Image {
    handle: FileHandle,
    /// The length as last asked of the system. A request that may have changed it asks again
    /// before it reports that it is done, so who waited for that request sees the new length;
    /// the waiting orders the two, and this may be relaxed.
    length_bytes: AtomicU64,
    /// Held from the question to the note of the answer, or an older answer could come to stand
    /// for a newer one.
    refresh: Mutex<()>,
}

impl Image {
    fn new(handle: FileHandle) -> BlockResult<Arc<Image>> {
        let length_bytes = AtomicU64::new(handle.size()?);
        Ok(Arc::new(Image {
            handle,
            length_bytes,
            refresh: Mutex::new(()),
        }))
    }

    fn refresh_length(&self) -> BlockResult<()> {
        let _held = self.refresh.lock();
        self.length_bytes
            .store(self.handle.size()?, Ordering::Relaxed);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> BlockResult<()> {
        let end_bytes = offset.saturating_add(data.len() as u64);
        let result = self.handle.pwrite(offset, data);
        self.written_up_to(end_bytes);
        result
    }

    /// For a write that ended at `end_bytes`, well or not: part of it may be in the file.
    fn written_up_to(&self, end_bytes: u64) {
        if end_bytes > self.length_bytes.load(Ordering::Relaxed) {
            // The write has its own outcome. That `fstat` fails on an open file is unheard of; the
            // length then stays as it was until the next request that changes it.
            if let Err(error) = self.refresh_length() {
                tracing::warn!(%error, "the length of an image is not known any more");
            }
        }
    }
}

/// The driver `file`: an image in a regular file or on a block device.
///
/// A request whose future is dropped goes on and owns its buffer; the node counts it as in flight
/// until the system has answered, so a drained section waits for it.
///
/// QEMU: `bdrv_file`, `bdrv_host_device` (block/file-posix.c).
pub struct FileDriver {
    /// Another one after a [`reopen`](FileDriver::reopen).
    image: RefCell<Arc<Image>>,
    lanes: Lanes,
    at_once: AtOnce,
    known_data: KnownData,
}

/// The open image of a driver, as it is now.
pub struct OpenImage(Arc<Image>);

impl Deref for OpenImage {
    type Target = FileHandle;

    fn deref(&self) -> &FileHandle {
        &self.0.handle
    }
}

impl FileDriver {
    /// Opens an image. Blocks for as long as the system takes to open a file.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    pub fn open(options: &OpenOptions) -> BlockResult<FileDriver> {
        Self::new(options.open()?)
    }

    /// Works on an image that is open.
    ///
    /// # Errors
    ///
    /// If the length cannot be had.
    pub fn new(handle: FileHandle) -> BlockResult<FileDriver> {
        Ok(FileDriver {
            lanes: Lanes::new(handle.is_direct()),
            at_once: AtOnce::default(),
            known_data: KnownData::default(),
            image: RefCell::new(Image::new(handle)?),
        })
    }

    /// The open image.
    pub fn handle(&self) -> OpenImage {
        OpenImage(self.image.borrow().clone())
    }

    /// Goes on with the same image, opened in another way: for writing, or past the page cache. It takes
    /// over the locks of the one before. The node must be drained, and its limits be asked for again.
    ///
    /// QEMU: `raw_reconfigure_getfd`, `raw_reopen_commit` (block/file-posix.c).
    ///
    /// # Errors
    ///
    /// It is another file, the locks cannot be had, or the length cannot. Then nothing has changed.
    pub fn reopen(&self, handle: FileHandle) -> BlockResult<()> {
        let image = self.image.borrow().clone();
        if handle.identity() != image.handle.identity() {
            let path = image.handle.path().display();
            return Err(BlockError::new(
                ErrorKind::Invalid,
                format!("'{path}' is another file now"),
            ));
        }
        let next = Image::new(handle)?;
        self.replace(next)
    }

    /// Goes on with an image that it had before, after the locks of the present one.
    ///
    /// # Errors
    ///
    /// The locks cannot be had.
    pub fn reopen_back(&self, image: OpenImage) -> BlockResult<()> {
        self.replace(image.0)
    }

    fn replace(&self, next: Arc<Image>) -> BlockResult<()> {
        let before = self.image();
        next.handle.adopt_permissions(&before.handle)?;
        // Somebody may keep it open for a while, and its locks are in the way of its successor.
        before.handle.set_permissions(ImagePermissions::NONE)?;
        *self.image.borrow_mut() = next;
        self.known_data.forget();
        Ok(())
    }

    /// Works on an image that another driver has worked on.
    pub(super) fn again(image: Arc<Image>, known_data: KnownData, at_once: AtOnce) -> FileDriver {
        FileDriver {
            lanes: Lanes::new(image.handle.is_direct()),
            at_once,
            known_data,
            image: RefCell::new(image),
        }
    }

    /// What it works on, for a driver in another context: see [`again`](Self::again).
    pub(super) fn parts(&self) -> (Arc<Image>, KnownData, AtOnce) {
        (self.image(), self.known_data.clone(), self.at_once.clone())
    }

    fn image(&self) -> Arc<Image> {
        self.image.borrow().clone()
    }

    /// How many requests were done at once, without a thread of the pool: small ones, of an image that
    /// lives in memory, and reads of what the page cache holds.
    pub fn requests_at_once(&self) -> u64 {
        self.at_once.requests()
    }

    /// A small read, if that needs no waiting; else the buffer back.
    fn read_at_once(
        &self,
        node: &Node,
        offset: u64,
        mut buf: BytesMut,
    ) -> Result<ReadResult, BytesMut> {
        if !self.at_once.may(node.context(), buf.len()) {
            return Err(buf);
        }
        match self.image().handle.pread_at_once(offset, &mut buf) {
            Some(result) => {
                self.at_once.done();
                Ok((buf, result))
            }
            None => Err(buf),
        }
    }

    /// A small write, if that needs no waiting.
    fn write_at_once(&self, node: &Node, offset: u64, data: &[u8]) -> Option<BlockResult<()>> {
        let image = self.image();
        let at_once = image.handle.is_in_memory()
            && self.lanes.no_writes()
            && self.at_once.may(node.context(), data.len());
        at_once.then(|| {
            self.at_once.done();
            image.write(offset, data)
        })
    }

    /// Asks the system for the length again, after somebody else may have changed it.
    ///
    /// # Errors
    ///
    /// As [`FileHandle::size`].
    pub fn refresh_length(&self) -> BlockResult<u64> {
        let image = self.image();
        image.refresh_length()?;
        Ok(image.length_bytes.load(Ordering::Relaxed))
    }

    /// Has the page cache forget the image, if it will: see [`FileHandle::forget_cached`].
    pub async fn forget_cached(&self, node: &Node) {
        let forget = |image: &Image| image.handle.forget_cached();
        // A pool that is gone has nothing to read either.
        let _forgotten = self.on_pool(node, Way::Flush, forget).await;
    }

    /// Runs `job` on the pool. `None` if the pool has dropped it, which it does to queued jobs
    /// when a context is closed.
    async fn on_pool<T: Send + 'static>(
        &self,
        node: &Node,
        way: Way,
        job: impl FnOnce(&Image) -> T + Send + 'static,
    ) -> Option<T> {
        let image = self.image();
        let task = self.lanes.spawn(node.context(), way, move || job(&image));
        let mut pending = Pending {
            node,
            task: Some(task),
        };
        poll_fn(|cx| {
            let task = pending.task.as_mut().expect("polled until it ends");
            let result = std::task::ready!(Pin::new(task).poll(cx));
            pending.task = None;
            std::task::Poll::Ready(result.ok())
        })
        .await
    }

    async fn job(
        &self,
        node: &Node,
        way: Way,
        job: impl FnOnce(&Image) -> BlockResult<()> + Send + 'static,
    ) -> BlockResult<()> {
        self.on_pool(node, way, job)
            .await
            .unwrap_or_else(|| Err(pool_is_gone()))
    }

    /// As [`job`](Self::job), for what may leave a hole where there was data.
    async fn punching_job(
        &self,
        node: &Node,
        job: impl FnOnce(&Image) -> BlockResult<()> + Send + 'static,
    ) -> BlockResult<()> {
        let result = self.job(node, Way::Write, job).await;
        // Only now: meanwhile somebody may have asked, and been told of data.
        self.known_data.forget();
        result
    }
}

/// The longest range that begins there, in whole blocks of any size that there is.
fn far(offset: u64) -> u64 {
    (i64::MAX as u64).saturating_sub(offset) >> 20 << 20
}

fn pool_is_gone() -> BlockError {
    BlockError::new(
        ErrorKind::Canceled,
        "The request was dropped by the thread pool",
    )
}

/// A job on the pool that somebody waits for. If he goes away, a coroutine waits in his place, and
/// the node stays busy.
struct Pending<'a, T: Send + 'static> {
    node: &'a Node,
    task: Option<BlockingTask<T>>,
}

impl<T: Send + 'static> Drop for Pending<'_, T> {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else {
            return;
        };
        let node: Rc<Node> = self.node.rc();
        let context = node.context().clone();
        let watcher = context.coroutine("abandoned file request", async move {
            let _in_flight = node.begin_internal();
            // Its result is nobody's any more, and its buffer goes with it.
            let _ = task.await;
        });
        // The request that is being dropped still counts at this moment. The watcher must begin to
        // count before that ends, so it runs up to its wait here and now.
        let _current = context.make_current();
        watcher.enter();
    }
}

impl Driver for FileDriver {
    fn format_name(&self) -> &'static str {
        if self.image().handle.is_regular() {
            "file"
        } else {
            "host_device"
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, _node: &Node) -> Limits {
        let alignment = self.image().handle.alignment();
        Limits {
            request_alignment: u64::from(alignment.request_bytes),
            memory_alignment: alignment.memory_bytes as usize,
            ..Limits::default()
        }
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(self.image().length_bytes.load(Ordering::Relaxed))
    }

    fn has_zero_init(&self, _node: &Node) -> bool {
        self.image().handle.is_regular()
    }

    fn check_perms(&self, _node: &Node, perms: PermPair) -> BlockResult<()> {
        self.image().handle.prepare_permissions(ImagePermissions {
            used: u64::from(perms.used.bits()),
            shared: u64::from(perms.shared.bits()),
        })
    }

    fn set_perms(&self, _node: &Node, _perms: PermPair) {
        self.image().handle.commit_permissions();
    }

    fn abort_perms(&self, _node: &Node) {
        self.image().handle.abort_permissions();
    }

    fn read<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        mut buf: BytesMut,
    ) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            buf = match self.read_at_once(node, offset, buf) {
                Ok(result) => return result,
                Err(buf) => buf,
            };
            let len = buf.len();
            let job = move |image: &Image| {
                let result = image.handle.pread(offset, &mut buf);
                (buf, result)
            };
            match self.on_pool(node, Way::Read, job).await {
                Some(result) => result,
                None => (BytesMut::zeroed(len), Err(pool_is_gone())),
            }
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            if let Some(result) = self.write_at_once(node, offset, &data) {
                return result;
            }
            let write = move |image: &Image| {
                let result = image.write(offset, &data);
                // Before the result is out: who waits for it may want the buffer to himself again.
                drop(data);
                result
            };
            self.job(node, Way::Write, write).await
        })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        let flags = super::ZeroFlags {
            may_unmap: flags.may_unmap,
            no_fallback: flags.no_fallback,
        };
        Box::pin(self.punching_job(node, move |image| {
            let result = image.handle.write_zeroes(offset, bytes, flags);
            image.written_up_to(offset.saturating_add(bytes));
            result
        }))
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(self.punching_job(node, move |image| image.handle.discard(offset, bytes)))
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            if self.image().handle.is_read_only() {
                // Nothing of ours can be on its way.
                return Ok(());
            }
            if self.image().handle.is_in_memory() {
                // There is nowhere to flush to.
                return self.image().handle.flush();
            }
            self.job(node, Way::Flush, |image| image.handle.flush())
                .await
        })
    }

    fn block_status<'a>(
        &'a self,
        _node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            if let Some(known) = self.known_data.bytes_at(offset) {
                return Ok(BlockStatus::data(known.min(bytes)));
            }
            // Here and now, as QEMU does: the file system answers from memory, and faster than a
            // thread could be asked to. The kernel looks as far as the next hole in any case.
            let extent = self
                .image()
                .handle
                .block_status(offset, far(offset).max(bytes))?;
            Ok(match extent.status {
                FileStatus::Data => {
                    self.known_data.keep(offset, extent.bytes);
                    BlockStatus::data(extent.bytes.min(bytes))
                }
                FileStatus::Zero => BlockStatus::zero(extent.bytes.min(bytes)),
            })
        })
    }

    fn truncate<'a>(&'a self, node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(self.punching_job(node, move |image| {
            let result = image.handle.truncate(len);
            image.refresh_length()?;
            result
        }))
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        self.pack_up()
    }
}

//! `imago` served: what it asks of its file is done, in the right order, with a header that is not its
//! own.
//!
//! What must be true of an image at each moment, for whoever opens it after this program was killed or
//! the machine has failed, is that no cluster is free by its refcount and in use by a table. `imago`
//! sees to the order in which it writes refcounts and tables back, but not to that in which they reach
//! the disk, nor to the moment when a new table is entered in the one above it. So:
//!
//! - a flush of the driver has each batch of its writes wait until the one before is on the disk;
//! - before anything else is written, the image is *marked*: the dirty bit of the format says that its
//!   refcounts may be wrong, and that whoever opens it must look. The next flush takes the mark away. And
//!   what was copied into new clusters is brought to the disk: see `qcow2/copies.rs`.
//!
//! In version 2 there is no such bit.
//!
//! QEMU: `qcow2_mark_dirty`, `qcow2_mark_clean` (block/qcow2.c), which do this for lazy refcounts;
//! `qcow2_cache_set_dependency` (block/qcow2-cache.c).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use blockjob_runtime::CoMutex;
use bytes::Bytes;

use super::copies::Copies;
use super::file::File;
use super::header::{Header, incompatible};
use super::owed::Owed;
use super::port::{Op, PortRequest, Queue};
use crate::error::{BlockError, BlockResult, ErrorKind};

/// What serves `imago`: the queue of its requests, and the header, which it sees a picture of.
#[derive(Default)]
pub(super) struct Server {
    pub(super) queue: Queue,
    /// The header as it is in the file.
    pub(super) header: RefCell<Header>,
    /// Held by whoever writes the header.
    header_lock: CoMutex,
    /// The header in the file says that refcounts may be wrong.
    marked: Cell<bool>,
    /// Each batch of writes waits until the one before it is safe from a crash.
    ordered: Cell<bool>,
    /// There was a batch of writes since.
    batch_before: Cell<bool>,
    /// How often writes were put in order, and how often until then all of them were seen to be safe. A
    /// flush that failed has left some that the next one must not overtake.
    ordered_runs: Cell<u64>,
    safe_runs: Cell<u64>,
    /// Entries that `imago` believes to be in the file, and are not.
    owed: Owed,
    pub(super) copies: Copies,
}

/// What serves an image, on its way to another context. Nothing is asked or written at that time.
pub(super) struct PackedServer {
    queue: Queue,
    header: Header,
    marked: bool,
    ordered_runs: u64,
    safe_runs: u64,
    owed: BTreeMap<u64, Bytes>,
    copies_landed: bool,
}

impl PackedServer {
    pub(super) fn unpack(self) -> Server {
        Server {
            queue: self.queue,
            header: RefCell::new(self.header),
            marked: Cell::new(self.marked),
            ordered_runs: Cell::new(self.ordered_runs),
            safe_runs: Cell::new(self.safe_runs),
            owed: Owed::again(self.owed),
            copies: Copies::again(self.copies_landed),
            ..Server::default()
        }
    }
}

impl Server {
    pub(super) fn pack(&self) -> PackedServer {
        PackedServer {
            // It is what `imago` knows as its file.
            queue: self.queue.clone(),
            header: self.header.borrow().clone(),
            marked: self.marked.get(),
            ordered_runs: self.ordered_runs.get(),
            safe_runs: self.safe_runs.get(),
            owed: self.owed.take(),
            copies_landed: self.copies.have_landed(),
        }
    }

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
        let runs = self.ordered_runs.get();
        self.batch_before.set(self.safe_runs.get() != runs);
        self.ordered_runs.set(runs + 1);
        let output = self.serve(file, future).await;
        self.ordered.set(false);
        output
    }

    /// How often writes were put in order.
    pub(super) fn ordered_runs(&self) -> u64 {
        self.ordered_runs.get()
    }

    /// A flush that began after so many such runs has ended well.
    pub(super) fn is_safe_after(&self, runs: u64) {
        self.safe_runs.set(runs.max(self.safe_runs.get()));
    }

    fn dispatch(self: &Rc<Self>, file: &File) {
        let mut requests = self.queue.take();
        if requests.is_empty() {
            return;
        }
        // Its caches are hash maps, whose order differs from run to run.
        requests.sort_by_key(|request| request.op.offset());
        let is_write = |op: &Op| matches!(op, Op::Write { .. } | Op::WriteZeroes { .. });
        let before = if !requests.iter().any(|request| is_write(&request.op)) {
            Before::Nothing
        } else if !self.ordered.get() {
            Before::Mark
        } else if self.batch_before.replace(true) {
            Before::Flush
        } else {
            Before::Nothing
        };
        let wants_more = self.needs_mark() || self.copies.are_owed();
        if before == Before::Nothing || (before == Before::Mark && !wants_more) {
            for request in requests {
                self.start(file, request);
            }
            return;
        }
        let (server, end) = (self.clone(), file.clone());
        file.start("qcow2_order", async move {
            let ready = match before {
                Before::Mark => server.prepare(&end).await,
                _ => end.flush().await,
            };
            for request in requests {
                match &ready {
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

    /// Writes what is owed to the file, after everything else has reached the disk.
    pub(super) async fn pay(&self, file: &File) -> BlockResult<()> {
        if self.owed.is_empty() {
            return Ok(());
        }
        file.flush().await?;
        let owed = self.owed.of(&self.header.borrow());
        for (offset, data) in owed {
            file.write(offset, data.clone()).await?;
            self.owed.note(&self.header.borrow(), offset, &data, true);
        }
        Ok(())
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
            Op::Write { offset: 0, data } => self.write_picture(file, data).await,
            Op::Write { offset, data } => {
                let done = file.write(*offset, data.clone()).await;
                self.owed
                    .note(&self.header.borrow(), *offset, data, done.is_ok());
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

/// The header in the file.
impl Server {
    /// Writes a header that `imago` has changed. Two of them may be under way at the same time; what
    /// is written is always the newest, so that it does not matter which one comes last.
    async fn write_picture(&self, file: &File, picture: &[u8]) -> BlockResult<Bytes> {
        let old_size = self.header.borrow().size;
        self.header.borrow_mut().take_over(picture)?;
        let _alone = self.header_lock.lock().await;
        let written = self.write_header(file, self.marked.get()).await;
        if written.is_err() {
            // The one change that `imago` takes back.
            self.header.borrow_mut().size = old_size;
        }
        written.map(|()| Bytes::new())
    }

    async fn write_header(&self, file: &File, marked: bool) -> BlockResult<()> {
        let mut header = self.header.borrow().clone();
        header.incompatible |= u64::from(marked) * incompatible::DIRTY;
        file.write(0, header.base_bytes()).await
    }

    /// Changes the header, and writes all of it.
    pub(super) async fn change_header(
        &self,
        file: &File,
        change: impl FnOnce(&mut Header),
    ) -> BlockResult<()> {
        let _alone = self.header_lock.lock().await;
        let mut header = self.header.borrow().clone();
        change(&mut header);
        // Names and extensions find their places.
        header.whole_bytes()?;
        let mut in_file = header.clone();
        in_file.incompatible |= u64::from(self.marked.get()) * incompatible::DIRTY;
        file.write(0, in_file.whole_bytes()?).await?;
        self.header.replace(header);
        Ok(())
    }

    fn needs_mark(&self) -> bool {
        !self.marked.get() && self.header.borrow().version >= 3
    }

    /// Sees to it that a table can be written that no flush of the driver has asked for.
    async fn prepare(&self, file: &File) -> BlockResult<()> {
        self.mark(file).await?;
        self.copies.settle(file).await
    }

    /// Says in the file that refcounts may be wrong.
    async fn mark(&self, file: &File) -> BlockResult<()> {
        let _alone = self.header_lock.lock().await;
        if self.needs_mark() {
            self.write_header(file, true).await?;
            file.flush().await?;
            self.marked.set(true);
        }
        Ok(())
    }

    /// True if the file says that refcounts may be wrong.
    pub(super) fn is_marked(&self) -> bool {
        self.marked.get()
    }

    /// All is well, and on the disk: the mark is taken away.
    pub(super) async fn unmark(&self, file: &File) -> BlockResult<()> {
        let _alone = self.header_lock.lock().await;
        self.write_header(file, false).await?;
        self.marked.set(false);
        Ok(())
    }
}

/// What has to happen before a batch of requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// The image must be marked, and copies be safe.
    Mark,
    /// What was written must be on the disk.
    Flush,
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

//! One image in use: `imago`, which knows the mappings, and the locks around it.
//!
//! Three locks, always taken in this order:
//!
//! 1. [`Ranges`]: what requests do to the clusters of the guest;
//! 2. `gate`: those who make mappings hold it together, until their data is written; a flush holds it
//!    alone while tables are written back, so none is that points to data which is not there yet;
//! 3. `lock`: calls of `imago` hold it together; what takes mappings away, or opens the image anew,
//!    holds it alone, because then `imago` wants to be borrowed alone.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use blockjob_imago_port::PortStorage;
use blockjob_runtime::CoRwlock;
use imago::format::drivers::FormatDriverInstance;
use imago::qcow2::Qcow2;
use imago::{DenyImplicitOpenGate, FormatDriverBuilder, ShallowMapping};

use super::file::File;
use super::header::{Header, incompatible};
use super::port::Queue;
use super::ranges::Ranges;
use super::server::{Server, from_io};
use super::write::Made;
use crate::error::{BlockError, BlockResult, ErrorKind};

pub(super) type Imago = Qcow2<PortStorage<Queue>>;

/// What a range of the guest is mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes in the file, from `host` on. Only if `owned` may they be overwritten: else a snapshot
    /// shares them.
    Data { host: u64, owned: bool },
    /// Zeroes, whatever the backing node holds.
    Zero,
    /// Nothing: the backing node answers.
    Unallocated,
    /// Compressed bytes in the file.
    Compressed,
}

/// A range of the guest with one mapping, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) kind: Kind,
}

impl Run {
    pub(super) fn end(&self) -> u64 {
        self.offset + self.bytes
    }
}

/// An image in use; see the module.
pub(super) struct Image {
    pub(super) server: Rc<Server>,
    pub(super) ranges: Ranges,
    pub(super) gate: CoRwlock,
    pub(super) lock: CoRwlock,
    pub(super) imago: RefCell<Option<Rc<Imago>>>,
    pub(super) writable: Cell<bool>,
    /// `imago` may have something to write back.
    pub(super) dirty: Cell<bool>,
    /// Mappings without their data, which are to be taken back before any table is written.
    pub(super) given_up: RefCell<Vec<Made>>,
}

async fn open_imago(server: &Rc<Server>, file: &File, writable: bool) -> BlockResult<Rc<Imago>> {
    let builder = Imago::builder(PortStorage::new(server.queue.clone()))
        .backing(None)
        .data_file(None)
        .write(writable);
    let opened = server
        .serve(file, builder.open(DenyImplicitOpenGate::default()))
        .await;
    let imago = opened.map_err(|error| from_io(&error, "Could not open qcow2 image"))?;
    Ok(Rc::new(imago))
}

impl Image {
    /// Opens an image whose header was found to be good. Nothing is written.
    pub(super) async fn open(file: &File, header: Header) -> BlockResult<Rc<Image>> {
        let server = Rc::new(Server::default());
        server.header.replace(header);
        let imago = open_imago(&server, file, false).await?;
        Ok(Rc::new(Image {
            server,
            ranges: Ranges::default(),
            gate: CoRwlock::new(),
            lock: CoRwlock::new(),
            imago: RefCell::new(Some(imago)),
            writable: Cell::new(false),
            dirty: Cell::new(false),
            given_up: RefCell::default(),
        }))
    }

    /// The virtual size, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.server.header.borrow().size
    }

    pub(super) fn cluster_size(&self) -> u64 {
        self.server.header.borrow().cluster_size()
    }

    pub(super) fn version(&self) -> u32 {
        self.server.header.borrow().version
    }

    /// The clusters that a range touches, in bytes.
    pub(super) fn clusters(&self, range: Range<u64>) -> Range<u64> {
        let mask = self.cluster_size() - 1;
        range.start & !mask..range.end.saturating_add(mask) & !mask
    }

    fn imago(&self) -> BlockResult<Rc<Imago>> {
        self.imago.borrow().clone().ok_or_else(|| {
            // Whoever borrowed it alone was dropped with the context.
            BlockError::new(ErrorKind::Canceled, "The image is being closed")
        })
    }

    /// Makes the image ready to be written to, if it is not: for the first time since it was opened.
    ///
    /// QEMU clears the autoclear features that it does not know when it opens an image writable
    /// (`qcow2_do_open` in `block/qcow2.c`); here that waits for the first write.
    pub(super) async fn ready_to_write(&self, file: &File) -> BlockResult<()> {
        if self.writable.get() {
            return Ok(());
        }
        let _alone = self.lock.write().await;
        if self.writable.get() {
            return Ok(());
        }
        super::load::check_writable(&self.server.header.borrow())?;
        let header = self.server.header.borrow().clone();
        if header.incompatible & incompatible::DIRTY != 0 {
            super::repair::repair(file, &header).await?;
            let clean = |header: &mut Header| header.incompatible &= !incompatible::DIRTY;
            self.server.change_header(file, clean).await?;
        }
        super::verify::check_refcounts(file, &header).await?;
        if header.autoclear != 0 {
            let clear = |header: &mut Header| header.autoclear = 0;
            self.server.change_header(file, clear).await?;
        }
        let imago = open_imago(&self.server, file, true).await?;
        self.imago.replace(Some(imago));
        self.writable.set(true);
        Ok(())
    }

    /// What the first bytes of a range are mapped to, and how many of them.
    pub(super) async fn map(&self, file: &File, offset: u64, bytes: u64) -> BlockResult<Run> {
        let _together = self.lock.read().await;
        let imago = self.imago()?;
        let mapped = self
            .server
            .serve(file, imago.get_mapping(offset, bytes))
            .await;
        let (mapping, len) = mapped.map_err(|error| from_io(&error, "Could not read a mapping"))?;
        let kind = match mapping {
            ShallowMapping::Raw {
                offset, writable, ..
            } => Kind::Data {
                host: offset,
                owned: writable,
            },
            ShallowMapping::Zero { explicit: true, .. } => Kind::Zero,
            ShallowMapping::Special { .. } => Kind::Compressed,
            // Behind the end there is nothing, either.
            _ => Kind::Unallocated,
        };
        let bytes = if len == 0 { bytes } else { len.min(bytes) };
        Ok(Run {
            offset,
            bytes,
            kind,
        })
    }

    /// What all of a range is mapped to.
    pub(super) async fn runs(&self, file: &File, range: Range<u64>) -> BlockResult<Vec<Run>> {
        let mut runs: Vec<Run> = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let run = self.map(file, at, range.end - at).await?;
            at = run.end();
            match runs.last_mut() {
                Some(last) if continues(last, &run) => last.bytes += run.bytes,
                _ => runs.push(run),
            }
        }
        Ok(runs)
    }

    /// Fills a buffer from compressed clusters.
    pub(super) async fn read_compressed(
        &self,
        file: &File,
        offset: u64,
        buf: &mut [u8],
    ) -> BlockResult<()> {
        let _together = self.lock.read().await;
        let imago = self.imago()?;
        let read = self
            .server
            .serve(file, imago.readv_special(buf.into(), offset))
            .await;
        read.map_err(|error| from_io(&error, "Could not read compressed clusters"))
    }

    /// Maps the beginning of a range of whole clusters to clusters of its own. Says where in the file
    /// they are, and how many bytes of the range that is.
    pub(super) async fn make_data(
        &self,
        file: &File,
        range: Range<u64>,
    ) -> BlockResult<(u64, u64)> {
        self.dirty.set(true);
        let _together = self.lock.read().await;
        let imago = self.imago()?;
        let make = async {
            let len = range.end - range.start;
            let mapping = imago.prepare_data_mapping(range.start, len, true).await?;
            let place = (mapping.offset(), mapping.length());
            imago.commit_data_mapping(mapping).await?;
            Ok(place)
        };
        let (host, len) = self
            .server
            .serve(file, make)
            .await
            .map_err(|error: std::io::Error| from_io(&error, "Could not allocate clusters"))?;
        Ok((host, len.min(range.end - range.start)))
    }

    /// Makes whole clusters read as zeroes, and keeps those that they have.
    pub(super) async fn make_zero(&self, file: &File, range: Range<u64>) -> BlockResult<()> {
        self.dirty.set(true);
        let _together = self.lock.read().await;
        let imago = self.imago()?;
        let mut at = range.start;
        while at < range.end {
            let zeroed = self
                .server
                .serve(file, imago.ensure_zero_mapping(at, range.end - at))
                .await;
            let (start, len) = zeroed.map_err(|e| from_io(&e, "Could not write zeroes"))?;
            at = advance(at, start, len)?;
        }
        Ok(())
    }

    /// Takes the mappings of whole clusters away: they read as zeroes then, or as the backing node.
    /// Clusters of the file that nobody uses any more are given up there, too: until the tables are written
    /// back, a crash may show zeroes in place of what was there.
    pub(super) async fn unmap(
        &self,
        file: &File,
        range: Range<u64>,
        to: Unmapped,
    ) -> BlockResult<()> {
        let runs = self.runs(file, range.clone()).await?;
        let _alone = self.lock.write().await;
        self.unmap_alone(file, range, to).await?;
        // Nobody can be given these clusters meanwhile: for that, one needs the lock.
        let clusters = self.clusters(0..self.size()).end;
        for run in runs {
            if let Kind::Data { host, owned: true } = run.kind {
                let bytes = if run.end() == self.size() {
                    clusters - run.offset
                } else {
                    run.bytes
                };
                // What the file does not do costs room, not data.
                let _ = file.discard(host, bytes).await;
            }
        }
        Ok(())
    }

    /// Takes mappings away, and leaves the clusters of the file as they are. The caller has the lock alone.
    async fn unmap_alone(&self, file: &File, range: Range<u64>, to: Unmapped) -> BlockResult<()> {
        self.dirty.set(true);
        let mut borrowed = self.borrow_alone()?;
        let mut at = range.start;
        while at < range.end {
            let len = range.end - at;
            let imago = borrowed.get();
            let unmapped = match to {
                Unmapped::Zero => {
                    self.server
                        .serve(file, imago.discard_to_zero(at, len))
                        .await
                }
                Unmapped::Backing => {
                    self.server
                        .serve(file, imago.discard_to_backing(at, len))
                        .await
                }
            };
            let (start, len) = unmapped.map_err(|e| from_io(&e, "Could not discard clusters"))?;
            at = advance(at, start, len)?;
        }
        Ok(())
    }

    /// Takes mappings away, as if they had never been made.
    pub(super) async fn forget(&self, file: &File, range: Range<u64>) -> BlockResult<()> {
        let _alone = self.lock.write().await;
        self.unmap_alone(file, range, Unmapped::Backing).await
    }

    /// Runs `change` on `imago`, which nobody else uses meanwhile.
    pub(super) async fn alone<T>(
        &self,
        file: &File,
        change: impl AsyncFnOnce(&mut Imago) -> std::io::Result<T>,
        context: &str,
    ) -> BlockResult<T> {
        self.dirty.set(true);
        let _alone = self.lock.write().await;
        let mut borrowed = self.borrow_alone()?;
        let changed = self.server.serve(file, change(borrowed.get())).await;
        changed.map_err(|error| from_io(&error, context))
    }

    /// Runs `change` on `imago` together with others.
    pub(super) async fn together<T>(
        &self,
        change: impl AsyncFnOnce(&Imago) -> BlockResult<T>,
    ) -> BlockResult<T> {
        let _together = self.lock.read().await;
        let imago = self.imago()?;
        change(&imago).await
    }

    fn borrow_alone(&self) -> BlockResult<BorrowedAlone<'_>> {
        let imago = self
            .imago
            .borrow_mut()
            .take()
            .ok_or_else(|| BlockError::new(ErrorKind::Canceled, "The image is being closed"))?;
        Ok(BorrowedAlone {
            slot: &self.imago,
            imago: Some(imago),
        })
    }
}

/// What shows where a mapping was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmapped {
    /// Zeroes.
    Zero,
    /// The backing node.
    Backing,
}

/// `imago` while somebody has it alone; goes back when this is dropped.
struct BorrowedAlone<'a> {
    slot: &'a RefCell<Option<Rc<Imago>>>,
    imago: Option<Rc<Imago>>,
}

impl BorrowedAlone<'_> {
    fn get(&mut self) -> &mut Imago {
        let imago = self.imago.as_mut().expect("it is put back only at the end");
        Rc::get_mut(imago).expect("who uses it holds the lock")
    }
}

impl Drop for BorrowedAlone<'_> {
    fn drop(&mut self) {
        self.slot.replace(self.imago.take());
    }
}

fn continues(last: &Run, next: &Run) -> bool {
    match (last.kind, next.kind) {
        (
            Kind::Data { host, owned },
            Kind::Data {
                host: next_host,
                owned: next_owned,
            },
        ) => host + last.bytes == next_host && owned == next_owned,
        (kind, next) => kind == next,
    }
}

/// Where to go on, after `imago` has worked on `len` bytes from `start` on.
fn advance(at: u64, start: u64, len: u64) -> BlockResult<u64> {
    if start != at || len == 0 {
        let text = format!("imago has skipped from {at} to {start}, {len} bytes");
        return Err(BlockError::new(ErrorKind::Io, text));
    }
    Ok(start + len)
}

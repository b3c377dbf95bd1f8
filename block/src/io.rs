//! Requests at a node: from any offset and length to what the driver takes.
//!
//! Each request is tracked; if it is not aligned as the driver needs, it is padded, and then
//! serialising; it is split at the driver's limits; and when a write has ended, the bitmaps are
//! told, before whoever asked for it is.
//!
//! QEMU: block/io.c.

mod copy_on_read;
mod flush;
mod truncate;
mod zeroes;

use bytes::{BufMut, Bytes, BytesMut};

use crate::bitmap::NodeBitmap;
use crate::buf::aligned;
use crate::driver::ReadResult;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::marks;
use crate::node::Node;
use crate::request::{Request, RequestKind};

/// A range whose ends are multiples of an alignment, around one whose ends need not be.
struct Padded {
    start: u64,
    end: u64,
}

impl Padded {
    fn new(offset: u64, bytes: u64, align: u64) -> Self {
        Padded {
            start: offset & !(align - 1),
            end: (offset + bytes).next_multiple_of(align),
        }
    }
}

fn check_range(offset: u64, bytes: u64) -> BlockResult<()> {
    // QEMU: `bdrv_check_qiov_request` (block/io.c).
    if offset
        .checked_add(bytes)
        .is_none_or(|end| end > i64::MAX as u64)
    {
        return Err(BlockError::new(
            ErrorKind::OutOfRange,
            format!("a request of {bytes} bytes at {offset} reaches past any disk's end"),
        ));
    }
    Ok(())
}

/// How long a request may be, in whole blocks; 0 is no limit.
fn limit(max: u64, align: u64) -> u64 {
    match max {
        0 => u64::MAX,
        // A driver that takes less than a block is asked for a block all the same.
        max => (max & !(align - 1)).max(align),
    }
}

impl Node {
    /// Fills `buf` from `offset`. What lies past the end of the node reads as zeroes.
    ///
    /// QEMU: `bdrv_co_preadv` (block/io.c).
    pub async fn co_read(&self, offset: u64, buf: BytesMut) -> ReadResult {
        let bytes = buf.len() as u64;
        let allowed = check_range(offset, bytes).and_then(|()| self.check_not_departed());
        if let Err(error) = allowed {
            return (buf, Err(error));
        }
        if bytes == 0 {
            return (buf, Ok(()));
        }
        let request = self.begin_request(RequestKind::Read, offset, bytes);
        request.wait_serialising().await;
        let align = self.limits().request_alignment;
        let padded = Padded::new(offset, bytes, align);
        if padded.start == offset && padded.end == offset + bytes {
            return self.read_aligned(offset, buf).await;
        }
        let wide = aligned(
            (padded.end - padded.start) as usize,
            self.limits().memory_alignment,
        );
        let (wide, result) = self.read_aligned(padded.start, wide).await;
        let mut buf = buf;
        if result.is_ok() {
            let from = (offset - padded.start) as usize;
            buf.copy_from_slice(&wide[from..from + bytes as usize]);
        }
        (buf, result)
    }

    /// QEMU: `bdrv_aligned_preadv` (block/io.c).
    async fn read_aligned(&self, offset: u64, mut buf: BytesMut) -> ReadResult {
        let len = match self.len() {
            Ok(len) => len,
            Err(error) => return (buf, Err(error)),
        };
        let align = self.limits().request_alignment;
        let end = len.next_multiple_of(align);
        let inside = end.saturating_sub(offset).min(buf.len() as u64) as usize;
        if inside < buf.len() {
            let mut past = buf.split_off(inside);
            past.fill(0);
            if inside > 0 {
                let result;
                (buf, result) = self.read_split(offset, buf).await;
                buf.unsplit(past);
                return (buf, result);
            }
            buf.unsplit(past);
            return (buf, Ok(()));
        }
        self.read_split(offset, buf).await
    }

    async fn read_split(&self, mut offset: u64, buf: BytesMut) -> ReadResult {
        let limits = self.limits();
        let max = limit(limits.max_transfer, limits.request_alignment);
        if buf.len() as u64 <= max {
            return self.driver().read(self, offset, buf).await;
        }
        let mut rest = buf;
        let mut done = BytesMut::new();
        while !rest.is_empty() {
            let part = rest.split_to((rest.len() as u64).min(max) as usize);
            let bytes = part.len() as u64;
            let (part, result) = self.driver().read(self, offset, part).await;
            done.unsplit(part);
            offset += bytes;
            if result.is_err() {
                done.unsplit(rest);
                return (done, result);
            }
        }
        (done, Ok(()))
    }

    /// Writes `data` at `offset`.
    ///
    /// QEMU: `bdrv_co_pwritev` (block/io.c).
    pub async fn co_write(&self, offset: u64, data: Bytes) -> BlockResult<()> {
        self.co_write_unseen_by(None, offset, data).await
    }

    /// As [`co_write`](Self::co_write), but `keeper` takes no note of it: whoever keeps that bitmap
    /// knows of the write.
    pub async fn co_write_unseen_by(
        &self,
        keeper: Option<&NodeBitmap>,
        offset: u64,
        data: Bytes,
    ) -> BlockResult<()> {
        let bytes = data.len() as u64;
        check_range(offset, bytes)?;
        self.check_not_departed()?;
        if bytes == 0 {
            return Ok(());
        }
        let align = self.limits().request_alignment;
        let padded = Padded::new(offset, bytes, align);
        if let Some(flags) = self.detect_zeroes(&data) {
            return self
                .co_write_zeroes_unseen_by(keeper, offset, bytes, flags)
                .await;
        }
        let request = self.begin_request(RequestKind::Write, offset, bytes);
        let result = if padded.start == offset && padded.end == offset + bytes {
            request.wait_serialising().await;
            self.write_split(offset, data).await
        } else {
            self.context().mark(&marks::PADDED_WRITE);
            request.set_serialising(align);
            request.wait_serialising().await;
            match self.pad(&padded, offset, &data).await {
                Ok(wide) => self.write_padded(&padded, offset + bytes, wide).await,
                Err(error) => Err(error),
            }
        };
        self.write_finish(&request, keeper, offset, bytes);
        result
    }

    /// Reads what surrounds `data` in its aligned range: the first half of a read-modify-write.
    ///
    /// QEMU: `bdrv_padding_rmw_read` (block/io.c).
    async fn pad(&self, padded: &Padded, offset: u64, data: &[u8]) -> BlockResult<Bytes> {
        let limits = self.limits();
        let align = limits.request_alignment;
        let mut wide = aligned(
            (padded.end - padded.start) as usize,
            limits.memory_alignment,
        );
        let head = (offset - padded.start) as usize;
        let tail = head + data.len();
        if head > 0 {
            let block = aligned(align as usize, limits.memory_alignment);
            let (block, result) = self.read_aligned(padded.start, block).await;
            result?;
            wide[..align as usize].copy_from_slice(&block);
        }
        let last = wide.len() - align as usize;
        if tail < wide.len() && (head == 0 || last > 0) {
            let block = aligned(align as usize, limits.memory_alignment);
            let (block, result) = self.read_aligned(padded.end - align, block).await;
            result?;
            wide[last..].copy_from_slice(&block);
        }
        wide[head..tail].copy_from_slice(data);
        Ok(wide.freeze())
    }

    /// Writes a padded range: the second half of a read-modify-write. The padding of the last block
    /// must not make the node longer than what was asked for does, which is up to `end`.
    async fn write_padded(&self, padded: &Padded, end: u64, wide: Bytes) -> BlockResult<()> {
        let keep = self.len()?.max(end);
        self.write_split(padded.start, wide).await?;
        if padded.end > keep && self.len()? == padded.end {
            self.driver().truncate(self, keep).await?;
        }
        Ok(())
    }

    /// Has requests fail soon that would go on hanging: for a job that is cancelled by force. Local
    /// storage takes no notice.
    ///
    /// QEMU: `bdrv_cancel_in_flight` (block/io.c).
    pub fn cancel_in_flight(&self) {
        self.driver().cancel_in_flight(self);
    }

    async fn write_split(&self, mut offset: u64, mut data: Bytes) -> BlockResult<()> {
        let limits = self.limits();
        let max = limit(limits.max_transfer, limits.request_alignment);
        while data.len() as u64 > max {
            let part = data.split_to(max as usize);
            self.driver().write(self, offset, part).await?;
            offset += max;
        }
        self.driver().write(self, offset, data).await
    }

    /// A write has ended, well or not: in either case the range may have changed.
    ///
    /// QEMU: `bdrv_co_write_req_finish` (block/io.c).
    fn write_finish(
        &self,
        request: &Request<'_>,
        keeper: Option<&NodeBitmap>,
        offset: u64,
        bytes: u64,
    ) {
        let gen_ = &self.io.write_gen;
        gen_.set(gen_.get() + 1);
        if request.kind() == RequestKind::Write {
            let highest = &self.io.wr_highest_offset;
            highest.set(highest.get().max(offset + bytes));
        }
        if request.end() > self.io.known_len.get() {
            // Before the bitmaps are told, which may have to grow for it.
            self.note_growth();
        }
        self.set_dirty(keeper, offset, bytes);
    }
}

/// A buffer of `bytes` copies of `pattern`, for tests and tools.
pub fn pattern(pattern: u8, bytes: usize) -> Bytes {
    let mut buf = BytesMut::with_capacity(bytes);
    buf.put_bytes(pattern, bytes);
    buf.freeze()
}

//! Reads that leave what they have read in the node, where it came from the backing chain.
//!
//! QEMU: `bdrv_co_do_copy_on_readv` (block/io.c).

use bytes::{Bytes, BytesMut};

use super::{Padded, check_range, limit};
use crate::buf::aligned;
use crate::driver::{ReadResult, ZeroFlags};
use crate::error::{BlockResult, ErrorKind};
use crate::node::Node;
use crate::request::RequestKind;
use crate::to_the_end::to_the_end;

/// How much is copied in one piece, in bytes, unless a cluster is larger.
///
/// QEMU: `MAX_BOUNCE_BUFFER` (block/io.c).
const PIECE: u64 = 1 << 20;

impl Node {
    /// Fills `buf` from `offset`. What the backing chain answers is also written to the node itself, in
    /// whole clusters. What the node shows does not change by that, so no bitmap hears of it.
    ///
    /// The request is serialising: nobody writes to these clusters between the moment in which
    /// they are read below and that in which they are written here. So it also runs to its end, though
    /// the future be dropped.
    ///
    /// QEMU: `bdrv_co_preadv` with `BDRV_REQ_COPY_ON_READ` (block/io.c).
    pub(crate) async fn co_read_copying_up(&self, offset: u64, buf: BytesMut) -> ReadResult {
        if let Err(error) = check_range(offset, buf.len() as u64) {
            return (buf, Err(error));
        }
        let node = self.rc();
        to_the_end(self.context(), "copy_on_read", async move {
            node.read_copying_up(offset, buf).await
        })
        .await
    }

    async fn read_copying_up(&self, offset: u64, mut buf: BytesMut) -> ReadResult {
        let limits = self.limits();
        let unit = limits.cluster_size.max(limits.request_alignment);
        let request = self.begin_request(RequestKind::Read, offset, buf.len() as u64);
        request.set_serialising(unit);
        request.wait_serialising().await;
        let Padded { start, end } = Padded::new(offset, buf.len() as u64, unit);
        let mut at = start;
        while at < end {
            // Somebody may have written while this one waited: so it looks, or looks again.
            let most = (end - at).min(PIECE.next_multiple_of(unit));
            let (held, run) = match self.holds_itself(at, most).await {
                Ok((true, run)) if run >= unit => (true, run & !(unit - 1)),
                Ok((_, run)) => (false, run.next_multiple_of(unit)),
                // If that is no passing trouble, the read will say what is wrong.
                Err(_) => (false, unit),
            };
            let piece = aligned(run.min(most) as usize, limits.memory_alignment);
            let (piece, result) = self.read_aligned(at, piece).await;
            let piece = piece.freeze();
            let result = match result {
                Ok(()) if !held => self.copy_up(at, piece.clone()).await,
                result => result,
            };
            if let Err(error) = result {
                return (buf, Err(error));
            }
            take_part(&mut buf, offset, &piece, at);
            at += piece.len() as u64;
        }
        (buf, Ok(()))
    }

    /// Whether the node, or the node that it filters, has something of its own to show at
    /// `offset`, and for how many of `bytes` that holds. A node without a backing node has.
    pub(crate) async fn holds_itself(&self, offset: u64, bytes: u64) -> BlockResult<(bool, u64)> {
        match self.skip_filters().backing() {
            Some(backing) => {
                let below = backing.node();
                self.is_allocated_above(Some(&below), offset, bytes).await
            }
            None => Ok((true, bytes)),
        }
    }

    /// Writes what was read, up to the end of the node.
    async fn copy_up(&self, offset: u64, data: Bytes) -> BlockResult<()> {
        let limits = self.limits();
        let len = self.len()?;
        let end = (offset + data.len() as u64).min(len.next_multiple_of(limits.request_alignment));
        if end <= offset {
            return Ok(());
        }
        // Those who wait for a flush have a right to what is not changed by this, and no more; but
        // one more flush costs little, and one too few is hard to find.
        let gen_ = &self.io.write_gen;
        gen_.set(gen_.get() + 1);
        let bytes = end - offset;
        let data = data.slice(..bytes as usize);
        let zeroes = data.iter().all(|byte| *byte == 0);
        if zeroes && bytes <= limit(limits.max_write_zeroes, limits.request_alignment) {
            let flags = ZeroFlags::default();
            let zeroed = self.driver().write_zeroes(self, offset, bytes, flags).await;
            match zeroed {
                Err(error) if error.kind() == ErrorKind::NotSupported => {}
                result => return result,
            }
        }
        let padded = Padded { start: offset, end };
        self.write_padded(&padded, len.min(end), data).await
    }
}

/// Copies to `buf`, which begins at `offset`, what there is of it in `piece`, which begins at `at`.
fn take_part(buf: &mut [u8], offset: u64, piece: &[u8], at: u64) {
    let from = offset.max(at);
    let to = (offset + buf.len() as u64).min(at + piece.len() as u64);
    if from < to {
        let part = &piece[(from - at) as usize..(to - at) as usize];
        buf[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
    }
}

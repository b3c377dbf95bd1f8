//! What each request does.
//!
//! QEMU: `nbd_handle_request`, `nbd_co_send_sparse_read`, `blockalloc_to_extents` (nbd/server.c).

use blockjob_block::BlockResult;
use blockjob_block::driver::{BlockStatus, ZeroFlags};
use blockjob_block::error::BlockError;
use blockjob_block::nbd::proto::{
    Extent, RequestHeader, base_allocation, cmd, cmd_flag, errno_to_wire,
};
use blockjob_block::nbd::server::{MAX_EXTENTS, Refusal, Request};
use bytes::Bytes;

use super::session::Session;

/// A structured reply to a read from this length on says where there are holes. To ask costs more than
/// to send shorter ones.
const SPARSE_BYTES: u32 = 64 << 10;
/// What `cmd::CACHE` reads at a time, in bytes.
const CACHE_BYTES: u64 = 1 << 20;

/// An error and the peer's words for what failed.
fn refusal(error: &BlockError, text: &str) -> Refusal {
    Refusal::new(errno_to_wire(error.errno()), text)
}

impl Session {
    /// Does what a request asks and puts the reply on its way.
    pub(super) async fn answer(&self, request: Request) {
        let Request { header, payload } = request;
        let wants_fua = header.flags & cmd_flag::FUA != 0;
        let (done, text) = match header.kind {
            cmd::READ => return self.read(&header, wants_fua).await,
            cmd::BLOCK_STATUS => return self.block_status(&header).await,
            cmd::WRITE => {
                let bytes = payload.len() as u64;
                let done = self.write_data(&header, payload, wants_fua).await;
                self.end_buffer(bytes);
                (done, "writing to file failed")
            }
            cmd::WRITE_ZEROES => (
                self.write_zeroes(&header, wants_fua).await,
                "writing to file failed",
            ),
            cmd::TRIM => (self.trim(&header, wants_fua).await, "discard failed"),
            cmd::CACHE => (self.cache(&header).await, "caching data failed"),
            _flush => (self.export.blk().flush().await, "flush failed"),
        };
        self.reply(|replies| match &done {
            Ok(()) => replies.done(header.cookie, false),
            Err(error) => replies.error(header.cookie, &refusal(error, text), None),
        });
    }

    /// What was written must be safe before the reply, if the client or the export's owner says so.
    async fn written(&self, done: BlockResult<()>, wants_fua: bool) -> BlockResult<()> {
        done?;
        if wants_fua || self.export.is_writethrough() {
            self.export.blk().flush().await?;
        }
        Ok(())
    }

    async fn write_data(
        &self,
        header: &RequestHeader,
        payload: Bytes,
        wants_fua: bool,
    ) -> BlockResult<()> {
        let done = self.export.blk().write(header.offset, payload).await;
        self.written(done, wants_fua).await
    }

    async fn write_zeroes(&self, header: &RequestHeader, wants_fua: bool) -> BlockResult<()> {
        let flags = ZeroFlags {
            may_unmap: header.flags & cmd_flag::NO_HOLE == 0,
            no_fallback: header.flags & cmd_flag::FAST_ZERO != 0,
        };
        let (offset, bytes) = (header.offset, header.len.into());
        let done = self.export.blk().write_zeroes(offset, bytes, flags).await;
        self.written(done, wants_fua).await
    }

    async fn trim(&self, header: &RequestHeader, wants_fua: bool) -> BlockResult<()> {
        let blk = self.export.blk();
        let done = blk.discard(header.offset, header.len.into()).await;
        self.written(done, wants_fua).await
    }

    /// Reads a range and throws it away.
    ///
    /// QEMU: `nbd_do_cmd_cache` (nbd/server.c).
    async fn cache(&self, header: &RequestHeader) -> BlockResult<()> {
        let end = header.offset + u64::from(header.len);
        let mut offset = header.offset;
        while offset < end {
            let bytes = (end - offset).min(CACHE_BYTES);
            let buffer = self.export.pool().get(bytes as usize);
            let (buffer, done) = self.export.blk().read(offset, buffer).await;
            self.export.pool().put(buffer);
            done?;
            offset += bytes;
        }
        Ok(())
    }

    /// QEMU: `nbd_do_cmd_read` (nbd/server.c).
    async fn read(&self, header: &RequestHeader, wants_fua: bool) {
        let cookie = header.cookie;
        if wants_fua && let Err(error) = self.export.blk().flush().await {
            self.end_buffer(header.len.into());
            let refusal = refusal(&error, "flush failed");
            return self.reply(|replies| replies.error(cookie, &refusal, None));
        }
        let in_one = header.flags & cmd_flag::DF != 0 || header.len < SPARSE_BYTES;
        if header.len == 0 {
            self.reply(|replies| replies.done(cookie, true));
        } else if self.mode.structured && !in_one {
            self.read_sparse(header).await;
        } else {
            self.read_part(cookie, header.offset, header.len, true)
                .await;
        }
    }

    /// Reads and sends one piece. False if that failed, and then the reply is complete.
    async fn read_part(&self, cookie: u64, offset: u64, len: u32, done: bool) -> bool {
        let buffer = self.export.pool().get(len as usize);
        let (buffer, result) = self.export.blk().read(offset, buffer).await;
        let unsent = match &result {
            Ok(()) => self.reply(|replies| replies.data(cookie, offset, buffer, done)),
            Err(error) => {
                let refusal = refusal(error, "reading from file failed");
                self.reply(|replies| replies.error(cookie, &refusal, None));
                Some(buffer)
            }
        };
        if let Some(buffer) = unsent {
            self.end_buffer(len.into());
            self.export.pool().put(buffer);
        }
        result.is_ok()
    }

    /// QEMU: `nbd_co_send_sparse_read` (nbd/server.c).
    async fn read_sparse(&self, header: &RequestHeader) {
        let cookie = header.cookie;
        let end = header.offset + u64::from(header.len);
        let mut offset = header.offset;
        while offset < end {
            let status = match self.status_at(offset, end - offset).await {
                Ok(status) => status,
                Err(error) => {
                    self.end_buffer(end - offset);
                    let refusal = refusal(&error, "unable to check for holes");
                    return self.reply(|replies| replies.error(cookie, &refusal, Some(offset)));
                }
            };
            // At most what was asked for, which has 32 bits.
            let len = status.bytes as u32;
            let done = offset + status.bytes == end;
            if status.zero {
                self.end_buffer(status.bytes);
                self.reply(|replies| replies.hole(cookie, offset, len, done));
            } else if !self.read_part(cookie, offset, len, done).await {
                return self.end_buffer(end - offset - status.bytes);
            }
            offset += status.bytes;
        }
    }

    async fn status_at(&self, offset: u64, bytes: u64) -> BlockResult<BlockStatus> {
        let Some(node) = self.export.blk().node() else {
            return Ok(BlockStatus::data(bytes));
        };
        node.block_status_above(None, offset, bytes).await
    }

    /// QEMU: `nbd_co_send_block_status` (nbd/server.c).
    async fn block_status(&self, header: &RequestHeader) {
        let most = match header.flags & cmd_flag::REQ_ONE {
            0 => MAX_EXTENTS,
            _ => 1,
        };
        let end = header.offset + u64::from(header.len);
        let mut offset = header.offset;
        let mut extents: Vec<Extent> = Vec::new();
        while offset < end {
            let status = match self.status_at(offset, end - offset).await {
                Ok(status) => status,
                Err(error) if extents.is_empty() => {
                    let refusal = refusal(&error, "can't get block status");
                    return self.reply(|replies| replies.error(header.cookie, &refusal, None));
                }
                // What is known is an answer; who asks for the rest hears of the error.
                Err(_) => break,
            };
            let mut flags = 0;
            if !status.data {
                flags |= base_allocation::HOLE;
            }
            if status.zero {
                flags |= base_allocation::ZERO;
            }
            let len = status.bytes as u32;
            let full = extents.len() == most;
            match extents.last_mut() {
                Some(last) if last.flags == flags => last.len += len,
                _ if full => break,
                _ => extents.push(Extent { len, flags }),
            }
            offset += status.bytes;
        }
        self.reply(|replies| replies.block_status(header.cookie, &extents));
    }
}

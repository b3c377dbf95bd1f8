//! The requests of a backend.
//!
//! QEMU: block/block-backend.c.

use std::rc::Rc;

use blockjob_runtime::bug;
use bytes::{Bytes, BytesMut};

use super::trace::BackendKind;
use super::{BlockBackend, Queued};
use crate::child::{Child, ChildParent};
use crate::driver::{ReadResult, ZeroFlags};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::marks;
use crate::oneshot;

impl BlockBackend {
    /// QEMU: `blk_check_byte_request` (block/block-backend.c).
    fn check(&self, offset: u64, bytes: u64) -> BlockResult<Rc<Child>> {
        let root = self.medium()?;
        let len = root.node().len()?;
        if offset > len || len - offset < bytes {
            return Err(BlockError::new(
                ErrorKind::Io,
                format!(
                    "a request of {bytes} bytes at {offset} reaches past the end of '{}', at {len}",
                    root.node().name()
                ),
            ));
        }
        Ok(root)
    }

    /// Begins a request: waits while the node is drained, and counts.
    ///
    /// QEMU: `blk_wait_while_drained` (block/block-backend.c).
    async fn begin(self: &Rc<Self>) -> BlockResult<InFlight> {
        if self.quiesce_counter.get() == 0 || !self.queue_requests.get() {
            self.in_flight.set(self.in_flight.get() + 1);
            return Ok(InFlight(self.clone()));
        }
        let nested = || self.node().is_some_and(|node| node.quiesce_counter() > 1);
        self.context.mark_if(nested, &marks::QUEUED_NESTED);
        let (released, receiver) = oneshot::channel();
        self.queued.borrow_mut().push_back(Queued { released });
        if !receiver.await {
            // It has not begun, and never will here.
            let text = format!("{} has moved to another context", self.describe());
            return Err(BlockError::new(ErrorKind::Canceled, text));
        }
        if bug!(DRN_01) {
            self.in_flight.set(self.in_flight.get() + 1);
        }
        // Counted by who let it go. A section that has begun since waits for this request: it must
        // not queue again, or it would be counted and never run.
        Ok(InFlight(self.clone()))
    }

    /// Runs a request as a coroutine of its own; see the module.
    async fn request<T: 'static, F>(&self, run: impl FnOnce(Rc<Self>) -> F) -> T
    where
        F: Future<Output = T> + 'static,
    {
        let myself = self.myself.upgrade().expect("a backend in use exists");
        let (sender, receiver) = oneshot::channel();
        let future = run(myself);
        let coroutine = self.context.coroutine("blk_request", async move {
            sender.send(future.await);
        });
        coroutine.enter();
        receiver.await
    }

    /// Fills `buf` from `offset`.
    ///
    /// QEMU: `blk_co_preadv` (block/block-backend.c).
    pub async fn read(&self, offset: u64, buf: BytesMut) -> ReadResult {
        let asked = self.asks(BackendKind::Read, offset, buf.len() as u64);
        let done = self.request(move |blk| async move {
            let _in_flight = match blk.begin().await {
                Ok(in_flight) => in_flight,
                Err(error) => return (buf, Err(error)),
            };
            match blk.check(offset, buf.len() as u64) {
                Ok(root) => root.read(offset, buf).await,
                Err(error) => (buf, Err(error)),
            }
        });
        let done = done.await;
        asked.answered(&done.1);
        done
    }

    /// Writes `data` at `offset`.
    ///
    /// QEMU: `blk_co_pwritev` (block/block-backend.c).
    pub async fn write(&self, offset: u64, data: Bytes) -> BlockResult<()> {
        let asked = self.asks(BackendKind::Write, offset, data.len() as u64);
        let done = self.request(move |blk| async move {
            let _in_flight = blk.begin().await?;
            let root = blk.check(offset, data.len() as u64)?;
            root.write(offset, data).await
        });
        let done = done.await;
        asked.answered(&done);
        done
    }

    /// Makes a range read as zeroes.
    ///
    /// QEMU: `blk_co_pwrite_zeroes` (block/block-backend.c).
    pub async fn write_zeroes(&self, offset: u64, bytes: u64, flags: ZeroFlags) -> BlockResult<()> {
        let asked = self.asks(BackendKind::Zero, offset, bytes);
        let done = self.request(move |blk| async move {
            let _in_flight = blk.begin().await?;
            let root = blk.check(offset, bytes)?;
            root.write_zeroes(offset, bytes, flags).await
        });
        let done = done.await;
        asked.answered(&done);
        done
    }

    /// Gives a range up.
    ///
    /// QEMU: `blk_co_pdiscard` (block/block-backend.c).
    pub async fn discard(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        let asked = self.asks(BackendKind::Discard, offset, bytes);
        let done = self.request(move |blk| async move {
            let _in_flight = blk.begin().await?;
            let root = blk.check(offset, bytes)?;
            root.discard(offset, bytes).await
        });
        let done = done.await;
        asked.answered(&done);
        done
    }

    /// Returns when what was written before is safe from a crash.
    ///
    /// QEMU: `blk_co_flush` (block/block-backend.c).
    pub async fn flush(&self) -> BlockResult<()> {
        let asked = self.asks(BackendKind::Flush, 0, 0);
        let done = self.request(move |blk| async move {
            let _in_flight = blk.begin().await?;
            blk.medium()?.node().flush().await
        });
        let done = done.await;
        asked.answered(&done);
        done
    }

    /// Changes the length of the medium.
    ///
    /// QEMU: `blk_co_truncate` (block/block-backend.c).
    pub async fn truncate(&self, len: u64) -> BlockResult<()> {
        self.request(move |blk| async move {
            let _in_flight = blk.begin().await?;
            blk.medium()?.truncate(len).await
        })
        .await
    }
}

/// One request in flight.
struct InFlight(Rc<BlockBackend>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end_one();
    }
}

impl BlockBackend {
    pub(super) fn end_one(&self) {
        self.in_flight.set(self.in_flight.get() - 1);
        if self.in_flight.get() == 0 {
            self.drain_kick();
        }
    }
}

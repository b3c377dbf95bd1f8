//! One part of a claim: read and write, or zero. Each runs in a coroutine of its own.
//!
//! QEMU: `mirror_co_read`, `mirror_co_zero`, `mirror_write_complete`, `mirror_iteration_done`
//! (block/mirror.c).

use std::ops::Range;
use std::rc::Rc;

use blockjob_block::buf::Taken;
use blockjob_block::dirty_bitmap::DirtyBitmap;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::{BlockError, BlockResult, ErrorKind};
use blockjob_runtime::bug;

use super::iteration::Claim;
use super::state::MirrorJob;
use crate::error::JobError;
use crate::error_policy::{ErrorAction, IoOperation};
use crate::marks;

/// How a part gets to the target. QEMU: `MirrorMethod` (block/mirror.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Copy,
    Zero,
}

/// A part of a claim, of one kind.
pub(super) struct Part {
    pub(super) claim: Rc<Claim>,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) method: Method,
    /// Room in the pool, for a copy.
    pub(super) _room: Option<Taken>,
}

/// Whether a bug is on in which a part is in flight before it has its buffers.
pub(super) fn buffers_are_late() -> bool {
    [bug!(MIR_04A), bug!(MIR_04B)].contains(&true)
}

impl MirrorJob {
    /// Starts `part`. Whoever calls has seen that there is room for it: a part never waits for
    /// another part, so none can wait for itself or in a ring.
    ///
    /// QEMU: `mirror_perform` (block/mirror.c).
    pub(super) fn perform(self: &Rc<Self>, part: Part) {
        self.in_flight.set(self.in_flight.get() + 1);
        self.watch.copy_begins(self.context.now_ns());
        self.bytes_in_flight
            .set(self.bytes_in_flight.get() + part.bytes);
        if part.method == Method::Copy && !buffers_are_late() {
            self.buf_free.set(self.buf_free.get() - part.bytes);
        }
        #[cfg(feature = "museum")]
        self.late_begin(&part);
        self.target_changes(&(part.offset..part.offset + part.bytes));
        let mirror = self.clone();
        let name = match part.method {
            Method::Copy => "mirror_co_read",
            Method::Zero => "mirror_co_zero",
        };
        let coroutine = self.context.coroutine(name, async move {
            let result = match part.method {
                Method::Copy => mirror.copy(&part).await,
                Method::Zero => mirror.zero(&part).await,
            };
            mirror.part_done(part, result);
        });
        coroutine.enter();
    }

    /// QEMU: `mirror_co_read`, `mirror_read_complete` (block/mirror.c).
    async fn copy(&self, part: &Part) -> Result<(), Failure> {
        let (offset, bytes) = (part.offset, part.bytes);
        #[cfg(feature = "museum")]
        self.late_buffers(part).await;
        let buf = self.pool.get(bytes as usize);
        let (buf, result) = self.source().read(offset, buf).await;
        if let Err(error) = result {
            self.pool.put(buf);
            return Err(Failure {
                error,
                operation: IoOperation::Read,
            });
        }
        if bug!(HZ_01) {
            part.claim.clear_dirty();
        }
        self.context
            .mark_if(|| self.any_dirty(offset, bytes), &marks::READ_THEN_DIRTY);
        let data = buf.freeze();
        self.still_wanted().map_err(Failure::write)?;
        let result = self.target().write(offset, data.clone()).await;
        self.pool.put_bytes(data);
        result.map_err(Failure::write)?;
        self.update_stats(|stats| stats.copied_bytes += bytes);
        Ok(())
    }

    /// QEMU: `mirror_co_zero` (block/mirror.c).
    async fn zero(&self, part: &Part) -> Result<(), Failure> {
        if bug!(HZ_01) {
            part.claim.clear_dirty();
        }
        let (mut offset, end) = (part.offset, part.offset + part.bytes);
        while offset < end {
            self.still_wanted().map_err(Failure::write)?;
            let (already, bytes) = self.target_reads_as_zero(offset, end - offset).await;
            if already {
                self.context.mark(&marks::HOLE_SKIPPED);
                self.update_stats(|stats| stats.skipped_bytes += bytes);
            } else {
                let flags = ZeroFlags {
                    may_unmap: self.options.unmap,
                    no_fallback: false,
                };
                let target = self.target();
                self.still_wanted().map_err(Failure::write)?;
                target
                    .write_zeroes(offset, bytes, flags)
                    .await
                    .map_err(Failure::write)?;
                self.update_stats(|stats| stats.zeroed_bytes += bytes);
            }
            offset += bytes;
        }
        Ok(())
    }

    /// Asked before each request to the target: those of a job that was cancelled by force were cancelled
    /// once, and what is sent after that may never be answered.
    fn still_wanted(&self) -> BlockResult<()> {
        match self.is_abandoned() {
            true => Err(BlockError::new(
                ErrorKind::Canceled,
                "The job was cancelled",
            )),
            false => Ok(()),
        }
    }

    fn is_abandoned(&self) -> bool {
        self.job().is_none_or(|job| job.is_cancelled())
    }

    /// Whether the target reads as zeroes there and has nothing that could be given back, so that
    /// it can be left alone; and for how many bytes that is so.
    async fn target_reads_as_zero(&self, offset: u64, bytes: u64) -> (bool, u64) {
        let target = self.target_node();
        match target.block_status_above(None, offset, bytes).await {
            Ok(status) => {
                let kept = status.allocated || !self.target_misses_backing();
                let settled = status.zero && kept && !(self.options.unmap && status.data);
                (settled, status.bytes)
            }
            Err(_) => (false, bytes),
        }
    }

    /// A part has ended, well or not.
    ///
    /// QEMU: `mirror_write_complete`, `mirror_iteration_done` (block/mirror.c).
    fn part_done(&self, part: Part, result: Result<(), Failure>) {
        if let Err(failure) = result {
            // First the dirty bit, then the policy, which may have the job look at it.
            part.claim.fail(part.offset, part.bytes);
            self.request_failed(failure.operation, &failure.error);
        } else {
            self.watch.cleaned(part.bytes, self.context.now_ns());
            if let Some(job) = self.job() {
                job.progress_update(part.bytes);
            }
        }
        self.in_flight.set(self.in_flight.get() - 1);
        self.watch.copy_ends(self.context.now_ns());
        self.bytes_in_flight
            .set(self.bytes_in_flight.get() - part.bytes);
        if part.method == Method::Copy {
            self.buf_free.set(self.buf_free.get() + part.bytes);
        }
        #[cfg(feature = "museum")]
        self.late_end(&part);
        // The claim may end with its part, and gives the granules back; and there is room for others.
        drop(part);
        self.slot_free.wake_all();
        if let Some(nodes) = &*self.nodes.borrow() {
            nodes.source.drain_kick();
            nodes.target.drain_kick();
        }
    }

    /// A request of the job failed, or the target's half of an active write did.
    pub(super) fn request_failed(&self, operation: IoOperation, error: &BlockError) {
        if self.is_abandoned() {
            // It ends in any case, and may have been made to fail for that.
            return;
        }
        let last_error = (operation, error.to_string(), self.context.now_ns());
        *self.last_error.borrow_mut() = Some(last_error);
        match self.error_action(operation, error.errno()) {
            ErrorAction::Report => self.set_ret(error),
            ErrorAction::Ignore => self.retry_later.set(true),
            ErrorAction::Stop => {}
        }
    }

    /// Keeps the first error that ends the job: its number, as the peer reports it.
    pub(super) fn set_ret(&self, error: &BlockError) {
        let errno = error.errno();
        tracing::debug!(target: "blockjob::mirror", %error, "a request failed");
        self.ret.borrow_mut().get_or_insert(JobError::Io { errno });
        self.release_guests();
    }

    /// QEMU: `mirror_error_action` (block/mirror.c).
    pub(super) fn error_action(&self, operation: IoOperation, errno: i32) -> ErrorAction {
        let on_error = match operation {
            IoOperation::Read => self.options.on_source_error,
            IoOperation::Write => self.options.on_target_error,
        };
        match self.job() {
            Some(job) => job.error_action(on_error, operation == IoOperation::Read, errno),
            None => ErrorAction::Report,
        }
    }

    /// M12. A failure goes to the error policy of the target.
    ///
    /// QEMU: `mirror_flush` (block/mirror.c).
    pub(super) async fn flush(&self) -> BlockResult<()> {
        let unflushed = self.take_unflushed();
        let result = match self.still_wanted() {
            Ok(()) => self.target().flush().await,
            abandoned => abandoned,
        };
        if result.is_err() {
            self.copy_again(&unflushed);
        }
        match &result {
            Ok(()) => {
                self.flushed.set(true);
                self.update_stats(|stats| stats.flushes += 1);
            }
            // It may have been made to fail for that.
            Err(_) if self.is_abandoned() => {}
            // The target answers again, and gets all of it anew: that is no error yet.
            Err(error) if error.kind() == ErrorKind::LostWrites => {
                tracing::warn!(target: "blockjob::mirror", %error, "copies again what was not flushed");
            }
            Err(error) => {
                if self.error_action(IoOperation::Write, error.errno()) == ErrorAction::Report {
                    self.set_ret(error);
                }
            }
        }
        result
    }

    /// A range of the target is being written to.
    pub(super) fn target_changes(&self, range: &Range<u64>) {
        self.flushed.set(false);
        if let Some(unflushed) = &mut *self.unflushed.borrow_mut() {
            unflushed.set(range.start, range.end - range.start);
        }
    }

    /// What a flush that begins now makes safe. What is written from now on is for the next one.
    fn take_unflushed(&self) -> Option<DirtyBitmap> {
        let mut unflushed = self.unflushed.borrow_mut();
        let taken = unflushed.take()?;
        let fresh = DirtyBitmap::new(taken.len(), taken.granularity());
        *unflushed = Some(fresh.expect("there was one like it"));
        Some(taken)
    }

    /// What was not flushed may be gone, also if the next flush succeeds: a system that could not write
    /// a page need not try again, and a server that was killed knows nothing of it.
    fn copy_again(&self, unflushed: &Option<DirtyBitmap>) {
        if let (Some(unflushed), Some(bitmap)) = (unflushed, &*self.dirty_bitmap.borrow()) {
            let merged = bitmap.bits_mut().merge_from(unflushed);
            merged.expect("both are as long as the disk");
        }
    }

    /// Waits until something in flight has ended.
    ///
    /// QEMU: `mirror_wait_for_free_in_flight_slot` (block/mirror.c).
    pub(super) async fn wait_for_slot(&self) {
        debug_assert!(
            self.in_flight.get() > 0 || self.operations.active() > 0,
            "nobody would end the wait"
        );
        self.slot_free.wait().await;
    }

    /// QEMU: `mirror_wait_for_all_io` (block/mirror.c).
    pub(super) async fn wait_for_all_io(&self) {
        while self.in_flight.get() > 0 {
            self.wait_for_slot().await;
        }
    }
}

/// What went wrong, and on which side.
struct Failure {
    error: BlockError,
    operation: IoOperation,
}

impl Failure {
    fn write(error: BlockError) -> Self {
        Failure {
            error,
            operation: IoOperation::Write,
        }
    }
}

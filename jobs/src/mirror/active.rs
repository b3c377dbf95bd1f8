//! Active writes: in `copy-mode=write-blocking` the guest's write goes to both sides, at the same time,
//! before the guest hears of it.
//!
//! What makes it safe, whatever fails or is cut short:
//!
//! - An active write and a copy of the same granule are never under way together ([`super::conflicts`]),
//!   so no copy lands on top of a newer write.
//! - The bitmap takes no note of an active write, and granules that it covers are made clean before it
//!   begins. Whatever goes wrong with either half makes all its granules dirty before the guest hears of
//!   it. A write past the filter that ends meanwhile makes them dirty, too, and is not forgotten.
//! - Granules of which it covers a part only stay as they are: a dirty one is copied later anyway, and
//!   that part of the write is left out; a clean one stays clean.
//! - The job copies no granule that an active write is under way in; and a granule that is clean stays
//!   clean. So what is dirty shrinks, however busy the guest is, and the mirror becomes READY.
//!
//! A job that is paused, or stopped by an error, and one whose target is drained by somebody, copies
//! nothing: then the guest's writes only make granules dirty, as in the background mode.
//!
//! QEMU: `bdrv_mirror_top_do_write`, `active_write_prepare`, `do_sync_target_write`,
//! `active_write_settle` (block/mirror.c). There the target is written after the source, and not at the
//! same time.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use blockjob_block::child::Child;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::{BlockError, BlockResult};
use blockjob_runtime::bug;
use bytes::Bytes;

use super::conflicts::{Operation, OperationInfo, OperationKind, Waiting};
use super::state::MirrorJob;
use super::steps::MirrorEvent;
use crate::driver::MirrorCopyMode;
use crate::error_policy::{IoOperation, IoStatus};
use crate::marks;

/// What a guest does with a range.
#[derive(Clone)]
pub(super) enum GuestWrite {
    Data(Bytes),
    Zeroes(ZeroFlags),
    Discard,
}

/// An active write for as long as one half of it is under way.
struct ActiveWrite {
    mirror: Rc<MirrorJob>,
    operation: Rc<Operation>,
    /// It does not wait for others any more.
    has_begun: Cell<bool>,
    /// How much longer than its own write the guest may have to wait, in nanoseconds.
    left_ns: Cell<Option<u64>>,
}

impl Drop for ActiveWrite {
    /// QEMU: `active_write_settle` (block/mirror.c).
    fn drop(&mut self) {
        self.mirror.operations.end(&self.operation);
        if self.has_begun.get() {
            let Range { start, end } = self.operation.range();
            self.mirror.report(MirrorEvent::MirrorActiveEnd {
                offset: start,
                bytes: end - start,
            });
        }
        // The job may have waited for the granules to be free.
        self.mirror.slot_free.wake_all();
    }
}

impl GuestWrite {
    /// To the source alone; every bitmap hears of it.
    pub(super) async fn below(self, below: &Child, range: Range<u64>) -> BlockResult<()> {
        let bytes = range.end - range.start;
        match self {
            GuestWrite::Data(data) => below.write(range.start, data).await,
            GuestWrite::Zeroes(flags) => below.write_zeroes(range.start, bytes, flags).await,
            GuestWrite::Discard => below.discard(range.start, bytes).await,
        }
    }
}

impl MirrorJob {
    /// A guest's write that has come to the filter.
    ///
    /// QEMU: `bdrv_mirror_top_do_write` (block/mirror.c).
    pub(super) async fn guest_write(
        self: &Rc<Self>,
        below: &Child,
        range: Range<u64>,
        write: GuestWrite,
    ) -> BlockResult<()> {
        match self.begin_active(&range).await {
            Some(active) => self.write_both(below, active, write).await,
            None => self.measured(write.below(below, range)).await,
        }
    }

    /// Whether a guest's write that comes now goes to both sides.
    ///
    /// QEMU: `should_copy_to_target` (block/mirror.c).
    fn copies_actively(&self) -> bool {
        let asked = self.copy_mode.get() == MirrorCopyMode::WriteBlocking;
        if !asked || !self.initialized.get() || self.exited.get() || self.ret.borrow().is_some() {
            return false;
        }
        let Some(job) = self.job() else {
            return false;
        };
        let goes_on = !job.is_cancelled()
            && job.pause_count() == 0
            && job.io_status() == IoStatus::Ok
            && self.target_node().quiesce_counter() == 0;
        self.context.mark_if(|| !goes_on, &marks::ACTIVE_NOT_NOW);
        goes_on
    }

    /// Both sides hold the same, but for writes that the guest has not heard of, and it will be so after
    /// the next write as well.
    ///
    /// QEMU: `actively_synced` of `MirrorBlockJob` (block/mirror.c).
    pub fn is_actively_synced(&self) -> bool {
        let ready = self.job().is_some_and(|job| job.is_ready());
        // A claim has made its granules clean, and has perhaps not begun to copy them.
        let copying = self.operations.claims() > 0;
        ready && self.copies_actively() && self.dirty_bytes() == 0 && !copying
    }

    /// How the guest's writes get to the target now.
    pub fn copy_mode(&self) -> MirrorCopyMode {
        self.copy_mode.get()
    }

    /// Copies, and active writes of the guest, that are under way or wait for each other, the oldest
    /// first.
    pub fn operations(&self) -> Vec<OperationInfo> {
        self.operations.infos()
    }

    /// From now on the guest's writes get to the target like that. Those that are under way end as they
    /// have begun.
    pub(super) fn set_copy_mode(&self, copy_mode: MirrorCopyMode) {
        self.copy_mode.set(copy_mode);
        // Those that wait to be copied need not any more.
        self.operations.wake_waiters();
    }

    /// Waits for whatever is under way on the same granules, and makes clean what the write covers. None
    /// if it is not to be copied, or not any more.
    ///
    /// QEMU: `active_write_prepare` (block/mirror.c).
    async fn begin_active(self: &Rc<Self>, range: &Range<u64>) -> Option<Rc<ActiveWrite>> {
        if range.is_empty() || !self.copies_actively() || self.has_late_writes() {
            return None;
        }
        let budget_ns = self.options.guest_latency_ns;
        let began_ns = self.context.now_ns();
        let deadline_ns = budget_ns.map(|budget_ns| began_ns.saturating_add(budget_ns));
        let operation = self.operations.begin(
            OperationKind::ActiveWrite,
            range.clone(),
            self.granules_around(range),
        );
        let active = Rc::new(ActiveWrite {
            mirror: self.clone(),
            operation,
            has_begun: Cell::new(false),
            left_ns: Cell::new(None),
        });
        let operation = &active.operation;
        while let Some(conflict) = self.find_conflict(operation) {
            self.context.mark(&marks::ACTIVE_WAITED);
            let waiting = Waiting::begin(operation, &conflict);
            let in_time = self.in_time(deadline_ns, conflict.wait()).await;
            drop(waiting);
            if !in_time {
                self.context.mark(&marks::ACTIVE_GIVEN_UP);
                self.watch.guest_let_go(self.context.now_ns());
                return None;
            }
            if !self.copies_actively() {
                return None;
            }
        }
        let now_ns = self.context.now_ns();
        let left_ns = deadline_ns.map(|deadline_ns| deadline_ns.saturating_sub(now_ns));
        active.left_ns.set(left_ns);
        active.has_begun.set(true);
        self.report(MirrorEvent::MirrorActiveBegin {
            offset: range.start,
            bytes: range.end - range.start,
        });
        Some(active)
    }

    /// So many guests did not wait for their writes to the target that it is not given any more for the
    /// time being. Only with a budget: without one they wait, and there are no more of them than guests
    /// have requests.
    fn has_late_writes(&self) -> bool {
        let late = self.options.guest_latency_ns.is_some()
            && self.operations.let_go() >= self.options.tuning.max_in_flight;
        if late {
            self.context.mark(&marks::ACTIVE_GIVEN_UP);
            self.watch.guest_let_go(self.context.now_ns());
        }
        late
    }

    fn find_conflict(&self, operation: &Rc<Operation>) -> Option<Rc<Operation>> {
        let conflict = self.operations.find_conflict(operation)?;
        // It may be kept for when there is memory again, and be waited for by nobody who works on it.
        if self.give_begun_up_in(&operation.granules()) {
            return self.operations.find_conflict(operation);
        }
        Some(conflict)
    }

    fn granules_around(&self, range: &Range<u64>) -> Range<u64> {
        let granularity = self.options.granularity;
        let start = range.start - range.start % granularity;
        start..range.end.next_multiple_of(granularity)
    }

    /// The granules that all bytes of are in `range`; the last one of the disk may be short.
    fn granules_within(&self, range: &Range<u64>) -> Range<u64> {
        let granularity = self.options.granularity;
        let start = range.start.next_multiple_of(granularity);
        let end = match range.end == self.len_bytes.get() {
            true => range.end,
            false => range.end - range.end % granularity,
        };
        start..end.max(start)
    }

    /// Both halves at the same time. The guest waits for both, unless it is let go.
    async fn write_both(
        self: &Rc<Self>,
        below: &Child,
        active: Rc<ActiveWrite>,
        write: GuestWrite,
    ) -> BlockResult<()> {
        let operation = active.operation.clone();
        let range = operation.range();
        let bytes = range.end - range.start;
        // Should whoever has asked for the write lose interest in the middle, nobody knows what it did.
        let mut unfinished = Unfinished(Some(&active));
        // A drained section of the target waits also for what does not get there before the source has
        // said what it made of a discard.
        let target_node = self.target_node();
        let discards = matches!(write, GuestWrite::Discard);
        let _in_flight = discards.then(|| target_node.begin_internal());
        let pieces = self.pieces(&range);
        let bitmap = self.bitmap();
        let result = match &write {
            GuestWrite::Data(data) => {
                self.start_target_half(&active, pieces, write.clone());
                self.measured(below.write_unseen_by(&bitmap, range.start, data.clone()))
                    .await
            }
            GuestWrite::Zeroes(flags) => {
                self.start_target_half(&active, pieces, write.clone());
                self.measured(below.write_zeroes_unseen_by(&bitmap, range.start, bytes, *flags))
                    .await
            }
            GuestWrite::Discard => {
                let discard = below.discard_unseen_by(&bitmap, range.start, bytes);
                let result = self.measured(discard).await;
                if result.is_ok() {
                    // What it reads as now is for the source to say.
                    self.start_target_half(&active, pieces, write.clone());
                }
                result
            }
        };
        if result.is_err() {
            // What the source holds now nobody knows; what the target holds is to be the same.
            self.context.mark(&marks::ACTIVE_SOURCE_FAILED);
            operation.let_go();
            self.mark_dirty(&operation.granules());
        } else {
            let deadline_ns = active.left_ns.get().map(|left_ns| {
                let now_ns = self.context.now_ns();
                now_ns.saturating_add(left_ns)
            });
            let in_time = self.in_time(deadline_ns, operation.wait_until_done()).await;
            if !in_time && operation.let_go() {
                self.context.mark(&marks::ACTIVE_LATE);
                self.watch.guest_let_go(self.context.now_ns());
                self.mark_dirty(&operation.granules());
            }
        }
        unfinished.0 = None;
        result
    }

    /// What of an active write the target gets, and what is clean from now on.
    ///
    /// QEMU: `do_sync_target_write` (block/mirror.c).
    fn pieces(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let whole = self.granules_within(range);
        let mut pieces: Vec<Range<u64>> = Vec::with_capacity(1);
        let mut take = |piece: Range<u64>| match pieces.last_mut() {
            Some(last) if last.end == piece.start => last.end = piece.end,
            _ => pieces.push(piece),
        };
        let granularity = self.options.granularity;
        let mut at = range.start;
        while at < range.end {
            let granule = at - at % granularity;
            let past = match at >= whole.start && at < whole.end && !self.needs_care() {
                true => whole.end,
                false => (granule + granularity).min(range.end),
            };
            if self.target_takes(at, &whole) {
                take(at..past);
            }
            at = past;
        }
        let bitmap = self.bitmap();
        let mut bits = bitmap.bits_mut();
        for piece in &pieces {
            let clean = match bug!(MIR_05) {
                true => self.granules_around(piece),
                false => piece.start.max(whole.start)..piece.end.min(whole.end),
            };
            let end = clean.end.min(self.len_bytes.get());
            if clean.start < end {
                let cleaned = bits.clear(clean.start, end - clean.start);
                let now_ns = self.context.now_ns();
                self.watch.cleaned(cleaned * granularity, now_ns);
                if let Some(seen) = &mut *self.seen.borrow_mut() {
                    seen.set(clean.start, end - clean.start);
                }
            }
        }
        pieces
    }

    /// The target cannot fill up by itself what a write leaves out of a cluster.
    fn needs_care(&self) -> bool {
        self.cow_bitmap.borrow().is_some()
    }

    /// Whether the part of a write that lies in the granule at `offset` goes to the target at once.
    /// If not, the granule is dirty, and is copied later.
    fn target_takes(&self, offset: u64, whole: &Range<u64>) -> bool {
        let bitmap = self.bitmap();
        let cow = self.cow_bitmap.borrow();
        let is_whole = whole.contains(&offset);
        let filled = match &*cow {
            // Its cluster is there, and was filled.
            Some(cow) => cow.get(offset),
            None if is_whole => true,
            None => {
                let seen = self.seen.borrow();
                !self.target_misses_backing() || seen.as_ref().is_some_and(|seen| seen.get(offset))
            }
        };
        if !filled {
            self.context.mark(&marks::ACTIVE_LEFT_OUT);
            let dirtied = bitmap.bits_mut().set(offset, 1);
            self.watch.dirtied(dirtied * self.options.granularity);
            return false;
        }
        if is_whole {
            return true;
        }
        let dirty = bitmap.bits().get(offset) && !bug!(MIR_05);
        self.context.mark_if(|| dirty, &marks::ACTIVE_LEFT_OUT);
        !dirty
    }

    /// The half that goes to the target, in a coroutine of its own: it may outlive the guest's interest.
    fn start_target_half(
        self: &Rc<Self>,
        active: &Rc<ActiveWrite>,
        pieces: Vec<Range<u64>>,
        write: GuestWrite,
    ) {
        if pieces.is_empty() {
            active.operation.set_done();
            return;
        }
        self.target_changes(&active.operation.range());
        let bytes = pieces.iter().map(|piece| piece.end - piece.start).sum();
        let in_flight = &self.active_bytes_in_flight;
        in_flight.set(in_flight.get() + bytes);
        if let Some(job) = self.job() {
            job.progress_increase_remaining(bytes);
        }
        let active = active.clone();
        let coroutine = self.context.coroutine("mirror_active_write", async move {
            let mirror = &active.mirror;
            let result = mirror
                .write_target(&active.operation, &pieces, &write)
                .await;
            mirror.target_half_done(&active.operation, bytes, result);
        });
        coroutine.enter();
    }

    /// Nothing is begun for a guest that was let go: the granules are dirty then, and the target may be
    /// somebody's disk by now.
    async fn write_target(
        &self,
        operation: &Operation,
        pieces: &[Range<u64>],
        write: &GuestWrite,
    ) -> BlockResult<()> {
        // Also while nothing of it is in flight, between two pieces or while the source is asked: a
        // drained section of the target waits for all of it.
        let target_node = self.target_node();
        let _in_flight = target_node.begin_internal();
        let start = operation.range().start;
        for piece in pieces {
            if operation.is_let_go() {
                break;
            }
            let bytes = piece.end - piece.start;
            let target = self.target();
            match write {
                GuestWrite::Data(data) => {
                    let from = (piece.start - start) as usize;
                    let data = data.slice(from..from + bytes as usize);
                    target.write(piece.start, data).await?;
                }
                GuestWrite::Zeroes(flags) => {
                    let flags = ZeroFlags {
                        may_unmap: flags.may_unmap && self.options.unmap,
                        no_fallback: false,
                    };
                    target.write_zeroes(piece.start, bytes, flags).await?;
                }
                GuestWrite::Discard => self.discard_target(operation, piece).await?,
            }
        }
        Ok(())
    }

    /// What the source has made of a discard: zeroes are zeroes on the target as well, and all else is
    /// copied later.
    async fn discard_target(&self, operation: &Operation, piece: &Range<u64>) -> BlockResult<()> {
        let mut at = piece.start;
        while at < piece.end && !operation.is_let_go() {
            let status = self
                .source_node()
                .block_status_above(None, at, piece.end - at)
                .await?;
            if operation.is_let_go() {
                break;
            }
            if status.zero {
                let flags = ZeroFlags {
                    may_unmap: self.options.unmap,
                    no_fallback: false,
                };
                let target = self.target();
                target.write_zeroes(at, status.bytes, flags).await?;
            } else {
                self.context.mark(&marks::ACTIVE_LEFT_OUT);
                self.mark_dirty(&(at..at + status.bytes));
            }
            at += status.bytes;
        }
        Ok(())
    }

    /// QEMU: `do_sync_target_write` (block/mirror.c).
    fn target_half_done(&self, operation: &Rc<Operation>, bytes: u64, result: BlockResult<()>) {
        let in_flight = &self.active_bytes_in_flight;
        in_flight.set(in_flight.get() - bytes);
        // Again: a flush that was under way meanwhile need not have seen it.
        self.target_changes(&operation.range());
        match result {
            Ok(()) if !operation.is_let_go() => {
                if let Some(job) = self.job() {
                    job.progress_update(bytes);
                }
                self.update_stats(|stats| stats.active_bytes += bytes);
            }
            // Its granules are dirty already.
            Ok(()) => {}
            Err(error) => self.target_half_failed(operation, &error),
        }
        operation.set_done();
    }

    /// The guest's write is as good as before: the source has it. What becomes of the mirror is for its
    /// error policy to say.
    fn target_half_failed(&self, operation: &Rc<Operation>, error: &BlockError) {
        self.mark_dirty(&operation.granules());
        if !self.exited.get() && self.ret.borrow().is_none() {
            self.context.mark(&marks::ACTIVE_TARGET_FAILED);
            self.request_failed(IoOperation::Write, error);
        }
    }

    /// No guest waits for the job any longer: those that wait for their turn write to the source alone,
    /// and for those that wait for the target their granules are dirty.
    pub(super) fn release_guests(&self) {
        for operation in self.operations.active_writes() {
            if operation.let_go() {
                self.context.mark(&marks::ACTIVE_LET_GO);
                self.mark_dirty(&operation.granules());
            }
        }
        self.operations.wake_waiters();
    }

    /// The granules of `range` are to be copied again.
    fn mark_dirty(&self, range: &Range<u64>) {
        if let Some(bitmap) = &*self.dirty_bitmap.borrow() {
            let end = range.end.min(self.len_bytes.get());
            let dirtied = bitmap.bits_mut().set(range.start, end - range.start);
            self.watch.dirtied(dirtied * self.options.granularity);
        }
    }
}

/// A guest's write whose end nobody has seen yet.
struct Unfinished<'a>(Option<&'a Rc<ActiveWrite>>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(active) = self.0 {
            active.operation.let_go();
            active.mirror.mark_dirty(&active.operation.granules());
        }
    }
}

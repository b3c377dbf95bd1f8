//! M10 and M11: take dirty granules, and have them copied.
//!
//! The unit of tracking, the granule, and the unit of copying are not the same. A range of granules
//! is *claimed* as a whole, and then cut along what the source knows about it: data is copied in
//! parts of up to 1 MiB, holes are zeroed or left alone, also within one granule. The claim ends when
//! all its parts have.
//!
//! QEMU: `mirror_iteration` (block/mirror.c).

use std::cell::Cell;
use std::ops::Range;
use std::rc::{Rc, Weak};

use blockjob_block::buf::Taken;
use blockjob_runtime::bug;

use super::conflicts::{Operation, OperationKind};
use super::copy::{Method, Part, buffers_are_late};
use super::options::MAX_IN_FLIGHT;
use super::state::MirrorJob;
use super::steps::{MirrorEvent, Step};
use crate::driver::MirrorCopyMode;
use crate::job::Job;
use crate::marks;
use crate::rate_limit::SLICE_TIME_NS;

const NS_PER_S: u64 = 1_000_000_000;

/// A range of granules that is being copied. Dropping the last reference gives it back.
pub(super) struct Claim {
    /// Not its owner: the job may keep a claim itself.
    mirror: Weak<MirrorJob>,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// A part of it was not copied.
    failed: Cell<bool>,
    /// What active writes wait for.
    operation: Rc<Operation>,
}

impl Claim {
    fn new(mirror: &Rc<MirrorJob>, offset: u64, bytes: u64) -> Rc<Claim> {
        let mut bits = mirror.in_flight_bitmap.borrow_mut();
        bits.as_mut().expect("made in M3").set(offset, bytes);
        Rc::new(Claim {
            mirror: Rc::downgrade(mirror),
            offset,
            bytes,
            failed: Cell::new(false),
            operation: mirror.operations.begin(
                OperationKind::Claim,
                offset..offset + bytes,
                offset..offset + bytes,
            ),
        })
    }

    /// Clears its dirty bits. Only the museum does so when a copy has begun: whoever claims has
    /// cleared them.
    pub(super) fn clear_dirty(&self) {
        if let Some(mirror) = self.mirror.upgrade() {
            let bitmap = mirror.bitmap();
            bitmap.bits_mut().clear(self.offset, self.bytes);
        }
    }

    /// A range of it was not copied, and is dirty again. Nobody takes it before the claim has ended.
    pub(super) fn fail(&self, offset: u64, bytes: u64) {
        self.failed.set(true);
        if let Some(mirror) = self.mirror.upgrade()
            && let Some(bitmap) = &*mirror.dirty_bitmap.borrow()
        {
            bitmap.bits_mut().set(offset, bytes);
        }
    }
}

impl Drop for Claim {
    /// All parts have ended. Only now another copy of the same granules may begin.
    fn drop(&mut self) {
        let Some(mirror) = self.mirror.upgrade() else {
            return;
        };
        // A cluster of which a part is missing is widened again the next time.
        if !self.failed.get()
            && let Some(cow) = &mut *mirror.cow_bitmap.borrow_mut()
        {
            cow.set(self.offset, self.bytes);
        }
        if let Some(bits) = &mut *mirror.in_flight_bitmap.borrow_mut() {
            bits.clear(self.offset, self.bytes);
        }
        mirror.operations.end(&self.operation);
        mirror.report(MirrorEvent::MirrorIterationDone {
            offset: self.offset,
            bytes: self.bytes,
        });
        mirror.slot_free.wake_all();
    }
}

/// What the job does about granules that a guest is writing to, to both sides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guests {
    /// It looks for others.
    Pass,
    /// It takes them.
    Outrank,
}

impl MirrorJob {
    /// M10 and M11. Only called when something is dirty.
    ///
    /// QEMU: `mirror_iteration` (block/mirror.c).
    pub(super) async fn iteration(self: &Rc<Self>, job: &Rc<Job>) {
        self.step(Step::M10);
        let begun = self.begun.borrow_mut().take();
        let (claim, mut at) = match begun {
            Some(rest) => rest,
            None => {
                let Some(claim) = self.claim_next(job).await else {
                    // All that is dirty is being copied at this moment, and must be copied again.
                    self.context.mark(&marks::ALL_IN_FLIGHT);
                    self.wait_for_slot().await;
                    return;
                };
                let start = claim.offset;
                (claim, start)
            }
        };
        self.step(Step::M11);
        let end = claim.offset + claim.bytes;
        while at < end && !self.is_over(job) {
            let (method, bytes) = self.method_at(at, end - at).await;
            self.context
                .mark_if(|| self.any_dirty(at, bytes), &marks::STATUS_THEN_DIRTY);
            while self.in_flight.get() >= self.max_in_flight() || !self.has_room(method, bytes) {
                self.context.mark(&marks::PART_WAITED);
                self.wait_for_slot().await;
            }
            if self.is_over(job) {
                // Since it was asked above.
                break;
            }
            let room = match method {
                Method::Copy => self.take_room(bytes),
                Method::Zero => None,
            };
            if method == Method::Copy && room.is_none() {
                self.wants_room.set(bytes);
                self.keep_for_room(claim, at);
                return;
            }
            self.perform(Part {
                claim: claim.clone(),
                offset: at,
                bytes,
                method,
                _room: room,
            });
            at += bytes;
            if method == Method::Copy {
                job.ratelimit_processed_bytes(bytes);
            }
        }
        if at < end {
            // The job ends. What was not copied is still dirty.
            self.context.mark(&marks::CLAIM_ABANDONED);
            claim.fail(at, end - at);
        }
    }

    /// Claims what is to be copied next; `None` if all that is dirty is claimed already.
    async fn claim_next(self: &Rc<Self>, job: &Job) -> Option<Rc<Claim>> {
        if let Some(offset) = self.next_free_dirty(Guests::Pass) {
            return Some(self.claim(offset, self.most_at_once(job)));
        }
        let offset = self.next_free_dirty(Guests::Outrank)?;
        Some(self.claim_from_guests(job, offset).await)
    }

    /// Other jobs fill the memory. The claim is kept, to go on at `at`: given back, its granules would be
    /// copied from their beginnings again, and a large one might never be whole. But a guest who waits
    /// for its end is not to wait for the memory of other jobs.
    fn keep_for_room(&self, claim: Rc<Claim>, at: u64) {
        if claim.operation.is_awaited() {
            self.context.mark(&marks::ROOM_NOT_AWAITED);
            claim.fail(at, claim.offset + claim.bytes - at);
            return;
        }
        self.context.mark(&marks::ROOM_KEPT);
        *self.begun.borrow_mut() = Some((claim, at));
    }

    /// The bytes of a claim that was begun and waits for room.
    pub(super) fn begun_bytes(&self) -> u64 {
        let begun = self.begun.borrow();
        let rest = begun
            .as_ref()
            .map(|(claim, at)| claim.offset + claim.bytes - at);
        rest.unwrap_or(0)
    }

    /// The job does not go on with a claim that waits for room.
    pub(super) fn give_begun_up(&self) {
        let begun = self.begun.borrow_mut().take();
        if let Some((claim, at)) = begun {
            self.context.mark(&marks::CLAIM_GIVEN_UP);
            claim.fail(at, claim.offset + claim.bytes - at);
        }
    }

    /// A guest's write waits for granules of `range`: if a claim that waits for room has some of them,
    /// it is given up. True if that was so.
    pub(super) fn give_begun_up_in(&self, range: &Range<u64>) -> bool {
        let held = self.begun.borrow().as_ref().is_some_and(|(claim, _)| {
            claim.offset < range.end && range.start < claim.offset + claim.bytes
        });
        if held {
            self.context.mark(&marks::ROOM_NOT_AWAITED);
            self.give_begun_up();
        }
        held
    }

    /// Whether any of the range is dirty.
    pub(super) fn any_dirty(&self, offset: u64, bytes: u64) -> bool {
        let bitmap = self.bitmap();
        let end = self.len_bytes.get().min(offset + bytes);
        let dirty = bitmap.bits().next_dirty_area(offset, end, bytes);
        dirty.is_some()
    }

    fn take_room(&self, bytes: u64) -> Option<Taken> {
        let reserved = self.reserved.borrow_mut().take();
        let enough = reserved.filter(|room| room.bytes() >= bytes);
        enough.or_else(|| self.room.take(bytes))
    }

    /// The job stands still or ends: what was kept for it in the pool is another's now.
    pub(super) fn give_room_back(&self) {
        drop(self.reserved.borrow_mut().take());
        self.room.pass_on();
    }

    /// Whether the job has come to an end by an error or by force, and starts nothing more.
    fn is_over(&self, job: &Job) -> bool {
        job.is_cancelled() || self.ret.borrow().is_some()
    }

    fn has_room(&self, method: Method, bytes: u64) -> bool {
        let enough = self.buf_free.get() >= bytes || buffers_are_late();
        method != Method::Copy || enough
    }

    /// The next dirty granule, from where the last one was found, that is not in flight.
    fn next_free_dirty(&self, guests: Guests) -> Option<u64> {
        let bitmap = self.bitmap();
        let dirty = bitmap.bits();
        let in_flight = self.in_flight_bitmap.borrow();
        let in_flight = in_flight.as_ref().expect("made in M3");
        let mut iter = self.iter.borrow_mut();
        let mut first = None;
        loop {
            let offset = iter.next_wrapping(&dirty)?;
            if first == Some(offset) {
                return None;
            }
            let (start, bytes) = self.widen(offset);
            let range = start..start + bytes;
            let copied = in_flight.next_dirty_area(start, range.end, bytes).is_some();
            let written =
                guests == Guests::Pass && self.operations.first_write_in(&range).is_some();
            if (!copied || bug!(MIR_08)) && !written {
                return Some(offset);
            }
            first = first.or(Some(offset));
        }
    }

    /// How many bytes to claim, at most: what fits into the buffer, and what the speed limit lets
    /// through in one slice, so that a slow job is slow all the time and not only on average.
    fn most_at_once(&self, job: &Job) -> u64 {
        let granularity = self.options.granularity;
        match job.speed_bytes_per_s() {
            // A guest may come to wait for the end of the claim, or for a rest between two.
            0 if self.copy_mode.get() == MirrorCopyMode::WriteBlocking
                || self.options.guest_latency_ns.is_some() =>
            {
                self.max_copy(granularity).max(granularity)
            }
            // A small buffer limits what is copied at a time, not what is zeroed: holes that are made
            // in small pieces give nothing back.
            0 => self.options.buf_size.max(self.options.tuning.max_io_bytes),
            speed => {
                let slice = speed / (NS_PER_S / SLICE_TIME_NS);
                let granules = slice.next_multiple_of(granularity).max(granularity);
                granules.min(self.options.buf_size)
            }
        }
    }

    /// Claims the granule at `offset` and the dirty ones that follow it, up to `most` bytes, and
    /// clears their bits.
    ///
    /// The bits are cleared before anything is asked or read, because each of that can yield: what
    /// the guest writes from now on sets them again.
    fn claim(self: &Rc<Self>, offset: u64, most: u64) -> Rc<Claim> {
        let end = self.len_bytes.get().min(offset + most);
        let (start, end) = match self.cow_bitmap.borrow().is_some() {
            true => self.free_clusters(offset, end),
            false => (offset, self.free_run(offset, end)),
        };
        self.claim_range(start, end - start)
    }

    /// Claims the granule at `offset` although a guest is writing to it: those that come wait, and we for
    /// those that are there. Else a busy guest could keep a granule dirty for ever.
    async fn claim_from_guests(self: &Rc<Self>, job: &Job, offset: u64) -> Rc<Claim> {
        self.context.mark(&marks::GUEST_OUTRANKED);
        let (start, bytes) = self.widen(offset);
        let claim = self.claim_range(start, bytes);
        let range = start..start + bytes;
        while let Some(write) = self.operations.first_write_in(&range)
            && !self.is_over(job)
        {
            write.wait().await;
        }
        claim
    }

    fn claim_range(self: &Rc<Self>, start: u64, bytes: u64) -> Rc<Claim> {
        if !bug!(HZ_01) {
            self.bitmap().bits_mut().clear(start, bytes);
        }
        self.watch.claimed(start);
        self.report(MirrorEvent::MirrorIteration {
            offset: start,
            bytes,
        });
        let mut seen = self.seen.borrow_mut();
        let seen = seen.as_mut().expect("made in M3");
        let new = seen.set(start, bytes) * self.options.granularity;
        self.context.mark_if(|| new < bytes, &marks::COPIED_AGAIN);
        self.update_stats(|stats| stats.recopied_bytes += bytes.saturating_sub(new));
        Claim::new(self, start, bytes)
    }

    /// The end, at most `end`, of the granules from `offset` on that are dirty and not in flight.
    fn free_run(&self, offset: u64, end: u64) -> u64 {
        let bitmap = self.bitmap();
        let run = bitmap.bits().next_dirty_area(offset, end, end - offset);
        let end = run.expect("the granule is dirty").end;
        if bug!(MIR_08) {
            return end;
        }
        let in_flight = self.in_flight_bitmap.borrow();
        let in_flight = in_flight.as_ref().expect("made in M3");
        let taken = in_flight.next_dirty_area(offset, end, end - offset);
        self.context.mark_if(|| taken.is_some(), &marks::CLAIM_CUT);
        let end = taken.map_or(end, |taken| taken.start);
        let written = self.operations.first_written_in(&(offset..end));
        written.unwrap_or(end)
    }

    /// The dirty granules from `offset` on, each with the rest of its cluster, until one is clean or
    /// one of its cluster is in flight, or `end` is reached.
    fn free_clusters(&self, offset: u64, end: u64) -> (u64, u64) {
        let bitmap = self.bitmap();
        let dirty = bitmap.bits();
        let in_flight = self.in_flight_bitmap.borrow();
        let in_flight = in_flight.as_ref().expect("made in M3");
        // It was found free, as a whole.
        let (start, bytes) = self.widen(offset);
        self.context
            .mark_if(|| start < offset, &marks::CLAIM_WIDENED);
        let mut claimed = start + bytes;
        while claimed < end && dirty.get(claimed) {
            let (start, bytes) = self.widen(claimed);
            // A cluster is allocated as a whole or not at all, so this one was not begun before.
            debug_assert_eq!(start, claimed);
            let past = start + bytes;
            if in_flight.next_dirty_area(start, past, bytes).is_some()
                || self.operations.first_write_in(&(start..past)).is_some()
            {
                self.context.mark(&marks::CLAIM_CUT);
                break;
            }
            claimed = past;
        }
        (start, claimed)
    }

    /// The granule at `offset`; widened to its cluster if the target cannot copy on write yet and has
    /// not allocated it. The claim covers the widened range: were it only copied, an older copy of
    /// the rest could land after a newer one.
    ///
    /// QEMU: `mirror_cow_align` (block/mirror.c).
    fn widen(&self, offset: u64) -> (u64, u64) {
        let cow = self.cow_bitmap.borrow();
        let unit = match &*cow {
            Some(cow) if !cow.get(offset) => self.target_cluster_size.get(),
            _ => self.options.granularity,
        };
        let start = offset - offset % unit;
        let end = (start + unit).min(self.len_bytes.get());
        (start, end - start)
    }

    /// What to do with the beginning of a range, and for how many bytes.
    async fn method_at(&self, offset: u64, bytes: u64) -> (Method, u64) {
        let align = self.copy_align();
        let max_copy = self.max_copy(align);
        let mut status = self
            .source_node()
            .block_status_above(None, offset, bytes)
            .await;
        if let Ok(status) = &mut status
            && status.zero
        {
            // Only whole units are zeroed; what is left over is copied with its neighbour.
            let whole = match offset + status.bytes {
                end if status.bytes == bytes => end - offset,
                end => (end & !(align - 1)).saturating_sub(offset),
            };
            if whole > 0 {
                return (Method::Zero, whole);
            }
        }
        // An error will be met again by the read, which knows what to do with it.
        let known = status.map_or(bytes, |status| status.bytes);
        let known = (offset + known).next_multiple_of(align) - offset;
        (Method::Copy, known.min(bytes).min(max_copy))
    }

    /// The longest single copy: a sixteenth of the buffer, but not too little, and never more than
    /// the whole of it, for which nobody could make room.
    fn max_copy(&self, align: u64) -> u64 {
        let share = self.options.buf_size / MAX_IN_FLIGHT as u64;
        let max = share
            .max(self.options.tuning.max_io_bytes)
            .min(self.buf_total.get());
        // A copy that ends between two units makes two of one.
        if max < align { max } else { max & !(align - 1) }
    }

    /// What copies begin and end at, if they can: below it, the target would have to read back what
    /// surrounds them.
    fn copy_align(&self) -> u64 {
        let limits = self.target_node().limits();
        let unit = limits.request_alignment.max(limits.cluster_size).max(4096);
        unit.next_power_of_two().min(self.options.granularity)
    }
}

//! M10 and M11: take dirty granules, and have them copied.
//!
//! The unit of tracking, the granule, and the unit of copying are not the same. A range of granules
//! is *claimed* as a whole, and then cut along what the source knows about it: data is copied in
//! parts of up to 1 MiB, holes are zeroed or left alone, also within one granule. The claim ends when
//! all its parts have.
//!
//! QEMU: `mirror_iteration` (block/mirror.c).

use std::cell::Cell;
use std::rc::Rc;

use super::copy::{Method, Part};
use super::options::{MAX_IN_FLIGHT, MAX_IO_BYTES};
use super::state::MirrorJob;
use super::steps::{MirrorEvent, Step};
use crate::job::Job;

/// A range of granules that is being copied. Dropping the last reference gives it back.
pub(super) struct Claim {
    mirror: Rc<MirrorJob>,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// A part of it failed: it must be copied again.
    pub(super) failed: Cell<bool>,
}

impl Claim {
    fn new(mirror: &Rc<MirrorJob>, offset: u64, bytes: u64) -> Rc<Claim> {
        let mut bits = mirror.in_flight_bitmap.borrow_mut();
        bits.as_mut().expect("made in M3").set(offset, bytes);
        Rc::new(Claim {
            mirror: mirror.clone(),
            offset,
            bytes,
            failed: Cell::new(false),
        })
    }
}

impl Drop for Claim {
    /// All parts have ended. Only now another copy of the same granules may begin.
    fn drop(&mut self) {
        let mirror = &self.mirror;
        if self.failed.get() {
            if let Some(bitmap) = &*mirror.dirty_bitmap.borrow() {
                bitmap.bits_mut().set(self.offset, self.bytes);
            }
        } else if let Some(cow) = &mut *mirror.cow_bitmap.borrow_mut() {
            cow.set(self.offset, self.bytes);
        }
        if let Some(bits) = &mut *mirror.in_flight_bitmap.borrow_mut() {
            bits.clear(self.offset, self.bytes);
        }
        mirror.slot_free.wake_all();
    }
}

impl MirrorJob {
    /// M10 and M11. Only called when something is dirty.
    ///
    /// QEMU: `mirror_iteration` (block/mirror.c).
    pub(super) async fn iteration(self: &Rc<Self>, job: &Rc<Job>) {
        self.step(Step::M10);
        let Some(offset) = self.next_free_dirty() else {
            // All that is dirty is being copied at this moment, and must be copied again after.
            self.wait_for_slot().await;
            return;
        };
        let claim = self.claim(offset);
        self.step(Step::M11);
        let mut at = claim.offset;
        let end = claim.offset + claim.bytes;
        while at < end && self.ret.borrow().is_none() {
            let (method, bytes) = self.method_at(at, end - at).await;
            while self.in_flight.get() >= MAX_IN_FLIGHT || !self.has_room(method, bytes) {
                self.wait_for_slot().await;
            }
            self.perform(Part {
                claim: claim.clone(),
                offset: at,
                bytes,
                method,
            });
            at += bytes;
            if method == Method::Copy {
                job.ratelimit_processed_bytes(bytes);
            }
        }
        if at < end {
            // An error has ended the job. What was not copied is still dirty.
            claim.failed.set(true);
        }
    }

    fn has_room(&self, method: Method, bytes: u64) -> bool {
        method != Method::Copy || self.buf_free.get() >= bytes
    }

    /// The next dirty granule, from where the last one was found, that is not in flight.
    fn next_free_dirty(&self) -> Option<u64> {
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
            let (start, bytes) = self.widen(offset, self.options.granularity);
            if in_flight
                .next_dirty_area(start, start + bytes, bytes)
                .is_none()
            {
                return Some(offset);
            }
            first = first.or(Some(offset));
        }
    }

    /// Claims the granule at `offset` and the dirty ones that follow it, as many as fit into the
    /// buffer, and clears their bits.
    ///
    /// The bits are cleared before anything is asked or read, because each of that can yield: what
    /// the guest writes from now on sets them again.
    fn claim(self: &Rc<Self>, offset: u64) -> Rc<Claim> {
        let bitmap = self.bitmap();
        let mut dirty = bitmap.bits_mut();
        let in_flight = self.in_flight_bitmap.borrow();
        let len = self.len_bytes.get();
        let most = (offset + self.options.buf_size).min(len);
        let run = dirty
            .next_dirty_area(offset, most, most - offset)
            .expect("the granule is dirty");
        let mut end = run.end.min(most);
        if let Some(in_flight) = &*in_flight
            && let Some(taken) = in_flight.next_dirty_area(offset, end, end - offset)
        {
            end = taken.start;
        }
        drop(in_flight);
        let (start, bytes) = self.widen(offset, end - offset);
        dirty.clear(start, bytes);
        drop(dirty);
        self.report(MirrorEvent::MirrorIteration {
            offset: start,
            bytes,
        });
        let mut seen = self.seen.borrow_mut();
        let seen = seen.as_mut().expect("made in M3");
        let new = seen.set(start, bytes) * self.options.granularity;
        self.update_stats(|stats| stats.recopied_bytes += bytes.saturating_sub(new));
        Claim::new(self, start, bytes)
    }

    /// Widens a range to whole clusters of a target that cannot copy on write yet, if it has not
    /// allocated them. The claim covers the widened range: were it only copied, an older copy of the
    /// rest could land after a newer one.
    ///
    /// QEMU: `mirror_cow_align` (block/mirror.c).
    fn widen(&self, offset: u64, bytes: u64) -> (u64, u64) {
        let len = self.len_bytes.get();
        let end = (offset + bytes).min(len);
        let cow = self.cow_bitmap.borrow();
        let Some(cow) = &*cow else {
            return (offset, end - offset);
        };
        let cluster = self.target_cluster_size.get();
        let first_new = cow.next_zero(offset).is_some_and(|zero| zero < end);
        if !first_new {
            return (offset, end - offset);
        }
        let start = offset - offset % cluster;
        let end = end.next_multiple_of(cluster).min(len);
        (start, end - start)
    }

    /// What to do with the beginning of a range, and for how many bytes.
    async fn method_at(&self, offset: u64, bytes: u64) -> (Method, u64) {
        let max_copy = (self.options.buf_size / MAX_IN_FLIGHT as u64).max(MAX_IO_BYTES);
        let align = self.copy_align();
        let mut status = self
            .source_node
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

    /// What copies begin and end at, if they can: below it, the target would have to read back what
    /// surrounds them.
    fn copy_align(&self) -> u64 {
        let limits = self.target_node.limits();
        let unit = limits.request_alignment.max(limits.cluster_size).max(4096);
        unit.next_power_of_two().min(self.options.granularity)
    }
}

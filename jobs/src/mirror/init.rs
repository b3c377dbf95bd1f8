//! Before the loop: M2 to M6.

use std::rc::Rc;

use blockjob_block::BlockError;
use blockjob_block::dirty_bitmap::DirtyBitmap;

use super::backing::{MirrorBackingMode, backing_chain_next};
use super::options::MirrorSync;
use super::state::MirrorJob;
use super::steps::Step;
use crate::error::JobError;
use crate::job::Job;
use crate::marks;

/// How much of the disk is asked about at a time, in M5.
const INIT_BYTES: u64 = 1 << 30;

/// As the peer has it: the result of a job whose request failed is the number alone.
fn by_number(error: BlockError) -> JobError {
    tracing::debug!(target: "blockjob::mirror", %error, "a request failed");
    let errno = error.errno();
    JobError::Io { errno }
}

impl MirrorJob {
    /// M2: what there is to copy.
    pub(super) fn lengths(&self) -> Result<u64, JobError> {
        self.step(Step::M2);
        let len = self.source_node().len().map_err(by_number)?;
        let target_len = self.target().len().map_err(by_number)?;
        if len != target_len {
            return Err(JobError::Invalid {
                text: "Source and target image have different sizes".to_owned(),
            });
        }
        self.len_bytes.set(len);
        Ok(len)
    }

    /// M3 and M4: bitmaps and buffers.
    ///
    /// QEMU: `mirror_run`, `mirror_free_init` (block/mirror.c).
    pub(super) fn prepare_bitmaps(&self) -> Result<(), JobError> {
        self.step(Step::M3);
        let granularity = self.options.granularity;
        let new_bitmap = || {
            DirtyBitmap::new(self.len_bytes.get(), granularity).map_err(|error| JobError::Invalid {
                text: error.to_string(),
            })
        };
        *self.in_flight_bitmap.borrow_mut() = Some(new_bitmap()?);
        *self.unflushed.borrow_mut() = Some(new_bitmap()?);
        *self.seen.borrow_mut() = Some(new_bitmap()?);
        let cluster_size = self.target_node().limits().cluster_size;
        self.target_cluster_size.set(cluster_size.max(512));
        if self.target_misses_backing() && granularity < cluster_size {
            *self.cow_bitmap.borrow_mut() = Some(new_bitmap()?);
        }
        self.step(Step::M4);
        let cluster_room = if self.cow_bitmap.borrow().is_some() {
            cluster_size
        } else {
            0
        };
        self.buf_total.set(self.options.buf_size.max(cluster_room));
        self.buf_free.set(self.buf_total.get());
        self.last_pause_ns.set(self.context.now_ns());
        Ok(())
    }

    /// True if the target will get its backing file in the end and has none yet. So it cannot copy
    /// on write, and we copy whole clusters; and what it does not hold does not stay zero.
    pub(super) fn target_misses_backing(&self) -> bool {
        let may_get_one = self.options.sync != MirrorSync::Full
            || matches!(self.options.backing_mode, MirrorBackingMode::OpenChain(_));
        may_get_one && backing_chain_next(&self.target_node()).is_none()
    }

    /// M5: what is dirty to begin with. A guest's writes add to it from the moment in which the
    /// bitmap was made, before the job began.
    ///
    /// QEMU: `mirror_dirty_init` (block/mirror.c). That can have the target zeroed as a whole first,
    /// and lose what it held; here zeroes are written where the source has zeroes, in their turn.
    pub(super) async fn dirty_init(&self, job: &Rc<Job>) -> Result<(), JobError> {
        self.step(Step::M5);
        let len = self.len_bytes.get();
        if self.options.sync == MirrorSync::None {
            return Ok(());
        }
        if self.options.sync == MirrorSync::Full && self.options.zero_target {
            self.bitmap().bits_mut().set(0, len);
            return Ok(());
        }
        // A job that moves in between goes on from there: what was found so far is in the bitmap.
        let mut offset = self.init_offset.get();
        while offset < len {
            self.throttle(job).await;
            if job.is_cancelled() {
                self.context.mark(&marks::INIT_CANCELLED);
                return Ok(());
            }
            let bytes = (len - offset).min(INIT_BYTES);
            let (dirty, bytes) = self.is_dirty_at_first(offset, bytes).await?;
            if dirty {
                self.bitmap().bits_mut().set(offset, bytes);
            }
            offset += bytes;
            self.init_offset.set(offset);
        }
        Ok(())
    }

    async fn is_dirty_at_first(&self, offset: u64, bytes: u64) -> Result<(bool, u64), JobError> {
        let base = self.base();
        let base = base.as_deref();
        let status = self
            .source_node()
            .block_status_above(base, offset, bytes)
            .await
            .map_err(by_number)?;
        // Zeroes are content: above a base they hide what the base has, and in a target that was there
        // they take the place of what it holds. A new target without a base reads as zeroes already.
        let is_zero_there = base.is_none() && !self.options.target_was_there;
        let dirty = status.allocated && !(status.zero && is_zero_there);
        Ok((dirty, status.bytes))
    }

    /// M6: lets others have the processor, and a pause or a drained section its moment.
    ///
    /// QEMU: `mirror_throttle` (block/mirror.c).
    async fn throttle(&self, job: &Rc<Job>) {
        self.step(Step::M6);
        let now_ns = self.context.now_ns();
        if now_ns - self.last_pause_ns.get() > self.options.tuning.slice_time_ns {
            self.last_pause_ns.set(now_ns);
            self.context.mark(&marks::INIT_SLEPT);
            job.sleep_ns(0).await;
        } else {
            job.pause_point().await;
        }
    }
}

//! The loop: M1 and M7 to M16.
//!
//! QEMU: `mirror_run` (block/mirror.c).

use std::rc::Rc;

use blockjob_block::Drained;
use blockjob_runtime::bug;

use super::state::MirrorJob;
use super::steps::{MirrorEvent, Step};
use super::verify::Verdict;
use crate::driver::JobResult;
use crate::error_policy::IoStatus;
use crate::job::Job;
use crate::marks;

/// How one turn of the loop ends.
enum Turn {
    /// Look again at once: something has changed.
    Again,
    /// The target could not be flushed, and the policy says to go on: try again in a while.
    Retry,
    /// Nothing is to be copied before that time, for the sake of the guest.
    Rest { until_ns: u64 },
    /// M15 comes next.
    Sleep { clean: bool, should_complete: bool },
    /// Both sides are the same, and the source stays drained.
    InSync,
}

impl MirrorJob {
    /// The coroutine of the job.
    ///
    /// QEMU: `mirror_run` (block/mirror.c).
    pub(super) async fn mirror_run(self: &Rc<Self>, job: &Rc<Job>) -> JobResult {
        let result = self.run_until_done(job).await;
        self.exit(job, result).await
    }

    async fn run_until_done(self: &Rc<Self>, job: &Rc<Job>) -> JobResult {
        if !self.is_prepared() {
            self.step(Step::M1);
            if job.is_cancelled() {
                self.context.mark(&marks::CANCELLED_FIRST);
                return Ok(());
            }
            if self.lengths()? == 0 {
                return self.run_empty(job).await;
            }
            self.prepare_bitmaps()?;
        }
        if !self.initialized.get() {
            self.dirty_init(job).await?;
            self.initialized.set(true);
        }
        if self.has_arrived.replace(false) {
            // It may have left in the middle of a sleep, and buys no bytes by that.
            job.ratelimit_sleep().await;
        }
        if bug!(MIR_01) {
            self.bitmap().set_enabled(true);
        }
        loop {
            // M7. The order matters: a job that must end does not pause first, and one that was
            // cancelled while it paused starts nothing. Every `continue` comes back here.
            self.step(Step::M7);
            if let Some(error) = self.ret.borrow().clone() {
                return Err(error);
            }
            if !bug!(HZ_02) {
                job.pause_point().await;
            }
            if job.is_cancelled() && !bug!(MIR_10) {
                return Ok(());
            }
            match self.turn(job).await {
                Turn::Again => {}
                // Unless it is over: then the head of the loop ends it.
                Turn::Retry if self.ret.borrow().is_some() => {}
                Turn::Retry => {
                    self.context.mark(&marks::RETRY_LATER);
                    if bug!(MIR_10) && job.is_cancelled() {
                        // A cancelled job sleeps no more, and its flush fails at once: without this
                        // the exhibit would stand still inside one step, where no checker looks.
                        self.context.sleep(self.options.tuning.slice_time_ns).await;
                    }
                    job.sleep_ns(self.options.tuning.slice_time_ns).await;
                    // A drained section cuts that short, and buys no bytes by it.
                    job.ratelimit_sleep().await;
                }
                Turn::InSync => return Ok(()),
                Turn::Rest { until_ns } => {
                    self.step(Step::M15);
                    self.rest(job, until_ns).await;
                    self.last_pause_ns.set(self.context.now_ns());
                }
                Turn::Sleep {
                    clean,
                    should_complete,
                } => {
                    self.sleep(job, clean, should_complete).await;
                    self.last_pause_ns.set(self.context.now_ns());
                    if bug!(MIR_10) && job.is_cancelled() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether M1 to M4 are over: they have been since before it came from another context.
    fn is_prepared(&self) -> bool {
        self.in_flight_bitmap.borrow().is_some()
    }

    /// M2, for a disk of no bytes.
    async fn run_empty(&self, job: &Rc<Job>) -> JobResult {
        if !job.is_ready() {
            self.become_ready_empty(job);
        }
        while !job.cancel_requested() && !self.should_complete.get() {
            job.yield_now().await;
        }
        Ok(())
    }

    fn become_ready_empty(&self, job: &Rc<Job>) {
        // There is nothing to copy, and a flush of nothing is a flush.
        self.flushed.set(true);
        self.verify.passed();
        self.course.look(true);
        self.step(Step::M13);
        self.set_ready(job);
    }

    /// M8 to M14.
    async fn turn(self: &Rc<Self>, job: &Rc<Job>) -> Turn {
        self.step(Step::M8);
        let mut dirty = self.dirty_bytes();
        let tuning = self.options.tuning;
        self.show_progress(job, dirty);
        let rest_until_ns = self.rest_until_ns().filter(|_| dirty > 0);
        self.context
            .mark_if(|| dirty > 0 && job.is_ready(), &marks::DIRTY_AGAIN);

        // Also without a rate limit the loop must come past M15 from time to time, where it has
        // nothing of its own to do: else a drained section might never begin.
        let slice_ns = self.context.now_ns() - self.last_pause_ns.get();
        let in_slice = slice_ns < tuning.slice_time_ns || bug!(HZ_02);
        self.context
            .mark_if(|| !in_slice && dirty > 0, &marks::SLICE_OVER);
        if in_slice && job.io_status() == IoStatus::Ok {
            let in_flight = self.in_flight.get();
            let starved = self.wants_room.get() > 0;
            if in_flight >= self.max_in_flight()
                || (rest_until_ns.is_some() && in_flight > 0)
                || (self.buf_free.get() == 0 && in_flight > 0)
                || (dirty == 0 && in_flight > 0)
                || starved
            {
                self.step(Step::M9);
                self.report(MirrorEvent::MirrorYield {
                    dirty_bytes: dirty,
                    buf_free_bytes: self.buf_free.get(),
                    in_flight,
                });
                if in_flight > 0 {
                    self.wants_room.set(0);
                    self.wait_for_slot().await;
                } else {
                    self.wait_for_room(job).await;
                }
                return Turn::Again;
            }
            if let Some(until_ns) = rest_until_ns {
                return Turn::Rest { until_ns };
            }
            if dirty > 0 {
                self.iteration(job).await;
                if bug!(HZ_02) && job.ratelimit_delay(0) == 0 && !self.retry_later.get() {
                    return Turn::Again;
                }
            }
        }
        // It was for a part that is not to be copied any more.
        drop(self.reserved.borrow_mut().take());

        let mut should_complete = false;
        if self.course.look(self.in_flight.get() == 0 && dirty == 0) {
            if !job.is_ready() && !self.become_ready(job).await {
                return Turn::Retry;
            }
            should_complete = self.should_complete.get() || job.cancel_requested();
            dirty = self.dirty_bytes();
        }
        if dirty == 0 && should_complete {
            return self.complete_in_drain(job).await;
        }
        if self.retry_later.take() {
            return Turn::Retry;
        }
        Turn::Sleep {
            clean: dirty == 0 && self.in_flight.get() == 0,
            should_complete,
        }
    }

    /// M8: how much is left, and how fast it gets less.
    fn show_progress(&self, job: &Job, dirty: u64) {
        let left = dirty + self.bytes_in_flight.get();
        job.progress_set_remaining(left + self.active_bytes_in_flight.get());
        self.look_at_rates(left);
    }

    /// M9, when other jobs fill the memory that all share. The job holds nothing and yields, so it can
    /// be paused and drained meanwhile: it never stands still for the sake of another job's disk.
    async fn wait_for_room(&self, job: &Rc<Job>) {
        let bytes = self.wants_room.take();
        if self.room.take(bytes).is_some() {
            // There is some now.
            return;
        }
        self.context.mark(&marks::ROOM_AWAITED);
        let waiting = Rc::downgrade(job);
        let wake = Rc::new(move || {
            let job = waiting.upgrade();
            job.is_some_and(|job| {
                job.enter();
                job.pause_count() == 0
            })
        });
        let wait = self.room.wait(bytes, wake);
        if !self.room.is_turn() {
            job.yield_now().await;
        }
        // That was the moment which the slice is about. Without this, a job that has waited for
        // longer than a slice would go past the iteration for which it has the room.
        self.last_pause_ns.set(self.context.now_ns());
        // Taken before the place in the line is given up, or kept for nobody.
        *self.reserved.borrow_mut() = self.room.take(bytes);
        drop(wait);
    }

    /// M12 and M13: clean and idle for the first time. False if the flush failed.
    async fn become_ready(&self, job: &Rc<Job>) -> bool {
        self.step(Step::M12);
        self.report(MirrorEvent::MirrorBeforeFlush);
        if self.flush().await.is_err() {
            self.context.mark(&marks::FLUSH_FAILED);
            return false;
        }
        self.step(Step::M13);
        self.set_ready(job);
        true
    }

    fn set_ready(&self, job: &Job) {
        self.course.became_ready(self.context.now_ns());
        job.set_ready();
    }

    /// M14. A write that was in flight when the count was zero has marked its granules by the time
    /// the source is drained, and so the count is taken again.
    async fn complete_in_drain(self: &Rc<Self>, job: &Rc<Job>) -> Turn {
        self.step(Step::M14);
        self.report(MirrorEvent::MirrorBeforeDrain {
            dirty_bytes: self.dirty_bytes(),
        });
        let drained = self.drain_source("mirror_run").await;
        let dirty = self.dirty_bytes() > 0 && !bug!(HZ_03);
        self.context.mark_if(|| dirty, &marks::DIRT_IN_DRAIN);
        if dirty || self.flush().await.is_err() {
            self.context
                .mark_if(|| !dirty, &marks::FLUSH_FAILED_IN_DRAIN);
            self.end_attempt(drained);
            return if dirty { Turn::Again } else { Turn::Retry };
        }
        match self.verify(job).await {
            Verdict::Same => {}
            Verdict::Again => {
                self.end_attempt(drained);
                return Turn::Again;
            }
            Verdict::Retry => {
                self.end_attempt(drained);
                return Turn::Retry;
            }
        }
        *self.drained.borrow_mut() = Some(drained);
        Turn::InSync
    }

    /// The guest goes on, and the job with it.
    fn end_attempt(&self, drained: Drained) {
        drop(drained);
        self.course.let_go(self.context.now_ns());
    }

    /// Drains the source. From now on others have to wait for this job until its completion has
    /// begun, or until the section was ended and the job paused.
    async fn drain_source(&self, owner: &'static str) -> Drained {
        let source = self.source_node();
        self.course.hold(self.context.now_ns());
        source.co_drained_begin_asking(owner, &self.in_drain).await
    }

    /// M15.
    async fn sleep(&self, job: &Rc<Job>, clean: bool, should_complete: bool) {
        self.step(Step::M15);
        let synced = job.is_ready();
        let resting = synced && !should_complete;
        let delay_ns = if resting && clean {
            self.options.tuning.slice_time_ns
        } else {
            job.ratelimit_delay(0)
        };
        self.report(MirrorEvent::MirrorBeforeSleep {
            dirty_bytes: self.dirty_bytes(),
            synced,
            delay_ns,
        });
        if resting && clean {
            job.sleep_ns(delay_ns).await;
        } else {
            job.ratelimit_sleep().await;
        }
    }

    /// M16. From here on nothing writes to the source, until M17 has ended: the drained section is
    /// kept in the state of the job, and goes with it into the main loop.
    async fn exit(&self, job: &Job, result: JobResult) -> JobResult {
        self.step(Step::M16);
        self.give_room_back();
        self.give_begun_up();
        self.wait_for_all_io().await;
        assert_eq!(self.in_flight.get(), 0);
        // Guests that were let go have left writes at the target. M17 drains it, and to wait there would
        // stop the main loop, and the guests with the source, for as long as the target takes.
        while self.drained.borrow().is_none() && self.operations.active() > 0 {
            self.context.mark(&marks::EXIT_AWAITED_ACTIVE);
            self.wait_for_slot().await;
        }
        if self.drained.borrow().is_none() {
            let drained = self.drain_source("mirror_exit").await;
            *self.drained.borrow_mut() = Some(drained);
        }
        if bug!(MIR_02) {
            drop(self.drained.take());
            return result;
        }
        if bug!(MIR_07) {
            self.source_node().release_dirty_bitmap(&self.bitmap());
            drop(self.drained.take());
            return result;
        }
        // As in the article: whatever speaks for a guest is not even listened to. But that goes for
        // all guests of the context, and so not when a user or another job may take hours to end it.
        let alone = job.txn().is_none_or(|txn| txn.jobs().len() == 1);
        if alone && job.auto_finalize() {
            self.context.handle().disable_external();
            self.external_masked.set(true);
        }
        result
    }
}

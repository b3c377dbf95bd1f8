//! Standing still.
//!
//! A pause is a counted request. Whoever counts has asked and no more: the job stands still when its
//! coroutine has come to a pause point, and drained sections wait for that by
//! [`Job::drained_poll`].
//!
//! QEMU: `job_pause_locked`, `job_resume_locked`, `job_pause_point_locked` (job.c),
//! `child_job_drained_poll` (blockjob.c).

use blockjob_runtime::bug;

use crate::job::Job;
use crate::marks;
use crate::state::JobStatus;
use crate::trace::JobTraceKind;

impl Job {
    /// Asks the job to stand still, and wakes it so that it comes to a pause point. Must not poll or
    /// wait. The counterpart of `job_pause` (`job.c`).
    pub fn pause(&self) {
        let pause_count = self.run.pause_count.get() + 1;
        self.run.pause_count.set(pause_count);
        self.context()
            .mark_if(|| self.is_paused(), &marks::DRAINED_WHEN_PAUSED);
        self.trace(|| JobTraceKind::Pause { pause_count });
        if !self.run.paused.get() {
            self.enter();
        }
    }

    /// Counts a pause that is no news: the job stood still because of it where it has come from.
    pub(crate) fn count_pause(&self) {
        self.run.pause_count.set(self.run.pause_count.get() + 1);
    }

    /// Takes one [`pause`](Self::pause) back; the last one lets the job go on. The counterpart of
    /// `job_resume` (`job.c`).
    ///
    /// # Panics
    ///
    /// If there was no pause to take back.
    pub fn resume(&self) {
        let pause_count = self.run.pause_count.get();
        assert!(pause_count > 0, "{self:?} was resumed and not paused");
        let pause_count = pause_count - 1;
        self.run.pause_count.set(pause_count);
        self.trace(|| JobTraceKind::Resume { pause_count });
        if pause_count == 0 {
            // A job that sleeps has not noticed the pause, and has nothing to notice now.
            self.enter_cond(|job| !job.sleep_timer.pending());
        }
    }

    /// Stands still for as long as anybody wants the job to, unless its work is abandoned. The job's
    /// coroutine calls it wherever it has nothing half done. The counterpart of `job_pause_point`
    /// (`job.c`).
    pub async fn pause_point(&self) {
        assert!(self.is_started(), "{self:?} is not started");
        if !self.run.held() {
            return;
        }
        let job = self.rc();
        self.trace(|| JobTraceKind::PausePoint {
            pause_count: self.pause_count(),
        });
        self.driver.pause(&job).await;
        self.home()
            .mark_if(|| !self.run.held(), &marks::PAUSE_TOO_SHORT);
        // While the driver waited for its requests, the pause may have ended.
        if self.run.held() {
            let status = self.status();
            self.home()
                .mark_if(|| self.is_ready(), &marks::PAUSED_WHEN_READY);
            let paused = status.when_paused();
            self.run.paused.set(true);
            self.transition(paused.expect("a job at a pause point runs or is ready"));
            self.stand_still().await;
            self.go_on(status).await;
        } else {
            self.driver.resume(&job).await;
        }
    }

    /// Yields until nobody wants the job to stand still.
    pub(crate) async fn stand_still(&self) {
        // Entered by a resume it may find the next pause requested already.
        while self.run.held() {
            self.do_yield(None).await;
        }
    }

    /// The pause is over.
    pub(crate) async fn go_on(&self, status: JobStatus) {
        self.run.paused.set(false);
        self.transition(status);
        self.driver.resume(&self.rc()).await;
    }

    /// True while a drained section has to wait for the job: it may have requests in flight or yet
    /// start one, or has something deferred that has not started. The counterpart of
    /// `child_job_drained_poll` (`blockjob.c`).
    pub fn drained_poll(&self) -> bool {
        // Before the driver is asked: it knows its requests, but not that the completion is to come.
        if self.is_deferral_pending() && !bug!(JOB_03A) {
            return true;
        }
        if bug!(JOB_03B) && self.is_deferral_running() {
            return true;
        }
        // A job that is not busy stands still, or has a pause point before it does anything else. Of
        // one whose coroutine has ended nothing is left but what runs in the main context, which
        // has begun: if it drains the job's nodes it must not wait for itself.
        if !self.is_busy() || self.deferred_to_main_loop() || self.is_completed() {
            return false;
        }
        self.driver.drained_poll(&self.rc())
    }
}

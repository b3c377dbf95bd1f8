//! Giving the processor back: yields, sleeps, and the speed limit.
//!
//! A sleep has two wakers, the timer and whoever enters the job. The timer does nothing but enter it,
//! so both come to the one test of `busy`, and whoever enters disarms the timer.
//!
//! QEMU: `job_do_yield_locked`, `job_yield`, `job_sleep_ns` (job.c), `block_job_ratelimit_*`
//! (blockjob.c).

use blockjob_runtime::{Coroutine, bug, yield_now};

use crate::job::Job;
use crate::marks;
use crate::trace::JobTraceKind;

impl Job {
    /// Gives the processor back until somebody enters the job, or the time is `deadline_ns`.
    ///
    /// QEMU: `job_do_yield_locked` (job.c).
    pub(crate) async fn do_yield(&self, deadline_ns: Option<u64>) {
        let running = Coroutine::current();
        assert!(
            running.as_ref() == self.coroutine.get(),
            "{running:?} yields for {self:?}"
        );
        match deadline_ns {
            Some(deadline_ns) => {
                self.sleep_timer.arm(deadline_ns);
                self.moments.asleep_until_ns.set(deadline_ns);
                self.trace(|| JobTraceKind::Sleep { deadline_ns });
            }
            None => self.trace(|| JobTraceKind::Yield),
        }
        self.run.busy.set(false);
        // A drained section that waits for the job has seen it busy, and must look again.
        self.kick();
        yield_now().await;
        assert!(
            self.run.busy.get(),
            "{self:?} was woken by somebody who did not enter it"
        );
    }

    /// Yields until the job is entered; then, and also instead, passes a pause point. Returns at
    /// once if the job's work is abandoned. The counterpart of `job_yield` (`job.c`).
    pub async fn yield_now(&self) {
        self.yield_until(None).await;
    }

    /// Sleeps for `delay_ns`, or until the job is entered; passes a pause point at the end. With 0 it
    /// still takes one turn through the loop. Returns at once if the job's work is abandoned. The
    /// counterpart of `job_sleep_ns` (`job.c`).
    ///
    /// Pauses, resumes, cancels and a new speed cut it short: a caller who needs the whole delay looks
    /// at the clock and sleeps again, as [`ratelimit_sleep`](Self::ratelimit_sleep) does.
    pub async fn sleep_ns(&self, delay_ns: u64) {
        let deadline_ns = self.home().now_ns().saturating_add(delay_ns);
        self.yield_until(Some(deadline_ns)).await;
    }

    async fn yield_until(&self, deadline_ns: Option<u64>) {
        assert!(self.is_busy(), "{self:?} yields twice");
        // Before `busy` is cleared: a cancel that came while the job was busy entered nobody, and
        // this is where it is noticed.
        if self.is_cancelled() && !bug!(HZ_04) {
            return;
        }
        if !self.run.held() {
            self.do_yield(deadline_ns).await;
        }
        self.pause_point().await;
    }

    /// Records that `n_bytes` were sent. The counterpart of `block_job_ratelimit_processed_bytes`
    /// (`blockjob.c`).
    pub fn ratelimit_processed_bytes(&self, n_bytes: u64) {
        let _delay_ns = self.ratelimit_delay(n_bytes);
    }

    /// Records that `n_bytes` were sent, and returns how long to wait before more is, in
    /// nanoseconds; with 0 bytes it only asks.
    #[must_use = "a delay that is not kept breaks the speed limit"]
    pub fn ratelimit_delay(&self, n_bytes: u64) -> u64 {
        let now_ns = self.home().now_ns();
        self.limit.borrow_mut().calculate_delay(n_bytes, now_ns)
    }

    /// Sleeps until the speed limit lets the job send, at least for one turn through the loop;
    /// however often it is entered, paused and resumed meanwhile. Ends early only if the job's work is
    /// abandoned. The counterpart of `block_job_ratelimit_sleep` (`blockjob.c`).
    pub async fn ratelimit_sleep(&self) {
        loop {
            // Asked anew each time: the speed may change during the sleep.
            let delay_ns = self.ratelimit_delay(0);
            self.home().mark_if(|| delay_ns > 0, &marks::RATE_SLEPT);
            self.sleep_ns(delay_ns).await;
            if delay_ns == 0 || self.is_cancelled() || bug!(JOB_04) {
                return;
            }
        }
    }
}

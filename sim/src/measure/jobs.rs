//! Where a job is, and for how long it could not be paused.

use blockjob_jobs::mirror::steps::{MirrorEvent, Step};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::JobTraceKind;

use super::metrics::JobMetrics;
use super::series::Series;
use crate::cast::Pair;

/// Watches one job.
#[derive(Default)]
pub(super) struct JobWatch {
    started_ns: Option<u64>,
    ready_ns: Option<u64>,
    ended_ns: Option<u64>,
    /// The last pause point; none while it could be paused.
    pause_point_ns: Option<u64>,
    /// Since when it has been busy; none while it is not.
    busy_since_ns: Option<u64>,
    longest_unpausable_ns: u64,
    longest_busy_ns: u64,
    /// It has begun to end.
    ending: bool,
    /// The storm is over: nobody drains or pauses the job any more, so it may be as busy as it likes.
    calm: bool,
    pub(super) share_bytes: u64,
    /// What it had copied when it became READY.
    pub(super) ready_bytes: Option<u64>,
    pub(super) dirty: Series,
}

impl JobWatch {
    pub(super) fn see_job(&mut self, now_ns: u64, what: &JobTraceKind) {
        match what {
            JobTraceKind::Status { to, .. } => self.see_status(now_ns, *to),
            JobTraceKind::Sleep { .. } | JobTraceKind::Yield => self.stand_still(now_ns),
            // Its driver waits for what is in flight: that belongs to the pause.
            JobTraceKind::PausePoint { .. } => self.end_unpausable(now_ns),
            JobTraceKind::Enter if self.is_working() && !self.calm => {
                self.pause_point_ns.get_or_insert(now_ns);
                self.busy_since_ns.get_or_insert(now_ns);
            }
            _ => {}
        }
    }

    pub(super) fn see_mirror(&mut self, now_ns: u64, event: &MirrorEvent) {
        match event {
            MirrorEvent::Step(Step::M1) => {
                self.started_ns.get_or_insert(now_ns);
                if !self.calm {
                    self.pause_point_ns = Some(now_ns);
                    self.busy_since_ns = Some(now_ns);
                }
            }
            MirrorEvent::Step(Step::M6 | Step::M7) if !self.calm => {
                self.end_unpausable(now_ns);
                self.pause_point_ns = Some(now_ns);
            }
            MirrorEvent::Step(Step::M16) => {
                self.stand_still(now_ns);
                self.ending = true;
            }
            _ => {}
        }
    }

    /// The storm is over.
    pub(super) fn see_calm(&mut self, now_ns: u64) {
        self.stand_still(now_ns);
        self.dirty.end(now_ns);
        self.calm = true;
    }

    fn stand_still(&mut self, now_ns: u64) {
        self.end_unpausable(now_ns);
        self.end_busy(now_ns);
    }

    fn see_status(&mut self, now_ns: u64, to: JobStatus) {
        match to {
            JobStatus::Ready => {
                self.ready_ns.get_or_insert(now_ns);
            }
            JobStatus::Concluded => {
                self.ended_ns.get_or_insert(now_ns);
            }
            _ => {}
        }
    }

    fn end_unpausable(&mut self, now_ns: u64) {
        if let Some(since_ns) = self.pause_point_ns.take() {
            self.longest_unpausable_ns = self.longest_unpausable_ns.max(now_ns - since_ns);
        }
    }

    fn end_busy(&mut self, now_ns: u64) {
        if let Some(since_ns) = self.busy_since_ns.take() {
            self.longest_busy_ns = self.longest_busy_ns.max(now_ns - since_ns);
        }
    }

    /// Whether it was READY once, or has come to its end without.
    pub(super) fn is_settled(&self) -> bool {
        self.ready_ns.is_some() || self.ended_ns.is_some() || self.ending
    }

    /// Whether it has begun to work, and has not begun to end.
    pub(super) fn is_working(&self) -> bool {
        self.started_ns.is_some() && !self.ending
    }

    pub(super) fn metrics(&mut self, pair: &Pair) -> JobMetrics {
        let stats = pair.mirror().map(|mirror| mirror.stats());
        let stats = stats.unwrap_or_default();
        let after = |then_ns: Option<u64>| Some(then_ns? - self.started_ns?);
        JobMetrics {
            job: pair.job_id.clone(),
            started_ns: self.started_ns,
            ready_after_ns: after(self.ready_ns),
            ended_after_ns: after(self.ended_ns),
            share_bytes: self.share_bytes,
            ready_bytes: self.ready_bytes,
            copied_bytes: stats.copied_bytes,
            recopied_bytes: stats.recopied_bytes,
            zeroed_bytes: stats.zeroed_bytes,
            skipped_bytes: stats.skipped_bytes,
            longest_unpausable_ns: self.longest_unpausable_ns,
            longest_busy_ns: self.longest_busy_ns,
            dirty_bytes: std::mem::take(&mut self.dirty),
        }
    }
}

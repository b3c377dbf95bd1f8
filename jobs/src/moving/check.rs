//! Whether a job can move.

use blockjob_block::{BlockError, BlockResult, ErrorKind};

use crate::job::Job;

/// The error for a job that cannot move, with the reason as half a sentence.
pub(crate) fn cannot_move(job: &Job, why: &str) -> BlockError {
    let text = format!(
        "{} job '{}' cannot change its context: {why}",
        job.job_type(),
        job.label()
    );
    BlockError::new(ErrorKind::InUse, text)
}

impl Job {
    /// Whether the job may live in another context: once its nodes are drained, as it is; before that, as
    /// it will be then. See the table in [`crate::moving`].
    pub(crate) fn check_move(&self) -> BlockResult<()> {
        let refuse = |why: &str| Err(cannot_move(self, why));
        if self.home() != self.context() {
            return refuse("its coroutine does not live with its nodes");
        }
        if self.is_deferral_running() || !(self.txn().is_none() || self.is_txn_open()) {
            return refuse("it is being completed");
        }
        if self.is_cancelled() && !self.is_completed() {
            return refuse("it is being cancelled");
        }
        let txn = self.txn().map(|txn| txn.jobs()).unwrap_or_default();
        let without = |job: &Job| job.block_job().is_none_or(|job| job.nodes().is_empty());
        if let Some(other) = txn.iter().find(|other| without(other)) {
            let other = other.label();
            return refuse(&format!(
                "job '{other}' of its transaction uses no nodes and would stay"
            ));
        }
        if self.is_in_the_middle() {
            return refuse("it does not stand still");
        }
        self.driver.can_move(&self.rc())
    }

    /// The job was asked to stand still and does not, and yet a section need not wait for it.
    fn is_in_the_middle(&self) -> bool {
        let works = self.is_started() && !self.is_completed();
        let asked = self.pause_count() > 0;
        works && asked && !self.drained_poll() && (self.is_busy() || !self.is_paused())
    }
}

//! Transactions: jobs that succeed together or not at all.
//!
//! Every job is in one, most of them alone. A job that succeeds waits for the others; the last one
//! brings them all to pending, and they are prepared and then committed. The first one that fails
//! cancels the others by force, waits for their ends, and aborts them all.
//!
//! QEMU: `JobTxn`, `job_txn_apply_locked`, `job_completed_txn_abort_locked`,
//! `job_completed_txn_success_locked`, `job_do_finalize_locked` (job.c).

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use blockjob_runtime::sync::Arc;

use crate::job::Job;
use crate::list::JobList;
use crate::marks;
use crate::state::JobStatus;

/// A transaction. The counterpart of `JobTxn` (`job.c`).
#[derive(Default)]
pub struct JobTxn {
    /// The newest last. They are on their list while they are here, so they are not kept alive.
    jobs: RefCell<Vec<Weak<Job>>>,
    stage: Cell<Stage>,
    /// By what those of its jobs that move find each other again.
    key: Arc<()>,
}

/// How far the decision is. All that drivers do about it may poll, and then a user may ask anything
/// of the jobs, on top of the stack that decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Jobs run, or wait for others or for their user.
    #[default]
    Open,
    /// All have succeeded, and are being prepared. One that is cancelled now fails at this step.
    Preparing,
    /// All are prepared, and are being committed. It is too late to cancel.
    Committing,
    /// One has failed, and brings the others to their ends.
    Aborting,
}

impl JobTxn {
    /// A transaction without jobs. The counterpart of `job_txn_new` (`job.c`).
    #[must_use]
    pub fn new() -> Rc<JobTxn> {
        Rc::default()
    }

    /// The jobs, the newest first, in which order QEMU goes through them.
    #[must_use]
    pub fn jobs(&self) -> Vec<Rc<Job>> {
        let jobs = self.jobs.borrow();
        jobs.iter().rev().filter_map(Weak::upgrade).collect()
    }

    /// Takes `job` in, which is in none.
    ///
    /// QEMU: `job_txn_add_job_locked` (job.c).
    pub(crate) fn add(self: &Rc<Self>, job: &Rc<Job>) {
        self.jobs.borrow_mut().push(Rc::downgrade(job));
        let before = job.txn.replace(Some(self.clone()));
        assert!(before.is_none(), "{job:?} is in one transaction only");
    }

    /// By what its jobs find each other when they have moved.
    pub(crate) fn key(&self) -> Arc<()> {
        self.key.clone()
    }

    /// Takes in `job`, which has moved here, as one of those that have `key`: with the others, if they were
    /// here before it, and where it was among them.
    pub(crate) fn join(list: &JobList, key: Arc<()>, job: &Rc<Job>) {
        let others = list.jobs();
        let mut txns = others.iter().filter_map(|other| other.txn());
        let txn = txns.find(|txn| Arc::ptr_eq(&txn.key, &key));
        let txn = txn.unwrap_or_else(|| {
            Rc::new(JobTxn {
                key,
                ..JobTxn::default()
            })
        });
        txn.add(job);
        let age = |job: &Weak<Job>| job.upgrade().map(|job| job.number.get());
        txn.jobs.borrow_mut().sort_by_key(age);
    }
}

impl fmt::Debug for JobTxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobTxn")
            .field("jobs", &self.jobs())
            .field("stage", &self.stage.get())
            .finish()
    }
}

impl Job {
    /// The transaction that the job is in; `None` once it is concluded.
    pub fn txn(&self) -> Option<Rc<JobTxn>> {
        self.txn.borrow().clone()
    }

    fn joined_txn(&self) -> Rc<JobTxn> {
        self.txn()
            .expect("only a concluded job has left its transaction")
    }

    /// QEMU: `job_txn_del_job_locked` (job.c).
    pub(crate) fn leave_txn(&self) {
        if let Some(txn) = self.txn.take() {
            let ours = |job: &Weak<Job>| std::ptr::eq(job.as_ptr(), self);
            txn.jobs.borrow_mut().retain(|job| !ours(job));
        }
    }

    /// Whether a cancel comes too late to change what happens.
    pub(crate) fn is_committing(&self) -> bool {
        self.txn()
            .is_some_and(|txn| txn.stage.get() == Stage::Committing)
    }

    /// The job was cancelled after its end: its transaction fails, unless its fate is being decided
    /// further down the stack.
    pub(crate) fn cancel_txn(&self) {
        if self.joined_txn().stage.get() == Stage::Open {
            self.completed_txn_abort();
        }
    }

    /// The job has failed: so have the others. Polls until they have ended.
    ///
    /// QEMU: `job_completed_txn_abort_locked` (job.c).
    pub(crate) fn completed_txn_abort(&self) {
        let txn = self.joined_txn();
        // Another job of the transaction was first. It is waiting for this one, further down the
        // stack, and does the rest.
        if txn.stage.replace(Stage::Aborting) == Stage::Aborting {
            return;
        }
        for other in txn.jobs() {
            // Of the failed job itself its own caller knows whether it is cancelled.
            if !std::ptr::eq(&*other, self) {
                other.context().mark(&marks::TXN_SIBLING);
                // No result matters any more: the others are to end as fast as they can.
                other.cancel_async(true);
            }
        }
        while let Some(other) = txn.jobs().into_iter().next() {
            if !other.is_completed() {
                assert!(other.cancel_requested(), "{other:?} was cancelled above");
                other.wait_completed();
            }
            other.finalize_single();
        }
    }

    /// The job has succeeded: if it was the last one, so has the transaction.
    ///
    /// QEMU: `job_completed_txn_success_locked` (job.c).
    pub(crate) fn completed_txn_success(&self) {
        self.transition(JobStatus::Waiting);
        let jobs = self.joined_txn().jobs();
        if !jobs.iter().all(|job| job.is_completed()) {
            self.context().mark(&marks::TXN_WAITED);
            return;
        }
        for job in &jobs {
            job.transition_to_pending();
        }
        // One that waits for its user makes all wait.
        if jobs.iter().all(|job| job.auto_finalize()) {
            self.do_finalize();
        }
    }

    /// Prepares and then commits all jobs of the transaction, or aborts them.
    ///
    /// QEMU: `job_do_finalize_locked` (job.c).
    pub(crate) fn do_finalize(&self) {
        let txn = self.joined_txn();
        let before = txn.stage.replace(Stage::Preparing);
        assert_eq!(before, Stage::Open, "{txn:?} is decided once");
        let jobs = txn.jobs();
        let failed = jobs.iter().find(|job| job.prepare().is_err());
        // One that was prepared early may have been cancelled while another one polled.
        let failed = failed.or_else(|| jobs.iter().find(|job| job.is_cancelled()));
        if let Some(failed) = failed {
            // It is the one that keeps its own error. QEMU takes the job that was finalized for it, which
            // then succeeds alone, while the one that failed is said to be cancelled.
            failed.completed_txn_abort();
            return;
        }
        txn.stage.set(Stage::Committing);
        for job in jobs {
            job.finalize_single();
        }
    }

    /// Whether the transaction has not begun to decide.
    pub(crate) fn is_txn_open(&self) -> bool {
        self.txn().is_some_and(|txn| txn.stage.get() == Stage::Open)
    }
}

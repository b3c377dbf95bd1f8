//! A job: what it is and how it is made.
//!
//! Its methods are spread over the files by the question that they answer: `query.rs` what it shows,
//! `enter.rs` how the coroutine gets the processor, `pause.rs` and `sleep.rs` how it gives it back,
//! `cancel.rs` and `verbs.rs` what is asked of a job, `io_error.rs` what it does about a failed
//! request, `defer.rs`, `finish.rs` and `txn.rs` how it ends, `sync.rs` how to wait for that.
//!
//! QEMU: job.c, blockjob.c.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use blockjob_runtime::{AioContext, Coroutine, Timer, bug};

use crate::block_job::BlockJob;
use crate::defer::Deferred;
use crate::driver::{JobDriver, JobResult};
use crate::error::JobError;
use crate::error_policy::IoStatus;
use crate::event::JobEvent;
use crate::id::JobId;
use crate::list::JobList;
use crate::look::Moments;
use crate::moving::Carried;
use crate::progress::ProgressMeter;
use crate::rate_limit::RateLimit;
use crate::run_state::RunState;
use crate::state::JobStatus;
use crate::trace::JobTraceKind;
use crate::txn::JobTxn;

/// How a job is to be made. The counterpart of the flags and arguments of `job_create` (`job.c`).
#[derive(Clone)]
pub struct JobOptions {
    /// Whether a finished transaction takes effect by itself, or waits for [`Job::finalize`].
    pub auto_finalize: bool,
    /// Whether a concluded job leaves the list by itself, or waits for [`Job::dismiss`].
    pub auto_dismiss: bool,
    /// The limit, in bytes per second; 0 is unlimited, less is an error.
    pub speed_bytes_per_s: i64,
    /// The transaction to take part in; `None` is one of the job's own.
    pub txn: Option<Rc<JobTxn>>,
    /// Where the coroutine lives; `None` is the context of the list.
    pub home: Option<AioContext>,
    /// Whether the job has no name and sends no events.
    pub internal: bool,
}

impl Default for JobOptions {
    /// As the commands of the monitor have it: all by itself, unlimited, alone, with its list.
    fn default() -> Self {
        JobOptions {
            auto_finalize: true,
            auto_dismiss: true,
            speed_bytes_per_s: 0,
            txn: None,
            home: None,
            internal: false,
        }
    }
}

/// What of a job does not change.
pub(crate) struct NewJob {
    pub(crate) id: Option<JobId>,
    pub(crate) driver: Rc<dyn JobDriver>,
    /// Where the coroutine lives; `None` is the context of the list.
    pub(crate) home: Option<AioContext>,
    pub(crate) auto_finalize: bool,
    pub(crate) auto_dismiss: bool,
}

pub(crate) type FinishedFn = Box<dyn FnOnce(&Rc<Job>, &JobResult)>;

/// A long-running operation with a name, a state and an end. The counterpart of `Job`
/// (`include/qemu/job.h`) with the parts of `BlockJob` (`include/block/blockjob.h`) that know no
/// node.
pub struct Job {
    this: Weak<Job>,
    /// The place on the list: jobs are counted as they are listed.
    pub(crate) number: Cell<u64>,
    /// What others want to travel with the job.
    pub(crate) carried: Carried,
    pub(crate) id: Option<JobId>,
    pub(crate) label: Rc<str>,
    pub(crate) driver: Rc<dyn JobDriver>,
    pub(crate) list: Weak<JobList>,
    pub(crate) context: AioContext,
    pub(crate) home: AioContext,
    pub(crate) run: RunState,
    /// Made by [`start`](Job::start), and again where a job that has moved goes on.
    pub(crate) coroutine: OnceCell<Coroutine>,
    /// Enters the job at the end of a sleep. Whoever else enters it disarms this.
    pub(crate) sleep_timer: Timer,
    pub(crate) deferred: Deferred,
    pub(crate) moments: Moments,
    pub(crate) auto_finalize: bool,
    pub(crate) auto_dismiss: bool,
    /// What `run` returned, or what became of it. Until then: success.
    pub(crate) outcome: RefCell<JobResult>,
    pub(crate) progress: Cell<ProgressMeter>,
    pub(crate) limit: RefCell<RateLimit>,
    pub(crate) io_status: Cell<IoStatus>,
    pub(crate) txn: RefCell<Option<Rc<JobTxn>>>,
    pub(crate) on_finished: RefCell<Vec<FinishedFn>>,
    idle_hooks: RefCell<Vec<Rc<dyn Fn()>>>,
    /// The nodes, of a job that uses some.
    pub(crate) block_job: OnceCell<Rc<BlockJob>>,
}

impl Job {
    /// Makes a job named `id` and puts it on `list`; its state is `created` until it is
    /// [started](Self::start). The counterpart of `job_create` (`job.c`).
    ///
    /// # Errors
    ///
    /// [`JobError::InvalidId`], [`JobError::IdInUse`], [`JobError::IdRequired`] if there is no `id` and the
    /// job is not internal; [`JobError::NegativeSpeed`], upon which watchers see the job come and go.
    pub fn create(
        list: &Rc<JobList>,
        id: Option<&str>,
        driver: Rc<dyn JobDriver>,
        options: JobOptions,
    ) -> Result<Rc<Job>, JobError> {
        let id = Self::check_id(list, id, options.internal)?;
        let txn = options.txn.unwrap_or_default();
        let job = Self::build(
            list,
            NewJob {
                id,
                driver,
                home: options.home,
                auto_finalize: options.auto_finalize,
                auto_dismiss: options.auto_dismiss,
            },
        );
        job.transition(JobStatus::Created);
        list.insert(job.clone());
        txn.add(&job);
        if let Err(error) = job.set_speed(options.speed_bytes_per_s) {
            job.early_fail();
            return Err(error);
        }
        Ok(job)
    }

    /// A job that is on no list and in no transaction, and nobody has heard of it.
    pub(crate) fn build(list: &Rc<JobList>, new: NewJob) -> Rc<Job> {
        let context = list.context().clone();
        let home = new.home.unwrap_or_else(|| context.clone());
        let label = new.id.as_ref().map_or("(internal)", JobId::as_str).into();
        Rc::new_cyclic(|this: &Weak<Job>| Job {
            this: this.clone(),
            number: Cell::new(u64::MAX),
            carried: Carried::default(),
            label,
            id: new.id,
            driver: new.driver,
            list: Rc::downgrade(list),
            sleep_timer: home.timer("job_sleep", {
                let this = this.clone();
                move || {
                    if let Some(job) = this.upgrade() {
                        job.enter();
                    }
                }
            }),
            context,
            home,
            run: RunState::new(),
            coroutine: OnceCell::new(),
            deferred: Deferred::default(),
            moments: Moments::default(),
            auto_finalize: new.auto_finalize,
            auto_dismiss: new.auto_dismiss,
            outcome: RefCell::new(Ok(())),
            progress: Cell::default(),
            limit: RefCell::default(),
            io_status: Cell::default(),
            txn: RefCell::default(),
            on_finished: RefCell::default(),
            idle_hooks: RefCell::default(),
            block_job: OnceCell::new(),
        })
    }

    fn check_id(
        list: &JobList,
        id: Option<&str>,
        internal: bool,
    ) -> Result<Option<JobId>, JobError> {
        match id {
            Some(_) if internal => Err(JobError::Invalid {
                text: "Cannot specify job ID for internal job".to_owned(),
            }),
            Some(id) => {
                let id = JobId::new(id)?;
                match list.is_taken(id.as_str()) {
                    true => Err(JobError::IdInUse { id }),
                    false => Ok(Some(id)),
                }
            }
            None if internal => Ok(None),
            None => Err(JobError::IdRequired),
        }
    }

    /// Itself, as those hold it whom it calls.
    pub(crate) fn rc(&self) -> Rc<Job> {
        self.this.upgrade().expect("whoever calls a job holds it")
    }

    /// The name; `None` if the job is internal.
    pub fn id(&self) -> Option<&JobId> {
        self.id.as_ref()
    }

    /// The name as messages and traces have it; also an internal job has one.
    pub fn label(&self) -> &Rc<str> {
        &self.label
    }

    /// Has `callback` run once, in the context of the list, when the outcome is final: after the driver's
    /// `clean`, before the last event. The counterpart of `cb` of `Job`
    /// (`include/qemu/job.h`).
    pub fn on_finished(&self, callback: impl FnOnce(&Rc<Job>, &JobResult) + 'static) {
        self.on_finished.borrow_mut().push(Box::new(callback));
    }

    /// Has `hook` run whenever a drained section or another waiter should look at the job again: it
    /// yields, stands still, ends, changes its state. It is called in the middle of things, also inside
    /// of the job's coroutine: it may wake somebody, and nothing else. The counterpart of
    /// `on_idle` of `Job` (`include/qemu/job.h`), which kicks those who wait.
    pub fn on_idle(&self, hook: Rc<dyn Fn()>) {
        self.idle_hooks.borrow_mut().push(hook);
    }

    /// Tells all who wait for the job to look again.
    pub(crate) fn kick(&self) {
        if bug!(JOB_02) {
            return;
        }
        let mut index = 0;
        // No borrow is held while a hook runs, and one that is added meanwhile is called as well.
        while let Some(hook) = {
            let hooks = self.idle_hooks.borrow();
            hooks.get(index).cloned()
        } {
            hook();
            index += 1;
        }
        // The context of the list may be asleep in `poll_while` and has nothing else to wake it.
        if self.home != self.context {
            self.context.handle().kick();
        }
    }

    /// Goes to state `to` and tells the watchers, if it is news. The counterpart of
    /// `job_state_transition` (`job.c`).
    pub(crate) fn transition(&self, to: JobStatus) {
        let from = self.status();
        let mut status = from;
        let news = status.transition(to);
        self.run.status.set(status);
        self.trace(|| JobTraceKind::Status { from, to });
        if news {
            self.moments.status_since_ns.set(self.context.now_ns());
            self.emit(|id| JobEvent::StatusChange { id, status });
        }
        self.kick();
    }

    /// Sends an event about the job, unless it is internal.
    pub(crate) fn emit(&self, make: impl FnOnce(JobId) -> JobEvent) {
        if let (Some(id), Some(list)) = (&self.id, self.list.upgrade()) {
            list.emit(make(id.clone()));
        }
    }

    pub(crate) fn set_outcome(&self, result: JobResult) {
        *self.outcome.borrow_mut() = result;
    }

    /// Takes the job off its list.
    pub(crate) fn unlist(&self) {
        let listed = self.list.upgrade().and_then(|list| list.remove(self));
        drop(listed);
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Job({} '{}' {})",
            self.job_type(),
            self.label,
            self.status()
        )
    }
}

//! The list of jobs, which is what users see.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use blockjob_runtime::AioContext;

use crate::error::JobError;
use crate::event::{JobEvent, JobEventSink};
use crate::job::Job;

/// All jobs of the main context. The counterpart of `jobs` in `job.c`.
pub struct JobList {
    context: AioContext,
    sink: Rc<dyn JobEventSink>,
    /// The newest last.
    jobs: RefCell<Vec<Rc<Job>>>,
}

impl JobList {
    /// An empty list in the main context `context`, whose jobs tell `sink` what happens to them.
    #[must_use]
    pub fn new(context: &AioContext, sink: Rc<dyn JobEventSink>) -> Rc<JobList> {
        Rc::new(JobList {
            context: context.clone(),
            sink,
            jobs: RefCell::default(),
        })
    }

    /// The main context.
    pub fn context(&self) -> &AioContext {
        &self.context
    }

    /// The jobs that are not over, the newest first, as `query-jobs` shows them; with those that
    /// have no name. The counterpart of `job_next` (`job.c`).
    #[must_use]
    pub fn jobs(&self) -> Vec<Rc<Job>> {
        self.jobs.borrow().iter().rev().cloned().collect()
    }

    /// True if no job is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.borrow().is_empty()
    }

    /// The job named `id`. The counterpart of `job_get` (`job.c`).
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Rc<Job>> {
        let jobs = self.jobs.borrow();
        let named = |job: &&Rc<Job>| job.id().is_some_and(|name| name.as_str() == id);
        jobs.iter().find(named).cloned()
    }

    /// The job that a `job-*` command names.
    ///
    /// # Errors
    ///
    /// [`JobError::NotFound`].
    pub fn find(&self, id: &str) -> Result<Rc<Job>, JobError> {
        self.get(id).ok_or(JobError::NotFound)
    }

    /// The job that a `block-job-*` command names.
    ///
    /// # Errors
    ///
    /// [`JobError::BlockJobNotFound`].
    pub fn find_block_job(&self, id: &str) -> Result<Rc<Job>, JobError> {
        let id_text = id.to_owned();
        self.get(id)
            .ok_or(JobError::BlockJobNotFound { id: id_text })
    }

    pub(crate) fn insert(&self, job: Rc<Job>) {
        self.jobs.borrow_mut().push(job);
    }

    /// Takes `job` off the list. Its last holder may drop it with all that it owns, so no borrow is
    /// held when it returns.
    pub(crate) fn remove(&self, job: &Job) -> Option<Rc<Job>> {
        let mut jobs = self.jobs.borrow_mut();
        let index = jobs
            .iter()
            .position(|listed| std::ptr::eq(&**listed, job))?;
        Some(jobs.remove(index))
    }

    pub(crate) fn emit(&self, event: JobEvent) {
        self.sink.emit(event);
    }
}

impl fmt::Debug for JobList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.jobs()).finish()
    }
}

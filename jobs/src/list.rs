//! The list of jobs, which is what users see.
//!
//! Each context that jobs live in has one. What the jobs of a list leave for the main loop runs in the
//! list's own context, if that is the main one, and else by way of [`crate::main_loop`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::{Rc, Weak};

use blockjob_runtime::AioContext;

use crate::error::JobError;
use crate::event::{JobEvent, JobEventSink};
use crate::id::JobId;
use crate::job::Job;
use crate::main_loop::{Hop, MainLoop};

/// All jobs of a context. The counterpart of `jobs` in `job.c`, where there is one for all.
pub struct JobList {
    myself: Weak<JobList>,
    context: AioContext,
    /// The way to the main loop, if that is elsewhere.
    hop: Option<Hop>,
    sink: Rc<dyn JobEventSink>,
    jobs: RefCell<Jobs>,
    taken_elsewhere: RefCell<Option<Rc<NameTaken>>>,
}

/// Whether a name is one that no new job can have.
type NameTaken = dyn Fn(&str) -> bool;

/// The jobs by age and by name, so that no command walks past all of them.
#[derive(Default)]
struct Jobs {
    /// How many jobs were ever listed.
    numbered: u64,
    by_number: BTreeMap<u64, Rc<Job>>,
    /// Those that have a name.
    by_id: BTreeMap<JobId, Rc<Job>>,
}

impl JobList {
    /// An empty list in the main context `context`, whose jobs tell `sink` what happens to them.
    #[must_use]
    pub fn new(context: &AioContext, sink: Rc<dyn JobEventSink>) -> Rc<JobList> {
        Self::make(context, sink, None)
    }

    /// An empty list in `context`, whose jobs leave what is to be done in the main loop for `main`. The
    /// context keeps the list until it is closed.
    ///
    /// QEMU: `job_exit` is a bottom half of the main context, wherever the job's is (job.c).
    #[must_use]
    pub fn with_main_loop(
        context: &AioContext,
        sink: Rc<dyn JobEventSink>,
        main: Rc<dyn MainLoop>,
    ) -> Rc<JobList> {
        let list = Self::make(context, sink, Some(Hop::new(main)));
        if let Some(hop) = &list.hop {
            hop.settle(&list);
        }
        list
    }

    fn make(context: &AioContext, sink: Rc<dyn JobEventSink>, hop: Option<Hop>) -> Rc<JobList> {
        Rc::new_cyclic(|myself| JobList {
            myself: myself.clone(),
            context: context.clone(),
            hop,
            sink,
            jobs: RefCell::default(),
            taken_elsewhere: RefCell::default(),
        })
    }

    pub(crate) fn rc(&self) -> Rc<JobList> {
        self.myself
            .upgrade()
            .expect("whoever calls a list holds it")
    }

    pub(crate) fn hop(&self) -> Option<&Hop> {
        self.hop.as_ref()
    }

    /// Has new jobs be refused that have a name which `taken` knows: jobs of other contexts share the
    /// names with those of this one.
    pub fn set_taken_elsewhere(&self, taken: impl Fn(&str) -> bool + 'static) {
        self.taken_elsewhere.replace(Some(Rc::new(taken)));
    }

    /// Whether no new job can have that name.
    pub(crate) fn is_taken(&self, id: &str) -> bool {
        let elsewhere = self.taken_elsewhere.borrow().clone();
        self.get(id).is_some() || elsewhere.is_some_and(|taken| taken(id))
    }

    /// The context that the jobs live in.
    pub fn context(&self) -> &AioContext {
        &self.context
    }

    /// The jobs that are not over, the newest first, as `query-jobs` shows them; with those that
    /// have no name. The counterpart of `job_next` (`job.c`).
    #[must_use]
    pub fn jobs(&self) -> Vec<Rc<Job>> {
        self.jobs
            .borrow()
            .by_number
            .values()
            .rev()
            .cloned()
            .collect()
    }

    /// True if no job is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.borrow().by_number.is_empty()
    }

    /// The newest job.
    pub(crate) fn newest(&self) -> Option<Rc<Job>> {
        let jobs = self.jobs.borrow();
        jobs.by_number.last_key_value().map(|(_, job)| job.clone())
    }

    /// The job named `id`. The counterpart of `job_get` (`job.c`).
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Rc<Job>> {
        self.jobs.borrow().by_id.get(id).cloned()
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
        let job = self.get(id).filter(|job| job.block_job().is_some());
        let id = id.to_owned();
        job.ok_or(JobError::BlockJobNotFound { id })
    }

    pub(crate) fn insert(&self, job: Rc<Job>) {
        let mut jobs = self.jobs.borrow_mut();
        let number = jobs.numbered;
        jobs.numbered += 1;
        job.number.set(number);
        if let Some(id) = job.id() {
            let before = jobs.by_id.insert(id.clone(), job.clone());
            assert!(before.is_none(), "the name of {job:?} is taken");
        }
        jobs.by_number.insert(number, job);
    }

    /// Takes `job` off the list. Its last holder may drop it with all that it owns, so no borrow is
    /// held when it returns.
    pub(crate) fn remove(&self, job: &Job) -> Option<Rc<Job>> {
        let mut jobs = self.jobs.borrow_mut();
        let listed = jobs.by_number.remove(&job.number.get())?;
        if let Some(id) = job.id() {
            // No holder ends here: `listed` is one more.
            jobs.by_id.remove(id);
        }
        Some(listed)
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

//! The list of jobs, which is what users see.
//!
//! Each context that jobs live in has one. What the jobs of a list leave for the main loop runs in the
//! list's own context, if that is the main one, and else by way of [`crate::main_loop`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::{Rc, Weak};

use blockjob_runtime::AioContext;
use blockjob_runtime::sync::Arc;
use blockjob_runtime::sync::atomic::{AtomicU64, Ordering};

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
    /// How many jobs all lists have had that share it.
    ages: RefCell<Arc<AtomicU64>>,
    on_arrival: RefCell<Vec<Rc<ArrivalFn>>>,
}

/// Called with each job that has moved here.
type ArrivalFn = dyn Fn(&Rc<Job>);

/// Whether a name is one that no new job can have.
type NameTaken = dyn Fn(&str) -> bool;

/// The jobs by age and by name, so that no command walks past all of them.
#[derive(Default)]
struct Jobs {
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
            ages: RefCell::default(),
            on_arrival: RefCell::default(),
        })
    }

    /// Has the ages of jobs be counted by `ages` from now on, which all lists have in common among which
    /// jobs move: so that the newest come first also when some of them have come from elsewhere.
    pub fn share_ages(&self, ages: &Arc<AtomicU64>) {
        self.ages.replace(ages.clone());
    }

    /// Has `hook` called with each job that arrives on this list from another context, when it is
    /// whole, and still drained. Those who follow jobs set their own hooks again there
    /// ([`Job::on_finished`], [`Job::on_idle`]), and find what they need in what the job
    /// [carries](Job::carry).
    pub fn on_arrival(&self, hook: impl Fn(&Rc<Job>) + 'static) {
        self.on_arrival.borrow_mut().push(Rc::new(hook));
    }

    /// Tells of a job that has moved here.
    pub(crate) fn announce(&self, job: &Rc<Job>) {
        let hooks = self.on_arrival.borrow().clone();
        hooks.iter().for_each(|hook| hook(job));
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
        // Relaxed: only that no two are the same matters.
        let number = self.ages.borrow().fetch_add(1, Ordering::Relaxed);
        self.insert_as(number, job);
    }

    /// Puts a job on the list that is as old as `number` says, or as nearly as others leave room.
    pub(crate) fn insert_as(&self, mut number: u64, job: Rc<Job>) {
        let mut jobs = self.jobs.borrow_mut();
        // Lists that do not share their ages may have the same.
        while jobs.by_number.contains_key(&number) {
            number += 1;
        }
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

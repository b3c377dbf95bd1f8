//! What the tests of jobs share: both lives of a main context, a list of jobs with a diary of its
//! events, and types of jobs that do nothing but what they are told.
#![allow(dead_code)] // Each test program uses some of it.

pub(crate) mod threads;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_jobs::driver::{JobChange, JobDriver, JobFuture, JobResult};
use blockjob_jobs::error::JobError;
use blockjob_jobs::event::{JobEvent, JobType};
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::list::JobList;
use blockjob_jobs::state::JobStatus;
use blockjob_runtime::AioContext;

/// How long [`TestJob`] sleeps between two looks at what it was told.
pub(crate) const NAP_NS: u64 = 100_000;

/// Makes of each body two tests: one on this machine, one in virtual time.
#[allow(unused_macros)] // As above.
macro_rules! in_both_lives {
    ($($(#[$meta:meta])* fn $name:ident($world:ident) $body:block)*) => { $(
        mod $name {
            #[allow(unused_imports)] // Not every body needs what the file imports.
            use super::*;

            fn body($world: common::World) $body

            #[test]
            $(#[$meta])*
            fn on_this_machine() {
                body(common::World::new(blockjob_runtime::AioContext::new()));
            }

            #[test]
            $(#[$meta])*
            fn in_virtual_time() {
                body(common::World::virtual_time());
            }
        }
    )* };
}

/// A main context with its jobs, and what watchers were told of them.
pub(crate) struct World {
    pub(crate) ctx: AioContext,
    pub(crate) list: Rc<JobList>,
    diary: Rc<RefCell<Vec<String>>>,
}

impl World {
    pub(crate) fn new(ctx: AioContext) -> World {
        let diary = Rc::new(RefCell::new(Vec::new()));
        let noted = diary.clone();
        let sink = move |event: JobEvent| noted.borrow_mut().push(describe(&event));
        let list = JobList::new(&ctx, Rc::new(sink));
        World { ctx, list, diary }
    }

    pub(crate) fn virtual_time() -> World {
        Self::new(AioContext::builder().virtual_time().build())
    }

    /// Makes job `id`; nothing about its end goes by itself.
    pub(crate) fn job(&self, id: &str, driver: Rc<dyn JobDriver>) -> Rc<Job> {
        self.job_with(id, driver, manual())
    }

    pub(crate) fn job_with(
        &self,
        id: &str,
        driver: Rc<dyn JobDriver>,
        options: JobOptions,
    ) -> Rc<Job> {
        Job::create(&self.list, Some(id), driver, options).expect("the job can be made")
    }

    /// A started job that naps until it is told something.
    pub(crate) fn started(&self, id: &str) -> (Rc<Job>, Rc<TestJob>) {
        let driver = TestJob::new();
        let job = self.job(id, driver.clone());
        job.start();
        (job, driver)
    }

    /// Has the diary say something in between.
    pub(crate) fn note(&self, text: &str) {
        self.diary.borrow_mut().push(text.to_owned());
    }

    /// What watchers were told since the last time.
    pub(crate) fn told(&self) -> String {
        self.diary.take().join(", ")
    }

    pub(crate) fn poll_until(&self, mut condition: impl FnMut() -> bool) {
        self.ctx.poll_while(|| !condition());
    }

    pub(crate) fn poll_until_status(&self, job: &Job, status: JobStatus) {
        self.poll_until(|| job.status() == status);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Coroutines hold their jobs, jobs their context, and the context its coroutines.
        self.ctx.close();
    }
}

pub(crate) fn describe(event: &JobEvent) -> String {
    let what = match event {
        JobEvent::StatusChange { status, .. } => status.to_string(),
        JobEvent::Completed { error: None, .. } => "BLOCK_JOB_COMPLETED".to_owned(),
        JobEvent::Completed {
            error: Some(error), ..
        } => format!("BLOCK_JOB_COMPLETED({error})"),
        JobEvent::Error {
            operation, action, ..
        } => format!(
            "BLOCK_JOB_ERROR({} {})",
            operation.as_str(),
            action.as_str()
        ),
        other => other.name().to_owned(),
    };
    match event.job_id().as_str() {
        "j0" => what,
        other => format!("{other} {what}"),
    }
}

/// Neither finalized nor dismissed by itself.
pub(crate) fn manual() -> JobOptions {
    JobOptions {
        auto_finalize: false,
        auto_dismiss: false,
        ..JobOptions::default()
    }
}

pub(crate) const EIO: JobError = JobError::Io { errno: 5 };

type Act = Box<dyn FnOnce(&Rc<Job>)>;

/// Naps until it is told to become ready, to complete, or to cancel. Once it is ready it knows soft
/// cancels, as a mirror does.
#[derive(Default)]
pub(crate) struct TestJob {
    pub(crate) should_converge: Cell<bool>,
    pub(crate) should_complete: Cell<bool>,
    /// How often the loop went round.
    pub(crate) rounds: Cell<u32>,
    /// How long a nap is; 0 stands for [`NAP_NS`].
    pub(crate) nap_ns: Cell<u64>,
    /// What `run` returns.
    pub(crate) fails_with: RefCell<Option<JobError>>,
    /// What `prepare` returns.
    pub(crate) prepare_fails_with: RefCell<Option<JobError>>,
    /// What the driver was asked to do in the main context, in order.
    pub(crate) asked: RefCell<Vec<&'static str>>,
    /// What happens in `prepare`.
    pub(crate) in_prepare: RefCell<Option<Act>>,
}

impl TestJob {
    pub(crate) fn new() -> Rc<TestJob> {
        Rc::default()
    }

    pub(crate) fn failing(error: JobError) -> Rc<TestJob> {
        let driver = Self::new();
        driver.fails_with.replace(Some(error));
        driver
    }

    /// Tells it to get ready, and waits for that.
    pub(crate) fn converge(&self, world: &World, job: &Job) {
        self.should_converge.set(true);
        world.poll_until_status(job, JobStatus::Ready);
    }

    pub(crate) fn asked(&self) -> String {
        self.asked.take().join(" ")
    }

    fn note(&self, what: &'static str) {
        self.asked.borrow_mut().push(what);
    }

    async fn work(&self, job: &Job) -> JobResult {
        while !self.should_complete.get() && !job.cancel_requested() {
            self.rounds.set(self.rounds.get() + 1);
            if self.should_converge.get() && !job.is_ready() {
                // The last of the work takes a moment.
                job.sleep_ns(0).await;
                if job.is_cancelled() {
                    break;
                }
                job.set_ready();
            }
            let nap_ns = self.nap_ns.get();
            job.sleep_ns(if nap_ns == 0 { NAP_NS } else { nap_ns })
                .await;
        }
        self.fails_with.borrow().clone().map_or(Ok(()), Err)
    }
}

impl JobDriver for TestJob {
    fn job_type(&self) -> JobType {
        JobType::Mirror
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(self.work(job))
    }

    fn complete(&self, job: &Rc<Job>) -> JobResult {
        self.should_complete.set(true);
        job.enter();
        Ok(())
    }

    fn cancel(&self, job: &Rc<Job>, force: bool) -> bool {
        force || !job.is_ready()
    }

    fn prepare(&self, job: &Rc<Job>) -> JobResult {
        self.note("prepare");
        if let Some(act) = self.in_prepare.take() {
            act(job);
        }
        self.prepare_fails_with.take().map_or(Ok(()), Err)
    }

    fn commit(&self, _job: &Rc<Job>) {
        self.note("commit");
    }

    fn abort(&self, _job: &Rc<Job>) {
        self.note("abort");
    }

    fn clean(&self, _job: &Rc<Job>) {
        self.note("clean");
    }

    fn user_resume(&self, _job: &Rc<Job>) {
        self.note("user_resume");
    }

    fn change(&self, _job: &Rc<Job>, _change: JobChange) -> JobResult {
        Ok(())
    }
}

/// A job of which each test writes the work.
pub(crate) struct Scripted<F>(pub(crate) F);

impl<F> JobDriver for Scripted<F>
where
    F: for<'a> Fn(&'a Rc<Job>) -> JobFuture<'a, JobResult> + 'static,
{
    fn job_type(&self) -> JobType {
        JobType::Backup
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        (self.0)(job)
    }
}

/// A job whose work is `work`.
pub(crate) fn scripted<F>(work: F) -> Rc<dyn JobDriver>
where
    F: for<'a> Fn(&'a Rc<Job>) -> JobFuture<'a, JobResult> + 'static,
{
    Rc::new(Scripted(work))
}

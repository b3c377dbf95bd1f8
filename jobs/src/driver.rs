//! What a type of job does: the part that differs between a mirror, a backup and a test.

use std::any::Any;
use std::pin::Pin;
use std::rc::Rc;

use blockjob_block::moving::{Arrival, Packer};
use blockjob_block::{BlockResult, Node};

use crate::error::JobError;
use crate::event::JobType;
use crate::job::Job;
use crate::moving::cannot_move;

/// What a job came to: nothing to say, or why it failed.
pub type JobResult = Result<(), JobError>;

/// A future of a job. It lives in one context, so it need not be `Send`.
pub type JobFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// How a mirror passes on what the guest writes. The counterpart of `MirrorCopyMode` in
/// `qapi/block-core.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MirrorCopyMode {
    /// The guest's write marks a dirty bit, and the job copies later.
    #[default]
    Background,
    /// The guest's write goes to both disks before the guest hears of it.
    WriteBlocking,
    /// In the background for as long as that can win; then it turns to write-blocking. QEMU has
    /// no counterpart.
    Auto,
}

impl MirrorCopyMode {
    /// The name as QAPI writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::WriteBlocking => "write-blocking",
            Self::Auto => "auto",
        }
    }

    /// The mode in force when somebody has just asked for this one.
    #[must_use]
    pub const fn to_begin_with(self) -> Self {
        match self {
            Self::Auto => Self::Background,
            mode => mode,
        }
    }
}

/// An option to be changed while the job works. The counterpart of `BlockJobChangeOptions` in
/// `qapi/block-core.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobChange {
    /// For a mirror.
    Mirror {
        /// `copy-mode`: the mode from now on.
        copy_mode: MirrorCopyMode,
    },
}

/// What the driver of a job has handed over.
pub trait PackedJobDriver: Send {
    /// The driver again, in its new context. The nodes are there, and drained; the job is not.
    fn unpack(self: Box<Self>, arrival: &Arrival<'_>) -> Rc<dyn JobDriver>;
}

/// A type of job. The counterpart of `JobDriver` (`include/qemu/job.h`) and `BlockJobDriver`
/// (`include/block/blockjob_int.h`).
///
/// `run`, `pause` and `resume` are parts of the job's coroutine and run in the job's home; all others
/// are called in the context of the job's list, which is where the nodes are, and in main's turn
/// ([`crate::main_loop`]) if that is not the main one. Those that may poll the event loop say so; they are never called
/// inside of a coroutine unless the caller of a verb is in one, which [`Job`]'s methods forbid where
/// it matters.
pub trait JobDriver: 'static {
    /// Itself, for those who know of one type of jobs; the default is not to say.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }

    /// What the job does, for events and queries.
    fn job_type(&self) -> JobType;

    /// The work, as the body of the job's coroutine. When it ends the job is completed in the main
    /// context, from a bottom half: what it returns decides between [`prepare`](Self::prepare) and
    /// [`abort`](Self::abort). It must look at [`Job::is_cancelled`] after each wait and soon end if
    /// it is set; the result is then made a cancellation.
    ///
    /// QEMU: `run` of `JobDriver` (`include/qemu/job.h`).
    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult>;

    /// Before the job stands still at a pause point: wait here for what is in flight.
    fn pause<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, ()> {
        let _ = job;
        Box::pin(async {})
    }

    /// After a pause point, and before the work goes on.
    fn resume<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, ()> {
        let _ = job;
        Box::pin(async {})
    }

    /// The user resumes the job, or cancels it while it is paused. Must not poll.
    fn user_resume(&self, job: &Rc<Job>) {
        let _ = job;
    }

    /// True while a drained section has to wait for the job. Asked only while the job is busy, which
    /// is why the default says yes; a driver that knows that nothing is in flight and nothing can be
    /// started may say no.
    ///
    /// QEMU: `drained_poll` of `BlockJobDriver` (`include/block/blockjob_int.h`).
    fn drained_poll(&self, job: &Rc<Job>) -> bool {
        let _ = job;
        true
    }

    /// Finish a job that is ready. Must not poll; enter the job if it has to look.
    ///
    /// # Errors
    ///
    /// The default is [`JobError::CannotComplete`]: the job ends by itself.
    fn complete(&self, job: &Rc<Job>) -> JobResult {
        Err(job.cannot_complete())
    }

    /// The job is being cancelled, with `force` or without. Returns whether the cancellation abandons
    /// the work; `false` is a soft one, upon which `run` finishes in good order and succeeds. Called
    /// also for a job whose `run` has ended. Must not poll.
    fn cancel(&self, job: &Rc<Job>, force: bool) -> bool {
        let _ = (job, force);
        true
    }

    /// The last step that can fail, once every job of the transaction has succeeded. May poll.
    ///
    /// # Errors
    ///
    /// An error aborts the whole transaction.
    fn prepare(&self, job: &Rc<Job>) -> JobResult {
        let _ = job;
        Ok(())
    }

    /// The job's transaction has succeeded. May poll.
    fn commit(&self, job: &Rc<Job>) {
        let _ = job;
    }

    /// The job's transaction has failed, through this job or another. `run` has ended, or never
    /// began; `prepare` may have run. May poll.
    fn abort(&self, job: &Rc<Job>) {
        let _ = job;
    }

    /// After [`commit`](Self::commit) or [`abort`](Self::abort): give up what the job holds. May poll.
    fn clean(&self, job: &Rc<Job>) {
        let _ = job;
    }

    /// The limit is `speed_bytes_per_s` from now on; 0 is unlimited. The job's own rate limit knows
    /// already. Must not poll.
    fn set_speed(&self, job: &Rc<Job>, speed_bytes_per_s: u64) {
        let _ = (job, speed_bytes_per_s);
    }

    /// Nodes that the job needs besides those that it uses: they live in the same context.
    fn ties(&self) -> Vec<Rc<Node>> {
        Vec::new()
    }

    /// True if the driver holds nodes in other ways than by the job's use of them.
    fn holds_nodes(&self) -> bool {
        false
    }

    /// How many drained sections it holds and hands to [`Packer::section`].
    fn sections(&self) -> usize {
        0
    }

    /// Whether the job may go on in another context from where it stands at its next pause point, or why
    /// not. Must only look.
    ///
    /// # Errors
    ///
    /// The default is that it cannot.
    fn can_move(&self, job: &Rc<Job>) -> BlockResult<()> {
        Err(cannot_move(job, "its type does not support it"))
    }

    /// Hands over what the driver knows, and lets go of what lives in this context. The job stands still
    /// at a pause point, or was not started, or is completed; its coroutine is gone. Called once, after
    /// [`can_move`](Self::can_move) has allowed it.
    ///
    /// # Panics
    ///
    /// If it never allows it.
    fn pack(&self, job: &Rc<Job>, packer: &Packer<'_>) -> Box<dyn PackedJobDriver> {
        let _ = packer;
        unreachable!("{job:?} has not said that it can move");
    }

    /// The job is there again, in its new context and with its nodes, all of them drained. If it had been
    /// started, [`run`](Self::run) is called anew when the drained section ends, and goes on from
    /// what the driver knows.
    fn arrived(&self, job: &Rc<Job>) {
        let _ = job;
    }

    /// Change an option while the job works. Must not poll.
    ///
    /// # Errors
    ///
    /// The default is [`JobError::ChangeUnsupported`].
    fn change(&self, job: &Rc<Job>, change: JobChange) -> JobResult {
        let _ = (job, change);
        Err(JobError::ChangeUnsupported)
    }
}

//! Reading both sides back, at the end of M14: the source is drained and the target flushed, so they
//! must be the same.
//!
//! What both sides know to be zero is the same; all else is read, from both, and compared. The target
//! is read as a guest would read it who got it now. Where its file is read through the page cache, the
//! cache is asked to forget it first: what comes then comes from the storage, or from whatever that
//! keeps itself. The cache need not obey; only direct I/O is sure to pass it by.
//!
//! A target that gets its backing file only afterwards shows there what the source shows: of such
//! ranges it is only asked that the source has nothing of its own in them.
//!
//! The guest waits all the while, so no speed limit holds. Whoever else wants the disks or the job
//! gets them: then the guest goes on, and another attempt begins from the first byte.
//!
//! QEMU has no counterpart.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::BlockError;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::file::FileDriver;
use blockjob_runtime::CoQueue;
use futures_lite::future::zip;

use super::options::{MAX_IO_BYTES, MirrorSync};
use super::state::MirrorJob;
use super::steps::MirrorEvent;
use crate::error::{EIO, JobError};
use crate::error_policy::{ErrorAction, OnError};
use crate::job::Job;

/// Pieces that are read at a time, at most.
const MAX_PIECES: usize = 8;
/// The smallest piece, in bytes, whatever the buffers allow.
const MIN_PIECE: u64 = 4096;
/// How much of the disk is asked about at a time.
const STATUS_BYTES: u64 = 1 << 30;

/// What reading both sides back has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verified {
    /// Nobody has asked.
    #[default]
    NotAsked,
    /// It was asked for, and the job ended before both sides were read.
    Unfinished,
    /// Both sides were the same.
    Passed,
    /// They were not.
    Failed(Difference),
}

/// Where two disks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The first byte that differs.
    pub offset: u64,
    /// Where the range begins that was compared at once.
    pub range_offset: u64,
    /// How long that is, in bytes.
    pub range_bytes: u64,
    /// How many bytes of it differ.
    pub differing_bytes: u64,
}

impl Difference {
    fn between(offset: u64, source: &[u8], target: &[u8]) -> Option<Difference> {
        if source == target {
            return None;
        }
        let pairs = || source.iter().zip(target);
        let first = pairs().position(|(source, target)| source != target)?;
        Some(Difference {
            offset: offset + first as u64,
            range_offset: offset,
            range_bytes: source.len() as u64,
            differing_bytes: pairs().filter(|(source, target)| source != target).count() as u64,
        })
    }

    /// The result of a job whose copy differs.
    fn error(&self) -> JobError {
        let text = format!(
            "Verification failed: the target differs from the source at byte {}; of the {} bytes from \
             byte {} on, {} differ",
            self.offset, self.range_bytes, self.range_offset, self.differing_bytes
        );
        JobError::Failed { errno: EIO, text }
    }
}

/// How far the verification of a mirror is.
#[derive(Clone, Default)]
pub(super) struct VerifyState {
    verified: Cell<Verified>,
    /// Bytes that are known to be the same, while it is under way.
    same_bytes: Cell<Option<u64>>,
}

impl VerifyState {
    /// Before the job begins.
    pub(super) fn new(asked: bool) -> Self {
        let verified = match asked {
            true => Verified::Unfinished,
            false => Verified::NotAsked,
        };
        VerifyState {
            verified: Cell::new(verified),
            same_bytes: Cell::new(None),
        }
    }

    pub(super) fn verified(&self) -> Verified {
        self.verified.get()
    }

    /// Both sides are the same, if that was the question.
    pub(super) fn passed(&self) {
        if self.verified.get() != Verified::NotAsked {
            self.verified.set(Verified::Passed);
        }
    }

    fn add(&self, bytes: u64) {
        let same = self.same_bytes.get().unwrap_or(0);
        self.same_bytes.set(Some(same + bytes));
    }
}

/// What M14 does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both sides are the same, or nobody asks.
    Same,
    /// The guest goes on. The job has failed, or others want it or its disks.
    Again,
    /// The guest goes on, and in a while there is another attempt: a request failed, and the policy
    /// says to go on.
    Retry,
}

/// What the readers of one attempt share.
#[derive(Default)]
struct Attempt {
    reading: Cell<usize>,
    /// The first that was found.
    difference: Cell<Option<Difference>>,
    /// What has failed first, with the policy of its side.
    failure: RefCell<Option<(OnError, BlockError)>>,
    /// Whoever waits for a piece.
    ended: CoQueue,
}

impl Attempt {
    fn differs(&self, found: Difference) {
        let first = self.difference.get();
        // Pieces are begun in order and end in any.
        if first.is_none_or(|first| found.offset < first.offset) {
            self.difference.set(Some(found));
        }
    }

    fn is_over(&self) -> bool {
        self.difference.get().is_some() || self.failure.borrow().is_some()
    }
}

/// What is known of a range without reading it.
enum Known {
    Same,
    /// The target will show there what is below it, and the source something else.
    Missing,
    Nothing,
}

impl MirrorJob {
    /// How many bytes have been found to be the same on both sides, while they are read back; `None`
    /// at any other time. The guest waits meanwhile.
    pub fn verified_bytes(&self) -> Option<u64> {
        self.verify.same_bytes.get()
    }

    /// Reads both sides back, if that was asked for. The source is drained, and the target flushed.
    pub(super) async fn verify(self: &Rc<Self>, job: &Rc<Job>) -> Verdict {
        if !self.options.verify {
            return Verdict::Same;
        }
        self.report(MirrorEvent::MirrorBeforeVerify);
        self.verify.same_bytes.set(Some(0));
        let attempt = Rc::new(Attempt::default());
        self.forget_target().await;
        let whole = self.read_both(job, &attempt).await;
        // Also when it is over: nothing of it may be under way when the source is not drained any more.
        while attempt.reading.get() > 0 {
            attempt.ended.wait().await;
        }
        self.verify.same_bytes.set(None);
        if let Some(difference) = attempt.difference.get() {
            self.verify.verified.set(Verified::Failed(difference));
            *self.ret.borrow_mut() = Some(difference.error());
            return Verdict::Again;
        }
        if let Some((policy, error)) = attempt.failure.take() {
            let is_read = true;
            if job.error_action(policy, is_read, error.errno()) == ErrorAction::Report {
                self.set_ret(&error);
            }
            return Verdict::Retry;
        }
        if !whole {
            return Verdict::Again;
        }
        self.verify.passed();
        Verdict::Same
    }

    /// Has the page cache forget the files of the target, if it will.
    async fn forget_target(&self) {
        let mut open = vec![self.target_node()];
        while let Some(node) = open.pop() {
            if let Some(file) = node.driver().as_any().downcast_ref::<FileDriver>() {
                file.forget_cached(&node).await;
            }
            // What is below the disk's own image was not written.
            let own = node.children().into_iter();
            let own = own.filter(|child| child.role() != ChildRole::Cow);
            open.extend(own.map(|child| child.node()));
        }
    }

    /// True if all was begun, and false if it is over before that.
    async fn read_both(self: &Rc<Self>, job: &Rc<Job>, attempt: &Rc<Attempt>) -> bool {
        let len = self.len_bytes.get();
        let mut at = 0;
        while at < len {
            let (known, bytes) = self.known_at(at, (len - at).min(STATUS_BYTES)).await;
            let end = at + bytes;
            match known {
                Known::Same => self.verify.add(bytes),
                Known::Missing => attempt.differs(Difference {
                    offset: at,
                    range_offset: at,
                    range_bytes: bytes,
                    differing_bytes: bytes,
                }),
                Known::Nothing => {
                    let mut offset = at;
                    while offset < end {
                        let piece = self.piece_bytes().min(end - offset);
                        if !self.may_read(job, attempt, piece).await {
                            return false;
                        }
                        self.begin_piece(attempt, offset, piece);
                        offset += piece;
                    }
                }
            }
            if attempt.is_over() || self.is_wanted(job) {
                return false;
            }
            at = end;
        }
        true
    }

    /// How long a piece is, at most: two buffers for each are part of what the job may fill.
    fn piece_bytes(&self) -> u64 {
        let most = (self.buf_total.get() / 2).clamp(MIN_PIECE, MAX_IO_BYTES);
        most & !(MIN_PIECE - 1)
    }

    /// Waits until another piece can be begun; false if it is over.
    async fn may_read(&self, job: &Job, attempt: &Attempt, bytes: u64) -> bool {
        loop {
            if attempt.is_over() || self.is_wanted(job) {
                return false;
            }
            let reading = attempt.reading.get();
            let filled = (reading as u64 + 1) * 2 * bytes;
            // One is always read, if the buffers are ever so small.
            if reading == 0 || (reading < MAX_PIECES && filled <= self.buf_total.get()) {
                return true;
            }
            attempt.ended.wait().await;
        }
    }

    /// Whether somebody else wants the job, or its disks, and the guest is to go on.
    fn is_wanted(&self, job: &Job) -> bool {
        if job.is_cancelled() || job.is_user_paused() {
            return true;
        }
        let (source, target) = (self.source_node(), self.target_node());
        let graph = source.graph().expect("the graph outlives jobs");
        let sections = graph.open_sections();
        // That of this job is established.
        sections.iter().any(|section| {
            !section.established()
                && (section.covers(&graph, &source) || section.covers(&graph, &target))
        })
    }

    /// What is known of a range without reading it, and for how many bytes. What cannot be said is
    /// read, and a failure is met again there.
    async fn known_at(&self, offset: u64, bytes: u64) -> (Known, u64) {
        let (source, target) = (self.source_node(), self.target_node());
        let Ok(there) = target.block_status_above(None, offset, bytes).await else {
            return (Known::Nothing, bytes);
        };
        let bytes = there.bytes;
        if !there.allocated && self.target_misses_backing() {
            if self.options.sync == MirrorSync::None {
                // What is not copied it has from the source, or the user says that it has.
                return (Known::Same, bytes);
            }
            let base = self.base();
            return match source
                .block_status_above(base.as_deref(), offset, bytes)
                .await
            {
                Ok(here) if here.allocated => (Known::Missing, here.bytes),
                Ok(here) => (Known::Same, here.bytes),
                Err(_) => (Known::Nothing, bytes),
            };
        }
        match source.block_status_above(None, offset, bytes).await {
            Ok(here) if here.zero && there.zero => (Known::Same, here.bytes),
            Ok(here) => (Known::Nothing, here.bytes),
            Err(_) => (Known::Nothing, bytes),
        }
    }

    fn begin_piece(self: &Rc<Self>, attempt: &Rc<Attempt>, offset: u64, bytes: u64) {
        attempt.reading.set(attempt.reading.get() + 1);
        let (mirror, attempt) = (self.clone(), attempt.clone());
        let coroutine = self.context.coroutine("mirror_verify", async move {
            match mirror.compare(offset, bytes).await {
                Ok(None) => mirror.verify.add(bytes),
                Ok(Some(difference)) => attempt.differs(difference),
                Err(failure) => {
                    attempt.failure.borrow_mut().get_or_insert(failure);
                }
            }
            attempt.reading.set(attempt.reading.get() - 1);
            attempt.ended.wake_all();
        });
        coroutine.enter();
    }

    async fn compare(
        &self,
        offset: u64,
        bytes: u64,
    ) -> Result<Option<Difference>, (OnError, BlockError)> {
        let (here, there) = (self.source(), self.target());
        let buffer = || self.pool.get(bytes as usize);
        let (source, target) = zip(here.read(offset, buffer()), there.read(offset, buffer())).await;
        let ((source, source_result), (target, target_result)) = (source, target);
        let result = match (source_result, target_result) {
            (Err(error), _) => Err((self.options.on_source_error, error)),
            (_, Err(error)) => Err((self.options.on_target_error, error)),
            (Ok(()), Ok(())) => Ok(Difference::between(offset, &source, &target)),
        };
        self.pool.put(source);
        self.pool.put(target);
        result
    }
}

//! Mirrors of disks whose guests do not rest: in write-blocking mode they become READY all the same.
//!
//! What such a mirror has left to copy becomes less again and again, whatever guests do, as long as
//! nothing else is in its way: no error, no pause, no speed, no section, no other job that has the memory,
//! and no budget for the latency of guests, which comes first.

use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::mirror::conflicts::OperationKind;
use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::state::JobStatus;

use super::{Bounds, Field};
use crate::cast::Pair;
use crate::check::Scene;
use crate::config::Config;

/// How a mirror was when it last came to something.
#[derive(Clone, Copy, Default)]
struct Left {
    bytes: u64,
    since_ns: u64,
    /// Nothing was in its way then.
    counts: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Busy {
    left: Vec<Left>,
    /// Whether nothing in this world gets in the way of a job for good; not known before the first look.
    possible: Option<bool>,
}

impl Busy {
    pub(super) fn clear(&mut self) {
        self.left.clear();
        self.possible = None;
    }

    /// The name of a job that has come to nothing for too long.
    pub(super) fn late(&mut self, scene: &Scene<'_>, bounds: Bounds) -> Option<String> {
        let possible = self
            .possible
            .get_or_insert_with(|| is_possible(&scene.cast.config));
        if !*possible {
            return None;
        }
        // Of a granule it must first wait for guests' writes to end, and those for each other.
        let late_ns = bounds.stall_ns.saturating_add(bounds.outstanding_ns * 2);
        let pairs = &scene.cast.pairs;
        self.left.resize(pairs.len(), Left::default());
        for (pair, left) in pairs.iter().zip(&mut self.left) {
            let (Some(job), Some(mirror)) = (pair.job(), pair.mirror()) else {
                continue;
            };
            let bytes = left_bytes(&mirror);
            let counts = is_on_its_own(pair, &job, &mirror);
            if !left.counts || !counts || bytes < left.bytes {
                *left = Left {
                    bytes,
                    since_ns: scene.now_ns,
                    counts,
                };
            } else if scene.now_ns - left.since_ns > late_ns {
                return Some(job.label().to_string());
            }
        }
        None
    }
}

fn is_possible(config: &Config) -> bool {
    let no = |field| config.get(field) == 0;
    let reliable = [
        Field::ReadError,
        Field::WriteError,
        Field::TargetError,
        Field::TargetFull,
        Field::FlushError,
        Field::Hold,
        Field::Room,
        Field::Budget,
        Field::Abandon,
    ];
    // A discard is what the source makes of it, which may have to be copied; and what guests write to a
    // cluster that the target has not, too.
    let discards = config.get(Field::Kinds) >> 2 & 1 == 1;
    reliable.into_iter().all(no) && !discards && no(Field::Sync)
}

fn is_on_its_own(pair: &Pair, job: &Job, mirror: &MirrorJob) -> bool {
    let in_loop = mirror.last_step().is_some_and(|(step, _)| step >= Step::M7);
    in_loop
        && job.status() == JobStatus::Running
        && mirror.copy_mode() == MirrorCopyMode::WriteBlocking
        && job.speed_bytes_per_s() == 0
        && job.pause_count() == 0
        && !job.cancel_requested()
        && pair.source_node().quiesce_counter() == 0
        && pair.target_node().quiesce_counter() == 0
}

/// What is dirty, with what was dirty and has not been copied.
fn left_bytes(mirror: &MirrorJob) -> u64 {
    let operations = mirror.operations();
    let claims = operations
        .iter()
        .filter(|it| it.kind == OperationKind::Claim);
    let claimed: u64 = claims.map(|it| it.range.end - it.range.start).sum();
    mirror.dirty_bytes() + claimed
}

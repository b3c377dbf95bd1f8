//! What is kept of jobs that are over, for those who missed the last event.
//!
//! Only mirrors leave a receipt: a job that makes an image copies nothing, and says all that there is
//! to say of it in `query-jobs`, until it is dismissed.

use std::collections::VecDeque;
use std::rc::Rc;

use blockjob_block::Node;
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorSync, Receipt, Verified};
use blockjob_runtime::sync::{Arc, Mutex};

use super::Daemon;
use super::open::filename;
use crate::qapi::types::mirror::MirrorSyncMode;
use crate::qapi::types::receipt::{
    JobOutcome, JobReceipt, JobReceiptDifference, JobReceiptDisk, JobVerified,
};

/// How many are kept; then the oldest is forgotten for each that comes.
pub const MAX_RECEIPTS: usize = 1000;

const NS_PER_MS: u64 = 1_000_000;

/// The receipts of jobs in all contexts.
#[derive(Default)]
pub struct Receipts(Mutex<Kept>);

/// The receipts, the oldest first.
#[derive(Default)]
struct Kept {
    receipts: VecDeque<Arc<JobReceipt>>,
    /// How many there have been.
    written: u64,
}

impl Receipts {
    /// Those that are kept, of jobs named `id` if one is given, the oldest first.
    pub fn of(&self, id: Option<&str>) -> Vec<Arc<JobReceipt>> {
        let kept = self.0.lock();
        let receipts = kept.receipts.iter();
        let wanted = receipts.filter(|it| id.is_none_or(|id| it.id == id));
        wanted.cloned().collect()
    }

    /// Keeps `receipt`, with the next number.
    pub fn add(&self, mut receipt: JobReceipt) {
        let mut kept = self.0.lock();
        kept.written += 1;
        receipt.number = kept.written;
        if kept.receipts.len() == MAX_RECEIPTS {
            kept.receipts.pop_front();
        }
        kept.receipts.push_back(Arc::new(receipt));
    }
}

/// The names of the files of a mirror's disks, which are known by them as long as both are there. The job
/// carries them to wherever it goes.
#[derive(Clone)]
pub struct Filenames {
    source: String,
    target: String,
}

impl Filenames {
    /// Of two nodes as they are now.
    pub fn of(daemon: &Rc<Daemon>, source: &Rc<Node>, target: &Rc<Node>) -> Self {
        let of = |node: &Rc<Node>| filename::of(daemon, &node.skip_implicit_filters()).shown();
        Filenames {
            source: of(source),
            target: of(target),
        }
    }
}

/// Has a receipt kept when `job`, which is `mirror`, is over.
pub fn keep(daemon: &Rc<Daemon>, job: &Job, mirror: &Rc<MirrorJob>, names: Filenames) {
    job.carry(names.clone());
    keep_when_finished(daemon, job, mirror, names);
}

/// Has that done here which [`keep`] has asked for elsewhere: `job` has come from another context.
pub fn keep_on(daemon: &Rc<Daemon>, job: &Rc<Job>) {
    if let (Some(mirror), Some(names)) = (MirrorJob::of(job), job.carried::<Filenames>()) {
        keep_when_finished(daemon, job, &mirror, names);
    }
}

fn keep_when_finished(daemon: &Rc<Daemon>, job: &Job, mirror: &Rc<MirrorJob>, names: Filenames) {
    let (daemon, mirror) = (Rc::downgrade(daemon), Rc::downgrade(mirror));
    job.on_finished(move |_, _| {
        let receipt = mirror.upgrade().and_then(|mirror| mirror.receipt());
        if let (Some(daemon), Some(receipt)) = (daemon.upgrade(), receipt) {
            daemon.common().receipts.add(of_mirror(receipt, names));
        }
    });
}

fn of_mirror(receipt: Receipt, names: Filenames) -> JobReceipt {
    let disk = |node_name, filename| JobReceiptDisk {
        node_name,
        filename,
    };
    let outcome = receipt.outcome;
    let stats = outcome.stats;
    let (end, error) = match outcome.end {
        MirrorEnd::Pivoted => (JobOutcome::Pivoted, None),
        MirrorEnd::PointInTime => (JobOutcome::PointInTime, None),
        MirrorEnd::Abandoned => (JobOutcome::Abandoned, None),
        MirrorEnd::Failed(error) => (JobOutcome::Failed, Some(error.to_string())),
    };
    let (verified, difference) = of_verified(receipt.verified);
    JobReceipt {
        number: 0,
        id: receipt.job,
        job_type: JobType::Mirror,
        outcome: end,
        error,
        source: disk(receipt.source, names.source),
        target: disk(receipt.target, names.target),
        sync: sync_mode(receipt.sync),
        copy_mode: receipt.copy_mode,
        len: outcome.len_bytes,
        copied_bytes: stats.copied_bytes,
        zeroed_bytes: stats.zeroed_bytes,
        skipped_bytes: stats.skipped_bytes,
        recopied_bytes: stats.recopied_bytes,
        active_bytes: stats.active_bytes,
        flushes: stats.flushes,
        flushed: outcome.flushed,
        guest_writes: receipt.guest_writes,
        last_guest_write: receipt.last_guest_write,
        caught_up: receipt.caught_up,
        ready_ms: receipt.ready_ns.map(|ready_ns| ready_ns / NS_PER_MS),
        drained_ms: receipt.drained_ns / NS_PER_MS,
        duration_ms: receipt.duration_ns / NS_PER_MS,
        verified,
        difference,
    }
}

fn of_verified(verified: Verified) -> (JobVerified, Option<JobReceiptDifference>) {
    match verified {
        Verified::NotAsked => (JobVerified::NotAsked, None),
        Verified::Unfinished => (JobVerified::Unfinished, None),
        Verified::Passed => (JobVerified::Passed, None),
        Verified::Failed(found) => {
            let difference = JobReceiptDifference {
                offset: found.offset,
                range_offset: found.range_offset,
                range_bytes: found.range_bytes,
                differing_bytes: found.differing_bytes,
            };
            (JobVerified::Failed, Some(difference))
        }
    }
}

fn sync_mode(sync: MirrorSync) -> MirrorSyncMode {
    match sync {
        MirrorSync::Full => MirrorSyncMode::Full,
        MirrorSync::Top => MirrorSyncMode::Top,
        MirrorSync::None => MirrorSyncMode::None,
        MirrorSync::Incremental => MirrorSyncMode::Incremental,
        MirrorSync::Bitmap => MirrorSyncMode::Bitmap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockjob_jobs::driver::MirrorCopyMode;
    use blockjob_jobs::mirror::{MirrorStats, Outcome};

    fn receipt(job: &str) -> JobReceipt {
        let receipt = Receipt {
            job: job.to_owned(),
            outcome: Outcome {
                end: MirrorEnd::Pivoted,
                stats: MirrorStats::default(),
                flushed: true,
                len_bytes: 0,
            },
            source: "a".to_owned(),
            target: "b".to_owned(),
            sync: MirrorSync::Full,
            copy_mode: MirrorCopyMode::Background,
            guest_writes: 0,
            last_guest_write: Some(0),
            caught_up: 1,
            ready_ns: Some(0),
            drained_ns: 0,
            duration_ns: 0,
            verified: Verified::NotAsked,
        };
        let names = Filenames {
            source: "a.img".to_owned(),
            target: "b.img".to_owned(),
        };
        of_mirror(receipt, names)
    }

    #[test]
    fn the_oldest_receipts_are_forgotten_and_the_numbers_go_on() {
        let receipts = Receipts::default();
        for number in 0..MAX_RECEIPTS + 7 {
            receipts.add(receipt(["even", "odd"][number % 2]));
        }
        let all = receipts.of(None);
        assert_eq!(all.len(), MAX_RECEIPTS);
        assert_eq!((all[0].number, all[MAX_RECEIPTS - 1].number), (8, 1007));
        let odd = receipts.of(Some("odd"));
        assert_eq!(odd.len(), MAX_RECEIPTS / 2);
        assert!(odd.iter().all(|receipt| receipt.number % 2 == 0));
    }
}

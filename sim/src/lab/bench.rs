//! What the labs about copying have in common: a disk that a guest writes to, a target, and a job between
//! them whose parts are the learner's.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::bitmap::NodeBitmap;
use blockjob_block::{BlockBackend, BlockResult, Drained, Node, Perm, PermPair};
use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::driver::JobDriver;
use blockjob_jobs::job::{Job, JobOptions};
use bytes::{Bytes, BytesMut};

use super::court::Court;
use crate::cast::Cast;
use crate::failure::Rule;
use crate::run::Runner;

/// Users may go on, but nobody else may write to the target or take it for a disk.
const SOURCE: PermPair = PermPair::new(
    Perm::CONSISTENT_READ,
    Perm::CONSISTENT_READ
        .or(Perm::WRITE)
        .or(Perm::WRITE_UNCHANGED),
);
const TARGET: PermPair = PermPair::new(Perm::WRITE, Perm::WRITE_UNCHANGED);

/// How the job calls the drained section that it holds for its own end.
const OWNER: &str = "mirror_exit";

/// What is known of the copies of one granule.
#[derive(Clone, Copy, Default)]
struct Granule {
    /// Copies that have begun to read and have not written.
    copies: u32,
    /// When the last read began its bit was set.
    was_dirty: bool,
    /// The last copy failed.
    failed: bool,
}

/// The two disks of a copy, and the dirty bitmap of the source, as the job holds them.
///
/// The bitmap has a bit for each granule, all set to begin with. The engine sets the bits of a write of
/// the guest when it has ended, before the guest hears of it.
pub struct Disks {
    /// To read from.
    pub source: Rc<BlockBackend>,
    /// To write to.
    pub target: Rc<BlockBackend>,
    /// Which granules of the source are to be copied.
    pub bitmap: Rc<NodeBitmap>,
    /// The user has asked the job to complete.
    pub should_complete: Cell<bool>,
    /// True while the job's own drained section looks who is busy: the job must leave itself out then.
    pub asking: Cell<bool>,
    pub(crate) cast: Rc<Cast>,
    pub(crate) court: Court,
    source_node: Rc<Node>,
    target_node: Rc<Node>,
    len_bytes: u64,
    granularity: u64,
    granules: RefCell<Vec<Granule>>,
    /// Copies that have begun and not ended, and the most there ever were.
    in_flight: Cell<u32>,
    pub(crate) most_in_flight: Cell<u32>,
    /// The target has been written to since it was last flushed.
    pub(crate) unflushed: Cell<bool>,
    let_go: Cell<bool>,
    /// The job's work is abandoned: it begins no more copies.
    pub(crate) abandoned: Cell<bool>,
}

impl Disks {
    /// So many copies may be in flight at a time.
    pub const MAX_IN_FLIGHT: u32 = 4;

    fn new(cast: &Rc<Cast>, court: &Court) -> Rc<Disks> {
        let pair = &cast.pairs[0];
        let (source_node, target_node) = (pair.source_node(), pair.target_node());
        let backend = |node, perms| {
            let backend = BlockBackend::new(&cast.graph, "", perms).expect("it needs no name");
            backend
                .insert(node)
                .expect("the guest lets the job use the disks");
            // A job pauses instead.
            backend.set_queue_requests(false);
            backend
        };
        let source = backend(&source_node, SOURCE);
        let target = backend(&target_node, TARGET);
        let granularity = cast.config.get(crate::config::Field::Granularity);
        let bitmap = source_node.create_dirty_bitmap(None, granularity);
        let bitmap = bitmap.expect("the granularity is a power of two");
        bitmap.bits_mut().set_all();
        let len_bytes = cast.config.len_bytes();
        let granules = vec![Granule::default(); len_bytes.div_ceil(granularity) as usize];
        Rc::new(Disks {
            source,
            target,
            bitmap,
            should_complete: Cell::new(false),
            asking: Cell::new(false),
            cast: cast.clone(),
            court: court.clone(),
            source_node,
            target_node,
            len_bytes,
            granularity,
            granules: RefCell::new(granules),
            in_flight: Cell::new(0),
            most_in_flight: Cell::new(0),
            unflushed: Cell::new(false),
            let_go: Cell::new(false),
            abandoned: Cell::new(false),
        })
    }

    /// The length of both disks in bytes, a multiple of [`granularity`](Self::granularity).
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Bytes of a granule.
    pub fn granularity(&self) -> u64 {
        self.granularity
    }

    /// Bytes of the granules that are dirty now.
    pub fn dirty_bytes(&self) -> u64 {
        self.bitmap.bits().dirty_bytes()
    }

    /// The node of the disk in use.
    pub fn source_node(&self) -> Rc<Node> {
        self.source_node.clone()
    }

    /// The node that it is copied to.
    pub fn target_node(&self) -> Rc<Node> {
        self.target_node.clone()
    }

    /// Copies that have begun to read and have not ended their write.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    /// Has `future` run as a coroutine of the main context, beside the job's.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.cast.main.coroutine("copy", future).wake();
    }

    /// Reads the granule at `offset` from the source: the first half of its copy.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub async fn read(&self, offset: u64) -> BlockResult<Bytes> {
        self.begin(offset);
        let buf = BytesMut::zeroed(self.granularity() as usize);
        let (buf, result) = self.source.read(offset, buf).await;
        if let Err(error) = result {
            self.end(offset, true);
            return Err(error);
        }
        Ok(buf.freeze())
    }

    /// Writes the granule at `offset` to the target: the second half of its copy.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub async fn write(&self, offset: u64, data: Bytes) -> BlockResult<()> {
        self.unflushed.set(true);
        let result = self.target.write(offset, data).await;
        self.unflushed.set(true);
        self.end(offset, result.is_err());
        result
    }

    /// Makes safe what was written to the target.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub async fn flush(&self) -> BlockResult<()> {
        self.unflushed.set(false);
        let result = self.target.flush().await;
        if result.is_err() {
            self.unflushed.set(true);
        }
        result
    }

    /// Drains the source from the job's coroutine: when this returns, no request of the guest is in flight
    /// at it, and until the guard is dropped the guest's new ones wait.
    pub async fn drain_source(&self) -> Drained {
        let node = self.source_node.clone();
        node.co_drained_begin_asking(OWNER, &self.asking).await
    }

    /// Lets go of the disks: no more bitmap, no backend at the target, no node that the job uses. Called
    /// outside of coroutines, before the nodes change places; all but the first call do nothing.
    pub fn let_go(&self, job: &Job) {
        if self.let_go.replace(true) {
            return;
        }
        self.source_node.release_dirty_bitmap(&self.bitmap);
        self.source.remove();
        self.target.remove();
        if let Some(block_job) = job.block_job() {
            block_job.remove_all_bdrv();
        }
    }

    /// Where the target does not hold what the source does, if anywhere.
    pub(crate) fn first_difference(&self) -> Option<u64> {
        let pair = &self.cast.pairs[0];
        let (source, target) = (pair.source.store(), pair.target.store());
        let granularity = self.granularity() as usize;
        let pieces = source.bytes().chunks(granularity);
        let mut pieces = pieces.zip(target.bytes().chunks(granularity));
        let place = pieces.position(|(source, target)| source != target);
        place.map(|place| (place * granularity) as u64)
    }

    /// The source is drained and nothing is dirty: so both are to be the same.
    pub(crate) fn judge_copy(&self) {
        let Some(offset) = self.first_difference() else {
            return;
        };
        let place = offset / self.granularity();
        let granule = self.granules.borrow()[place as usize];
        let (name, why) = match granule {
            Granule { failed: true, .. } => (
                "lab-failed-copy",
                "its last copy failed, and nobody set its bit again",
            ),
            Granule {
                was_dirty: true, ..
            } => (
                "lab-late-clear",
                "its bit was still set when its last copy began to read, and was cleared later, \
                 so what the guest wrote in between was forgotten",
            ),
            _ => (
                "lab-differs",
                "nothing is dirty and no copy is in flight, so nobody will ever copy it",
            ),
        };
        let text = format!("The target differs from the source in granule {place}: {why}.");
        self.court.accuse(Rule::Data, name, text);
    }

    fn begin(&self, offset: u64) {
        let granularity = self.granularity();
        assert!(
            offset.is_multiple_of(granularity) && offset < self.len_bytes,
            "a copy begins at {offset}, which is not where a granule begins"
        );
        let place = (offset / granularity) as usize;
        if self.abandoned.get() {
            let text = format!("The job was cancelled, and then began a copy of granule {place}.");
            self.court.accuse(Rule::Cancel, "lab-cancelled", text);
        }
        let mut granules = self.granules.borrow_mut();
        let granule = &mut granules[place];
        granule.was_dirty = self.bitmap.bits().get(offset);
        granule.copies += 1;
        if granule.copies > 1 {
            let text = format!(
                "Granule {place} is being copied and a second copy of it begins: if the older one \
                 writes last, old data stays on the target."
            );
            self.court.accuse(Rule::Inflight, "lab-two-copies", text);
        }
        let in_flight = self.in_flight.get() + 1;
        self.in_flight.set(in_flight);
        self.most_in_flight
            .set(self.most_in_flight.get().max(in_flight));
        if in_flight > Self::MAX_IN_FLIGHT {
            let text = format!(
                "{in_flight} copies are in flight, and {} may be.",
                Self::MAX_IN_FLIGHT
            );
            self.court.accuse(Rule::Inflight, "lab-too-many", text);
        }
    }

    fn end(&self, offset: u64, failed: bool) {
        let mut granules = self.granules.borrow_mut();
        let granule = &mut granules[(offset / self.granularity()) as usize];
        granule.copies = granule.copies.saturating_sub(1);
        granule.failed = failed;
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
    }
}

/// Makes the job of each run of a lab.
pub trait Bench {
    /// What drives a job that has `disks`.
    fn driver(&self, disks: &Rc<Disks>) -> Rc<dyn JobDriver>;
}

impl<F: Fn(&Rc<Disks>) -> Rc<dyn JobDriver>> Bench for F {
    fn driver(&self, disks: &Rc<Disks>) -> Rc<dyn JobDriver> {
        self(disks)
    }
}

/// A runner in whose runs a job of `bench` copies the first disk. Each job starts before the guests do.
pub(crate) fn runner(court: &Court, bench: impl Bench + 'static) -> Runner {
    runner_that_tells(court, bench, |_, _| {})
}

/// The same; `tell` is told of each job before it starts.
pub(crate) fn runner_that_tells(
    court: &Court,
    bench: impl Bench + 'static,
    tell: impl Fn(&Rc<Disks>, &Rc<Job>) + 'static,
) -> Runner {
    let mut runner = Runner::new();
    runner.add_checker(court.checker());
    let court = court.clone();
    runner.add_prologue(move |cast| {
        let disks = Disks::new(cast, &court);
        let driver = bench.driver(&disks);
        let job = BlockJob::create(
            &cast.jobs,
            Some("mirror"),
            &disks.source_node(),
            PermPair::new(Perm::CONSISTENT_READ, SOURCE.shared),
            driver,
            JobOptions::default(),
        );
        let block_job = job.expect("the name is free");
        block_job
            .add_bdrv("target", &disks.target_node(), PermPair::HARMLESS)
            .expect("it is harmless");
        let job = block_job.job();
        // So that the monitor finds it.
        cast.pairs[0].living.borrow_mut().job = Some(job.clone());
        tell(&disks, &job);
        job.start();
    });
    runner
}

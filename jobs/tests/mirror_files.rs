//! The mirror on real files, over the real reactor and its pool of threads.
//!
//! Nothing here waits for a time: each test polls until the job has come to where it is expected.

#[path = "mirror/guests.rs"]
#[allow(dead_code)] // The tests in virtual time use more of it; the same goes for the next two.
mod guests;
#[path = "mirror/lab.rs"]
#[allow(dead_code)]
mod lab;
#[path = "mirror/model.rs"]
#[allow(dead_code)]
mod model;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::rc::Rc;

use blockjob_block::buf::BufferPool;
use blockjob_block::driver::file::{FileDriver, OpenOptions};
use blockjob_block::{BlockBackend, BlockResult, Graph, Node, Perm, PermPair};
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::job::Job;
use blockjob_jobs::list::JobList;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorOptions, Outcome, mirror_start};
use blockjob_runtime::{AioContext, CurrentGuard};
use guests::{Guest, Habits};
use lab::Dice;
use model::Model;
use tempfile::TempDir;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

struct World {
    ctx: AioContext,
    graph: Rc<Graph>,
    jobs: Rc<JobList>,
    pool: Rc<BufferPool>,
    folder: TempDir,
    _current: CurrentGuard,
}

impl World {
    fn new() -> World {
        let ctx = AioContext::new();
        World {
            graph: Graph::new(&ctx),
            jobs: JobList::new(&ctx, Rc::new(|_: JobEvent| ())),
            pool: Rc::new(BufferPool::new(4096, 64 << 20)),
            folder: tempfile::tempdir().expect("a temporary folder"),
            _current: ctx.make_current(),
            ctx,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of `len` bytes with noise in `pieces`, and holes elsewhere.
    fn file(&self, name: &str, len: u64, pieces: &[(u64, u64)]) -> PathBuf {
        let path = self.path(name);
        let file = File::create(&path).expect("the file can be made");
        file.set_len(len).expect("the file can be as long as that");
        for &(offset, bytes) in pieces {
            let bytes = bytes.min(len.saturating_sub(offset));
            file.write_all_at(&noise(offset, bytes), offset)
                .expect("the file can be written");
        }
        path
    }

    fn open(&self, name: &str) -> Rc<Node> {
        self.try_open(name, false).expect("the file is there")
    }

    fn try_open(&self, name: &str, direct: bool) -> BlockResult<Rc<Node>> {
        let driver = FileDriver::open(&OpenOptions::new(self.path(name)).direct(direct))?;
        self.graph
            .add_node(Some(name), Box::new(driver), false, &[])
    }

    /// The node of that name, opened if it is not yet.
    fn node(&self, name: &str) -> Rc<Node> {
        self.graph
            .find_node(name)
            .unwrap_or_else(|| self.open(name))
    }

    fn guest(&self, node: &Rc<Node>) -> Rc<BlockBackend> {
        let uses = Perm::CONSISTENT_READ | Perm::WRITE;
        let shares = Perm::CONSISTENT_READ | Perm::WRITE_UNCHANGED;
        let perms = PermPair::new(uses, shares);
        let guest = BlockBackend::new(&self.graph, "drive0", perms).expect("a new name");
        guest.insert(node).expect("the guest gets on with others");
        guest
    }

    fn mirror(&self, granularity: u64) -> (Rc<Job>, Rc<MirrorJob>) {
        let [source, target] = ["source", "target"].map(|name| self.node(name));
        let options = MirrorOptions {
            job_id: Some("job0".to_owned()),
            granularity,
            ..MirrorOptions::new()
        };
        mirror_start(&self.jobs, &self.pool, &source, &target, &options).expect("it starts")
    }

    fn until_ready(&self, job: &Job) {
        self.ctx
            .poll_while(|| !job.is_ready() && !job.is_completed());
        assert!(job.is_ready(), "{:?}", job.result());
    }

    fn until_end(&self, mirror: &MirrorJob) -> Outcome {
        self.ctx.poll_while(|| mirror.outcome().is_none());
        mirror.outcome().expect("it has ended")
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("the file can be read")
    }

    fn assert_same(&self) {
        let (source, target) = (self.bytes("source"), self.bytes("target"));
        assert_eq!(source.len(), target.len());
        let differs = source.iter().zip(&target).position(|(a, b)| a != b);
        assert_eq!(differs, None, "the first byte that differs");
    }

    /// How much of the file system a file takes up, in bytes.
    fn allocated(&self, name: &str) -> u64 {
        fs::metadata(self.path(name))
            .expect("the file is there")
            .blocks()
            * 512
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.ctx.close();
    }
}

fn noise(seed: u64, bytes: u64) -> Vec<u8> {
    let dice = Dice::new(seed + 1);
    (0..bytes).map(|_| dice.next() as u8 | 1).collect()
}

fn completed(world: &World, granularity: u64) -> Outcome {
    let (job, mirror) = world.mirror(granularity);
    world.until_ready(&job);
    job.complete().expect("a ready job completes");
    let outcome = world.until_end(&mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert!(outcome.is_copy());
    outcome
}

/// Odd in every respect.
const LEN: u64 = 6 * MIB + 12_345;
const PIECES: [(u64, u64); 5] = [
    (0, 4096),
    (100_000, 70_001),
    (2 * MIB, MIB),
    (4 * MIB - 4096, 8192),
    (LEN - 1000, 1000),
];

#[test]
fn a_dense_file_is_copied_byte_by_byte() {
    for (len, granularity) in [(LEN, 0), (MIB, 512), (4 * MIB, MIB), (1, 0), (0, 0)] {
        let world = World::new();
        world.file("source", len, &[(0, len)]);
        world.file("target", len, &[]);
        let outcome = completed(&world, granularity);
        assert_eq!(outcome.stats.copied_bytes, len);
        world.assert_same();
    }
}

#[test]
fn a_sparse_file_stays_sparse_whatever_the_granularity() {
    for granularity in [4096, 64 * KIB, MIB, 64 * MIB] {
        let world = World::new();
        world.file("source", LEN, &PIECES);
        world.file("target", LEN, &[]);
        completed(&world, granularity);
        world.assert_same();
        let (from, to) = (world.allocated("source"), world.allocated("target"));
        // The file system needs a block or two to find the pieces again.
        let few = from + 64 * KIB;
        assert!(
            to <= few,
            "{to} bytes are allocated, and {from} in the source"
        );
    }
}

#[test]
fn a_sparse_file_replaces_all_that_an_allocated_target_had() {
    let world = World::new();
    world.file("source", LEN, &PIECES);
    world.file("target", LEN, &[(0, LEN)]);
    let outcome = completed(&world, 0);
    assert!(outcome.stats.zeroed_bytes > LEN / 2);
    world.assert_same();
}

#[test]
fn a_guest_that_never_stops_finds_every_write_in_the_target() {
    for seed in 1..4 {
        let world = World::new();
        world.file("source", LEN / 4, &PIECES);
        world.file("target", LEN / 4, &[(0, LEN / 4)]);
        let source = world.open("source");
        let blk = world.guest(&source);
        let model = Rc::new(Model::new(world.bytes("source")));
        let habits = Habits::new(seed).depth(3).rest_ns(2_000_000);
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        let (job, mirror) = world.mirror(4096);
        world.until_ready(&job);
        let done = guest.done.get();
        world.ctx.poll_while(|| guest.done.get() < done + 20);
        job.complete().expect("a ready job completes");
        let outcome = world.until_end(&mirror);
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        assert!(outcome.is_copy());
        let done = guest.done.get();
        world.ctx.poll_while(|| guest.done.get() < done + 20);
        guest.stop();
        assert_eq!(blk.node().expect("it has one").name(), "target");
        model.assert_legal(&world.bytes("target"), "the target");
    }
}

#[test]
fn a_soft_cancel_leaves_a_copy_and_the_guest_at_the_source() {
    let world = World::new();
    world.file("source", MIB + 77, &PIECES);
    world.file("target", MIB + 77, &[]);
    let source = world.open("source");
    let blk = world.guest(&source);
    let model = Rc::new(Model::new(world.bytes("source")));
    let habits = Habits::new(9).depth(2).rest_ns(1_000_000);
    let guest = Guest::start(&world.ctx, &blk, &model, habits);
    let (job, mirror) = world.mirror(0);
    world.until_ready(&job);
    guest.stop();
    job.block_job_cancel(false).expect("a ready job can be");
    let outcome = world.until_end(&mirror);
    assert_eq!(outcome.end, MirrorEnd::PointInTime);
    assert!(outcome.is_copy());
    assert_eq!(blk.node().expect("it has one").name(), "source");
    world.assert_same();
    model.assert_legal(&world.bytes("target"), "the target");
}

#[test]
fn past_the_page_cache_an_odd_file_is_copied_and_grows_by_nothing() {
    let world = World::new();
    world.file("source", LEN, &PIECES);
    world.file("target", LEN, &[(0, LEN)]);
    let direct = ["source", "target"].map(|name| world.try_open(name, true));
    if let Some(Err(error)) = direct.iter().find(|node| node.is_err()) {
        println!("not tested: this file system knows no direct I/O: {error}");
        return;
    }
    completed(&world, 0);
    world.assert_same();
}

//! Jobs as users of nodes: drained sections hold them, others must get on with them.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::driver::null_co::{NullCoDriver, NullCoOptions};
use blockjob_block::op_blocker::BlockOp;
use blockjob_block::{BlockBackend, Graph, Node, Perm, PermPair};
use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::driver::{JobDriver, JobResult};
use blockjob_jobs::error::JobError;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::state::JobStatus;
use bytes::BytesMut;
use common::{EIO, NAP_NS, TestJob, World, manual, scripted};

/// How long a request to a disk takes.
const REQUEST_NS: u64 = 1_000_000;

/// A main context with jobs and disks.
struct Disks {
    world: World,
    graph: Rc<Graph>,
}

impl Disks {
    fn new() -> Disks {
        let world = World::virtual_time();
        let graph = Graph::new(&world.ctx);
        Disks { world, graph }
    }

    fn disk(&self, name: &str) -> Rc<Node> {
        let options = NullCoOptions {
            latency_ns: REQUEST_NS,
            ..NullCoOptions::default()
        };
        let driver = Box::new(NullCoDriver::new(options));
        let disk = self.graph.add_node(Some(name), driver, false, &[]);
        disk.expect("the disk can be made")
    }

    fn backend(&self, name: &str, node: &Rc<Node>) -> Rc<BlockBackend> {
        let backend = BlockBackend::new(&self.graph, name, PermPair::HARMLESS);
        let backend = backend.expect("the backend can be made");
        backend.insert(node).expect("the disk can be inserted");
        backend
    }

    fn create(
        &self,
        id: Option<&str>,
        node: &Rc<Node>,
        driver: Rc<dyn JobDriver>,
    ) -> Result<Rc<Job>, JobError> {
        let perms = PermPair::HARMLESS;
        let block_job = BlockJob::create(&self.world.list, id, node, perms, driver, manual())?;
        Ok(block_job.job())
    }

    fn job(&self, node: &Rc<Node>, driver: Rc<dyn JobDriver>) -> Rc<Job> {
        let job = self.create(Some("j0"), node, driver);
        job.expect("the job can be made")
    }
}

/// Reads from `node` until it is cancelled, and notes when each read began. With `end` it returns
/// that after as many reads.
fn reader(
    node: &Rc<Node>,
    reads: &Rc<Cell<u32>>,
    end: Option<(u32, JobResult)>,
) -> Rc<dyn JobDriver> {
    let (node, reads) = (node.clone(), reads.clone());
    scripted(move |job| {
        let (node, reads, end) = (node.clone(), reads.clone(), end.clone());
        Box::pin(async move {
            while !job.is_cancelled() {
                if let Some((_, result)) = end.as_ref().filter(|(count, _)| reads.get() >= *count) {
                    return result.clone();
                }
                reads.set(reads.get() + 1);
                let (_buf, result) = node.co_read(0, BytesMut::zeroed(512)).await;
                result?;
                job.sleep_ns(0).await;
            }
            Ok(())
        })
    })
}

#[test]
fn a_job_without_an_id_is_named_after_the_backend_of_its_node() {
    let disks = Disks::new();
    let (first, second, third) = (disks.disk("a"), disks.disk("b"), disks.disk("c"));
    let _drive = disks.backend("drive0", &first);
    let _unnamed = disks.backend("", &second);
    for node in [&second, &third] {
        let error = disks
            .create(None, node, TestJob::new())
            .expect_err("no name");
        assert_eq!(error.to_string(), "Invalid job ID ''");
    }
    let job = disks.create(None, &first, TestJob::new());
    let job = job.expect("the backend has a name");
    assert_eq!(&**job.label(), "drive0");
    let error = disks
        .create(None, &first, TestJob::new())
        .expect_err("taken");
    assert_eq!(error.to_string(), "Job ID 'drive0' already in use");
    let other = disks.create(Some("id0"), &first, TestJob::new());
    other.expect("two jobs may use one node");
}

#[test]
fn a_drained_section_holds_the_job_and_its_end_lets_it_go() {
    let disks = Disks::new();
    let (source, target) = (disks.disk("source"), disks.disk("target"));
    let driver = TestJob::new();
    let job = disks.job(&source, driver.clone());
    let block_job = job.block_job().expect("it has nodes");
    block_job
        .add_bdrv("target", &target, PermPair::HARMLESS)
        .expect("nobody minds");
    job.start();
    for node in [&source, &target] {
        let section = node.drained_begin("test");
        assert_eq!((job.pause_count(), job.status()), (1, JobStatus::Paused));
        assert!(job.is_paused() && !job.is_busy());
        drop(section);
        assert_eq!((job.pause_count(), job.status()), (0, JobStatus::Running));
        assert!(!job.is_paused());
    }
    let section = disks.graph.drain_all_begin("test");
    assert_eq!((job.pause_count(), job.status()), (2, JobStatus::Paused));
    drop(section);
    assert_eq!((job.pause_count(), job.status()), (0, JobStatus::Running));
}

#[test]
fn nothing_of_the_job_is_in_flight_in_a_drained_section_and_nothing_begins() {
    let disks = Disks::new();
    let (disk, reads) = (disks.disk("a"), Rc::new(Cell::new(0)));
    let job = disks.job(&disk, reader(&disk, &reads, None));
    job.start();
    for _ in 0..5 {
        // The job is in the middle of a request, and so not at a pause point.
        assert!(job.is_busy());
        let section = disk.drained_begin("test");
        let in_section = reads.get();
        assert!(job.is_paused() && !job.drained_poll());
        let end_ns = disks.world.ctx.now_ns() + 10 * REQUEST_NS;
        let awake = disks.world.ctx.timer("awake", || ());
        awake.arm(end_ns);
        disks
            .world
            .poll_until(|| disks.world.ctx.now_ns() >= end_ns);
        assert_eq!(reads.get(), in_section);
        drop(section);
        disks.world.poll_until(|| reads.get() > in_section);
    }
}

#[test]
fn a_coroutine_that_drains_is_told_when_the_job_stands_still() {
    let disks = Disks::new();
    let disk = disks.disk("a");
    // The job is busy without a request: nothing but the job itself can tell that it has done.
    let idle = scripted(|job| {
        Box::pin(async move {
            while !job.is_cancelled() {
                job.home().sleep(REQUEST_NS).await;
                job.pause_point().await;
            }
            Ok(())
        })
    });
    let job = disks.job(&disk, idle);
    job.start();
    let drained = job.clone();
    disks.world.ctx.run("drainer", async move {
        let section = disk.co_drained_begin("test").await;
        assert!(drained.is_paused() && !drained.is_busy());
        drop(section);
    });
    disks.world.poll_until_status(&job, JobStatus::Running);
}

#[test]
fn a_section_that_begins_before_the_completion_lets_it_run_first() {
    for result in [Ok(()), Err(EIO)] {
        let disks = Disks::new();
        let (disk, reads) = (disks.disk("a"), Rc::new(Cell::new(0)));
        let job = disks.job(&disk, reader(&disk, &reads, Some((1, result.clone()))));
        job.start();
        disks.world.poll_until(|| job.deferred_to_main_loop());
        assert_eq!(job.status(), JobStatus::Running);
        let section = disk.drained_begin("test");
        // The completion has run, and not inside of the section.
        assert!(job.is_completed());
        let status = job.status();
        disks.world.ctx.poll(false);
        assert_eq!(job.status(), status);
        drop(section);
        if result.is_ok() {
            job.finalize().expect("a pending job can be finalized");
        }
        assert_eq!(job.result(), Some(result));
    }
}

#[test]
fn a_job_that_drains_its_own_node_in_its_last_step_does_not_wait_for_itself() {
    let disks = Disks::new();
    let disk = disks.disk("a");
    let driver = TestJob::new();
    let job = disks.job(&disk, driver.clone());
    let drained = disk.clone();
    driver.in_prepare.replace(Some(Box::new(move |job| {
        drained.drain("prepare");
        let block_job = job.block_job().expect("it has nodes");
        block_job.remove_all_bdrv();
    })));
    driver.should_complete.set(true);
    job.start();
    disks.world.poll_until_status(&job, JobStatus::Pending);
    job.finalize().expect("a pending job can be finalized");
    assert_eq!(job.result(), Some(Ok(())));
    assert!(disk.parents().is_empty());
}

#[test]
fn what_a_job_defers_at_its_end_may_drain_its_nodes() {
    let disks = Disks::new();
    let disk = disks.disk("a");
    let drained = disk.clone();
    let job = disks.job(
        &disk,
        scripted(move |job| {
            let drained = drained.clone();
            Box::pin(async move {
                job.defer_to_main_loop(move |_| drained.drain("deferred"));
                Ok(())
            })
        }),
    );
    job.start();
    disks.world.poll_until_status(&job, JobStatus::Pending);
}

#[test]
fn a_job_that_ends_as_its_drained_section_does_gives_up_its_nodes_later() {
    let disks = Disks::new();
    let disk = disks.disk("a");
    let driver = TestJob::new();
    let block_job = BlockJob::create(
        &disks.world.list,
        Some("j0"),
        &disk,
        PermPair::HARMLESS,
        driver.clone(),
        JobOptions::default(),
    );
    let job = block_job.expect("the job can be made").job();
    job.start();
    let section = disk.drained_begin("test");
    driver.should_complete.set(true);
    drop(section);
    assert!(job.deferred_to_main_loop());
    assert_eq!(disk.parents().len(), 1);
    disks.world.poll_until_status(&job, JobStatus::Null);
    assert!(disk.parents().is_empty());
}

#[test]
fn a_job_that_is_made_and_started_in_a_drained_section_waits_for_its_end() {
    let disks = Disks::new();
    let disk = disks.disk("a");
    let section = disk.drained_begin("test");
    let driver = TestJob::new();
    let job = disks.job(&disk, driver.clone());
    assert_eq!(job.pause_count(), 2);
    job.start();
    assert_eq!((job.status(), driver.rounds.get()), (JobStatus::Paused, 0));
    drop(section);
    assert_eq!((job.status(), driver.rounds.get()), (JobStatus::Running, 1));
}

#[test]
fn jobs_can_be_cancelled_while_everything_is_drained() {
    let disks = Disks::new();
    let disk = disks.disk("a");
    let job = disks.job(&disk, TestJob::new());
    job.start();
    let section = disks.graph.drain_all_begin("quit");
    disks.world.list.cancel_sync_all();
    drop(section);
    assert_eq!(job.status(), JobStatus::Null);
    assert_eq!(
        disks.world.told(),
        "created, running, paused, running, aborting, BLOCK_JOB_CANCELLED, concluded, null"
    );
}

#[test]
fn a_job_that_its_node_leaves_in_a_drained_section_goes_on() {
    let disks = Disks::new();
    let disk = disks.disk("a");
    let job = disks.job(&disk, TestJob::new());
    job.start();
    let section = disk.drained_begin("test");
    assert_eq!(job.status(), JobStatus::Paused);
    let block_job = job.block_job().expect("it has nodes");
    block_job.remove_all_bdrv();
    assert_eq!((job.status(), job.pause_count()), (JobStatus::Running, 0));
    drop(section);
    assert_eq!(job.pause_count(), 0);
}

#[test]
fn a_user_that_does_not_get_on_with_the_job_is_refused_and_told_why() {
    let disks = Disks::new();
    let disk = disks.disk("a");
    let reads_only = PermPair::new(Perm::CONSISTENT_READ, Perm::CONSISTENT_READ);
    let list = &disks.world.list;
    let create =
        |id, perms| BlockJob::create(list, Some(id), &disk, perms, TestJob::new(), manual());
    let job = create("j0", reads_only).expect("nobody minds").job();
    let error = create("j1", PermPair::new(Perm::WRITE, Perm::ALL)).expect_err("j0 minds");
    assert!(error.to_string().contains("mirror job 'j0'"), "{error}");
    assert_eq!(disks.world.told(), "created, j1 created, j1 null");
    assert!(list.get("j1").is_none());
    let error = disk.check_op(BlockOp::Resize).expect_err("the job uses it");
    let text = "Node 'a' is busy: block device is in use by block job: mirror";
    assert_eq!(error.to_string(), text);
    disk.check_op(BlockOp::Dataplane)
        .expect("a job moves along");
    job.cancel(true);
    disk.check_op(BlockOp::Resize).expect("the job is gone");
    create("j1", PermPair::new(Perm::WRITE, Perm::ALL)).expect("nobody minds any more");
}

#[test]
fn a_job_with_a_negative_speed_leaves_no_trace_on_its_node() {
    let disks = Disks::new();
    let disk = disks.disk("a");
    let options = JobOptions {
        speed_bytes_per_s: -1,
        ..manual()
    };
    let list = &disks.world.list;
    let job = BlockJob::create(
        list,
        Some("j0"),
        &disk,
        PermPair::HARMLESS,
        TestJob::new(),
        options,
    );
    assert_eq!(
        job.expect_err("no job is that slow"),
        JobError::NegativeSpeed
    );
    assert!(disk.parents().is_empty());
    disk.check_op(BlockOp::Resize).expect("nobody uses it");
}

#[test]
fn a_driver_that_knows_that_nothing_is_in_flight_may_let_a_section_begin() {
    struct Idle(RefCell<Vec<bool>>);

    impl JobDriver for Idle {
        fn job_type(&self) -> blockjob_jobs::event::JobType {
            blockjob_jobs::event::JobType::Mirror
        }

        fn run<'a>(&'a self, job: &'a Rc<Job>) -> blockjob_jobs::driver::JobFuture<'a, JobResult> {
            Box::pin(async move {
                // Busy, but with nothing that a drained section has to wait for.
                job.home().sleep(100 * NAP_NS).await;
                Ok(())
            })
        }

        fn drained_poll(&self, job: &Rc<Job>) -> bool {
            self.0.borrow_mut().push(job.is_busy());
            false
        }
    }

    let disks = Disks::new();
    let disk = disks.disk("a");
    let driver = Rc::new(Idle(RefCell::default()));
    let job = disks.job(&disk, driver.clone());
    job.start();
    drop(disk.drained_begin("test"));
    assert_eq!((driver.0.take(), disks.world.ctx.now_ns()), (vec![true], 0));
    // Once it has ended the driver is not asked: the completion is still to come.
    disks.world.poll_until(|| job.deferred_to_main_loop());
    drop(disk.drained_begin("test"));
    assert!(job.is_completed());
}

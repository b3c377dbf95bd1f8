//! Drained sections of nodes that a job uses: the cases `blockjob/*` of QEMU's
//! tests/unit/test-bdrv-drain.c. The rest of that file is with the block layer, and what jobs do in
//! drained sections otherwise is in `block_jobs.rs`.
//!
//! Waiting for jobs in other contexts: `blockjob/iothread/*`, `blockjob/iothread/error/*`; and for
//! the removal of a node from the middle of a chain: `bdrv_drop_intermediate/poll`.

#[macro_use]
mod common;

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::{Drained, Graph, Node, PermPair};
use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::error::JobError;
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::state::JobStatus;
use common::{EIO, NAP_NS, TestJob, World, manual};

const LEN: u64 = 1 << 20;

/// What is drained, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Node,
    Subtree,
    All,
}

/// Two chains of three, the middle nodes of which a job uses.
struct Scene {
    world: World,
    graph: Rc<Graph>,
    source: [Rc<Node>; 3],
    target: [Rc<Node>; 3],
    driver: Rc<TestJob>,
    job: Rc<Job>,
}

fn overlay(graph: &Rc<Graph>, name: &str, backing: Option<&Rc<Node>>) -> Rc<Node> {
    let driver = Box::new(OverlayOptions::new(LEN).build());
    let children: Vec<_> = backing
        .map(|backing| ("backing", ChildRole::Cow, backing.clone()))
        .into_iter()
        .collect();
    let node = graph.add_node(Some(name), driver, false, &children);
    node.expect("nobody objects")
}

fn chain(graph: &Rc<Graph>, name: &str) -> [Rc<Node>; 3] {
    let bottom = overlay(graph, &format!("{name}-backing"), None);
    let middle = overlay(graph, name, Some(&bottom));
    let top = overlay(graph, &format!("{name}-overlay"), Some(&middle));
    [bottom, middle, top]
}

fn scene(world: World, driver: Rc<TestJob>) -> Scene {
    let graph = Graph::new(&world.ctx);
    let (source, target) = (chain(&graph, "source"), chain(&graph, "target"));
    let perms = PermPair::HARMLESS;
    let list = &world.list;
    let block_job = BlockJob::create(
        list,
        Some("j0"),
        &source[1],
        perms,
        driver.clone(),
        manual(),
    );
    let block_job = block_job.expect("the job can be made");
    block_job
        .add_bdrv("target", &target[1], perms)
        .expect("nobody objects");
    let job = block_job.job();
    job.start();
    Scene {
        world,
        graph,
        source,
        target,
        driver,
        job,
    }
}

impl Scene {
    fn drain(&self, way: Way, node: &Rc<Node>) -> Drained {
        match way {
            Way::Node => node.drained_begin("test"),
            Way::Subtree => node.subtree_drained_begin("test"),
            Way::All => self.graph.drain_all_begin("test"),
        }
    }

    /// The job goes round its loop.
    fn works(&self) {
        let rounds = self.driver.rounds.get();
        self.world.poll_until(|| self.driver.rounds.get() > rounds);
    }

    /// What each section must do to the job: stop it while it lasts, and no longer.
    fn holds_the_job(&self, way: Way, node: &Rc<Node>) {
        let case = format!("{way:?} of {}", node.name());
        self.works();
        let section = self.drain(way, node);
        let both = if way == Way::All { 2 } else { 1 };
        assert_eq!(self.job.pause_count(), both, "{case}");
        assert!(self.job.is_paused() && !self.job.is_busy(), "{case}");
        assert_eq!(self.job.status(), JobStatus::Paused, "{case}");
        let rounds = self.driver.rounds.get();
        while self.world.ctx.poll(false) {}
        assert_eq!(self.driver.rounds.get(), rounds, "{case}");
        drop(section);
        assert_eq!(self.job.pause_count(), 0, "{case}");
        assert!(!self.job.is_paused(), "{case}");
        assert_eq!(self.job.status(), JobStatus::Running, "{case}");
        self.works();
    }

    /// All ways to reach the nodes that the job uses.
    fn each_section_holds_the_job(&self) {
        for [bottom, middle, top] in [&self.source, &self.target] {
            for way in [Way::Node, Way::Subtree, Way::All] {
                self.holds_the_job(way, middle);
                // The nodes above a drained one are told, up to the job.
                self.holds_the_job(way, bottom);
            }
            self.holds_the_job(Way::Subtree, top);
            // The section of a node alone does not reach those below it.
            let section = top.drained_begin("test");
            assert_eq!(self.job.pause_count(), 0);
            self.works();
            drop(section);
        }
    }
}

in_both_lives! {
    fn every_section_of_what_a_job_uses_holds_it_and_then_it_ends_well(world) {
        let scene = scene(world, TestJob::new());
        scene.each_section_holds_the_job();
        scene.driver.should_complete.set(true);
        scene.world.poll_until_status(&scene.job, JobStatus::Pending);
        scene.job.finalize().expect("a pending job can be finalized");
        assert_eq!(scene.job.result(), Some(Ok(())));
    }

    fn a_job_that_fails_in_its_work_is_held_like_any_other(world) {
        let scene = scene(world, TestJob::failing(EIO));
        scene.each_section_holds_the_job();
        scene.driver.should_complete.set(true);
        scene.world.poll_until_status(&scene.job, JobStatus::Concluded);
        assert_eq!(scene.job.result(), Some(Err(EIO)));
    }

    fn a_job_that_fails_in_its_last_step_is_held_like_any_other(world) {
        let driver = TestJob::new();
        driver.prepare_fails_with.replace(Some(EIO));
        let scene = scene(world, driver);
        scene.each_section_holds_the_job();
        scene.driver.should_complete.set(true);
        // Its last step is when somebody finalizes it.
        scene.world.poll_until_status(&scene.job, JobStatus::Pending);
        scene.job.finalize().expect("a pending job can be finalized");
        scene.world.poll_until_status(&scene.job, JobStatus::Concluded);
        assert_eq!(scene.job.result(), Some(Err(EIO)));
    }
}

#[test]
fn a_section_that_begins_while_the_job_ends_lets_it_end_first() {
    for way in [Way::Node, Way::Subtree, Way::All] {
        let scene = scene(World::virtual_time(), TestJob::new());
        scene.driver.should_complete.set(true);
        let job = &scene.job;
        scene.world.poll_until(|| job.deferred_to_main_loop());
        let section = scene.drain(way, &scene.source[0]);
        assert!(job.is_completed(), "{way:?}");
        let status = job.status();
        while scene.world.ctx.poll(false) {}
        assert_eq!(job.status(), status, "{way:?}");
        drop(section);
    }
}

/// As the job of QEMU's `blockjob/commit_by_drained_end`: when it has done, its commit takes the
/// chain apart.
struct TakesApart {
    graph: Rc<Graph>,
    top: Rc<Node>,
    should_complete: Rc<Cell<bool>>,
}

impl JobDriver for TakesApart {
    fn job_type(&self) -> JobType {
        JobType::Commit
    }

    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            while !self.should_complete.get() {
                job.sleep_ns(NAP_NS).await;
            }
            Ok::<(), JobError>(())
        })
    }

    fn commit(&self, job: &Rc<Job>) {
        job.block_job().expect("it has nodes").remove_all_bdrv();
        let edge = self.top.backing().expect("nobody has taken it");
        let detached = self.graph.detach_child(&self.top, &edge);
        detached.expect("nobody holds it");
    }
}

#[test]
fn a_job_that_is_let_go_takes_its_chain_apart_after_the_section_and_leaves_no_parent_behind() {
    let world = World::virtual_time();
    let graph = Graph::new(&world.ctx);
    let [bottom, middle, top] = chain(&graph, "chain");
    let should_complete = Rc::new(Cell::new(false));
    let driver = Rc::new(TakesApart {
        graph: graph.clone(),
        top: middle.clone(),
        should_complete: should_complete.clone(),
    });
    let perms = PermPair::HARMLESS;
    let options = JobOptions::default();
    let job = BlockJob::create(&world.list, Some("j0"), &middle, perms, driver, options);
    let job = job.expect("the job can be made").job();
    job.start();

    let section = bottom.drained_begin("test");
    assert!(job.is_paused());
    should_complete.set(true);
    drop(section);
    // It has been let go, and its end is not yet: that comes from the main loop.
    assert_eq!(bottom.parents().len(), 1);
    world.poll_until_status(&job, JobStatus::Null);
    assert!(bottom.parents().is_empty(), "no parent is left");
    assert_eq!(middle.parents().len(), 1);
    for node in [&bottom, &middle, &top] {
        assert_eq!(node.quiesce_counter(), 0, "{node:?}");
    }
    assert_eq!(
        world.told(),
        "created, running, paused, running, waiting, pending, BLOCK_JOB_COMPLETED, concluded, null"
    );
    drop(top);
}

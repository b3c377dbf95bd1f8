//! The exhibits that need a second context, each brought about by hand, with the bug and without it: the
//! one order of events in which main never hears that a job stands still, or a guest's write is lost
//! on the way to main.
#![cfg(feature = "museum")]

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use blockjob_block::buf::BufferPool;
use blockjob_block::driver::mem::{Fill, MemDisk, MemOptions};
use blockjob_block::{BlockBackend, Drained, Graph, Node, Perm, PermPair};
use blockjob_jobs::block_job::BlockJob;
use blockjob_jobs::job::JobOptions;
use blockjob_jobs::list::JobList;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions, mirror_start};
use blockjob_runtime::AioContext;
use blockjob_runtime::museum::{Exhibit, JOB_02, MIR_07, switch_on};
use bytes::Bytes;
use common::scripted;
use common::threads::{FOR_EVER, Threads};

const MS: u64 = 1_000_000;
const LEN: u64 = 64 << 10;

/// Main, and a context with disks and jobs.
struct World {
    threads: Rc<Threads>,
    main: AioContext,
    home: AioContext,
    graph: Rc<Graph>,
    list: Rc<JobList>,
}

impl World {
    fn new() -> World {
        let threads = Threads::new();
        let (main, home) = (threads.context("main"), threads.context("io0"));
        World {
            graph: Graph::new(&home),
            list: JobList::with_main_loop(&home, Rc::new(|_| ()), Rc::new(main.handle())),
            threads,
            main,
            home,
        }
    }

    fn disk(&self, name: &str, fill: Fill) -> (Rc<Node>, Rc<MemDisk>) {
        let driver = MemOptions::new(LEN).fill(fill).build();
        let disk = driver.disk();
        let node = self
            .graph
            .add_node(Some(name), Box::new(driver), false, &[]);
        (node.expect("a new name"), disk)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.threads.close();
    }
}

/// What `scene` finds out with `exhibit` and without it.
fn with_and_without(exhibit: &'static Exhibit, scene: fn() -> bool) -> (bool, bool) {
    let without = scene();
    let _on = switch_on(exhibit);
    (scene(), without)
}

/// A section that main wants in the context of a job, and what it looks at there.
struct Wanted {
    node: Rc<Node>,
    section: RefCell<Option<Drained>>,
}

/// Main begins a drained section while the job is busy, and the job comes to its pause point later, with
/// nothing else going on. True if main is left waiting although the job stands still.
fn main_waits_for_a_job_that_stands_still() -> bool {
    let world = World::new();
    let (node, _disk) = world.disk("disk", Fill::Zeroes);
    let driver = scripted(|job| {
        Box::pin(async move {
            // In the middle of something: busy, and not to be entered.
            job.home().sleep(5 * MS).await;
            job.sleep_ns(MS).await;
            Ok(())
        })
    });
    let current = world.home.make_current();
    let (perms, options) = (PermPair::HARMLESS, JobOptions::default());
    let job = BlockJob::create(&world.list, Some("j0"), &node, perms, driver, options);
    let job = job.expect("the job can be made").job();
    job.start();
    drop(current);
    assert!(job.is_busy());
    let wanted = world.home.settle(Rc::new(Wanted {
        node,
        section: RefCell::new(None),
    }));
    let begun = world.home.handle().request_co("drain", move |_| {
        let wanted = wanted.get().expect("it lives here");
        async move {
            let section = wanted.node.co_drained_begin("main").await;
            *wanted.section.borrow_mut() = Some(section);
        }
    });
    let main = world.main.clone();
    let waited = catch_unwind(AssertUnwindSafe(|| main.run("drain", begun)));
    assert!(job.is_paused() && !job.drained_poll());
    match waited {
        Ok(answer) => {
            answer.expect("somebody is there");
            false
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().expect("the world says why");
            assert!(text.contains(FOR_EVER), "{text}");
            true
        }
    }
}

#[test]
fn a_main_that_is_not_told_that_a_job_has_become_idle_waits_for_ever() {
    let found = with_and_without(&JOB_02, main_waits_for_a_job_that_stands_still);
    assert_eq!(found, (true, false));
}

/// A guest writes between the end of the mirror's coroutine and the turn of main. True if it was told
/// that the write is done, and then got a disk without it.
fn a_write_on_the_way_to_main_is_lost() -> bool {
    let world = World::new();
    let (source, _) = world.disk("source", Fill::Noise(3));
    let (target, copy) = world.disk("target", Fill::Noise(99));
    let current = world.home.make_current();
    let shared = Perm::CONSISTENT_READ.or(Perm::WRITE_UNCHANGED);
    let guest = PermPair::new(Perm::CONSISTENT_READ.or(Perm::WRITE), shared);
    let guest = BlockBackend::new(&world.graph, "drive0", guest).expect("a new name");
    guest.insert(&source).expect("it is alone");
    let pool = Rc::new(BufferPool::new(4096, 1 << 20));
    let options = MirrorOptions {
        job_id: Some("j0".to_owned()),
        ..MirrorOptions::new()
    };
    let started = mirror_start(&world.list, &pool, &source, &target, &options);
    let (job, mirror) = started.expect("it starts");
    drop(current);
    world.home.poll_while(|| !job.is_ready());
    {
        let _current = world.home.make_current();
        job.complete().expect("a ready job completes");
    }
    world.home.poll_while(|| !job.deferred_to_main_loop());
    // Main has something else to do for a while, and the iothread goes on.
    let told = Rc::new(Cell::new(false));
    let (tell, blk) = (told.clone(), guest.clone());
    let writer = world.home.coroutine("guest", async move {
        let data = Bytes::from(vec![0x22; 4096]);
        blk.write(8192, data).await.expect("the disk is good");
        tell.set(true);
    });
    {
        let _current = world.home.make_current();
        writer.enter();
    }
    for _ in 0..10 {
        world.home.poll(false);
    }
    world.main.poll(false);
    world.home.poll_while(|| !told.get());
    let outcome = mirror.outcome().expect("it has ended");
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert!(Rc::ptr_eq(&guest.node().expect("a medium"), &target));
    let mut bytes = [0; 4096];
    copy.read_at(8192, &mut bytes);
    bytes != [0x22; 4096]
}

#[test]
fn a_write_on_the_way_to_main_is_lost_if_the_section_does_not_come_along() {
    let found = with_and_without(&MIR_07, a_write_on_the_way_to_main_is_lost);
    assert_eq!(found, (true, false));
}

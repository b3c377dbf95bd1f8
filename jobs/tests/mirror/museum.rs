//! Bugs that QEMU's mirror has had, each brought about by hand: the one order of events in which it
//! loses a write, or never ends. The names are those of the exhibits.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use blockjob_block::driver::Limits;
use blockjob_block::driver::mem::Fill;
use blockjob_block::{BlockBackend, Node};
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorOptions, MirrorSync};
use bytes::{Bytes, BytesMut};

use crate::lab::{Lab, LabOptions};
use crate::support::{KIB, MS, SECOND, World, assert_same, options};

const GRANULE: u64 = 4 * KIB;
const LEN: u64 = 16 * GRANULE;

struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
    disk: Rc<Lab>,
    copy: Rc<Lab>,
    guest: Rc<BlockBackend>,
}

impl Scene {
    fn new(fill: Fill) -> Scene {
        let world = World::new();
        let (source, disk) = world.lab("source", LabOptions::new(LEN).fill(fill));
        let target = LabOptions::new(LEN).fill(Fill::Noise(99));
        let (target, copy) = world.lab("target", target);
        Scene {
            guest: world.guest("drive0", &source),
            world,
            source,
            target,
            disk,
            copy,
        }
    }

    fn start(&self, sync: MirrorSync) -> (Rc<Job>, Rc<MirrorJob>) {
        let options = MirrorOptions {
            granularity: GRANULE,
            sync,
            ..options()
        };
        self.world.mirror(&self.source, &self.target, &options)
    }

    /// The guest begins to write; true once it was told that the write has ended.
    fn write(&self, offset: u64, fill: u8) -> Rc<Cell<bool>> {
        let told = Rc::new(Cell::new(false));
        let (tell, blk) = (told.clone(), self.guest.clone());
        let writer = self.world.ctx.coroutine("guest", async move {
            let data = Bytes::from(vec![fill; GRANULE as usize]);
            blk.write(offset, data).await.expect("the disk is good");
            tell.set(true);
        });
        writer.enter();
        told
    }

    fn source_takes(&self, half_ns: u64) {
        *self.disk.half_ns.borrow_mut() = half_ns..half_ns + 1;
    }

    fn target_takes(&self, half_ns: u64) {
        *self.copy.half_ns.borrow_mut() = half_ns..half_ns + 1;
    }

    fn finish(&self, job: &Job, mirror: &MirrorJob) {
        self.finish_with(job, mirror, 0..LEN);
    }

    /// The job ends well, and the disks are the same in `range`.
    fn finish_with(&self, job: &Job, mirror: &MirrorJob, range: Range<u64>) {
        let outcome = self.world.complete(job, mirror);
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        let range = range.start as usize..range.end as usize;
        let (copied, source) = (self.copy.content(), self.disk.content());
        assert_same(&copied[range.clone()], &source[range]);
    }
}

/// MIR-01: a write that is under way when the job begins, to a place that the job finds unallocated
/// and so not worth copying.
#[test]
fn a_write_that_is_under_way_while_the_job_looks_what_is_allocated_is_copied() {
    for begins_first in [true, false] {
        for half_ns in [MS, 2 * MS, 7 * MS, 15 * MS, 30 * MS] {
            let scene = Scene::new(Fill::Zeroes);
            scene.copy.disk.zero_at(0, LEN, true);
            *scene.disk.status_ns.borrow_mut() = 10 * MS..10 * MS + 1;
            scene.source_takes(half_ns);
            let early = begins_first.then(|| scene.write(3 * GRANULE, 0x11));
            let options = MirrorOptions {
                granularity: GRANULE,
                zero_target: false,
                ..options()
            };
            let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
            let told = early.unwrap_or_else(|| scene.write(3 * GRANULE, 0x11));
            scene.world.until(|| told.get());
            scene.finish(&job, &mirror);
        }
    }
}

/// MIR-08: a granule is written again while its copy is on the way to a target that reorders.
#[test]
fn an_old_copy_does_not_land_after_a_newer_one() {
    let scene = Scene::new(Fill::Noise(3));
    let (job, mirror) = scene.start(MirrorSync::None);
    scene.world.until_ready(&job);
    scene.target_takes(200 * MS);
    scene.write(3 * GRANULE, 0x11);
    scene.world.until(|| mirror.is_in_flight(3 * GRANULE));
    // The first copy is out for 400 ms. Whoever copies again now is faster.
    scene.target_takes(1);
    scene.write(3 * GRANULE, 0x22);
    scene.write(5 * GRANULE, 0x33);
    scene.world.pass(SECOND);
    scene.finish_with(&job, &mirror, 3 * GRANULE..4 * GRANULE);
}

/// The same, with a neighbour that is in flight behind a run of dirty granules.
#[test]
fn a_run_of_dirty_granules_ends_where_an_old_copy_is_on_its_way() {
    let scene = Scene::new(Fill::Noise(3));
    let (job, mirror) = scene.start(MirrorSync::None);
    scene.world.until_ready(&job);
    scene.target_takes(200 * MS);
    scene.write(3 * GRANULE, 0x11);
    scene.world.until(|| mirror.is_in_flight(3 * GRANULE));
    scene.target_takes(1);
    scene.write(3 * GRANULE, 0x22);
    scene.write(2 * GRANULE, 0x22);
    scene.write(4 * GRANULE, 0x22);
    scene.world.pass(SECOND);
    scene.finish_with(&job, &mirror, 2 * GRANULE..5 * GRANULE);
}

/// HZ-01: a write that lands between the copy's look at the source and its end.
#[test]
fn a_write_behind_the_back_of_a_read_is_copied_after_it() {
    let scene = Scene::new(Fill::Noise(3));
    scene.source_takes(10 * MS);
    let (job, mirror) = scene.start(MirrorSync::Full);
    scene.world.pass(11 * MS);
    // The read has seen what was there, and is not back.
    assert_eq!(scene.disk.in_flight.get(), 1);
    scene.source_takes(0);
    let told = scene.write(3 * GRANULE, 0x11);
    scene.world.until(|| told.get());
    assert!(mirror.is_dirty(3 * GRANULE));
    scene.finish(&job, &mirror);
}

/// HZ-01, with the question what the source knows instead of the read: it knew of zeroes.
#[test]
fn a_write_behind_the_back_of_block_status_is_copied_after_it() {
    let scene = Scene::new(Fill::Zeroes);
    *scene.disk.status_ns.borrow_mut() = 10 * MS..10 * MS + 1;
    let (job, mirror) = scene.start(MirrorSync::Full);
    scene.world.pass(MS);
    let told = scene.write(3 * GRANULE, 0x11);
    scene.world.until(|| told.get());
    assert!(mirror.is_dirty(3 * GRANULE));
    scene.finish(&job, &mirror);
}

/// HZ-03: the job is told to complete, all is clean, and a write is under way that says so only when
/// it ends.
#[test]
fn a_write_that_is_under_way_when_the_job_completes_is_on_the_target() {
    let scene = Scene::new(Fill::Noise(3));
    let (job, mirror) = scene.start(MirrorSync::Full);
    scene.world.until_ready(&job);
    scene.source_takes(50 * MS);
    let told = scene.write(3 * GRANULE, 0x11);
    assert_eq!(mirror.dirty_bytes(), 0);
    scene.finish(&job, &mirror);
    assert!(told.get());
}

/// MIR-02: a write that is queued while the source is drained goes to where the guest is afterwards.
#[test]
fn a_write_that_waits_for_the_last_drained_section_goes_to_the_target() {
    let scene = Scene::new(Fill::Noise(3));
    let (job, mirror) = scene.start(MirrorSync::Full);
    scene.world.until_ready(&job);
    scene.source_takes(10 * MS);
    let blk = scene.guest.clone();
    let reader = scene.world.ctx.coroutine("guest", async move {
        let (_buf, result) = blk.read(0, BytesMut::zeroed(512)).await;
        result.expect("the disk is good");
    });
    reader.enter();
    job.complete().expect("a ready job completes");
    // The section has begun, and waits for the read.
    assert_eq!(scene.source.quiesce_counter(), 1);
    let told = scene.write(5 * GRANULE, 0x22);
    let outcome = scene.world.until_end(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    scene.world.until(|| told.get());
    let copied = scene.copy.content();
    let range = (5 * GRANULE) as usize..(6 * GRANULE) as usize;
    assert!(copied[range.clone()].iter().all(|byte| *byte == 0x22));
    assert!(scene.disk.content()[range].iter().any(|byte| *byte != 0x22));
}

/// MIR-04: what is to be copied at once needs more room than there will ever be.
#[test]
fn widening_to_clusters_never_asks_for_more_room_than_there_is() {
    let world = World::new();
    let (source, disk) = world.lab("source", LabOptions::new(LEN).page_bytes(LEN));
    let limits = Limits {
        cluster_size: GRANULE,
        ..Limits::default()
    };
    let target = LabOptions::new(LEN).fill(Fill::Noise(99)).limits(limits);
    let (target, copy) = world.lab("target", target.half_ns(MS..2 * MS));
    let guest = world.guest("drive0", &source);
    let options = MirrorOptions {
        granularity: 512,
        buf_size: 1024,
        sync: MirrorSync::None,
        ..options()
    };
    let (job, mirror) = world.mirror(&source, &target, &options);
    world.until_ready(&job);
    let written = world.ctx.run("guest", async move {
        let data = Bytes::from(vec![0x11; 1024]);
        guest.write(3 * GRANULE - 512, data).await
    });
    written.expect("the disk is good");
    assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    let both = (2 * GRANULE) as usize..(4 * GRANULE) as usize;
    assert_same(&copy.content()[both.clone()], &disk.content()[both]);
}

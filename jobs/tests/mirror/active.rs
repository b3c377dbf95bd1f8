//! Active writes: in write-blocking the guest's write goes to both sides, and whatever fails, is cut
//! short or comes in between, the target is right in the end and the guest is not kept.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::blkdebug::{Event, IoType};
use blockjob_block::driver::mem::Fill;
use blockjob_block::{BlockBackend, BlockResult, Node, Perm, PermPair};
use blockjob_jobs::driver::{JobChange, MirrorCopyMode};
use blockjob_jobs::error::{EIO, JobError};
use blockjob_jobs::error_policy::OnError;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::conflicts::OperationKind;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorOptions};
use blockjob_jobs::state::JobStatus;
use bytes::Bytes;

use crate::faults::{Scene as Faulty, Side, fault};
use crate::guests::{Guest, Habits};
use crate::lab::{Kind, Lab, LabOptions};
use crate::model::Model;
use crate::support::{KIB, MIB, MS, SECOND, World, assert_same, options};

const GRANULE: u64 = 16 * KIB;

fn write_blocking() -> MirrorOptions {
    MirrorOptions {
        granularity: GRANULE,
        buf_size: 64 * KIB,
        copy_mode: MirrorCopyMode::WriteBlocking,
        ..options()
    }
}

/// A mirror, and a guest in front of it.
struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
    disk: Rc<Lab>,
    copy: Rc<Lab>,
    guest: Rc<BlockBackend>,
}

impl Scene {
    /// Each half of a request takes so long at the source and at the target.
    fn new(source_ns: u64, target_ns: u64) -> Scene {
        let world = World::new();
        let lab = LabOptions::new(256 * KIB);
        let disk = lab.clone().half_ns(source_ns..source_ns + 1);
        let copy = lab.half_ns(target_ns..target_ns + 1).fill(Fill::Noise(99));
        let (source, disk) = world.lab("source", disk);
        let (target, copy) = world.lab("target", copy);
        Scene {
            guest: world.guest("drive0", &source),
            world,
            source,
            target,
            disk,
            copy,
        }
    }

    fn mirror(&self, options: &MirrorOptions) -> (Rc<Job>, Rc<MirrorJob>) {
        self.world.mirror(&self.source, &self.target, options)
    }

    fn begin(&self, offset: u64, bytes: u64, fill: u8) -> Rc<Request> {
        Request::begin(&self.world, &self.guest, offset, bytes, fill)
    }

    fn write(&self, offset: u64, bytes: u64, fill: u8) -> BlockResult<()> {
        self.begin(offset, bytes, fill).wait(&self.world)
    }

    fn complete(&self, job: &Job, mirror: &MirrorJob) {
        let outcome = self.world.complete(job, mirror);
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        assert_same(&self.copy.content(), &self.disk.content());
    }
}

/// A write of the guest that has begun.
struct Request {
    result: RefCell<Option<BlockResult<()>>>,
    ended_ns: Cell<u64>,
}

impl Request {
    fn begin(
        world: &World,
        guest: &Rc<BlockBackend>,
        offset: u64,
        bytes: u64,
        fill: u8,
    ) -> Rc<Request> {
        let request = Rc::new(Request {
            result: RefCell::new(None),
            ended_ns: Cell::new(0),
        });
        let (me, guest, ctx) = (request.clone(), guest.clone(), world.ctx.clone());
        let coroutine = world.ctx.coroutine("guest", async move {
            let data = Bytes::from(vec![fill; bytes as usize]);
            let result = guest.write(offset, data).await;
            me.ended_ns.set(ctx.now_ns());
            *me.result.borrow_mut() = Some(result);
        });
        coroutine.enter();
        request
    }

    fn has_ended(&self) -> bool {
        self.result.borrow().is_some()
    }

    fn wait(&self, world: &World) -> BlockResult<()> {
        world.until(|| self.has_ended());
        self.result.take().expect("it has ended")
    }
}

#[test]
fn both_sides_have_a_write_before_the_guest_hears_of_it_and_get_it_at_the_same_time() {
    let scene = Scene::new(5 * MS, 5 * MS);
    let (job, mirror) = scene.mirror(&write_blocking());
    scene.world.until_ready(&job);
    assert!(mirror.is_actively_synced());
    // A part of a granule, whole ones, and parts on both sides of some.
    for (offset, bytes) in [
        (100, 1000),
        (GRANULE, GRANULE),
        (3 * GRANULE - 7, 2 * GRANULE + 20),
    ] {
        let begun_ns = scene.world.ctx.now_ns();
        let request = scene.begin(offset, bytes, 0xa5);
        assert!(mirror.is_actively_synced(), "the guest has not heard of it");
        request.wait(&scene.world).expect("both disks are good");
        let took_ns = request.ended_ns.get() - begun_ns;
        assert!((10 * MS..11 * MS).contains(&took_ns), "{took_ns}");
        let range = offset as usize..(offset + bytes) as usize;
        let all = vec![0xa5; bytes as usize];
        assert_same(&scene.disk.content()[range.clone()], &all);
        assert_same(&scene.copy.content()[range], &all);
        assert_eq!(mirror.dirty_bytes(), 0);
        assert!(mirror.is_actively_synced());
    }
    assert!(mirror.operations().is_empty());
    scene.complete(&job, &mirror);
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn a_mirror_becomes_ready_however_busy_the_guest_is() {
    for (depth, max_sectors) in [(1, 4), (4, 40), (8, 4)] {
        let world = World::new();
        let lab = LabOptions::new(128 * KIB).half_ns(50_000..150_000);
        let (source, disk) = world.lab("source", lab.clone());
        let (target, copy) = world.lab("target", lab.fill(Fill::Noise(99)).seed(7));
        let blk = world.guest("drive0", &source);
        let model = Rc::new(Model::new(disk.content()));
        // Without a rest: what is copied in the background is dirty again at once.
        let habits = Habits::new(3).depth(depth).max_sectors(max_sectors);
        let guest = Guest::start(&world.ctx, &blk, &model, habits.rest_ns(0).only_writes());
        let options = MirrorOptions {
            speed: MIB,
            ..write_blocking()
        };
        let (job, mirror) = world.mirror(&source, &target, &options);
        let begun_ns = world.ctx.now_ns();
        world.until_ready(&job);
        assert!(world.ctx.now_ns() - begun_ns < SECOND);
        assert!(guest.done.get() > 10, "the guest went on");
        job.complete().expect("it is ready");
        let outcome = world.until_end(&job, &mirror);
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        guest.stop();
        model.assert_legal(&copy.content(), "the target");
        world.assert_nothing_left(job, mirror);
    }
}

#[test]
fn what_covers_a_part_of_a_dirty_granule_is_left_for_the_job() {
    let scene = Scene::new(0, 0);
    // So slow that the last granules are not copied before the guest comes.
    let options = MirrorOptions {
        speed: 10 * GRANULE,
        ..write_blocking()
    };
    let (job, mirror) = scene.mirror(&options);
    let last = 15 * GRANULE;
    scene.world.pass(MS);
    assert!(mirror.is_dirty(last));
    let before = scene.copy.moved_bytes(Kind::Write);
    scene.write(last + 100, 50, 0x11).expect("it is good");
    assert!(mirror.is_dirty(last), "its rest was never copied");
    assert_eq!(scene.copy.moved_bytes(Kind::Write), before);
    // A whole one needs no copy any more; of its neighbours only the clean one gets its part.
    scene
        .write(14 * GRANULE - 10, GRANULE + 20, 0x22)
        .expect("it is good");
    assert!(!mirror.is_dirty(14 * GRANULE));
    assert!(mirror.is_dirty(13 * GRANULE) && mirror.is_dirty(last));
    assert_eq!(scene.copy.moved_bytes(Kind::Write), before + GRANULE);
    job.set_speed(0).expect("any job takes it");
    scene.complete(&job, &mirror);
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn a_write_waits_for_the_copy_of_its_granule_and_the_copy_for_nobody() {
    let scene = Scene::new(0, 10 * MS);
    let (job, mirror) = scene.mirror(&write_blocking());
    assert!(mirror.is_in_flight(0));
    let write = scene.begin(0, GRANULE, 0x33);
    let operations = mirror.operations();
    let write_of = operations.last().expect("there are two or more");
    assert_eq!(write_of.kind, OperationKind::ActiveWrite);
    assert_eq!(write_of.waits_for, Some(operations[0].id));
    scene.world.until(|| !mirror.is_in_flight(0));
    assert!(!write.has_ended());
    write.wait(&scene.world).expect("it is good");
    assert_same(
        &scene.copy.content()[..GRANULE as usize],
        &[0x33; GRANULE as usize],
    );
    scene.complete(&job, &mirror);
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn writes_that_overlap_land_in_the_same_order_on_both_sides() {
    let scene = Scene::new(0, 0);
    let (job, mirror) = scene.mirror(&write_blocking());
    scene.world.until_ready(&job);
    // From here on each half takes as long as it likes.
    *scene.disk.half_ns.borrow_mut() = 0..MS;
    *scene.copy.half_ns.borrow_mut() = 0..MS;
    for round in 0..50_u8 {
        let writes: Vec<_> = (0..6)
            .map(|n| scene.begin(u64::from(n) * 700, 2048, round * 5 + n))
            .collect();
        scene
            .world
            .until(|| writes.iter().all(|write| write.has_ended()));
        assert_same(&scene.copy.content(), &scene.disk.content());
        assert_eq!(mirror.dirty_bytes(), 0);
    }
    scene.complete(&job, &mirror);
}

#[test]
fn a_granule_that_guests_never_leave_alone_is_copied_all_the_same() {
    let scene = Scene::new(MS, MS);
    let options = MirrorOptions {
        speed: 10 * GRANULE,
        ..write_blocking()
    };
    let (job, mirror) = scene.mirror(&options);
    // Two coroutines keep one dirty granule busy: when one write ends another is under way.
    let stop = Rc::new(Cell::new(false));
    for n in 0..2 {
        let (guest, ctx, stop) = (scene.guest.clone(), scene.world.ctx.clone(), stop.clone());
        let coroutine = scene.world.ctx.coroutine("guest", async move {
            ctx.sleep(n * MS).await;
            while !stop.get() {
                let data = Bytes::from(vec![n as u8 + 1; 512]);
                let result = guest.write(15 * GRANULE + n * 512, data).await;
                result.expect("both disks are good");
            }
        });
        coroutine.enter();
    }
    scene.world.until_ready(&job);
    stop.set(true);
    scene.complete(&job, &mirror);
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn the_target_that_fails_a_write_is_a_matter_of_its_policy_and_not_of_the_guest() {
    for policy in [OnError::Report, OnError::Ignore, OnError::Stop] {
        let scene = Faulty::new();
        let options = MirrorOptions {
            copy_mode: MirrorCopyMode::WriteBlocking,
            ..scene.options(Side::Target, policy)
        };
        let guest = scene.world.guest("drive0", &scene.source);
        let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
        scene.world.until_ready(&job);
        scene.inject(Side::Target, fault(IoType::Write, EIO));
        let write = |fill| {
            let request = Request::begin(&scene.world, &guest, 0, 20_000, fill);
            request.wait(&scene.world).expect("the source is good");
        };
        write(1);
        assert!(!mirror.is_actively_synced(), "{policy:?}");
        assert_eq!(mirror.dirty_bytes(), 32 * KIB, "{policy:?}");
        match policy {
            OnError::Report => {
                let outcome = scene.world.until_end(&job, &mirror);
                assert_eq!(outcome.end, MirrorEnd::Failed(JobError::Io { errno: EIO }));
                write(2);
                scene.world.assert_nothing_left(job, mirror);
                continue;
            }
            OnError::Ignore => scene.world.pass(SECOND),
            _ => {
                scene.world.until_status(&job, JobStatus::Standby);
                let tried = scene.copy.requests();
                write(2);
                assert_eq!(scene.copy.requests(), tried, "it stands still");
            }
        }
        scene.faults[Side::Target as usize].clear_errors();
        if policy == OnError::Stop {
            job.user_resume().expect("it stands still");
        }
        scene.world.until(|| mirror.is_actively_synced());
        write(3);
        let outcome = scene.world.complete(&job, &mirror);
        scene.assert_copied(&outcome);
        scene.world.assert_nothing_left(job, mirror);
    }
}

#[test]
fn the_source_that_fails_a_write_tells_the_guest_and_the_target_is_made_the_same() {
    let scene = Faulty::new();
    let options = MirrorOptions {
        copy_mode: MirrorCopyMode::WriteBlocking,
        ..scene.options(Side::Source, OnError::Report)
    };
    let guest = scene.world.guest("drive0", &scene.source);
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
    scene.world.until_ready(&job);
    scene.inject(Side::Source, fault(IoType::Write, EIO).once());
    let request = Request::begin(&scene.world, &guest, 40_000, 20_000, 9);
    let error = request.wait(&scene.world).expect_err("it fails");
    assert_eq!(error.errno(), EIO);
    assert!(!mirror.is_actively_synced());
    let outcome = scene.world.complete(&job, &mirror);
    scene.assert_copied(&outcome);
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn a_forced_cancel_frees_the_guest_at_once_from_a_target_that_hangs() {
    let scene = Faulty::new();
    let options = MirrorOptions {
        copy_mode: MirrorCopyMode::WriteBlocking,
        ..scene.options(Side::Target, OnError::Report)
    };
    let world = &scene.world;
    let guest = world.guest("drive0", &scene.source);
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    world.until_ready(&job);
    let target = &scene.faults[Side::Target as usize];
    target.suspend_every(Event::WRITE_AIO, "hung");
    let first = Request::begin(world, &guest, 0, 4096, 1);
    // This one waits for the first.
    let second = Request::begin(world, &guest, 2048, 4096, 2);
    world.pass(10 * SECOND);
    assert!(!first.has_ended() && !second.has_ended());
    let asked_ns = world.ctx.now_ns();
    job.block_job_cancel(true)
        .expect("any job can be cancelled");
    world.until(|| first.has_ended() && second.has_ended());
    assert!(world.ctx.now_ns() - asked_ns < MS, "but for its own write");
    first.wait(world).expect("the source is good");
    second.wait(world).expect("the source is good");
    // What hangs at the target is the job's to wait for.
    assert!(mirror.outcome().is_none());
    target.resume("hung").expect("one hangs");
    let outcome = world.until_end(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Abandoned);
    // The half that hung has to learn of it yet.
    world.until(|| world.ctx.live_coroutines() == 0);
    world.assert_nothing_left(job, mirror);
}

#[test]
fn a_job_that_stands_still_copies_nothing_and_does_not_keep_the_guest() {
    let scene = Scene::new(0, 10 * MS);
    let (job, mirror) = scene.mirror(&write_blocking());
    scene.world.until_ready(&job);
    job.user_pause().expect("it is ready");
    scene.world.until_status(&job, JobStatus::Standby);
    let requests = scene.copy.requests();
    scene.write(0, 100, 1).expect("it is good");
    assert!(!mirror.is_actively_synced(), "the target lacks a write");
    assert_eq!(scene.copy.requests(), requests);
    job.user_resume().expect("it stands still");
    scene.world.until(|| mirror.is_actively_synced());
    // So it is when somebody drains the target.
    let drained = scene.target.drained_begin("test");
    let requests = scene.copy.requests();
    scene.write(GRANULE, 100, 2).expect("it is good");
    assert_eq!(scene.copy.requests(), requests);
    drop(drained);
    scene.complete(&job, &mirror);
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn the_mode_is_changed_both_ways_while_the_guest_writes() {
    let scene = Scene::new(0, 10 * MS);
    let background = MirrorOptions {
        copy_mode: MirrorCopyMode::Background,
        ..write_blocking()
    };
    let change = |job: &Job, copy_mode| job.change(JobChange::Mirror { copy_mode });
    let (job, mirror) = scene.mirror(&background);
    scene.world.until_ready(&job);
    assert!(!mirror.is_actively_synced());
    scene.write(0, 100, 1).expect("it is good");
    assert_eq!(mirror.dirty_bytes(), GRANULE);
    change(&job, MirrorCopyMode::WriteBlocking).expect("it is ready");
    assert!(!mirror.is_actively_synced(), "a granule is dirty");
    scene.world.until(|| mirror.is_actively_synced());
    scene.write(100, 100, 2).expect("it is good");
    assert_eq!(mirror.dirty_bytes(), 0);
    // Two that overlap: the second one waits, and need not any more.
    let first = scene.begin(0, 4096, 3);
    let second = scene.begin(0, 4096, 4);
    change(&job, MirrorCopyMode::Background).expect("it is ready");
    scene.world.until(|| second.has_ended());
    assert!(!first.has_ended(), "it goes to both sides");
    assert!(!mirror.is_actively_synced());
    first.wait(&scene.world).expect("it is good");
    assert_eq!(
        mirror.dirty_bytes(),
        GRANULE,
        "the second one overtook the first"
    );
    scene.complete(&job, &mirror);
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn zeroes_and_discards_reach_the_target_as_well() {
    let scene = Scene::new(0, 0);
    let (job, mirror) = scene.mirror(&write_blocking());
    scene.world.until_ready(&job);
    let guest = scene.guest.clone();
    let result = scene.world.ctx.run("guest", async move {
        let flags = ZeroFlags {
            may_unmap: true,
            no_fallback: false,
        };
        guest.write_zeroes(1000, GRANULE, flags).await?;
        guest.discard(3 * GRANULE, 2 * GRANULE).await
    });
    result.expect("both disks are good");
    assert_same(&scene.copy.content(), &scene.disk.content());
    assert_eq!(mirror.dirty_bytes(), 0);
    assert!(scene.copy.count(Kind::Zero) >= 2);
    scene.complete(&job, &mirror);
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn a_write_past_the_filter_is_not_forgotten_by_one_through_it() {
    let scene = Scene::new(MS, MS);
    let (job, mirror) = scene.mirror(&write_blocking());
    // Whoever comes later uses the source itself.
    let perms = PermPair::new(Perm::WRITE, Perm::ALL);
    scene.guest.set_perms(perms).expect("nobody minds");
    let other = BlockBackend::new(&scene.world.graph, "late", perms).expect("a new name");
    other.insert(&scene.source).expect("all share all");
    scene.world.until_ready(&job);
    let write = scene.begin(0, 2 * GRANULE, 1);
    let past = Request::begin(&scene.world, &other, 100, 100, 2);
    past.wait(&scene.world).expect("it is good");
    write.wait(&scene.world).expect("it is good");
    assert!(mirror.is_dirty(0) && !mirror.is_dirty(GRANULE));
    assert!(!mirror.is_actively_synced());
    drop(other);
    scene.complete(&job, &mirror);
    scene.world.assert_nothing_left(job, mirror);
}

#[test]
fn what_is_written_actively_is_counted() {
    let scene = Scene::new(0, 0);
    let (job, mirror) = scene.mirror(&write_blocking());
    scene.world.until_ready(&job);
    let offset = job.progress().current();
    scene.write(0, 3 * GRANULE, 1).expect("it is good");
    scene.write(MIB / 8, 100, 1).expect("it is good");
    assert_eq!(mirror.stats().active_bytes, 3 * GRANULE + 100);
    assert_eq!(job.progress().current(), offset + 3 * GRANULE + 100);
    assert_eq!(job.progress().remaining(), 0);
    scene.complete(&job, &mirror);
    scene.world.assert_nothing_left(job, mirror);
}

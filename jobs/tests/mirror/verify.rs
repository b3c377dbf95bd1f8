//! Reading both sides back while the source is drained: who lies about what he has written is found
//! out, and the guest keeps its disk.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::{Event, InjectError, IoType};
use blockjob_block::driver::mem::{Fill, MemOptions};
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::{BlockBackend, Node};
use blockjob_jobs::error::{EIO, JobError};
use blockjob_jobs::error_policy::OnError;
use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_jobs::mirror::{
    Difference, MirrorBackingMode, MirrorEnd, MirrorOptions, MirrorSync, Outcome, Verified,
};
use blockjob_jobs::state::JobStatus;
use bytes::Bytes;

use crate::guests::{Guest, Habits};
use crate::lab::{Kind, Lab, LabOptions};
use crate::liar::{Liar, Lie, Lies};
use crate::model::Model;
use crate::support::{KIB, MIB, MS, World, assert_same, options};

/// A disk, a guest on it, and a target that may lie.
struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
    disk: Rc<Lab>,
    copy: Rc<Lab>,
    lies: Lies,
    blk: Rc<BlockBackend>,
}

impl Scene {
    fn new(len: u64) -> Scene {
        let world = World::new();
        let lab = LabOptions::new(len).half_ns(10_000..90_000);
        let (source, disk) = world.lab("source", lab.clone());
        let (copy_node, copy) = world.lab("copy", lab.fill(Fill::Noise(99)).seed(5));
        let lies = Lies::default();
        let target = world.above(
            "target",
            Liar(lies.clone()),
            ChildRole::Filtered,
            &copy_node,
        );
        let blk = world.guest("drive0", &source);
        Scene {
            world,
            source,
            target,
            disk,
            copy,
            lies,
            blk,
        }
    }

    fn lie(&self, lie: Lie) {
        self.lies.borrow_mut().push(lie);
    }

    /// Mirrors, and completes as soon as it is ready.
    fn mirror(&self, options: &MirrorOptions) -> (Outcome, Verified) {
        let (job, mirror) = self.world.mirror(&self.source, &self.target, options);
        let outcome = self.world.complete(&job, &mirror);
        let receipt = mirror.receipt().expect("it has ended");
        self.world.assert_nothing_left(job, mirror);
        (outcome, receipt.verified)
    }

    fn used_by_guest(&self) -> String {
        let node = self.blk.node().expect("it has one");
        node.name().to_owned()
    }

    fn write(&self, offset: u64, fill: u8, bytes: usize) {
        let (blk, data) = (self.blk.clone(), Bytes::from(vec![fill; bytes]));
        let written = self
            .world
            .ctx
            .run("write", async move { blk.write(offset, data).await });
        written.expect("the source is good");
    }
}

fn verifying() -> MirrorOptions {
    MirrorOptions {
        verify: true,
        ..options()
    }
}

fn error(outcome: &Outcome) -> String {
    match &outcome.end {
        MirrorEnd::Failed(error) => error.to_string(),
        end => panic!("{end:?}"),
    }
}

#[test]
fn a_target_that_tells_the_truth_passes_at_every_length() {
    for len in [1, 511, 512, 1000, 4097, 300 * KIB + 17, MIB, 3 * MIB + 1] {
        let scene = Scene::new(len);
        let (outcome, verified) = scene.mirror(&verifying());
        assert_eq!(outcome.end, MirrorEnd::Pivoted, "{len} bytes");
        assert_eq!(verified, Verified::Passed, "{len} bytes");
        assert_eq!(scene.used_by_guest(), "target");
        assert_same(&scene.copy.content(), &scene.disk.content());
        // And was read to know it.
        assert_eq!(scene.copy.moved_bytes(Kind::Read), len);
    }
}

#[test]
fn nothing_is_read_back_if_nobody_asks_and_the_lie_is_not_seen() {
    let scene = Scene::new(256 * KIB);
    scene.lie(Lie::Flip(1000));
    let (outcome, verified) = scene.mirror(&options());
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert_eq!(verified, Verified::NotAsked);
    assert_eq!(scene.copy.count(Kind::Read), 0);
}

#[test]
fn a_byte_that_was_changed_after_it_was_acknowledged_fails_the_job_and_is_named() {
    for len in [256 * KIB, 3 * MIB + 1] {
        for at in [0, 1000, len / 2, len - 1] {
            let scene = Scene::new(len);
            scene.lie(Lie::Flip(at));
            let (outcome, verified) = scene.mirror(&verifying());
            let range_offset = at - at % MIB;
            let range_bytes = (len - range_offset).min(MIB);
            assert_eq!(
                error(&outcome),
                format!(
                    "Verification failed: the target differs from the source at byte {at}; of the \
                     {range_bytes} bytes from byte {range_offset} on, 1 differ"
                )
            );
            let difference = Difference {
                offset: at,
                range_offset,
                range_bytes,
                differing_bytes: 1,
            };
            assert_eq!(verified, Verified::Failed(difference));
            assert!(!outcome.is_copy());
            assert_eq!(scene.used_by_guest(), "source");
        }
    }
}

#[test]
fn of_several_lies_the_first_on_the_disk_is_named() {
    let scene = Scene::new(8 * MIB);
    for at in [7 * MIB, 2 * MIB + 5, 2 * MIB + 9, 4 * MIB] {
        scene.lie(Lie::Flip(at));
    }
    let (outcome, verified) = scene.mirror(&verifying());
    let Verified::Failed(difference) = verified else {
        panic!("{outcome:?} {verified:?}");
    };
    assert_eq!(difference.offset, 2 * MIB + 5);
    assert_eq!(difference.differing_bytes, 2);
}

#[test]
fn a_write_or_zeroes_that_were_dropped_are_found_and_the_guest_goes_on() {
    for (lie, hole) in [
        (Lie::DropWrite(100 * KIB), 0..0),
        (Lie::DropZeroes(100 * KIB), 64 * KIB..128 * KIB),
    ] {
        let scene = Scene::new(256 * KIB);
        let hole_bytes = hole.end - hole.start;
        scene.disk.disk.zero_at(hole.start, hole_bytes, true);
        scene.lie(lie);
        let model = Rc::new(Model::new(scene.disk.content()));
        let habits = Habits::new(3).depth(2).max_sectors(4).rest_ns(2 * MS);
        let world = &scene.world;
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &verifying());
        world.until_ready(&job);
        // What it dirties lies elsewhere, or the lie would be told again all the time.
        let guest = Guest::start(&world.ctx, &scene.blk, &model, habits);
        job.complete().expect("a ready job completes");
        let outcome = world.until_end(&job, &mirror);
        assert!(
            error(&outcome).starts_with("Verification failed"),
            "{lie:?}"
        );
        assert_eq!(scene.used_by_guest(), "source");
        let before = guest.done.get();
        world.until(|| guest.done.get() > before + 10);
        guest.stop();
        model.assert_legal(&scene.disk.content(), "the source");
        world.assert_nothing_left(job, mirror);
    }
}

#[test]
fn what_both_sides_know_to_be_zero_is_not_read() {
    let scene = Scene::new(4 * MIB);
    scene.disk.disk.zero_at(MIB, 2 * MIB, true);
    let (outcome, verified) = scene.mirror(&verifying());
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert_eq!(verified, Verified::Passed);
    assert_eq!(scene.copy.moved_bytes(Kind::Read), 2 * MIB);
    // Zeroes that take up space on one side may be anything.
    let scene = Scene::new(4 * MIB);
    scene.disk.disk.zero_at(MIB, MIB, true);
    scene.lie(Lie::DropZeroes(MIB));
    let (_, verified) = scene.mirror(&verifying());
    let Verified::Failed(difference) = verified else {
        panic!("{verified:?}");
    };
    assert!((MIB..MIB + 16).contains(&difference.offset));
}

#[test]
fn a_copy_of_a_moment_is_verified_as_a_pivot_is() {
    for lies in [false, true] {
        let scene = Scene::new(256 * KIB);
        if lies {
            scene.lie(Lie::Flip(77));
        }
        let world = &scene.world;
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &verifying());
        world.until_ready(&job);
        job.block_job_cancel(false).expect("a ready job can be");
        let outcome = world.until_end(&job, &mirror);
        let verified = mirror.receipt().expect("it has ended").verified;
        assert_eq!(outcome.is_copy(), !lies);
        assert_eq!(verified == Verified::Passed, !lies);
    }
}

#[test]
fn a_disk_of_no_bytes_is_the_same_on_both_sides() {
    let world = World::new();
    let (source, _) = world.disk("source", MemOptions::new(0));
    let (target, _) = world.disk("target", MemOptions::new(0));
    let (job, mirror) = world.mirror(&source, &target, &verifying());
    assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    let verified = mirror.receipt().expect("it has ended").verified;
    assert_eq!(verified, Verified::Passed);
}

/// Polls until a part of the disk is known to be the same.
fn until_verifying(scene: &Scene, mirror: &blockjob_jobs::mirror::MirrorJob) {
    let world = &scene.world;
    world.until(|| mirror.verified_bytes().is_some_and(|bytes| bytes > 0));
    assert!(mirror.outcome().is_none());
}

#[test]
fn a_forced_cancel_ends_it_in_the_middle_and_the_guest_goes_on() {
    let scene = Scene::new(64 * MIB);
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &verifying());
    world.until_ready(&job);
    job.complete().expect("a ready job completes");
    until_verifying(&scene, &mirror);
    let reads = scene.copy.count(Kind::Read);
    job.user_cancel(true).expect("a ready job can be");
    let outcome = world.until_end(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Abandoned);
    let receipt = mirror.receipt().expect("it has ended");
    assert_eq!(receipt.verified, Verified::Unfinished);
    assert_eq!(receipt.last_guest_write, None);
    assert_eq!(scene.copy.count(Kind::Read), reads, "nothing more is begun");
    assert_eq!(mirror.verified_bytes(), None);
    assert_eq!(scene.used_by_guest(), "source");
    scene.write(0, 7, 512);
    world.assert_nothing_left(job, mirror);
}

#[test]
fn a_user_who_pauses_the_job_lets_the_guest_go_on_and_it_begins_again_after_that() {
    let scene = Scene::new(16 * MIB);
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &verifying());
    world.until_ready(&job);
    job.complete().expect("a ready job completes");
    until_verifying(&scene, &mirror);
    job.user_pause().expect("a ready job can be");
    world.until_status(&job, JobStatus::Standby);
    scene.write(5 * MIB, 7, 512);
    job.user_resume().expect("it is paused");
    let outcome = world.until_end(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    let receipt = mirror.receipt().expect("it has ended");
    assert_eq!(receipt.verified, Verified::Passed);
    assert_eq!(receipt.caught_up, 2);
    assert!(scene.copy.moved_bytes(Kind::Read) > 16 * MIB);
    assert_same(&scene.copy.content(), &scene.disk.content());
}

#[test]
fn whoever_else_drains_the_disks_does_not_wait_for_all_of_it() {
    for of_target in [false, true] {
        let scene = Scene::new(64 * MIB);
        let world = &scene.world;
        let (job, mirror) = world.mirror(&scene.source, &scene.target, &verifying());
        world.until_ready(&job);
        job.complete().expect("a ready job completes");
        until_verifying(&scene, &mirror);
        let reads = scene.copy.moved_bytes(Kind::Read);
        let node = if of_target {
            &scene.target
        } else {
            &scene.source
        };
        let drained = node.drained_begin("somebody");
        let more = scene.copy.moved_bytes(Kind::Read) - reads;
        assert_eq!(more, 0, "bytes were read meanwhile");
        drop(drained);
        let outcome = world.until_end(&job, &mirror);
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
    }
}

#[test]
fn a_read_that_fails_goes_to_the_policy_of_its_side() {
    for of_target in [false, true] {
        for policy in [OnError::Report, OnError::Ignore, OnError::Stop] {
            let scene = Scene::new(MIB);
            let world = &scene.world;
            let (source, on_source) = world.blkdebug("over-source", &scene.source);
            let (target, on_target) = world.blkdebug("over-target", &scene.target);
            let mut options = verifying();
            match of_target {
                true => options.on_target_error = policy,
                false => options.on_source_error = policy,
            }
            let (job, mirror) = world.mirror(&source, &target, &options);
            world.until_ready(&job);
            let fault = InjectError::new(Event::NONE).io_type(IoType::Read);
            let side = if of_target { &on_target } else { &on_source };
            side.inject_error(fault.errno(EIO).once());
            world.take_events();
            job.complete().expect("a ready job completes");
            if policy == OnError::Stop {
                world.until_status(&job, JobStatus::Standby);
                job.user_resume().expect("it is paused");
            }
            let outcome = world.until_end(&job, &mirror);
            let verified = mirror.receipt().expect("it has ended").verified;
            let told = format!("BLOCK_JOB_ERROR(read {})", policy.as_str());
            assert_eq!(world.take_events()[0], told);
            if policy == OnError::Report {
                let failed = JobError::Io { errno: EIO };
                assert_eq!(outcome.end, MirrorEnd::Failed(failed));
                assert_eq!(verified, Verified::Unfinished);
            } else {
                assert_eq!(outcome.end, MirrorEnd::Pivoted, "{policy:?}");
                assert_eq!(verified, Verified::Passed);
            }
        }
    }
}

/// The target has no backing node yet, and shows zeroes where it will show the base.
#[test]
fn of_a_top_it_is_asked_that_the_target_holds_what_the_source_holds() {
    for drops in [false, true] {
        let world = World::new();
        let noise = |seed| MemOptions::new(MIB).fill(Fill::Noise(seed));
        let (base, _) = world.disk("base", noise(1));
        let overlay = || OverlayOptions::new(MIB).build();
        let source = world.above("source", overlay(), ChildRole::Cow, &base);
        let lies = Lies::default();
        let own = world.node("own", overlay());
        let target = world.above("target", Liar(lies.clone()), ChildRole::Filtered, &own);
        let blk = world.guest("drive0", &source);
        if drops {
            lies.borrow_mut().push(Lie::DropWrite(300 * KIB));
        }
        for offset in [100 * KIB, 300 * KIB] {
            let (blk, data) = (blk.clone(), Bytes::from(vec![9; 1000]));
            let write = async move { blk.write(offset, data).await };
            world.ctx.run("write", write).expect("the disk is good");
        }
        let options = MirrorOptions {
            sync: MirrorSync::Top,
            backing_mode: MirrorBackingMode::SourceChain,
            zero_target: false,
            ..verifying()
        };
        let (job, mirror) = world.mirror(&source, &target, &options);
        let outcome = world.complete(&job, &mirror);
        if drops {
            assert!(error(&outcome).contains("at byte 262144"), "{outcome:?}");
        } else {
            assert_eq!(outcome.end, MirrorEnd::Pivoted);
            assert_same(&world.read_all(&source), &world.read_all(&target));
        }
    }
}

/// Small buffers make small pieces, and not more of them than fit.
#[test]
fn what_is_read_at_a_time_fits_into_the_buffer() {
    for buf_size in [4 * KIB, 64 * KIB, 4 * MIB] {
        let scene = Scene::new(8 * MIB);
        let options = MirrorOptions {
            buf_size,
            granularity: 4 * KIB,
            ..verifying()
        };
        let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options);
        scene.world.until_ready(&job);
        job.complete().expect("a ready job completes");
        let most = Rc::new(std::cell::Cell::new(0));
        for lab in [&scene.disk, &scene.copy] {
            let (noted, source, copy) = (most.clone(), scene.disk.clone(), scene.copy.clone());
            *lab.on_change.borrow_mut() = Some(Rc::new(move || {
                let bytes = source.bytes_in_flight.get() + copy.bytes_in_flight.get();
                noted.set(noted.get().max(bytes));
            }));
        }
        let outcome = scene.world.until_end(&job, &mirror);
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        // The smallest piece is one block of either side.
        let at_most = buf_size.max(8 * KIB);
        assert!(most.get() <= at_most, "{} of {buf_size}", most.get());
        assert!(most.get() >= buf_size / 4, "{} of {buf_size}", most.get());
        for lab in [&scene.disk, &scene.copy] {
            *lab.on_change.borrow_mut() = None;
        }
    }
}

#[test]
fn it_is_told_to_traces_that_both_sides_are_to_be_read() {
    for verify in [false, true] {
        let scene = Scene::new(64 * KIB);
        let options = MirrorOptions {
            verify,
            ..options()
        };
        scene.mirror(&options);
        let events = scene.world.diary.mirror_since(0);
        let told = |(_, _, event): &_| matches!(event, MirrorEvent::MirrorBeforeVerify);
        assert_eq!(events.iter().any(told), verify);
    }
}

//! What is kept of a mirror that has ended.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::driver::blkdebug::IoType;
use blockjob_block::driver::mem::Fill;
use blockjob_block::driver::{Limits, ZeroFlags};
use blockjob_block::{BlockBackend, Node};
use blockjob_jobs::driver::{JobChange, MirrorCopyMode};
use blockjob_jobs::error::EIO;
use blockjob_jobs::mirror::{MirrorEnd, MirrorOptions, MirrorSync, Verified};
use blockjob_jobs::state::JobStatus;
use bytes::{Bytes, BytesMut};

use crate::faults::fault;
use crate::lab::{Lab, LabOptions};
use crate::support::{KIB, MIB, MS, SECOND, World, options};

const SLOT: u64 = 512;

struct Scene {
    world: World,
    source: Rc<Node>,
    target: Rc<Node>,
    copy: Rc<Lab>,
    blk: Rc<BlockBackend>,
}

impl Scene {
    fn new(len: u64) -> Scene {
        let world = World::new();
        let lab = LabOptions::new(len).half_ns(10_000..90_000);
        let (source, _) = world.lab("source", lab.clone().fill(Fill::Zeroes));
        let (target, copy) = world.lab("target", lab.seed(5));
        let blk = world.guest("drive0", &source);
        Scene {
            world,
            source,
            target,
            copy,
            blk,
        }
    }

    /// Has the guest do something, and waits for it.
    fn ask<F: Future + 'static>(&self, ask: impl FnOnce(Rc<BlockBackend>) -> F) -> F::Output
    where
        F::Output: 'static,
    {
        self.world.ctx.run("guest", ask(self.blk.clone()))
    }

    fn write(&self, offset: u64, bytes: usize) {
        let data = Bytes::from(vec![1; bytes]);
        let written = self.ask(|blk| async move { blk.write(offset, data).await });
        written.expect("the disk is good");
    }
}

/// Each write goes to a place of its own: so it can be told from the copy which it contains.
#[test]
fn the_copy_contains_the_guests_writes_up_to_the_number_that_is_kept_and_none_after_it() {
    for seed in 1..5 {
        for (soft, copy_mode) in [
            (true, MirrorCopyMode::Background),
            (false, MirrorCopyMode::Background),
            (true, MirrorCopyMode::WriteBlocking),
        ] {
            let slots = 2000;
            let scene = Scene::new(slots * SLOT);
            let world = &scene.world;
            let options = MirrorOptions {
                copy_mode,
                ..options()
            };
            let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
            let stop = Rc::new(Cell::new(false));
            let (told, blk, ctx) = (stop.clone(), scene.blk.clone(), world.ctx.clone());
            let guest = world.ctx.coroutine("guest", async move {
                for number in 1..slots {
                    if told.get() {
                        break;
                    }
                    let data = Bytes::from(vec![0xee; SLOT as usize]);
                    let written = blk.write(number * SLOT, data).await;
                    written.expect("the disk is good");
                    ctx.sleep(50_000).await;
                }
            });
            guest.enter();
            world.until_ready(&job);
            world.pass(2 * MS + seed * 700_000);
            match soft {
                true => job.block_job_cancel(false).expect("a ready job can be"),
                false => job.complete().expect("a ready job completes"),
            }
            let outcome = world.until_end(&job, &mirror);
            assert!(outcome.is_copy());
            // After a pivot the guest writes to the copy.
            let copy = scene.copy.content();
            stop.set(true);
            let receipt = mirror.receipt().expect("it has ended");
            let last = receipt.last_guest_write.expect("there is a copy");
            assert!(last > 5, "the guest has written: {last}");
            assert_eq!(receipt.guest_writes, last);
            let has = |number: u64| copy[(number * SLOT) as usize] == 0xee;
            assert!((1..=last).all(has), "{last} {seed} {soft}");
            if soft {
                assert!(!(last + 1..slots).any(has), "{last} {seed}");
            }
            world.pass(SECOND);
        }
    }
}

#[test]
fn writes_zeroes_and_discards_have_numbers_and_nothing_else_has() {
    let world = World::new();
    let limits = Limits {
        max_transfer: 64 * KIB,
        max_write_zeroes: 64 * KIB,
        max_discard: 64 * KIB,
        request_alignment: 512,
        ..Limits::default()
    };
    let (source, _) = world.lab("source", LabOptions::new(2 * MIB).limits(limits));
    let (target, copy) = world.lab("target", LabOptions::new(2 * MIB).limits(limits));
    let scene = Scene {
        blk: world.guest("drive0", &source),
        world,
        source,
        target,
        copy,
    };
    // Before the job nobody counts.
    scene.write(0, 512);
    let (job, mirror) = scene.world.mirror(&scene.source, &scene.target, &options());
    scene.world.until_ready(&job);
    assert_eq!(mirror.guest_writes(), 0);
    // However the disk splits or pads them.
    scene.write(0, MIB as usize);
    assert_eq!(mirror.guest_writes(), 1);
    scene.write(7, 1000);
    assert_eq!(mirror.guest_writes(), 2);
    let flags = ZeroFlags::default();
    let zeroed = scene.ask(|blk| async move { blk.write_zeroes(100, MIB, flags).await });
    zeroed.expect("the disk is good");
    assert_eq!(mirror.guest_writes(), 3);
    let discarded = scene.ask(|blk| async move { blk.discard(0, MIB).await });
    discarded.expect("the disk is good");
    assert_eq!(mirror.guest_writes(), 4);
    let (_, read) = scene.ask(|blk| async move { blk.read(0, BytesMut::zeroed(512)).await });
    read.expect("the disk is good");
    let flushed = scene.ask(|blk| async move { blk.flush().await });
    flushed.expect("the disk is good");
    assert_eq!(mirror.guest_writes(), 4);
    scene.world.complete(&job, &mirror);
    let receipt = mirror.receipt().expect("it has ended");
    assert_eq!(receipt.last_guest_write, Some(4));
}

#[test]
fn what_was_abandoned_or_failed_contains_no_write() {
    for fails in [false, true] {
        let world = World::new();
        let (disk, _) = world.lab("disk", LabOptions::new(MIB));
        let (target, _) = world.lab("target", LabOptions::new(MIB));
        let (source, faults) = world.blkdebug("source", &disk);
        let blk = world.guest("drive0", &source);
        if fails {
            faults.inject_error(fault(IoType::Read, EIO));
        }
        let none = MirrorOptions {
            sync: MirrorSync::None,
            ..options()
        };
        let (job, mirror) = world.mirror(&source, &target, &none);
        world.until_ready(&job);
        let data = Bytes::from(vec![1; 512]);
        let write = async move { blk.write(0, data).await };
        world.ctx.run("guest", write).expect("writes are good");
        if !fails {
            job.user_cancel(true).expect("a ready job can be");
        }
        let outcome = world.until_end(&job, &mirror);
        let receipt = mirror.receipt().expect("it has ended");
        assert_eq!(outcome, receipt.outcome);
        assert_eq!(matches!(outcome.end, MirrorEnd::Failed(_)), fails);
        assert_eq!(receipt.guest_writes, 1);
        assert_eq!(receipt.last_guest_write, None);
    }
}

#[test]
fn it_says_who_was_copied_to_whom_how_and_when() {
    let scene = Scene::new(MIB);
    let world = &scene.world;
    world.pass(3 * SECOND);
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options());
    assert_eq!(mirror.receipt(), None);
    world.until_ready(&job);
    let ready_ns = world.ctx.now_ns() - 3 * SECOND;
    for _ in 0..2 {
        world.pass(SECOND);
        scene.write(0, 512);
    }
    world.pass(SECOND);
    job.complete().expect("a ready job completes");
    world.until_end(&job, &mirror);
    let receipt = mirror.receipt().expect("it has ended");
    assert_eq!(receipt.job, "job0");
    assert_eq!((&*receipt.source, &*receipt.target), ("source", "target"));
    assert_eq!(receipt.sync, MirrorSync::Full);
    assert_eq!(receipt.copy_mode, MirrorCopyMode::Background);
    assert_eq!(receipt.verified, Verified::NotAsked);
    assert_eq!(receipt.caught_up, 3);
    assert_eq!(receipt.last_guest_write, Some(2));
    let ready = receipt.ready_ns.expect("it was");
    assert!(ready <= ready_ns && ready > 0, "{ready} {ready_ns}");
    let lived_ns = world.ctx.now_ns() - 3 * SECOND;
    let range = ready_ns + 3 * SECOND..=lived_ns;
    assert!(range.contains(&receipt.duration_ns), "{receipt:?}");
    // The last flush takes as long as a request does.
    assert!(
        (10_000..MS).contains(&receipt.drained_ns),
        "{}",
        receipt.drained_ns
    );
}

#[test]
fn the_mode_of_the_end_is_kept_and_what_was_written_actively() {
    let scene = Scene::new(MIB);
    let world = &scene.world;
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options());
    world.until_ready(&job);
    let change = JobChange::Mirror {
        copy_mode: MirrorCopyMode::WriteBlocking,
    };
    job.change(change).expect("it can be");
    scene.write(0, 64 << 10);
    world.complete(&job, &mirror);
    let receipt = mirror.receipt().expect("it has ended");
    assert_eq!(receipt.copy_mode, MirrorCopyMode::WriteBlocking);
    assert_eq!(receipt.outcome.stats.active_bytes, 64 << 10);
    assert_eq!(receipt.caught_up, 1);
}

#[test]
fn who_pends_keeps_the_guest_waiting_and_that_is_said() {
    let scene = Scene::new(MIB);
    let world = &scene.world;
    let options = MirrorOptions {
        auto_finalize: false,
        ..options()
    };
    let (job, mirror) = world.mirror(&scene.source, &scene.target, &options);
    world.until_ready(&job);
    job.complete().expect("a ready job completes");
    world.until_status(&job, JobStatus::Pending);
    world.pass(7 * SECOND);
    job.finalize().expect("a pending job can be");
    world.until_end(&job, &mirror);
    let drained_ns = mirror.receipt().expect("it has ended").drained_ns;
    assert!(
        (7 * SECOND..8 * SECOND).contains(&drained_ns),
        "{drained_ns}"
    );
}

//! A mirror in `io0` with a guest, and what becomes of both.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorOptions, Receipt};
use blockjob_jobs::state::JobStatus;

use crate::disk::Disk;
use crate::guest::{Shared, after_all, plug_in, script};
use crate::world::{MS, Shard, World};

pub(crate) const GRANULE: u64 = 4096;
pub(crate) const LEN: u64 = 32 * GRANULE;

/// A source with a guest, and a target.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) source: Disk,
    pub(crate) target: Disk,
    pub(crate) script: Shared,
    pub(crate) receipt: Arc<Mutex<Option<Receipt>>>,
    pub(crate) begun: Arc<AtomicU64>,
}

impl Scene {
    /// In `io0`, with a guest that writes so many times. On threads it may have done so before the test
    /// gets to its next line, however many times that is.
    pub(crate) fn new(world: World, writes: usize) -> Scene {
        Self::with_guest(world, writes, false)
    }

    /// In `io0`, with a guest that writes until the test has had enough: whatever the test does meanwhile,
    /// it does to a guest that writes.
    pub(crate) fn with_busy_guest(world: World) -> Scene {
        Self::with_guest(world, 0, true)
    }

    fn with_guest(world: World, writes: usize, goes_on: bool) -> Scene {
        let scene = Scene {
            world,
            source: Disk::noise(LEN, 7),
            target: Disk::noise(LEN, 99),
            script: script(LEN, writes, MS / 4),
            receipt: Arc::default(),
            begun: Arc::default(),
        };
        let (source, target) = (scene.source.clone(), scene.target.clone());
        let script = scene.script.clone();
        script.lock().expect("whole").goes_on = goes_on;
        scene.world.on(1, move |shard| {
            shard.add("source", source);
            shard.add("target", target);
            plug_in(shard, script);
        });
        for place in 0..3 {
            let kept = scene.receipt.clone();
            // The hook of the end does not travel, so it is set anew wherever the job arrives.
            scene.world.on(place, move |shard| {
                shard.list.on_arrival(move |job| keep_receipt(job, &kept));
            });
        }
        scene
    }

    pub(crate) fn start(&self, options: impl FnOnce() -> MirrorOptions + Send + 'static) {
        let (kept, begun) = (self.receipt.clone(), self.begun.clone());
        let script = self.script.clone();
        self.world.on(1, move |shard| {
            let answered = script.lock().expect("whole").answered as u64;
            let under_way = shard.backend("drive0").in_flight();
            assert_eq!(under_way, 0, "the disk answers at once");
            begun.store(answered, Ordering::Relaxed);
            shard.start(&MirrorOptions {
                granularity: GRANULE,
                ..options()
            });
            keep_receipt(&shard.job(), &kept);
        });
    }

    /// How many writes of the guest had begun when the mirror did.
    pub(crate) fn before_the_mirror(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(crate) fn send(&self, from: usize, to: usize) {
        let moved = self.world.send("source", from, to);
        moved.expect("everybody can");
    }

    pub(crate) fn until_guest_has_ended(&self, place: usize) {
        let script = self.script.clone();
        self.world
            .until(place, move |_| script.lock().expect("whole").has_ended());
    }

    /// How many writes of the guest have been answered.
    pub(crate) fn answered(&self) -> usize {
        self.script.lock().expect("whole").answered
    }

    /// Waits for the answer to a write that has none yet, and has the guest end after that.
    pub(crate) fn let_guest_end(&self, place: usize) {
        let (script, answered) = (self.script.clone(), self.answered());
        self.world.until(place, move |_| {
            script.lock().expect("whole").answered > answered
        });
        self.script.lock().expect("whole").enough();
        self.until_guest_has_ended(place);
    }

    pub(crate) fn until_ready(&self, place: usize) {
        self.world.until(place, |shard| shard.job().is_ready());
    }

    pub(crate) fn status(&self, place: usize) -> JobStatus {
        self.world.on(place, |shard| shard.job().status())
    }

    pub(crate) fn sleep(&self, place: usize, ns: u64) {
        let slept = move |shard: Rc<Shard>| async move {
            shard.graph.context().sleep(ns).await;
        };
        self.world.co(place, slept);
    }

    pub(crate) fn receipt(&self) -> Receipt {
        let receipt = self.receipt.lock().expect("whole").clone();
        receipt.expect("the job has ended")
    }

    /// The guest ends, the mirror pivots, and nothing was lost.
    pub(crate) fn finish(&self, place: usize) {
        self.until_guest_has_ended(place);
        self.world.complete(place);
        assert_eq!(self.receipt().outcome.end, MirrorEnd::Pivoted);
        self.assert_copied();
        self.world.on(place, |shard| {
            let node = shard.backend("drive0").node().expect("it has a medium");
            assert_eq!(node.name(), "target");
        });
    }

    pub(crate) fn assert_copied(&self) {
        let expected = after_all(&self.script, Disk::noise(LEN, 7).content());
        assert!(self.source.content() == expected, "the guest's own disk");
        assert!(self.target.content() == expected, "the copy");
    }
}

pub(crate) fn keep_receipt(job: &Job, kept: &Arc<Mutex<Option<Receipt>>>) {
    let mirror = MirrorJob::of(job).map(|it| Rc::downgrade(&it));
    let kept = kept.clone();
    job.on_finished(move |_, _| {
        let mirror = mirror.and_then(|mirror| mirror.upgrade());
        *kept.lock().expect("whole") = mirror.and_then(|mirror| mirror.receipt());
    });
}

/// Another world of the same life.
pub(crate) fn world_like(world: &World) -> World {
    match world.threads {
        Some(_) => World::virtual_time(),
        None => World::real(),
    }
}

//! A guest that writes at a constant rate, however long its writes take, and knows how long they took.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use blockjob_block::BlockBackend;
use blockjob_block::Node;
use blockjob_block::driver::mem::Fill;
use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorOptions, MirrorTuning};
use bytes::Bytes;

use crate::lab::{Dice, Lab, LabOptions};
use crate::support::{KIB, MIB, MS, SECOND, World, assert_same, options};

pub(crate) const GRANULE: u64 = 4 * KIB;
pub(crate) const LEN: u64 = 8 * MIB;
/// What a read or write of the source takes.
pub(crate) const SOURCE_NS: u64 = 2 * MS;
/// What a write to the target takes.
pub(crate) const TARGET_NS: u64 = 6 * MS;
const COPIES: usize = 4;
/// Four copies at a time, each of which reads for 2 ms and writes for 6.
pub(crate) const COPY_RATE: u64 = COPIES as u64 * GRANULE * SECOND / (SOURCE_NS + TARGET_NS);

/// A disk, a copy and a guest in front of the disk.
pub(crate) struct Scene {
    pub(crate) world: World,
    source: Rc<Node>,
    pub(crate) target: Rc<Node>,
    pub(crate) disk: Rc<Lab>,
    pub(crate) copy: Rc<Lab>,
    blk: Rc<BlockBackend>,
}

impl Scene {
    pub(crate) fn new(target_ns: u64) -> Scene {
        Scene::sized(target_ns, LEN)
    }

    pub(crate) fn sized(target_ns: u64, len: u64) -> Scene {
        let world = World::new();
        let exactly = |ns: u64| ns / 2..ns / 2 + 1;
        let lab = LabOptions::new(len);
        let disk = lab.clone().half_ns(exactly(SOURCE_NS));
        let copy = lab.half_ns(exactly(target_ns)).fill(Fill::Noise(99));
        let (source, disk) = world.lab("source", disk);
        let (target, copy) = world.lab("target", copy);
        Scene {
            blk: world.guest("drive0", &source),
            world,
            source,
            target,
            disk,
            copy,
        }
    }

    pub(crate) fn mirror(&self, options: &MirrorOptions) -> (Rc<Job>, Rc<MirrorJob>) {
        self.world.mirror(&self.source, &self.target, options)
    }

    /// A guest that writes granules in `range`, so many bytes per second.
    pub(crate) fn load(&self, bytes_per_s: u64, range: Range<u64>) -> Rc<Load> {
        let load = Rc::new(Load {
            stop: Cell::new(false),
            under_way: Cell::new(0),
            longest_ns: Cell::new(0),
            latencies_ns: RefCell::default(),
            done: Cell::new(0),
        });
        let period_ns = GRANULE * SECOND / bytes_per_s.max(1);
        let (me, ctx, blk) = (load.clone(), self.world.ctx.clone(), self.blk.clone());
        let dice = Dice::new(bytes_per_s);
        let coroutine = self.world.ctx.coroutine("load", async move {
            let mut next_ns = ctx.now_ns();
            while !me.stop.get() {
                // At any moment as likely as at any other: it never keeps step with the copy.
                let rest = -(dice.within(1..1 << 20) as f64 / (1 << 20) as f64).ln();
                next_ns += (rest * period_ns as f64) as u64;
                ctx.sleep_until(next_ns).await;
                let granule = dice.within(range.start / GRANULE..range.end / GRANULE);
                let fill = dice.within(0..256) as u8;
                me.clone().begin(&ctx, &blk, granule * GRANULE, fill);
            }
        });
        coroutine.enter();
        load
    }

    /// The guest stops, the job completes, and both sides are the same.
    pub(crate) fn complete(&self, job: &Job, mirror: &MirrorJob, load: &Load) {
        load.stop();
        self.world.until(|| load.under_way.get() == 0);
        let outcome = self.world.complete(job, mirror);
        assert_eq!(outcome.end, MirrorEnd::Pivoted);
        assert_same(&self.copy.content(), &self.disk.content());
    }
}

/// What a guest did.
pub(crate) struct Load {
    stop: Cell<bool>,
    pub(crate) under_way: Cell<usize>,
    /// The longest that one of its writes took.
    pub(crate) longest_ns: Cell<u64>,
    /// Those of the last hundred.
    latencies_ns: RefCell<VecDeque<u64>>,
    pub(crate) done: Cell<u64>,
}

impl Load {
    fn begin(
        self: Rc<Self>,
        ctx: &blockjob_runtime::AioContext,
        blk: &Rc<BlockBackend>,
        offset: u64,
        fill: u8,
    ) {
        self.under_way.set(self.under_way.get() + 1);
        let (inner, blk) = (ctx.clone(), blk.clone());
        let coroutine = ctx.coroutine("write", async move {
            let began_ns = inner.now_ns();
            let data = Bytes::from(vec![fill; GRANULE as usize]);
            blk.write(offset, data).await.expect("the disk is good");
            let took_ns = inner.now_ns() - began_ns;
            self.longest_ns.set(self.longest_ns.get().max(took_ns));
            let mut latencies = self.latencies_ns.borrow_mut();
            latencies.push_back(took_ns);
            if latencies.len() > 100 {
                latencies.pop_front();
            }
            self.under_way.set(self.under_way.get() - 1);
            self.done.set(self.done.get() + 1);
        });
        coroutine.enter();
    }

    /// The mean of the last writes.
    pub(crate) fn mean_ns(&self) -> u64 {
        let latencies = self.latencies_ns.borrow();
        latencies.iter().sum::<u64>() / latencies.len().max(1) as u64
    }

    pub(crate) fn stop(&self) {
        self.stop.set(true);
    }
}

pub(crate) fn in_mode(copy_mode: MirrorCopyMode) -> MirrorOptions {
    MirrorOptions {
        granularity: GRANULE,
        buf_size: 16 * GRANULE,
        copy_mode,
        tuning: MirrorTuning {
            max_in_flight: COPIES,
            max_io_bytes: GRANULE,
            ..MirrorTuning::default()
        },
        ..options()
    }
}

//! Random disks, guests, options and users: whatever they do, a mirror that says that the target is a
//! copy has made one, no guest reads what it may not, and what differs is known to be dirty.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use blockjob_block::buf::BufferPool;
use blockjob_block::driver::Limits;
use blockjob_block::driver::mem::Fill;
use blockjob_block::{Drained, Node};
use blockjob_jobs::driver::{JobChange, MirrorCopyMode};
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorOptions};
use proptest::prelude::*;

use crate::guests::{Guest, Habits};
use crate::lab::{Lab, LabOptions};
use crate::model::{Model, SECTOR};
use crate::support::{KIB, MS, World, options, step_of};

/// What a user or another actor does.
#[derive(Clone, Debug)]
enum Deed {
    Pause,
    Resume,
    SetSpeed(i64),
    /// Drains a side from the main loop, for so long.
    Drain(bool, u64),
    /// Drains a side from a coroutine, for so long.
    CoDrain(bool, u64),
    Complete,
    SoftCancel,
    ForceCancel,
    ChangeMode(MirrorCopyMode),
}

#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    len: u64,
    granularity: u64,
    buf_size: u64,
    /// How much of the memory that all mirrors share there is for this one.
    room: usize,
    /// What each side's requests are multiples of, and its unit of allocation.
    units: [(u64, u64); 2],
    speed: u64,
    source_ns: Range<u64>,
    target_ns: Range<u64>,
    status_ns: Range<u64>,
    zero_source: bool,
    zero_target: bool,
    unmap: bool,
    depth: usize,
    rest_ns: u64,
    deeds: Vec<(u64, Deed)>,
    completes: bool,
    copy_mode: MirrorCopyMode,
}

fn latency() -> impl Strategy<Value = Range<u64>> {
    prop_oneof![
        Just(0..0),
        Just(0..2_000),
        Just(1_000..100_000),
        Just(100..3_000_000),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let time_ns = prop_oneof![Just(0), 0..MS, 0..150 * MS];
    prop_oneof![
        3 => Just(Deed::Pause),
        3 => Just(Deed::Resume),
        2 => prop_oneof![Just(0), 50_000..5_000_000_i64].prop_map(Deed::SetSpeed),
        4 => (any::<bool>(), time_ns.clone()).prop_map(|(side, ns)| Deed::Drain(side, ns)),
        4 => (any::<bool>(), time_ns).prop_map(|(side, ns)| Deed::CoDrain(side, ns)),
        2 => Just(Deed::Complete),
        1 => Just(Deed::SoftCancel),
        1 => Just(Deed::ForceCancel),
        2 => copy_mode().prop_map(Deed::ChangeMode),
    ]
}

fn copy_mode() -> impl Strategy<Value = MirrorCopyMode> {
    prop::sample::select(vec![
        MirrorCopyMode::Background,
        MirrorCopyMode::WriteBlocking,
    ])
}

fn units() -> impl Strategy<Value = (u64, u64)> {
    let alignment = prop::sample::select(vec![1, 1, 512, 4096]);
    (alignment, prop::sample::select(vec![512, 4096]))
}

fn plan() -> impl Strategy<Value = Plan> {
    let shape = (
        any::<u64>(),
        prop_oneof![4 => (8_u64..96).prop_map(|n| n * SECTOR), 1 => 4_097_u64..40_000],
        prop::sample::select(vec![512, KIB, 2 * KIB, 8 * KIB, 64 * KIB]),
        prop::sample::select(vec![0, 1, KIB, 4 * KIB, 16 * KIB]),
        prop::sample::select(vec![1, 4 << 10, 16 << 10, 64 << 20]),
        prop_oneof![3 => Just(0), 1 => 50_000_u64..2_000_000],
    );
    let times = (latency(), latency(), latency(), units(), units());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let flags = (flags, copy_mode());
    let guest = (0_usize..=4, prop_oneof![100_000..300_000_u64, 0..20 * MS]);
    let deeds = prop::collection::vec((prop_oneof![0..MS, 0..60 * MS], deed()), 0..12);
    let all = (shape, times, flags, guest, deeds);
    all.prop_map(|(shape, times, (flags, copy_mode), guest, deeds)| Plan {
        seed: shape.0 >> 1,
        len: shape.1,
        granularity: shape.2,
        buf_size: shape.3,
        room: shape.4,
        units: [times.3, times.4],
        speed: shape.5,
        source_ns: times.0,
        target_ns: times.1,
        status_ns: times.2,
        zero_source: flags.0,
        zero_target: flags.1,
        unmap: flags.2,
        depth: guest.0,
        rest_ns: guest.1,
        deeds,
        completes: flags.3,
        copy_mode,
    })
}

fn with_units(lab: LabOptions, (request_alignment, page_bytes): (u64, u64)) -> LabOptions {
    let limits = Limits {
        request_alignment,
        cluster_size: if page_bytes == 512 { 0 } else { page_bytes },
        ..Limits::default()
    };
    lab.limits(limits).page_bytes(page_bytes)
}

struct Run {
    world: World,
    plan: Plan,
    source: Rc<Node>,
    target: Rc<Node>,
    disk: Rc<Lab>,
    copy: Rc<Lab>,
    model: Rc<Model>,
    guest: Rc<Guest>,
    job: Rc<Job>,
    mirror: Rc<MirrorJob>,
    /// Between M7 and M16 the bitmaps account for every difference.
    in_loop: Rc<Cell<bool>>,
    /// Both disks at M17.
    at_the_end: Rc<RefCell<Option<[Vec<u8>; 2]>>>,
    /// Sections that coroutines hold.
    held: Rc<Cell<usize>>,
}

impl Run {
    fn new(plan: Plan) -> Run {
        let mut world = World::new();
        world.pool = Rc::new(BufferPool::new(512, plan.room));
        let fill = if plan.zero_source {
            Fill::Zeroes
        } else {
            Fill::Noise(3)
        };
        let lab = LabOptions::new(plan.len).status_ns(plan.status_ns.clone());
        let lab = lab.seed(plan.seed);
        let source = lab.clone().half_ns(plan.source_ns.clone()).fill(fill);
        let source = with_units(source, plan.units[0]);
        let (source, disk) = world.lab("source", source);
        let fill = if plan.zero_target {
            Fill::Zeroes
        } else {
            Fill::Noise(99)
        };
        let target = lab.half_ns(plan.target_ns.clone()).fill(fill);
        let target = with_units(target, plan.units[1]).seed(plan.seed ^ 77);
        let (target, copy) = world.lab("target", target);
        for (lab, is_zero) in [(&disk, plan.zero_source), (&copy, plan.zero_target)] {
            if !is_zero {
                lab.disk.write_at(0, &lab.content());
            }
        }
        let blk = world.guest("drive0", &source);
        let model = Rc::new(Model::new(disk.content()));
        let habits = Habits::new(plan.seed ^ 5).depth(plan.depth).max_sectors(12);
        let habits = habits.rest_ns(plan.rest_ns.max(100_000));
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        let in_loop = Rc::new(Cell::new(false));
        let at_the_end = Rc::new(RefCell::new(None));
        let (tracks, noted) = (in_loop.clone(), at_the_end.clone());
        let labs = [disk.clone(), copy.clone()];
        world.diary.on_event(move |_, event| match step_of(event) {
            Some(Step::M7) => tracks.set(true),
            Some(Step::M16) => tracks.set(false),
            Some(Step::M17) => {
                let contents = labs.each_ref().map(|lab| lab.content());
                *noted.borrow_mut() = Some(contents);
            }
            _ => {}
        });
        let options = MirrorOptions {
            granularity: plan.granularity,
            buf_size: plan.buf_size,
            speed: plan.speed,
            unmap: plan.unmap,
            copy_mode: plan.copy_mode,
            zero_target: !plan.zero_target,
            ..options()
        };
        let (job, mirror) = world.mirror(&source, &target, &options);
        Run {
            world,
            plan,
            source,
            target,
            disk,
            copy,
            model,
            guest,
            job,
            mirror,
            in_loop,
            at_the_end,
            held: Rc::default(),
        }
    }

    /// A granule that differs is dirty, being copied, or being written by the guest.
    fn assert_accounted(&self) {
        if !self.in_loop.get() {
            return;
        }
        let (source, target) = (self.disk.content(), self.copy.content());
        let granule = self.plan.granularity as usize;
        let synced = self.mirror.is_actively_synced();
        for start in (0..source.len()).step_by(granule) {
            let range = start..(start + granule).min(source.len());
            let (offset, bytes) = (start as u64, range.len() as u64);
            assert!(
                source[range.clone()] == target[range]
                    || self.mirror.is_dirty(offset) && !synced
                    || self.mirror.is_in_flight(offset) && !synced
                    || self.model.is_being_written(offset, bytes),
                "the granule at {offset} differs and nobody knows"
            );
        }
    }

    fn until(&self, mut condition: impl FnMut() -> bool) {
        self.world.until(|| {
            self.assert_accounted();
            condition()
        });
    }

    fn pass(&self, time_ns: u64) {
        let end_ns = self.world.ctx.now_ns() + time_ns;
        let alarm = self.world.ctx.timer("alarm", || {});
        alarm.arm(end_ns);
        self.until(|| self.world.ctx.now_ns() >= end_ns);
    }

    fn side(&self, is_source: bool) -> (&Rc<Node>, &Rc<Lab>) {
        match is_source {
            true => (&self.source, &self.disk),
            false => (&self.target, &self.copy),
        }
    }

    fn act(&self, deed: &Deed) {
        // Who comes too early or too late is refused, and that is all.
        match deed {
            Deed::Pause => drop(self.job.user_pause()),
            Deed::Resume => drop(self.job.user_resume()),
            Deed::SetSpeed(speed) => drop(self.job.set_speed(*speed)),
            Deed::Complete => drop(self.job.complete()),
            Deed::SoftCancel => drop(self.job.block_job_cancel(false)),
            Deed::ForceCancel => drop(self.job.block_job_cancel(true)),
            Deed::ChangeMode(copy_mode) => {
                let copy_mode = *copy_mode;
                drop(self.job.change(JobChange::Mirror { copy_mode }));
            }
            Deed::Drain(is_source, time_ns) => {
                let (node, lab) = self.side(*is_source);
                let section = Section::check(node.drained_begin("test"), lab, &self.copy);
                self.pass(*time_ns);
                section.end();
            }
            Deed::CoDrain(is_source, time_ns) => {
                let (node, lab) = self.side(*is_source);
                let (node, lab, copy) = (node.clone(), lab.clone(), self.copy.clone());
                let (ctx, time_ns) = (self.world.ctx.clone(), *time_ns);
                let held = self.held.clone();
                held.set(held.get() + 1);
                let drainer = self.world.ctx.coroutine("drainer", async move {
                    let drained = node.co_drained_begin("test").await;
                    let section = Section::check(drained, &lab, &copy);
                    ctx.sleep(time_ns).await;
                    section.end();
                    held.set(held.get() - 1);
                });
                drainer.enter();
            }
        }
    }

    fn play(&self) {
        for (wait_ns, deed) in &self.plan.deeds {
            self.pass(*wait_ns);
            self.act(deed);
        }
        self.until(|| self.held.get() == 0);
        drop(self.job.user_resume());
        drop(self.job.set_speed(0));
        // With a busy guest it may never be ready; without one it must be.
        let patience_ns = self.world.ctx.now_ns() + 50 * MS;
        let alarm = self.world.ctx.timer("alarm", || {});
        alarm.arm(patience_ns);
        let settled = || self.job.is_ready() || self.job.is_completed();
        self.until(|| settled() || self.world.ctx.now_ns() >= patience_ns);
        if !settled() {
            self.guest.stop();
            self.until(settled);
        }
        match self.plan.completes {
            true => drop(self.job.complete()),
            false => drop(self.job.block_job_cancel(false)),
        }
        let patience_ns = self.world.ctx.now_ns() + 50 * MS;
        alarm.arm(patience_ns);
        let over = || self.mirror.outcome().is_some();
        self.until(|| over() || self.world.ctx.now_ns() >= patience_ns);
        self.guest.tell_to_stop();
        self.until(over);
        self.until(|| self.guest.stopped());
    }

    fn check(self) {
        let outcome = self.mirror.outcome().expect("it has ended");
        let contents = self.at_the_end.take().expect("M17 was taken");
        match outcome.end {
            MirrorEnd::Pivoted | MirrorEnd::PointInTime => {
                assert!(outcome.is_copy(), "{outcome:?}");
                assert!(contents[0] == contents[1], "it is no copy: {outcome:?}");
            }
            MirrorEnd::Abandoned => {}
            MirrorEnd::Failed(error) => panic!("no disk has failed, and the job did: {error}"),
        }
        if outcome.end == MirrorEnd::Pivoted {
            self.model.assert_legal(&self.copy.content(), "the target");
        } else {
            self.model.assert_legal(&self.disk.content(), "the source");
            assert!(self.copy.content() == contents[1] || outcome.end == MirrorEnd::Abandoned);
        }
        self.world.assert_nothing_left(self.job, self.mirror);
    }
}

/// A drained section in which nothing is done to the drained disk, nor by the job to its target.
struct Section {
    drained: Drained,
    labs: [Rc<Lab>; 2],
    requests: [usize; 2],
}

impl Section {
    fn check(drained: Drained, lab: &Rc<Lab>, copy: &Rc<Lab>) -> Section {
        let labs = [lab.clone(), copy.clone()];
        assert_eq!(lab.in_flight.get(), 0, "it is drained");
        let requests = labs.each_ref().map(|lab| lab.requests());
        Section {
            drained,
            labs,
            requests,
        }
    }

    fn end(self) {
        let requests = self.labs[0].requests();
        assert_eq!(requests, self.requests[0], "somebody used a drained disk");
        drop(self.drained);
    }
}

/// As many as the environment says, or few enough for every day.
fn cases() -> u32 {
    let told = std::env::var("PROPTEST_CASES");
    told.ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_guests_and_users_do_a_copy_is_a_copy(plan in plan()) {
        let run = Run::new(plan);
        run.play();
        run.check();
    }
}

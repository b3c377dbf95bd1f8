//! A world of one context in virtual time: disks, guests, mirrors, and a diary of what they did.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use blockjob_block::buf::BufferPool;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::Driver;
use blockjob_block::driver::blkdebug::{Blkdebug, BlkdebugOptions};
use blockjob_block::driver::mem::{Fill, MemDisk, MemOptions};
use blockjob_block::{BlockBackend, Graph, Node, Perm, PermPair};
use blockjob_jobs::error::JobError;
use blockjob_jobs::event::JobEvent;
use blockjob_jobs::job::Job;
use blockjob_jobs::list::JobList;
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace, Step};
use blockjob_jobs::mirror::{MirrorJob, MirrorOptions, MirrorSync, Outcome, mirror_start};
use blockjob_jobs::state::JobStatus;
use blockjob_runtime::trace::{Event, Trace};
use blockjob_runtime::{AioContext, CurrentGuard};
use bytes::BytesMut;

use crate::lab::{Lab, LabOptions};

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;
pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1000 * MS;

type EventHook = Rc<dyn Fn(u64, &Event<'_>)>;

/// Takes note of what mirrors do.
#[derive(Default)]
pub(crate) struct Diary {
    events: RefCell<Vec<(String, String)>>,
    mirror: RefCell<Vec<(u64, String, MirrorEvent)>>,
    hook: RefCell<Option<EventHook>>,
}

impl Diary {
    /// The steps of a job so far, in order.
    pub(crate) fn steps(&self, job: &str) -> Vec<Step> {
        let mirror = self.mirror.borrow();
        let steps = mirror.iter().filter_map(|(_, name, event)| match event {
            MirrorEvent::Step(step) if name == job => Some(*step),
            _ => None,
        });
        steps.collect()
    }

    /// What mirrors have reported since there were `seen` reports.
    pub(crate) fn mirror_since(&self, seen: usize) -> Vec<(u64, String, MirrorEvent)> {
        self.mirror.borrow()[seen..].to_vec()
    }

    /// Has `hook` see every event of the trace from now on. It must only look.
    pub(crate) fn on_event(&self, hook: impl Fn(u64, &Event<'_>) + 'static) {
        *self.hook.borrow_mut() = Some(Rc::new(hook));
    }
}

impl Trace for Diary {
    fn event(&self, now_ns: u64, _context: &str, event: &Event<'_>) {
        if let Event::Layer(layer) = event
            && let Some(trace) = layer.as_any().downcast_ref::<MirrorTrace>()
        {
            let note = (now_ns, trace.job.to_string(), trace.event);
            self.mirror.borrow_mut().push(note);
        }
        let hook = self.hook.borrow().clone();
        if let Some(hook) = hook {
            hook(now_ns, event);
        }
    }
}

pub(crate) struct World {
    pub(crate) ctx: AioContext,
    pub(crate) graph: Rc<Graph>,
    pub(crate) jobs: Rc<JobList>,
    pub(crate) diary: Rc<Diary>,
    pub(crate) pool: Rc<BufferPool>,
    _current: CurrentGuard,
}

/// What a guest's device uses, and lets others use.
pub(crate) const GUEST: PermPair = PermPair::new(
    Perm::CONSISTENT_READ.or(Perm::WRITE),
    Perm::CONSISTENT_READ.or(Perm::WRITE_UNCHANGED),
);

impl World {
    pub(crate) fn new() -> Self {
        let diary = Rc::new(Diary::default());
        let ctx = AioContext::builder()
            .virtual_time()
            .trace(diary.clone())
            .build();
        let graph = Graph::new(&ctx);
        let noted = diary.clone();
        let sink = move |event: JobEvent| {
            let note = (event.job_id().to_string(), describe(&event));
            noted.events.borrow_mut().push(note);
        };
        World {
            jobs: JobList::new(&ctx, Rc::new(sink)),
            diary,
            pool: Rc::new(BufferPool::new(4096, 64 << 20)),
            _current: ctx.make_current(),
            graph,
            ctx,
        }
    }

    pub(crate) fn node(&self, name: &str, driver: impl Driver) -> Rc<Node> {
        let node = self
            .graph
            .add_node(Some(name), Box::new(driver), false, &[]);
        node.expect("a new name")
    }

    pub(crate) fn disk(&self, name: &str, options: MemOptions) -> (Rc<Node>, Rc<MemDisk>) {
        let driver = options.build();
        let disk = driver.disk();
        (self.node(name, driver), disk)
    }

    pub(crate) fn lab(&self, name: &str, options: LabOptions) -> (Rc<Node>, Rc<Lab>) {
        let driver = Lab::driver(options);
        let lab = driver.0.clone();
        (self.node(name, driver), lab)
    }

    /// A node above `node`, which is its child in `role`.
    pub(crate) fn above(
        &self,
        name: &str,
        driver: impl Driver,
        role: ChildRole,
        node: &Rc<Node>,
    ) -> Rc<Node> {
        let child = match role {
            ChildRole::Cow => "backing",
            ChildRole::Filtered => "image",
            ChildRole::Data => "file",
        };
        let children = [(child, role, node.clone())];
        let node = self
            .graph
            .add_node(Some(name), Box::new(driver), false, &children);
        node.expect("a new name")
    }

    /// A `blkdebug` filter above `node`.
    pub(crate) fn blkdebug(&self, name: &str, node: &Rc<Node>) -> (Rc<Node>, Blkdebug) {
        let driver = BlkdebugOptions::new().build(node).expect("no limits");
        let control = driver.control();
        (self.above(name, driver, ChildRole::Filtered, node), control)
    }

    pub(crate) fn guest(&self, name: &str, node: &Rc<Node>) -> Rc<BlockBackend> {
        let guest = BlockBackend::new(&self.graph, name, GUEST).expect("a new name");
        guest.insert(node).expect("the guest gets on with others");
        guest
    }

    pub(crate) fn mirror(
        &self,
        source: &Rc<Node>,
        target: &Rc<Node>,
        options: &MirrorOptions,
    ) -> (Rc<Job>, Rc<MirrorJob>) {
        self.try_mirror(source, target, options).expect("it starts")
    }

    pub(crate) fn try_mirror(
        &self,
        source: &Rc<Node>,
        target: &Rc<Node>,
        options: &MirrorOptions,
    ) -> Result<(Rc<Job>, Rc<MirrorJob>), JobError> {
        mirror_start(&self.jobs, &self.pool, source, target, options)
    }

    /// Polls until `condition` holds, which it must before an hour has passed.
    pub(crate) fn until(&self, mut condition: impl FnMut() -> bool) {
        let deadline_ns = self.ctx.now_ns() + 3600 * SECOND;
        let mut passes = 0_u64;
        self.ctx.poll_while(|| {
            passes += 1;
            assert!(self.ctx.now_ns() < deadline_ns, "an hour has passed");
            assert!(passes < 3_000_000, "time stands still");
            !condition()
        });
    }

    pub(crate) fn until_status(&self, job: &Job, status: JobStatus) {
        self.until(|| job.status() == status);
    }

    pub(crate) fn until_ready(&self, job: &Job) {
        self.until(|| job.is_ready() || job.is_completed());
        assert!(job.is_ready(), "{job:?} {:?}", job.result());
    }

    pub(crate) fn until_end(&self, job: &Job, mirror: &MirrorJob) -> Outcome {
        self.until(|| mirror.outcome().is_some());
        assert!(job.is_completed());
        mirror.outcome().expect("it has ended")
    }

    /// Completes a job that is ready or about to be, and waits for its end.
    pub(crate) fn complete(&self, job: &Job, mirror: &MirrorJob) -> Outcome {
        self.until_ready(job);
        job.complete().expect("a ready job completes");
        self.until_end(job, mirror)
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time_ns: u64) {
        let end_ns = self.ctx.now_ns() + time_ns;
        let alarm = self.ctx.timer("alarm", || {});
        alarm.arm(end_ns);
        self.ctx.poll_while(|| self.ctx.now_ns() < end_ns);
    }

    /// What watchers were told since the last time.
    pub(crate) fn take_events(&self) -> Vec<String> {
        let events = self.diary.events.take();
        events.into_iter().map(|(_, event)| event).collect()
    }

    /// The same, of one job of several; what the others told is forgotten.
    pub(crate) fn events_of(&self, job: &str) -> Vec<String> {
        let events = self.diary.events.borrow();
        let ours = events.iter().filter(|(id, _)| id == job);
        ours.map(|(_, event)| event.clone()).collect()
    }

    /// All that a node shows, read through a backend.
    pub(crate) fn read_all(&self, node: &Rc<Node>) -> Vec<u8> {
        let perms = PermPair::new(Perm::CONSISTENT_READ, Perm::ALL);
        let blk = BlockBackend::new(&self.graph, "", perms).expect("it has no name");
        blk.insert(node).expect("everybody lets others read");
        let len = node.len().expect("it has a length") as usize;
        let (buf, result) = self.ctx.run("read_all", async move {
            blk.read(0, BytesMut::zeroed(len)).await
        });
        result.expect("the disk is good");
        buf.to_vec()
    }

    /// Besides so many coroutines of guests, and their requests, nothing runs.
    pub(crate) fn assert_coroutines_of_guests_only(&self, guests: usize) {
        let live = self.ctx.live_coroutines();
        assert!((guests..=2 * guests).contains(&live), "{live} coroutines");
    }

    /// Of an ended job nothing is left but what the caller holds.
    pub(crate) fn assert_nothing_left(&self, job: Rc<Job>, mirror: Rc<MirrorJob>) {
        assert!(self.jobs.jobs().is_empty(), "{:?}", self.jobs);
        assert_eq!(self.ctx.live_coroutines(), 0);
        assert_eq!(self.ctx.armed_timers(), 0);
        let gone: (Weak<Job>, Weak<MirrorJob>) = (Rc::downgrade(&job), Rc::downgrade(&mirror));
        drop((job, mirror));
        assert!(gone.0.upgrade().is_none(), "somebody holds the job");
        assert!(gone.1.upgrade().is_none(), "somebody holds the mirror");
        for node in self.graph.nodes() {
            assert!(node.dirty_bitmaps().is_empty(), "{node:?} has bitmaps");
            assert_eq!(node.quiesce_counter(), 0, "{node:?} is drained");
            assert_eq!(node.in_flight(), 0, "{node:?} is busy");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Coroutines hold their jobs, jobs their context, and the context its coroutines.
        self.ctx.close();
    }
}

/// The step that begins with an event of the trace, if it is one.
pub(crate) fn step_of(event: &Event<'_>) -> Option<Step> {
    let Event::Layer(layer) = event else {
        return None;
    };
    match layer.as_any().downcast_ref::<MirrorTrace>()?.event {
        MirrorEvent::Step(step) => Some(step),
        _ => None,
    }
}

fn describe(event: &JobEvent) -> String {
    match event {
        JobEvent::StatusChange { status, .. } => status.to_string(),
        JobEvent::Completed {
            error: Some(error), ..
        } => format!("BLOCK_JOB_COMPLETED({error})"),
        JobEvent::Error {
            operation, action, ..
        } => format!(
            "BLOCK_JOB_ERROR({} {})",
            operation.as_str(),
            action.as_str()
        ),
        other => other.name().to_owned(),
    }
}

/// The defaults, under the name that tests expect.
pub(crate) fn options() -> MirrorOptions {
    MirrorOptions {
        job_id: Some("job0".to_owned()),
        ..MirrorOptions::new()
    }
}

pub(crate) fn options_for(sync: MirrorSync) -> MirrorOptions {
    MirrorOptions { sync, ..options() }
}

pub(crate) fn noise() -> Fill {
    Fill::Noise(7)
}

/// All bytes of a disk.
pub(crate) fn content(disk: &MemDisk) -> Vec<u8> {
    let mut bytes = vec![0; disk.len() as usize];
    disk.read_at(0, &mut bytes);
    bytes
}

/// Two disks are the same. Says where they are not, and not what they hold.
#[track_caller]
pub(crate) fn assert_same(left: &[u8], right: &[u8]) {
    assert_eq!(left.len(), right.len());
    if let Some(at) = left
        .iter()
        .zip(right)
        .position(|(left, right)| left != right)
    {
        panic!("they differ from byte {at} on");
    }
}

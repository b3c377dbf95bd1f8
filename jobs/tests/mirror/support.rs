//! A world of one context: two disks, a guest, a mirror.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::buf::BufferPool;
use blockjob_block::driver::mem::{Fill, MemDisk, MemOptions};
use blockjob_block::{BlockBackend, Graph, Node, Perm, PermPair};
use blockjob_jobs::event::{JobEvent, JobEventSink};
use blockjob_jobs::job::Job;
use blockjob_jobs::list::JobList;
use blockjob_jobs::mirror::{MirrorJob, MirrorOptions, Outcome, mirror_start};
use blockjob_runtime::{AioContext, CurrentGuard};
use bytes::Bytes;

pub(crate) const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;

/// Keeps what it was told.
#[derive(Default)]
pub(crate) struct Events(RefCell<Vec<String>>);

impl JobEventSink for Events {
    fn emit(&self, event: JobEvent) {
        let line = match &event {
            JobEvent::StatusChange { status, .. } => status.to_string(),
            other => other.name().to_owned(),
        };
        self.0.borrow_mut().push(line);
    }
}

pub(crate) struct World {
    pub(crate) ctx: AioContext,
    pub(crate) graph: Rc<Graph>,
    pub(crate) jobs: Rc<JobList>,
    pub(crate) events: Rc<Events>,
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
        let ctx = AioContext::builder().virtual_time().build();
        let graph = Graph::new(&ctx);
        let events = Rc::new(Events::default());
        World {
            jobs: JobList::new(&ctx, events.clone()),
            events,
            pool: Rc::new(BufferPool::new(4096, 64 << 20)),
            _current: ctx.make_current(),
            graph,
            ctx,
        }
    }

    pub(crate) fn disk(&self, name: &str, options: MemOptions) -> (Rc<Node>, Rc<MemDisk>) {
        let driver = options.build();
        let disk = driver.disk();
        let node = self
            .graph
            .add_node(Some(name), Box::new(driver), false, &[]);
        (node.expect("a disk in memory can be made"), disk)
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
        mirror_start(&self.jobs, &self.pool, source, target, options).expect("it starts")
    }

    pub(crate) fn until_ready(&self, job: &Rc<Job>) {
        self.ctx
            .poll_while(|| !job.is_ready() && !job.is_completed());
        assert!(job.is_ready(), "{:?}", job.result());
    }

    pub(crate) fn until_end(&self, job: &Rc<Job>, mirror: &MirrorJob) -> Outcome {
        self.ctx.poll_while(|| mirror.outcome().is_none());
        assert!(job.is_completed());
        mirror.outcome().expect("it has ended")
    }

    pub(crate) fn take_events(&self) -> Vec<String> {
        self.events.0.take()
    }
}

/// A guest that writes a counter to random places, one at a time, until it is told to stop, and
/// remembers what it was told was written.
pub(crate) struct Guest {
    pub(crate) model: RefCell<Vec<u8>>,
    pub(crate) stop: Cell<bool>,
    pub(crate) stopped: Cell<bool>,
    pub(crate) writes: Cell<u64>,
}

impl Guest {
    pub(crate) fn start(
        ctx: &AioContext,
        blk: &Rc<BlockBackend>,
        model: Vec<u8>,
        seed: u64,
        pause_ns: u64,
    ) -> Rc<Guest> {
        let guest = Rc::new(Guest {
            model: RefCell::new(model),
            stop: Cell::new(false),
            stopped: Cell::new(false),
            writes: Cell::new(0),
        });
        let (me, blk, in_ctx) = (guest.clone(), blk.clone(), ctx.clone());
        let coroutine = ctx.coroutine("guest", async move {
            let mut random = seed | 1;
            while !me.stop.get() {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let len = me.model.borrow().len() as u64;
                let bytes = 512 * (1 + random % 40).min(len / 512);
                let offset = (random >> 16) % (len - bytes + 1);
                let fill = (random >> 40) as u8;
                let data = Bytes::from(vec![fill; bytes as usize]);
                blk.write(offset, data).await.expect("the disk is good");
                me.model.borrow_mut()[offset as usize..(offset + bytes) as usize].fill(fill);
                me.writes.set(me.writes.get() + 1);
                in_ctx.sleep(pause_ns).await;
            }
            me.stopped.set(true);
        });
        coroutine.enter();
        guest
    }

    pub(crate) fn stop(&self, ctx: &AioContext) {
        self.stop.set(true);
        ctx.poll_while(|| !self.stopped.get());
    }
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

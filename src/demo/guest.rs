//! A guest: a few coroutines that use a disk through its backend, and remember what they were told.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use blockjob::block::driver::ZeroFlags;
use blockjob::block::{BlockBackend, BlockError, Node};
use blockjob::runtime::AioContext;
use bytes::{Bytes, BytesMut};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::model::Model;

/// How many requests are under way at a time, at most.
pub(super) const WORKERS: u64 = 4;
/// The longest request, in bytes. The lengths are any number up to it.
const MAX_REQUEST_BYTES: u64 = 64 << 10;
/// Each worker rests for this long on average after each request, in nanoseconds.
const MEAN_PAUSE_NS: u64 = 16_000_000;

/// What the guest has done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Writes, also of zeroes, that were acknowledged by the source.
    pub(super) writes_to_source: u64,
    /// The same, by the target, after the pivot.
    pub(super) writes_to_target: u64,
    pub(super) reads: u64,
    pub(super) flushes: u64,
    /// The longest that a request took, in nanoseconds.
    pub(super) longest_ns: u64,
}

/// A guest that runs.
pub(super) struct Guest {
    ctx: AioContext,
    disk: Rc<BlockBackend>,
    source: Rc<Node>,
    model: RefCell<Model>,
    counts: Cell<Counts>,
    stopping: Cell<bool>,
    live_workers: Cell<u64>,
    /// The first thing that went wrong, in words.
    trouble: RefCell<Option<String>>,
}

/// What a worker does next.
enum Request {
    Write(Range<u64>, Bytes),
    Zero(Range<u64>),
    Read(Range<u64>),
    Flush,
}

impl Guest {
    /// Starts a guest on `disk`, which uses `source` and holds what `model` says.
    pub(super) fn start(
        ctx: &AioContext,
        disk: &Rc<BlockBackend>,
        source: &Rc<Node>,
        model: Model,
        seed: u64,
    ) -> Rc<Guest> {
        let guest = Rc::new(Guest {
            ctx: ctx.clone(),
            disk: disk.clone(),
            source: source.clone(),
            model: RefCell::new(model),
            counts: Cell::default(),
            stopping: Cell::new(false),
            live_workers: Cell::new(WORKERS),
            trouble: RefCell::new(None),
        });
        for worker in 0..WORKERS {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            // Each worker draws from a stream of its own, whatever the others do.
            random.set_stream(worker + 1);
            let guest = guest.clone();
            let coroutine = ctx.coroutine("guest", async move { guest.work(random).await });
            coroutine.enter();
        }
        guest
    }

    /// Has the workers end after the requests that are under way, and polls until they have.
    pub(super) fn stop(&self) {
        self.stopping.set(true);
        self.ctx.poll_while(|| self.live_workers.get() > 0);
    }

    /// What it has done so far.
    pub(super) fn counts(&self) -> Counts {
        self.counts.get()
    }

    /// What went wrong first, if anything did. The guest has stopped then.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Looks at what the guest was told.
    pub(super) fn with_model<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&self.model.borrow())
    }

    async fn work(&self, mut random: ChaCha8Rng) {
        while !self.stopping.get() {
            self.ctx
                .sleep(random.next_u64() % (2 * MEAN_PAUSE_NS))
                .await;
            let request = self.draw(&mut random);
            let started_ns = self.ctx.now_ns();
            let result = self.perform(request).await;
            let took_ns = self.ctx.now_ns() - started_ns;
            self.count(|counts| counts.longest_ns = counts.longest_ns.max(took_ns));
            if let Err(trouble) = result {
                self.trouble.borrow_mut().get_or_insert(trouble);
                self.stopping.set(true);
            }
        }
        self.live_workers.set(self.live_workers.get() - 1);
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> Request {
        let kind = random.next_u32() % 100;
        if kind < 2 {
            return Request::Flush;
        }
        let range = self.draw_range(random);
        match kind {
            2..20 => Request::Read(range),
            20..30 => Request::Zero(range),
            _ => {
                let mut data = vec![0; (range.end - range.start) as usize];
                random.fill_bytes(&mut data);
                Request::Write(range, data.into())
            }
        }
    }

    /// A range that no other request is at.
    fn draw_range(&self, random: &mut ChaCha8Rng) -> Range<u64> {
        let mut model = self.model.borrow_mut();
        loop {
            let bytes = 1 + random.next_u64() % MAX_REQUEST_BYTES;
            let start = random.next_u64() % (model.len() - bytes + 1);
            let range = start..start + bytes;
            if model.claim(&range) {
                return range;
            }
        }
    }

    /// Performs a request, and takes note of what was said about it.
    async fn perform(&self, request: Request) -> Result<(), String> {
        let failed = |error: BlockError| format!("a request of the guest failed: {error}");
        match request {
            Request::Flush => {
                self.disk.flush().await.map_err(failed)?;
                self.count(|counts| counts.flushes += 1);
            }
            Request::Write(range, data) => {
                let result = self.disk.write(range.start, data.clone()).await;
                result.map_err(failed)?;
                self.model.borrow_mut().written(range.start, &data);
                self.count_write(&range);
            }
            Request::Zero(range) => {
                let flags = ZeroFlags {
                    may_unmap: true,
                    no_fallback: false,
                };
                let bytes = range.end - range.start;
                let result = self.disk.write_zeroes(range.start, bytes, flags).await;
                result.map_err(failed)?;
                self.model.borrow_mut().zeroed(&range);
                self.count_write(&range);
            }
            Request::Read(range) => {
                let buf = BytesMut::zeroed((range.end - range.start) as usize);
                let (found, result) = self.disk.read(range.start, buf).await;
                result.map_err(failed)?;
                let mut model = self.model.borrow_mut();
                model.release(&range);
                if let Some(difference) = model.first_difference(range.start, &found) {
                    return Err(format!(
                        "byte {} was read as {:#04x}, and the guest had been told {:#04x}",
                        difference.offset, difference.found, difference.told
                    ));
                }
                self.count(|counts| counts.reads += 1);
            }
        }
        Ok(())
    }

    fn count_write(&self, range: &Range<u64>) {
        self.model.borrow_mut().release(range);
        // Past the filter that the mirror has put there.
        let node = self.disk.node().map(|node| node.skip_implicit_filters());
        let on_source = node.is_some_and(|node| Rc::ptr_eq(&node, &self.source));
        self.count(|counts| match on_source {
            true => counts.writes_to_source += 1,
            false => counts.writes_to_target += 1,
        });
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        count(&mut counts);
        self.counts.set(counts);
    }
}

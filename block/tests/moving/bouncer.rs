//! A disk whose requests are answered by another context, and which counts, for all contexts to see, what it
//! is told.

use std::any::Any;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use blockjob_block::driver::{Driver, IoFuture, ReadResult};
use blockjob_block::moving::PackedDriver;
use blockjob_block::{BlockResult, Graph, Node, PermPair};
use blockjob_runtime::AioHandle;
use bytes::{Bytes, BytesMut};

pub(crate) const LEN: u64 = 64 << 10;

/// What a disk was told, over all its lives.
#[derive(Default)]
pub(crate) struct Seen {
    active: AtomicU32,
    served: AtomicU32,
    flushed: AtomicU32,
    packed: AtomicU32,
    begins: AtomicU32,
    perms: Mutex<Vec<PermPair>>,
    ends: AtomicU32,
}

impl Seen {
    /// Requests that are under way.
    pub(crate) fn active(&self) -> u32 {
        self.active.load(Ordering::SeqCst)
    }

    /// Requests so far.
    pub(crate) fn served(&self) -> u32 {
        self.served.load(Ordering::SeqCst)
    }

    /// Flushes so far.
    pub(crate) fn flushed(&self) -> u32 {
        self.flushed.load(Ordering::SeqCst)
    }

    /// The permissions that it was given since the last question.
    pub(crate) fn take_perms(&self) -> Vec<PermPair> {
        std::mem::take(&mut self.perms.lock().expect("nobody panics"))
    }

    /// How often it was packed.
    pub(crate) fn packed(&self) -> u32 {
        self.packed.load(Ordering::SeqCst)
    }

    /// How often sections of it have begun and ended.
    pub(crate) fn drained(&self) -> (u32, u32) {
        (
            self.begins.load(Ordering::SeqCst),
            self.ends.load(Ordering::SeqCst),
        )
    }
}

#[derive(Clone)]
pub(crate) struct Bouncer {
    /// Where requests go before they are answered.
    over: Option<AioHandle>,
    pub seen: Arc<Seen>,
}

impl Bouncer {
    /// Answers at once.
    pub(crate) fn new() -> Bouncer {
        Bouncer {
            over: None,
            seen: Arc::default(),
        }
    }

    /// Answers after a coroutine of another context has run.
    pub(crate) fn over(other: &AioHandle) -> Bouncer {
        Bouncer {
            over: Some(other.clone()),
            ..Self::new()
        }
    }

    async fn serve(&self) {
        self.seen.active.fetch_add(1, Ordering::SeqCst);
        self.seen.served.fetch_add(1, Ordering::SeqCst);
        if let Some(over) = &self.over {
            let there = over.request_co("bounce", |ctx| {
                let ctx = ctx.clone();
                async move { ctx.sleep(1000).await }
            });
            // A context that has ended answers nobody.
            let _ = there.await;
        }
        self.seen.active.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Driver for Bouncer {
    fn format_name(&self) -> &'static str {
        "bouncer"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(LEN)
    }

    fn read<'a>(
        &'a self,
        _node: &'a Node,
        _offset: u64,
        buf: BytesMut,
    ) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            self.serve().await;
            (buf, Ok(()))
        })
    }

    fn write<'a>(
        &'a self,
        _node: &'a Node,
        _offset: u64,
        _data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.serve().await;
            Ok(())
        })
    }

    fn flush<'a>(&'a self, _node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        self.seen.flushed.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(()) })
    }

    fn set_perms(&self, _node: &Node, perms: PermPair) {
        self.seen.perms.lock().expect("nobody panics").push(perms);
    }

    fn drained_begin(&self, _node: &Node) {
        self.seen.begins.fetch_add(1, Ordering::SeqCst);
    }

    fn drained_end(&self, _node: &Node) {
        self.seen.ends.fetch_add(1, Ordering::SeqCst);
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        self.seen.packed.fetch_add(1, Ordering::SeqCst);
        Box::new(Packed(self.clone()))
    }
}

struct Packed(Bouncer);

impl PackedDriver for Packed {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(self.0)
    }
}

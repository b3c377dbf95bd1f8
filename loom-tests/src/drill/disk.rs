//! The disks: bytes that any thread may look at, behind a driver whose requests take their time.
//!
//! A request comes past a turn of the event loop, a moment of rest, or another context, before it does what
//! it is about and after that: so there is something in flight, and its end comes from another thread.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use blockjob_block::driver::{BlockStatus, Driver, IoFuture, ReadResult, ZeroFlags};
use blockjob_block::moving::PackedDriver;
use blockjob_block::{BlockResult, Graph, Node};
use blockjob_runtime::AioHandle;
use bytes::{Bytes, BytesMut};

use super::dice::Dice;
use super::facts::Unseen;
use super::hub::{DiskSeen, Hub, Seen};
use super::model::UNIT_BYTES;

/// What is on a disk.
pub(crate) struct Store {
    name: String,
    bytes: Unseen<Vec<u8>>,
}

impl Store {
    /// A disk with `units` units, each with the word that `value` says all over.
    pub(crate) fn new(name: &str, units: u64, value: impl Fn(u64) -> u64) -> Arc<Store> {
        let word = |unit| value(unit).to_le_bytes().repeat(UNIT_BYTES as usize / 8);
        Arc::new(Store {
            name: name.to_owned(),
            bytes: Unseen::new((0..units).flat_map(word).collect()),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// All of it, as it is now.
    pub(crate) fn content(&self) -> Vec<u8> {
        self.bytes.lock().clone()
    }

    fn len(&self) -> u64 {
        self.bytes.lock().len() as u64
    }

    fn with<R>(&self, offset: u64, bytes: usize, act: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut content = self.bytes.lock();
        act(&mut content[offset as usize..offset as usize + bytes])
    }
}

/// Its driver. What it holds may travel.
pub(crate) struct DrillDisk(RefCell<Option<Works>>);

struct Works {
    store: Arc<Store>,
    hub: Arc<Hub>,
    dice: Dice,
    /// The contexts by which requests come; none if they take no time.
    elsewhere: Vec<AioHandle>,
}

/// A request that is at the disk; dropping it ends it there.
struct AtDisk {
    hub: Arc<Hub>,
    store: Arc<Store>,
    writes: bool,
}

impl AtDisk {
    fn tell(&self, begins: bool) {
        self.hub.see_here(&Seen::Disk(DiskSeen {
            disk: self.store.name(),
            writes: self.writes,
            begins,
        }));
    }
}

impl Drop for AtDisk {
    fn drop(&mut self) {
        self.tell(false);
    }
}

impl DrillDisk {
    pub(crate) fn new(
        store: &Arc<Store>,
        hub: &Arc<Hub>,
        dice: Dice,
        elsewhere: Vec<AioHandle>,
    ) -> DrillDisk {
        DrillDisk(RefCell::new(Some(Works {
            store: store.clone(),
            hub: hub.clone(),
            dice,
            elsewhere,
        })))
    }

    fn works<R>(&self, look: impl FnOnce(&mut Works) -> R) -> R {
        let mut works = self.0.borrow_mut();
        look(works.as_mut().expect("a disk that has left is not used"))
    }

    fn begin(&self, writes: bool) -> AtDisk {
        let at_disk = self.works(|works| AtDisk {
            hub: works.hub.clone(),
            store: works.store.clone(),
            writes,
        });
        at_disk.tell(true);
        at_disk
    }

    /// Takes its time.
    async fn dawdle(&self, node: &Node) {
        let (way, other) = self.works(|works| {
            let others = works.elsewhere.len() as u64;
            if others == 0 {
                return (0, None);
            }
            let other = works.dice.pick(others) as usize;
            (works.dice.pick(6), Some(works.elsewhere[other].clone()))
        });
        match (way, other) {
            (1, _) => node.context().sleep(0).await,
            (2, _) => node.context().sleep(20_000).await,
            (3, Some(other)) => {
                // It may have ended; then the way was short.
                let _ = other.request("disk", |_| ()).await;
            }
            _ => {}
        }
    }

    async fn change(&self, node: &Node, act: impl FnOnce(&Store)) -> BlockResult<()> {
        let at_disk = self.begin(true);
        self.dawdle(node).await;
        act(&at_disk.store);
        self.dawdle(node).await;
        Ok(())
    }
}

impl Driver for DrillDisk {
    fn format_name(&self) -> &'static str {
        "drill"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        Ok(self.works(|works| works.store.len()))
    }

    fn read<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        mut buf: BytesMut,
    ) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            let at_disk = self.begin(false);
            self.dawdle(node).await;
            at_disk
                .store
                .with(offset, buf.len(), |bytes| buf.copy_from_slice(bytes));
            self.dawdle(node).await;
            (buf, Ok(()))
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(self.change(node, move |store| {
            store.with(offset, data.len(), |bytes| bytes.copy_from_slice(&data));
        }))
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        _flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(self.change(node, move |store| {
            store.with(offset, bytes as usize, |bytes| bytes.fill(0));
        }))
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let _at_disk = self.begin(false);
            self.dawdle(node).await;
            Ok(())
        })
    }

    fn block_status<'a>(
        &'a self,
        _node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == 0);
            let zero = self.works(|works| {
                let first = bytes.min(UNIT_BYTES) as usize;
                works.store.with(offset, first, |part| is_zero(part))
            });
            let same = self.works(|works| {
                works.store.with(offset, bytes as usize, |part| {
                    let units = part.chunks(UNIT_BYTES as usize);
                    let run = units.take_while(|unit| is_zero(unit) == zero);
                    run.map(|unit| unit.len() as u64).sum::<u64>()
                })
            });
            Ok(match zero {
                true => BlockStatus::zero(same),
                false => BlockStatus::data(same),
            })
        })
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        let works = self.0.borrow_mut().take();
        Box::new(Packed(works.expect("a disk leaves once")))
    }
}

struct Packed(Works);

impl PackedDriver for Packed {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        Box::new(DrillDisk(RefCell::new(Some(self.0))))
    }
}

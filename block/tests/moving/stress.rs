//! A guest that never stops writes while its disk is moved from one context to the next, again and again.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use blockjob_block::backend::DeviceOps;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::BlkdebugOptions;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::moving::{Arrival, PackedDevice, Packer};
use blockjob_block::{BlockBackend, BlockResult};
use blockjob_runtime::CoQueue;
use bytes::Bytes;

use crate::world::LAX;

const LEN: u64 = 64 << 10;
const LANES: usize = 4;
const SLOT: u64 = 512;

/// What the guest has been told, for all contexts to see.
#[derive(Default)]
struct Told {
    /// The last number of each lane of which it was told that it is written.
    acknowledged: [AtomicU64; LANES],
    stop: AtomicBool,
}

/// Writes growing numbers, each lane to its place.
struct Guest {
    backend: Weak<BlockBackend>,
    told: Arc<Told>,
    /// The number that each lane writes now.
    now: RefCell<[u64; LANES]>,
    left: Cell<bool>,
    leave: CoQueue,
}

impl Guest {
    fn start(backend: &Rc<BlockBackend>, told: &Arc<Told>, now: [u64; LANES]) {
        let guest = Rc::new(Guest {
            backend: Rc::downgrade(backend),
            told: told.clone(),
            now: RefCell::new(now),
            left: Cell::new(false),
            leave: CoQueue::new(),
        });
        backend.set_device_ops(Some(guest.clone()));
        let graph = backend.graph().expect("it is there");
        for lane in 0..LANES {
            let run = Self::run(guest.clone(), lane);
            graph.context().coroutine("guest", run).wake();
        }
    }

    async fn run(self: Rc<Self>, lane: usize) {
        while !self.left.get() && !self.told.stop.load(Ordering::SeqCst) {
            let number = self.now.borrow()[lane];
            let backend = self.backend.upgrade().expect("it has not left");
            let data = Bytes::from(number.to_le_bytes().repeat(SLOT as usize / 8));
            let write = async {
                backend
                    .write(SLOT * lane as u64, data)
                    .await
                    .expect("it is writable");
                true
            };
            let leave = async {
                self.leave.wait().await;
                false
            };
            if futures_lite::future::or(write, leave).await {
                self.told.acknowledged[lane].store(number, Ordering::SeqCst);
                self.now.borrow_mut()[lane] = number + 1;
            }
            // Else this would keep the thread to itself.
            futures_lite::future::yield_now().await;
        }
    }
}

impl DeviceOps for Guest {
    fn can_move(&self) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _packer: &Packer<'_>) -> Box<dyn PackedDevice> {
        self.left.set(true);
        self.leave.wake_all();
        Box::new(PackedGuest {
            told: self.told.clone(),
            now: *self.now.borrow(),
        })
    }
}

struct PackedGuest {
    told: Arc<Told>,
    now: [u64; LANES],
}

impl PackedDevice for PackedGuest {
    fn unpack(self: Box<Self>, backend: &Rc<BlockBackend>, _arrival: &Arrival<'_>) {
        Guest::start(backend, &self.told, self.now);
    }
}

in_both_lives! {
    fn no_acknowledged_write_is_lost_however_often_the_disk_moves(world) {
        const MOVES: usize = 300;
        let told = Arc::new(Told::default());
        let guest = told.clone();
        world.on(0, move |here| {
            // Some of the requests are under way when the move begins.
            let disk = here.add("disk", MemOptions::new(LEN).latency_ns(1000).build(), &[]);
            let raw = RawDriver::new(RawOptions::default(), LEN).expect("fits");
            let raw = here.add("raw", raw, &[("file", ChildRole::Filtered, &disk)]);
            let debug = BlkdebugOptions::new().build(&raw).expect("fits");
            here.add("debug", debug, &[("image", ChildRole::Filtered, &raw)]);
            here.node("disk").create_dirty_bitmap(Some("all"), SLOT).expect("the name is free");
            Guest::start(&here.backend("drive", "debug", LAX), &guest, [1; LANES]);
        });
        let mut place = 0;
        for turn in 0..MOVES {
            let next = (place + 1 + turn % 2) % 3;
            world.send(["disk", "raw", "debug"][turn % 3], place, next).expect("everybody can");
            // Else the next move could come before anybody has written.
            let before = told.acknowledged[0].load(Ordering::SeqCst);
            while told.acknowledged[0].load(Ordering::SeqCst) == before {
                let shard = world.shards[next].clone();
                let nap = async move {
                    let handle = shard.handle().clone();
                    let there = handle.request_co("nap", move |ctx| {
                        let ctx = ctx.clone();
                        async move { ctx.sleep(2000).await }
                    });
                    there.await
                };
                world.run(nap).expect("the context is there");
            }
            place = next;
        }
        told.stop.store(true, Ordering::SeqCst);
        let drain = |here: Rc<crate::world::Shard>| async move {
            here.node("disk").co_drain("end").await;
        };
        world.co(place, drain);
        let numbers = world.read(place, "drive", 0, LANES * SLOT as usize);
        for lane in 0..LANES {
            let slot = &numbers[lane * SLOT as usize..][..SLOT as usize];
            let (words, _) = slot.as_chunks::<8>();
            let written = u64::from_le_bytes(words[0]);
            assert!(words.iter().all(|word| *word == words[0]), "lane {lane} is torn");
            let acknowledged = told.acknowledged[lane].load(Ordering::SeqCst);
            assert!(
                (acknowledged..=acknowledged + 1).contains(&written),
                "lane {lane} has {written}, and was told of {acknowledged}"
            );
        }
        let dirty = world.on(place, |here| {
            let bitmap = here.node("disk").find_dirty_bitmap("all").expect("it has moved along");
            (bitmap.bits().count(), here.node("debug").quiesce_counter())
        });
        assert_eq!(dirty, (LANES as u64, 0));
    }
}

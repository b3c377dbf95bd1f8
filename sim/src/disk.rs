//! A simulated disk: a driver whose requests land and answer when the world decides.
//!
//! A request *lands* at one instant: then it reads or changes what the disk holds. It answers at that
//! instant or, if the disk is configured so, later. Requests overtake each other; nothing orders two
//! that are under way at the same time, as on a real disk. The faults that a disk can have are those of
//! its [`DiskSpec`], and each of them is a decision.

mod driver;
mod image;
mod spec;
mod store;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::driver::BlockStatus;
use blockjob_block::driver::transfer::{Errno, read_full, write_full};
use blockjob_runtime::AioContext;
use blockjob_runtime::decide::Site;
use bytes::BytesMut;

pub use driver::SimDriver;
pub use image::ImageDriver;
pub use spec::{DiskSpec, Fill, Spread, StatusKind};
pub use store::Spares;
pub(crate) use store::Store;

use crate::decide::time;
use crate::event::{DiskEvent, DiskKind};
use crate::hub::Hub;
use crate::world::{DiskOp, Fate, OpKind, Outcome, World};

static LATENCY: Site = Site::new("disk.latency");
static TAIL: Site = Site::new("disk.tail");
static EARLY: Site = Site::new("disk.early");
static FAIL: Site = Site::new("disk.fail");
static HOLD: Site = Site::new("disk.hold");
static SHORT: Site = Site::new("disk.short");
static STATUS: Site = Site::new("disk.status");

pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;

/// What a disk does and holds. The driver of a node and the checkers share it.
pub struct SimDisk {
    name: &'static str,
    world: Rc<World>,
    hub: Rc<Hub>,
    /// Where its node lives, as it was when it last got a request.
    home: RefCell<Option<AioContext>>,
    spec: DiskSpec,
    store: RefCell<Store>,
    in_flight: Cell<usize>,
    /// Of the view of an image: the file that it is in, and what is under way.
    file: Option<Rc<SimDisk>>,
    book: image::Book,
}

impl SimDisk {
    /// A disk of `len` bytes. `hub` is told what happens to it.
    pub fn new(
        name: &'static str,
        world: &Rc<World>,
        hub: &Rc<Hub>,
        len: u64,
        spec: DiskSpec,
    ) -> Rc<SimDisk> {
        Rc::new(SimDisk {
            name,
            world: world.clone(),
            hub: hub.clone(),
            home: RefCell::default(),
            store: RefCell::new(Store::new(len, &spec, &world.spares)),
            spec,
            in_flight: Cell::new(0),
            file: None,
            book: image::Book::default(),
        })
    }

    /// A file that holds `bytes`.
    pub(crate) fn holding(
        name: &'static str,
        world: &Rc<World>,
        hub: &Rc<Hub>,
        bytes: &[u8],
        spec: DiskSpec,
    ) -> Rc<SimDisk> {
        Rc::new(SimDisk {
            name,
            world: world.clone(),
            hub: hub.clone(),
            home: RefCell::default(),
            store: RefCell::new(Store::holding(bytes, &spec, &world.spares)),
            spec,
            in_flight: Cell::new(0),
            file: None,
            book: image::Book::default(),
        })
    }

    /// What an image of `len` bytes in `file` shows. Nothing fails here but what fails there.
    pub(crate) fn view(
        name: &'static str,
        file: &Rc<SimDisk>,
        len: u64,
        spec: DiskSpec,
    ) -> Rc<SimDisk> {
        Rc::new(SimDisk {
            name,
            world: file.world.clone(),
            hub: file.hub.clone(),
            home: RefCell::default(),
            store: RefCell::new(Store::new(len, &spec, &file.world.spares)),
            spec,
            in_flight: Cell::new(0),
            file: Some(file.clone()),
            book: image::Book::default(),
        })
    }

    /// The file that it is an image in, if it is one.
    pub fn file(&self) -> Option<&Rc<SimDisk>> {
        self.file.as_ref()
    }

    /// Its name, which is that of its node.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it can do, and does wrong.
    pub fn spec(&self) -> &DiskSpec {
        &self.spec
    }

    /// Requests that have not answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Whether no request is under way, nor at the file that it is in.
    pub(crate) fn is_idle(&self) -> bool {
        let file = self.file.as_ref();
        self.in_flight.get() == 0 && file.is_none_or(|file| file.in_flight.get() == 0)
    }

    /// What it holds.
    pub(crate) fn store(&self) -> std::cell::Ref<'_, Store> {
        self.store.borrow()
    }

    pub(crate) fn set_backing(&self, has_backing: bool) {
        self.store.borrow_mut().set_backing(has_backing);
    }

    /// Decides which of the writes that no flush has made safe survive, and loses the rest: the power
    /// has failed. Only of a disk whose cache is volatile.
    pub(crate) fn crash(&self) {
        let decider = self.world.decider();
        self.store.borrow_mut().crash(decider);
    }

    /// Holds what `other`, above `base`, shows, and safely.
    pub(crate) fn become_copy_of(&self, other: &SimDisk, base: Option<&SimDisk>) {
        let other = other.store.borrow();
        let mut shown = vec![0; other.len() as usize];
        if let Some(base) = base {
            base.store.borrow().read(0, &mut shown);
        }
        other.read_over(0, &mut shown);
        let mut store = self.store.borrow_mut();
        store.write(0, &shown);
        let landed = store.landed();
        store.flush(landed);
    }

    /// How much of a change is done: all, or, if it fails, the first half, in whole clusters: no disk
    /// says that it holds one of which it has written a part.
    fn part_done(&self, offset: u64, bytes: u64, failed: bool) -> u64 {
        if !failed {
            return bytes;
        }
        let cluster = self.store.borrow().cluster_bytes();
        let end = offset + bytes / 2;
        (end - end % cluster).saturating_sub(offset)
    }

    pub(crate) fn home(&self) -> AioContext {
        let home = self.home.borrow().clone();
        home.expect("a request comes from a node")
    }

    pub(crate) fn ended(&self) {
        self.in_flight.set(self.in_flight.get() - 1);
    }

    /// Decides what is in store for a request that begins now.
    fn fate(&self, kind: DiskKind) -> Fate {
        let (spec, decider) = (&self.spec, self.world.decider());
        let now_ns = self.world.now_ns();
        let mut latency_ns = spec.latency_ns;
        match spec.spread {
            Spread::Constant => {}
            // 0 is the usual latency; the others are less and more.
            Spread::Uniform => {
                latency_ns = latency_ns
                    * UNIFORM
                        [decider.pick_named(&LATENCY, 8, |it| time(latency_ns * UNIFORM[it] / 8))]
                    / 8
            }
            Spread::HeavyTail => {
                latency_ns <<=
                    decider.pick_rarely_named(&TAIL, 12, 160, |it| time(latency_ns << it))
            }
        }
        if kind == DiskKind::Status {
            latency_ns = match spec.status {
                StatusKind::Slow => {
                    let slow = |it| latency_ns + it as u64 * spec.latency_ns;
                    slow(decider.pick_named(&STATUS, 4, |it| time(slow(it))))
                }
                StatusKind::Exact | StatusKind::Coarse => 0,
            };
        }
        let held = spec.hold > 0
            && kind.moves_data()
            && decider.flip_named(&HOLD, spec.hold, ["goes on", "is held"]);
        let answers_ns = now_ns + latency_ns;
        let early = spec.early && latency_ns > 0 && kind.moves_data() && !held;
        let lands_ns = match early {
            true => {
                let after_ns = |it| latency_ns * it as u64 / 4;
                let name = |it| format!("lands after {}", time(after_ns(it)));
                now_ns + after_ns(decider.pick_named(&EARLY, 4, name))
            }
            false => answers_ns,
        };
        Fate {
            lands_ns,
            answers_ns: (lands_ns < answers_ns).then_some(answers_ns),
            errno: self.errno(kind),
            held,
        }
    }

    fn errno(&self, kind: DiskKind) -> Option<i32> {
        let (odds, errno) = match kind {
            DiskKind::Read | DiskKind::Status => (self.spec.read_error, EIO),
            DiskKind::Write | DiskKind::Zero if self.spec.full > 0 => (self.spec.full, ENOSPC),
            DiskKind::Write | DiskKind::Zero => (self.spec.write_error, EIO),
            DiskKind::Flush => (self.spec.flush_error, EIO),
            DiskKind::Discard => (0, EIO),
        };
        (odds > 0
            && self
                .world
                .decider()
                .flip_named(&FAIL, odds, ["succeeds", "fails"]))
        .then_some(errno)
    }

    fn tell(&self, kind: DiskKind, (offset, bytes): (u64, u64), what: DiskWhat) {
        self.hub.disk(&DiskEvent {
            disk: self.name,
            kind,
            offset,
            bytes,
            what,
        });
    }

    /// A request does what it does.
    pub(crate) fn land(&self, op: &mut DiskOp) -> Outcome {
        let mut outcome = Outcome {
            buf: BytesMut::new(),
            status: None,
            errno: op.errno,
        };
        let range = (op.offset, op.bytes);
        let failed = op.errno.is_some();
        let kind = match &mut op.kind {
            OpKind::Read { buf, over } => {
                outcome.buf = std::mem::take(buf);
                if *over {
                    self.store.borrow().read_over(op.offset, &mut outcome.buf);
                } else if !failed {
                    self.read(op.offset, &mut outcome.buf);
                }
                DiskKind::Read
            }
            OpKind::Write(data) => {
                // A write that fails has done some of it.
                let done = self.part_done(op.offset, data.len() as u64, failed);
                self.write(op.offset, &data[..done as usize]);
                DiskKind::Write
            }
            OpKind::Zero { may_unmap } => {
                let done = self.part_done(op.offset, op.bytes, failed);
                self.store.borrow_mut().zero(op.offset, done, *may_unmap);
                DiskKind::Zero
            }
            OpKind::Discard => {
                self.store.borrow_mut().discard(op.offset, op.bytes);
                DiskKind::Discard
            }
            OpKind::Flush { landed } => {
                if !failed {
                    self.store.borrow_mut().flush(*landed);
                }
                DiskKind::Flush
            }
            OpKind::Status => {
                outcome.status = Some(self.status(op.offset, op.bytes));
                DiskKind::Status
            }
        };
        self.tell(kind, range, DiskWhat::Lands { failed });
        outcome
    }

    /// The loop of the `file` driver, around reads that come short.
    fn read(&self, offset: u64, buf: &mut [u8]) {
        let store = self.store.borrow();
        if self.spec.short == 0 {
            store.read(offset, buf);
            return;
        }
        let mut slices = [std::io::IoSliceMut::new(buf)];
        let once = |at: u64, rest: &mut [std::io::IoSliceMut<'_>]| {
            let bytes = self.shortened(rest[0].len());
            store.read(at, &mut rest[0][..bytes]);
            Ok(bytes)
        };
        let done: Result<u64, Errno> = read_full(offset, &mut slices, false, once);
        debug_assert!(done.is_ok(), "no read of this disk fails here");
    }

    fn write(&self, offset: u64, data: &[u8]) {
        if self.spec.short == 0 || data.is_empty() {
            self.store.borrow_mut().write(offset, data);
            return;
        }
        let mut slices = [std::io::IoSlice::new(data)];
        let once = |at: u64, rest: &[std::io::IoSlice<'_>]| {
            let bytes = self.shortened(rest[0].len());
            self.store.borrow_mut().write(at, &rest[0][..bytes]);
            Ok(bytes)
        };
        let done: Result<u64, Errno> = write_full(offset, &mut slices, once);
        debug_assert!(done.is_ok(), "no write of this disk fails here");
    }

    /// How much of a transfer of `bytes` is done in one go.
    fn shortened(&self, bytes: usize) -> usize {
        let units = bytes / UNIT_BYTES as usize;
        if units < 2
            || !self
                .world
                .decider()
                .flip_named(&SHORT, self.spec.short, ["all of it", "a part"])
        {
            return bytes;
        }
        let done = 1 + self.world.decider().pick_named(&SHORT, units - 1, |it| {
            format!("{} of {units} units", it + 1)
        });
        done * UNIT_BYTES as usize
    }

    fn status(&self, offset: u64, bytes: u64) -> BlockStatus {
        let store = self.store.borrow();
        match self.spec.status {
            StatusKind::Coarse => store.coarse_status(offset, bytes),
            StatusKind::Exact | StatusKind::Slow => store.status(offset, bytes),
        }
    }
}

impl Drop for SimDisk {
    fn drop(&mut self) {
        self.store.get_mut().dissolve(&self.world.spares);
    }
}

/// In eighths of the usual latency, the usual first.
const UNIFORM: [u64; 8] = [8, 1, 2, 4, 6, 10, 12, 15];

/// What guests write, and models remember, at least: the unit of a disk's content.
pub const UNIT_BYTES: u64 = 128;

pub(crate) use crate::event::DiskWhat;

//! A guest: a device of a backend, with lanes that ask for reads, writes, zeroes and flushes, and
//! remember what they were told.
//!
//! After each request a lane rings the device's bell, an external event source as a virtqueue's is, and
//! waits for its handler: so a guest is masked like any other. One kind of device stops ringing while it is
//! drained, and another goes on asking and leaves it to the backend to keep its requests.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use blockjob_block::backend::DeviceOps;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::moving::{Arrival, PackedDevice, Packer};
use blockjob_block::{BlockBackend, BlockError, BlockResult, ErrorKind};
use blockjob_runtime::{AioContext, CoQueue, EventNotifier};
use bytes::{Bytes, BytesMut};

use super::dice::Dice;
use super::facts::{Pair, RequestIds};
use super::hub::{Deed, GuestSeen, Hub, Seen};
use super::model::{UNIT_BYTES, ZERO, stamp};
use super::shard::Shard;

/// What a guest is; all of it travels.
pub(crate) struct Soul {
    pub(crate) pair: Arc<Pair>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) ids: Arc<RequestIds>,
    pub(crate) dice: Dice,
    /// Requests that it has not drawn yet.
    pub(crate) left: u64,
    pub(crate) lanes: u64,
    /// Whether it rests now and then.
    pub(crate) rests: bool,
    /// It stops by itself while it is drained.
    pub(crate) stops: bool,
    /// Writes of this many units at most.
    pub(crate) span: u64,
    /// Only writes, each of a whole granule.
    pub(crate) plain: bool,
    /// Asked for, and not answered: to be asked for again.
    pub(crate) again: Vec<Request>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Zero,
    Flush,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    id: u32,
    kind: Kind,
    offset: u64,
    bytes: u64,
}

/// A guest where it lives.
pub(crate) struct Guest {
    soul: RefCell<Soul>,
    pair: Arc<Pair>,
    hub: Arc<Hub>,
    context: AioContext,
    backend: Weak<BlockBackend>,
    bell: EventNotifier,
    rung: CoQueue,
    /// It is drained.
    held: Cell<bool>,
    /// It lives elsewhere now, or nowhere.
    gone: Cell<bool>,
    asked: RefCell<Vec<Request>>,
    running: Cell<u64>,
    rested: CoQueue,
    /// It is to have no more.
    resting: Cell<bool>,
}

impl Guest {
    /// Makes the guest the device of `backend`, in the context that is current, and has its lanes begin.
    pub(crate) fn begin(soul: Soul, context: &AioContext, backend: &Rc<BlockBackend>) -> Rc<Guest> {
        let guest = Rc::new_cyclic(|myself: &Weak<Guest>| {
            let ringer = myself.clone();
            let bell = context.event_source("guest", true, move || {
                if let Some(guest) = ringer.upgrade() {
                    guest.answer_bell();
                }
            });
            Guest {
                pair: soul.pair.clone(),
                hub: soul.hub.clone(),
                running: Cell::new(soul.lanes),
                soul: RefCell::new(soul),
                context: context.clone(),
                backend: Rc::downgrade(backend),
                bell,
                rung: CoQueue::new(),
                held: Cell::new(false),
                gone: Cell::new(false),
                asked: RefCell::default(),
                rested: CoQueue::new(),
                resting: Cell::new(false),
            }
        });
        backend.set_device_ops(Some(guest.clone()));
        for _ in 0..guest.running.get() {
            let lane = guest.clone();
            context
                .coroutine("guest", async move { lane.live().await })
                .wake();
        }
        guest
    }

    fn answer_bell(&self) {
        let stops = self.soul.borrow().stops && self.held.get();
        if !stops {
            self.rung.wake_all();
        }
    }

    async fn live(self: Rc<Self>) {
        self.bell.set();
        loop {
            self.rung.wait().await;
            if self.gone.get() {
                break;
            }
            let Some(request) = self.next() else {
                match self.resting.get() {
                    true => break,
                    // Until there is more.
                    false => continue,
                }
            };
            if self.ask(request).await.is_none() {
                break;
            }
            let rests = {
                let mut soul = self.soul.borrow_mut();
                soul.rests && soul.dice.one_in(4)
            };
            if rests {
                self.context.sleep(50_000).await;
            }
            self.bell.set();
        }
        self.running.set(self.running.get() - 1);
        self.rested.wake_all();
    }

    /// What a move has interrupted, or else something new.
    fn next(&self) -> Option<Request> {
        let mut soul = self.soul.borrow_mut();
        if let Some(request) = soul.again.pop() {
            return Some(request);
        }
        soul.left = soul.left.checked_sub(1)?;
        let request = soul.draw();
        drop(soul);
        self.tell(&request, true);
        let range = (request.offset, request.bytes);
        let mut model = self.pair.model.lock();
        match request.kind {
            Kind::Write => {
                let value = |unit| stamp(request.id, unit);
                model.begin_write(request.id, range, value);
            }
            Kind::Zero => model.begin_write(request.id, range, |_| ZERO),
            Kind::Read | Kind::Flush => {}
        }
        Some(request)
    }

    fn tell(&self, request: &Request, asks: bool) {
        self.hub.see_here(&Seen::Guest(GuestSeen {
            pair: self.pair.number,
            request: request.id,
            asks,
        }));
    }

    /// Asks for it, and hears the answer. `None` if the guest has moved before it began.
    async fn ask(&self, request: Request) -> Option<()> {
        let backend = self.backend.upgrade()?;
        self.asked.borrow_mut().push(request.clone());
        let reads = request.kind == Kind::Read;
        let reading = reads.then(|| self.pair.model.lock().begin_read());
        let (buf, result) = perform(&backend, &request).await;
        let moved = matches!(&result, Err(error) if error.kind() == ErrorKind::Canceled);
        if let Some(reading) = reading {
            let mut model = self.pair.model.lock();
            match &result {
                Ok(()) => {
                    let legal = model.end_read(reading, request.offset, &buf);
                    drop(model);
                    if let Err(illegal) = legal {
                        self.hub
                            .illegal_read(self.pair.number, request.id, &illegal);
                    }
                }
                Err(_) => model.give_read_up(reading),
            }
        }
        if moved {
            // It went along when the device was packed.
            return None;
        }
        if matches!(request.kind, Kind::Write | Kind::Zero) {
            let mut model = self.pair.model.lock();
            model.end_write(request.id, result.is_ok());
        }
        self.asked.borrow_mut().retain(|it| it.id != request.id);
        if let Err(error) = &result {
            self.hub
                .failed_request(self.pair.number, &format!("{request:?}: {error}"));
        }
        self.tell(&request, false);
        self.hub.count(Deed::Request);
        Some(())
    }

    /// Begins nothing new from now on.
    pub(crate) fn rest(&self) {
        self.soul.borrow_mut().left = 0;
        self.finish();
    }

    /// Is to have no more than it has.
    pub(crate) fn finish(&self) {
        self.resting.set(true);
        self.bell.set();
    }

    /// Asks for so many more.
    pub(crate) fn more(&self, requests: u64) {
        let mut soul = self.soul.borrow_mut();
        soul.left = soul.left.saturating_add(requests);
        drop(soul);
        self.bell.set();
    }

    /// Waits until everything is answered that it has asked for.
    pub(crate) async fn rested(&self) {
        while self.running.get() > 0 {
            self.rested.wait().await;
        }
    }

    /// The end of it.
    pub(crate) fn end(&self) {
        self.gone.set(true);
        self.bell.remove();
        self.rung.wake_all();
    }
}

impl Soul {
    fn draw(&mut self) -> Request {
        let units = self.pair.model.lock().units();
        let id = self.ids.take();
        if self.plain {
            let bytes = super::plan::GRANULE_BYTES;
            let offset = 0;
            return Request {
                id,
                kind: Kind::Write,
                offset,
                bytes,
            };
        }
        let kind = match self.dice.pick(8) {
            0..4 => Kind::Write,
            4 => Kind::Zero,
            5 => Kind::Flush,
            _ => Kind::Read,
        };
        let span = 1 + self.dice.pick(self.span.min(units));
        let place = self.dice.pick(units - span + 1);
        let (offset, bytes) = (place * UNIT_BYTES, span * UNIT_BYTES);
        Request {
            id,
            kind,
            offset,
            bytes,
        }
    }
}

async fn perform(backend: &BlockBackend, request: &Request) -> (BytesMut, BlockResult<()>) {
    let (offset, bytes) = (request.offset, request.bytes);
    let nothing = BytesMut::new();
    match request.kind {
        Kind::Read => backend.read(offset, BytesMut::zeroed(bytes as usize)).await,
        Kind::Write => (nothing, backend.write(offset, content(request)).await),
        Kind::Zero => {
            let flags = ZeroFlags::default();
            (nothing, backend.write_zeroes(offset, bytes, flags).await)
        }
        Kind::Flush => (nothing, backend.flush().await),
    }
}

/// In each unit another value, so that no place can be taken for another.
fn content(request: &Request) -> Bytes {
    let first = request.offset / UNIT_BYTES;
    let units = first..first + request.bytes / UNIT_BYTES;
    let word = |unit| stamp(request.id, unit).to_le_bytes();
    let data = units.flat_map(|unit| word(unit).repeat(UNIT_BYTES as usize / 8));
    Bytes::from(data.collect::<Vec<u8>>())
}

impl DeviceOps for Guest {
    fn drained_begin(&self) {
        self.held.set(true);
    }

    fn drained_end(&self) {
        self.held.set(false);
        self.bell.set();
    }

    /// An answer that a lane has not read yet is in nobody's hands.
    fn can_move(&self) -> BlockResult<()> {
        let backend = self.backend.upgrade();
        let known = backend.map_or(0, |it| it.queued() + it.in_flight() as usize);
        if self.held.get() && self.asked.borrow().len() > known {
            let text = "the guest is about to read an answer";
            return Err(BlockError::new(ErrorKind::InUse, text));
        }
        Ok(())
    }

    fn pack(&self, _packer: &Packer<'_>) -> Box<dyn PackedDevice> {
        let mut soul = self.soul.borrow_mut();
        let mut again = std::mem::take(&mut soul.again);
        again.extend(self.asked.take());
        let packed = Soul {
            again,
            pair: soul.pair.clone(),
            hub: soul.hub.clone(),
            ids: soul.ids.clone(),
            dice: soul.dice.clone(),
            ..*soul
        };
        drop(soul);
        self.end();
        Box::new(Packed(packed))
    }
}

struct Packed(Soul);

impl PackedDevice for Packed {
    fn unpack(self: Box<Self>, backend: &Rc<BlockBackend>, arrival: &Arrival<'_>) {
        let shard = arrival.place().find::<Shard>();
        let shard = shard.expect("the drill has a shard in each context");
        let number = self.0.pair.number;
        let guest = Guest::begin(self.0, &shard.context, backend);
        shard.guests.borrow_mut().insert(number, guest);
    }
}

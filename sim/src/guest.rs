//! Guests: they write, read, zero, discard and flush, several requests at a time, and remember what
//! they were told.
//!
//! A guest runs in the context of its disk, or in a context of its own. Then it has a device as virtio's:
//! it puts requests into a ring and kicks, the kick is an external event source of the disk's context, and
//! the answer comes back as a wake-up in the guest's.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::driver::ZeroFlags;
use blockjob_block::{BlockBackend, BlockResult};
use blockjob_runtime::AioContext;
use blockjob_runtime::decide::Site;
use bytes::{Bytes, BytesMut};

use crate::decide::time;
use crate::disk::UNIT_BYTES;
use crate::event::{GuestEvent, GuestKind, GuestWhat};
use crate::failure::{Failure, Rule};
use crate::hub::Hub;
use crate::model::{Model, ZERO, stamp};
use crate::world::World;

mod ring;

pub(crate) use ring::Rings;
use ring::{Answer, Answered, Ring};

static KIND: Site = Site::new("guest.kind");
static PLACE: Site = Site::new("guest.place");
static SPAN: Site = Site::new("guest.span");
static REST: Site = Site::new("guest.rest");
static UNMAP: Site = Site::new("guest.unmap");
static ABANDON: Site = Site::new("guest.abandon");

/// How a guest behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Requests at a time.
    pub depth: u64,
    /// Requests in its life.
    pub requests: u64,
    /// The longest request, in units.
    pub span: u64,
    /// What all its requests are multiples of, in units.
    pub step: u64,
    /// Half of its requests go to one place.
    pub hot: bool,
    /// What it does besides writing.
    pub kinds: Vec<GuestKind>,
    /// The longest rest of a lane before a request.
    pub rest_ns: u64,
    /// The odds, of 1,024, that it does not wait for a request.
    pub abandon: u32,
}

/// What one request came to.
type Reply = (BytesMut, BlockResult<()>);

#[derive(Clone)]
struct Request {
    id: u32,
    kind: GuestKind,
    offset: u64,
    bytes: u64,
    may_unmap: bool,
}

/// Counts the requests of all guests of a world, from 1.
#[derive(Default)]
pub(crate) struct RequestIds(Cell<u32>);

impl RequestIds {
    fn next(&self) -> u32 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

/// What guests share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) world: Rc<World>,
    pub(crate) hub: Rc<Hub>,
    /// Where the families of disks live to begin with.
    pub(crate) home: AioContext,
    pub(crate) ids: Rc<RequestIds>,
    pub(crate) tally: Rc<Tally>,
}

/// What all guests of a world have done together.
#[derive(Default)]
pub(crate) struct Tally {
    /// Lanes that have not ended.
    pub(crate) running: Cell<u64>,
    /// Requests that have ended.
    pub(crate) done: Cell<u64>,
}

/// A guest.
pub struct Guest {
    number: usize,
    around: Surroundings,
    /// Where it runs.
    context: AioContext,
    /// What it uses without a ring.
    device: Option<Rc<BlockBackend>>,
    model: Rc<RefCell<Model>>,
    ring: Option<Rc<Ring>>,
    habits: Habits,
    left: Cell<u64>,
    running: Cell<u64>,
    done: Cell<u64>,
    latencies_ns: RefCell<Vec<u64>>,
}

impl Guest {
    /// A guest at `device`, whose disk holds what `model` says. It runs in `context`.
    pub(crate) fn new(
        around: &Surroundings,
        number: usize,
        context: &AioContext,
        device: &Rc<BlockBackend>,
        model: &Rc<RefCell<Model>>,
        habits: Habits,
    ) -> Rc<Guest> {
        let ring = (*context != around.home).then(|| Ring::new(&around.home, device));
        let device = ring.is_none().then(|| device.clone());
        Rc::new(Guest {
            number,
            around: around.clone(),
            context: context.clone(),
            device,
            model: model.clone(),
            ring,
            left: Cell::new(habits.requests),
            running: Cell::new(habits.depth),
            done: Cell::new(0),
            latencies_ns: RefCell::default(),
            habits,
        })
    }

    /// Begins.
    pub(crate) fn start(self: &Rc<Self>) {
        let _current = self.context.make_current();
        let tally = &self.around.tally;
        tally.running.set(tally.running.get() + self.habits.depth);
        for _ in 0..self.habits.depth {
            let (me, tally) = (self.clone(), tally.clone());
            let lane = self.context.coroutine("guest", async move {
                while me.left.get() > 0 {
                    me.rest().await;
                    if !me.take_one() {
                        break;
                    }
                    me.one_request().await;
                    me.done.set(me.done.get() + 1);
                    tally.done.set(tally.done.get() + 1);
                }
                me.running.set(me.running.get() - 1);
                tally.running.set(tally.running.get() - 1);
            });
            lane.wake();
        }
    }

    /// Whether there is a request left for the lane that asks: others took theirs while it rested.
    fn take_one(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    /// Begins nothing more.
    pub(crate) fn stop(&self) {
        self.left.set(0);
    }

    /// Whether it has ended, with all its requests.
    pub fn stopped(&self) -> bool {
        self.running.get() == 0
    }

    /// Requests that have ended.
    pub fn done(&self) -> u64 {
        self.done.get()
    }

    /// How long each request took, in nanoseconds, in the order of their ends.
    pub fn latencies_ns(&self) -> Vec<u64> {
        self.latencies_ns.borrow().clone()
    }

    async fn rest(&self) {
        if self.habits.rest_ns > 0 {
            let part = self
                .around
                .world
                .decider()
                .pick_named(&REST, 4, |it| time(self.habits.rest_ns * it as u64 / 3))
                as u64;
            self.context.sleep(self.habits.rest_ns * part / 3).await;
        }
    }

    fn draw(&self) -> Request {
        let (habits, decider) = (&self.habits, self.around.world.decider());
        let kind = |it: usize| match it {
            0 => GuestKind::Write,
            other => habits.kinds[other - 1],
        };
        let name = |it| format!("{:?}", kind(it)).to_lowercase();
        let kind = kind(decider.pick_named(&KIND, habits.kinds.len() + 1, name));
        let units = self.model.borrow().units() as u64 / habits.step;
        let span = 1 + decider.pick_named(&SPAN, habits.span.min(units) as usize, |it| {
            format!("{} bytes", (it as u64 + 1) * habits.step * UNIT_BYTES)
        }) as u64;
        let places = (units - span + 1) as usize;
        let at = |it: usize| format!("at {}", it as u64 * habits.step * UNIT_BYTES);
        let place = match habits.hot {
            true => decider.pick_rarely_named(&PLACE, places, 512, at),
            false => decider.pick_named(&PLACE, places, at),
        } as u64;
        Request {
            id: self.around.ids.next(),
            kind,
            offset: place * habits.step * UNIT_BYTES,
            bytes: span * habits.step * UNIT_BYTES,
            may_unmap: kind == GuestKind::Zero
                && decider.pick_named(&UNMAP, 2, |it| {
                    ["stays allocated", "may become a hole"][it].to_owned()
                }) == 1,
        }
    }

    fn tell(&self, request: &Request, what: GuestWhat) {
        self.around.hub.guest(&GuestEvent {
            guest: self.number,
            request: request.id,
            kind: request.kind,
            offset: request.offset,
            bytes: request.bytes,
            what,
        });
    }

    async fn one_request(&self) {
        let request = self.draw();
        // Whoever draws what he asks wants to hear nothing in particular.
        let _answer = self.make(request).await;
    }

    /// Makes a request of a program's own, beside those that the guest draws, and waits for the answer.
    /// What a read returns is held against what the disk may hold, and what a write writes is remembered.
    /// Called in a coroutine of the guest's context; `offset` and `bytes` are multiples of
    /// [`UNIT_BYTES`]. Returns what was read.
    ///
    /// # Errors
    ///
    /// What the device answers.
    pub async fn request(&self, kind: GuestKind, offset: u64, bytes: u64) -> BlockResult<BytesMut> {
        let request = Request {
            id: self.around.ids.next(),
            kind,
            offset,
            bytes,
            may_unmap: false,
        };
        self.make(request).await
    }

    async fn make(&self, request: Request) -> BlockResult<BytesMut> {
        let range = (request.offset, request.bytes);
        let began_ns = self.around.world.now_ns();
        self.tell(&request, GuestWhat::Asks);
        let reading = match request.kind {
            GuestKind::Read => Some(self.model.borrow_mut().begin_read(request.offset)),
            GuestKind::Flush => None,
            kind => {
                let discards = kind == GuestKind::Discard;
                let writes = kind == GuestKind::Write;
                let value = |unit| {
                    if writes {
                        stamp(request.id, unit)
                    } else {
                        ZERO
                    }
                };
                let mut model = self.model.borrow_mut();
                model.begin_write(request.id, range, discards, value);
                None
            }
        };
        let abandon = self.habits.abandon;
        if abandon > 0
            && self.around.world.decider().flip_named(
                &ABANDON,
                abandon,
                ["waits for it", "loses interest"],
            )
        {
            self.abandon(&request).await;
            if let Some(reading) = reading {
                self.model.borrow_mut().give_read_up(reading);
            }
            return Ok(BytesMut::new());
        }
        let (buf, result) = self.perform(request.clone()).await;
        let latency_ns = self.around.world.now_ns() - began_ns;
        self.latencies_ns.borrow_mut().push(latency_ns);
        if let Some(reading) = reading {
            self.end_read(&request, reading, &buf, result.is_ok());
        } else if request.kind != GuestKind::Flush {
            self.model
                .borrow_mut()
                .end_write(request.id, result.is_ok());
        }
        self.tell(
            &request,
            if result.is_ok() {
                GuestWhat::Done
            } else {
                GuestWhat::Failed
            },
        );
        result.map(|()| buf)
    }

    /// Asks, and loses interest after a while. What was asked for may be done at any time from now on.
    async fn abandon(&self, request: &Request) {
        let asked = self.perform(request.clone());
        let patience = self.context.sleep(1 + self.habits.rest_ns);
        futures_lite::future::or(
            async {
                // Whatever the answer is, nobody hears it.
                let _nobody_hears = asked.await;
            },
            patience,
        )
        .await;
        self.tell(request, GuestWhat::Abandons);
    }

    fn end_read(&self, request: &Request, reading: crate::model::Reading, buf: &[u8], done: bool) {
        let mut model = self.model.borrow_mut();
        if !done {
            model.give_read_up(reading);
        } else if let Err(illegal) = model.end_read(reading, buf) {
            self.around.hub.fail(Failure {
                rule: Rule::Data,
                place: "guest-read".to_owned(),
                parties: vec![format!("guest {}", self.number)],
                text: format!(
                    "request {} read {} at {}, where there may be {}",
                    request.id,
                    illegal.found,
                    illegal.offset,
                    illegal.legal.join(" or ")
                ),
                at_ns: self.around.world.now_ns(),
                decisions: self.around.world.decider().decisions(),
            });
        }
    }

    async fn perform(&self, request: Request) -> Reply {
        match (&self.ring, &self.device) {
            (Some(ring), _) => {
                let answer = Rc::new(Answer::default());
                ring.put(request, &answer);
                Answered(answer).await
            }
            (None, device) => {
                let device = device.as_ref().expect("who has no ring has a device");
                perform(device, request).await
            }
        }
    }

    /// Its ring, if it has one.
    pub(crate) fn ring(&self) -> Option<&Rc<Ring>> {
        self.ring.as_ref()
    }
}

/// Does a request at a device.
async fn perform(device: &Rc<BlockBackend>, request: Request) -> Reply {
    let (offset, bytes) = (request.offset, request.bytes);
    let nothing = BytesMut::new();
    match request.kind {
        GuestKind::Read => device.read(offset, BytesMut::zeroed(bytes as usize)).await,
        GuestKind::Write => (nothing, device.write(offset, content(&request)).await),
        GuestKind::Zero => {
            let flags = ZeroFlags {
                may_unmap: request.may_unmap,
                no_fallback: false,
            };
            (nothing, device.write_zeroes(offset, bytes, flags).await)
        }
        GuestKind::Discard => (nothing, device.discard(offset, bytes).await),
        GuestKind::Flush => (nothing, device.flush().await),
    }
}

/// What a write writes: in each unit another value, so that no place can be taken for another.
fn content(request: &Request) -> Bytes {
    let first = request.offset / UNIT_BYTES;
    let mut data = vec![0; request.bytes as usize];
    for (unit, bytes) in (first..).zip(data.chunks_exact_mut(UNIT_BYTES as usize)) {
        let word = stamp(request.id, unit).to_le_bytes();
        for place in bytes.as_chunks_mut::<8>().0 {
            *place = word;
        }
    }
    Bytes::from(data)
}

//! The ring between a guest in its own context and its device, and how the device moves.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use blockjob_block::backend::DeviceOps;
use blockjob_block::moving::{Arrival, PackedDevice, Packer};
use blockjob_block::{BlockBackend, BlockResult};
use blockjob_runtime::{AioContext, EventNotifier};
use fragile::Fragile;

use super::{Reply, Request, perform};

/// A request in the ring.
#[derive(Clone)]
struct Ringed {
    request: Request,
    answer: Rc<Answer>,
}

#[derive(Default)]
pub(super) struct Answer {
    reply: RefCell<Option<Reply>>,
    waker: RefCell<Option<Waker>>,
}

pub(super) struct Answered(pub(super) Rc<Answer>);

impl Future for Answered {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        if let Some(reply) = self.0.reply.borrow_mut().take() {
            return Poll::Ready(reply);
        }
        *self.0.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Answer {
    fn give(&self, reply: Reply) {
        *self.reply.borrow_mut() = Some(reply);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// See the module.
pub(crate) struct Ring {
    requests: RefCell<VecDeque<Ringed>>,
    /// What the device has taken and not answered, each with its number.
    taken: RefCell<Vec<(u64, Ringed)>>,
    next: Cell<u64>,
    /// Nobody hears it while the device is on its way.
    kick: RefCell<Option<EventNotifier>>,
}

impl Ring {
    /// A ring whose device's side is in `home`.
    pub(super) fn new(home: &AioContext, device: &Rc<BlockBackend>) -> Rc<Ring> {
        let ring = Rc::new(Ring {
            requests: RefCell::default(),
            taken: RefCell::default(),
            next: Cell::new(0),
            kick: RefCell::new(None),
        });
        ring.serve(home, device);
        ring
    }

    /// The device's side: a handler in the context of the disk.
    fn serve(self: &Rc<Self>, home: &AioContext, device: &Rc<BlockBackend>) {
        let (ring, device, context) = (Rc::downgrade(self), device.clone(), home.clone());
        let kick = home.event_source("virtio", true, move || {
            let Some(ring) = ring.upgrade() else { return };
            while let Some(ringed) = ring.take() {
                ring.begin(&context, &device, ringed);
            }
        });
        *self.kick.borrow_mut() = Some(kick);
    }

    fn take(&self) -> Option<Ringed> {
        self.requests.borrow_mut().pop_front()
    }

    fn begin(self: &Rc<Self>, context: &AioContext, device: &Rc<BlockBackend>, ringed: Ringed) {
        let number = self.next.get();
        self.next.set(number + 1);
        self.taken.borrow_mut().push((number, ringed.clone()));
        let (ring, device) = (self.clone(), device.clone());
        let served = context.coroutine("virtio", async move {
            let reply = perform(&device, ringed.request).await;
            // One that was taken back is done elsewhere.
            if ring.is_answered(number) {
                ringed.answer.give(reply);
            }
        });
        served.enter();
    }

    fn is_answered(&self, number: u64) -> bool {
        let mut taken = self.taken.borrow_mut();
        let place = taken.iter().position(|(known, _)| *known == number);
        place.map(|place| taken.remove(place)).is_some()
    }

    /// The guest's side.
    pub(super) fn put(&self, request: Request, answer: &Rc<Answer>) {
        self.requests.borrow_mut().push_back(Ringed {
            request,
            answer: answer.clone(),
        });
        if let Some(kick) = &*self.kick.borrow() {
            kick.set();
        }
    }

    /// The device leaves: what it has taken and not begun is back in the ring, before all that came later.
    fn leave(&self) {
        let kick = self.kick.borrow_mut().take();
        drop(kick);
        let taken = std::mem::take(&mut *self.taken.borrow_mut());
        let mut requests = self.requests.borrow_mut();
        for (_, ringed) in taken.into_iter().rev() {
            requests.push_front(ringed);
        }
    }

    /// The device is somewhere else.
    fn arrive(self: &Rc<Self>, home: &AioContext, device: &Rc<BlockBackend>) {
        self.serve(home, device);
        if !self.requests.borrow().is_empty()
            && let Some(kick) = &*self.kick.borrow()
        {
            kick.set();
        }
    }
}

/// The device's sides of all rings of a disk, as its backend knows them.
pub(crate) struct Rings(Vec<Weak<Ring>>);

impl Rings {
    /// Those of `guests`.
    pub(crate) fn of(guests: &[Rc<super::Guest>]) -> Rings {
        let rings = guests.iter().filter_map(|guest| guest.ring());
        Rings(rings.map(Rc::downgrade).collect())
    }
}

impl DeviceOps for Rings {
    fn can_move(&self) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _packer: &Packer<'_>) -> Box<dyn PackedDevice> {
        let rings: Vec<_> = self.0.iter().filter_map(Weak::upgrade).collect();
        rings.iter().for_each(|ring| ring.leave());
        Box::new(PackedRings(Fragile::new(rings)))
    }
}

/// Rings on their way.
struct PackedRings(Fragile<Vec<Rc<Ring>>>);

impl PackedDevice for PackedRings {
    fn unpack(self: Box<Self>, backend: &Rc<BlockBackend>, arrival: &Arrival<'_>) {
        let rings = self.0.into_inner();
        let home = arrival.place().graph().context().clone();
        let known = rings.iter().map(Rc::downgrade).collect();
        backend.set_device_ops(Some(Rc::new(Rings(known))));
        rings.iter().for_each(|ring| ring.arrive(&home, backend));
    }
}

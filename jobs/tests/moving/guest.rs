//! A guest whose device moves with its backend: it writes one piece after the other, wherever it is.

use std::cell::Cell;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex};

use blockjob_block::backend::DeviceOps;
use blockjob_block::moving::{Arrival, PackedDevice, Packer};
use blockjob_block::{BlockBackend, BlockResult};
use bytes::Bytes;

use crate::world::{GUEST, Shard};

/// One write: where, how long, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) fill: u8,
}

/// What a test holds of a guest.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) writes: Vec<Write>,
    /// How many of them have been answered.
    pub(crate) answered: usize,
    /// The contexts in which they were, in order.
    pub(crate) places: Vec<String>,
    /// Between two of them.
    pub(crate) rest_ns: u64,
    /// With the last of them answered there is one more, until it is enough.
    pub(crate) goes_on: bool,
    /// What makes more of them.
    more: Option<Box<dyn FnMut(usize) -> Write + Send>>,
}

impl Script {
    /// The guest ends with what it is at.
    pub(crate) fn enough(&mut self) {
        self.goes_on = false;
    }

    pub(crate) fn has_ended(&self) -> bool {
        !self.goes_on && self.answered == self.writes.len()
    }

    fn next(&mut self) -> Option<Write> {
        if self.goes_on && self.answered == self.writes.len() {
            let more = self.more.as_mut().expect("it was made by `script`");
            self.writes.push(more(self.answered));
        }
        self.writes.get(self.answered).copied()
    }
}

pub(crate) type Shared = Arc<Mutex<Script>>;

/// `count` writes all over a disk of `len` bytes, which do not keep to any granules.
pub(crate) fn script(len: u64, count: usize, rest_ns: u64) -> Shared {
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x >> 11
    };
    let mut more = move |number: usize| {
        let bytes = 512 * (1 + next() % 12);
        Write {
            offset: next() % (len / 512 - 12) * 512,
            bytes,
            fill: number as u8 | 0x80,
        }
    };
    Arc::new(Mutex::new(Script {
        writes: (0..count).map(&mut more).collect(),
        rest_ns,
        more: Some(Box::new(more)),
        ..Script::default()
    }))
}

/// What a disk holds that held `bytes` before all writes of the guest.
pub(crate) fn after_all(script: &Shared, mut bytes: Vec<u8>) -> Vec<u8> {
    let script = script.lock().expect("whole");
    assert!(script.has_ended(), "the guest has not ended");
    for write in &script.writes {
        let (at, end) = (write.offset as usize, (write.offset + write.bytes) as usize);
        bytes[at..end].fill(write.fill);
    }
    bytes
}

struct Device {
    script: Shared,
    backend: Weak<BlockBackend>,
    has_moved: Cell<bool>,
}

impl Device {
    fn plug_in(backend: &Rc<BlockBackend>, script: Shared) {
        let device = Rc::new(Device {
            script,
            backend: Rc::downgrade(backend),
            has_moved: Cell::new(false),
        });
        backend.set_device_ops(Some(device.clone()));
        let node = backend.node().expect("it has a medium");
        let context = node.context().clone();
        // It does not care for drained sections: what it sends meanwhile waits in the backend.
        context
            .coroutine("guest", async move { device.work().await })
            .wake();
    }

    async fn work(&self) {
        loop {
            let (write, rest_ns) = {
                let mut script = self.script.lock().expect("whole");
                (script.next(), script.rest_ns)
            };
            let (Some(write), Some(backend)) = (write, self.backend.upgrade()) else {
                return;
            };
            let data = Bytes::from(vec![write.fill; write.bytes as usize]);
            let written = backend.write(write.offset, data).await;
            if self.has_moved.get() {
                // It never began, and is repeated where the device is now.
                assert!(written.is_err());
                return;
            }
            written.expect("the guest sees no error");
            let context = backend.node().expect("it has a medium").context().clone();
            drop(backend);
            {
                let mut script = self.script.lock().expect("whole");
                script.answered += 1;
                let place = context.handle().name().to_owned();
                script.places.push(place);
            }
            context.sleep(rest_ns).await;
            if self.has_moved.get() {
                return;
            }
        }
    }
}

impl DeviceOps for Device {
    fn can_move(&self) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _packer: &Packer<'_>) -> Box<dyn PackedDevice> {
        self.has_moved.set(true);
        Box::new(PackedGuest(self.script.clone()))
    }
}

struct PackedGuest(Shared);

impl PackedDevice for PackedGuest {
    fn unpack(self: Box<Self>, backend: &Rc<BlockBackend>, _arrival: &Arrival<'_>) {
        Device::plug_in(backend, self.0);
    }
}

/// The guest behind `backend`, which had nothing to do, has some more.
pub(crate) fn go_on(backend: &Rc<BlockBackend>, script: Shared) {
    Device::plug_in(backend, script);
}

/// A guest on the node called `source`, behind the backend `drive0`.
pub(crate) fn plug_in(shard: &Shard, script: Shared) {
    let backend = BlockBackend::new(&shard.graph, "drive0", GUEST).expect("the name is free");
    backend
        .insert(&shard.node("source"))
        .expect("nobody objects");
    shard.backends.borrow_mut().push(backend.clone());
    Device::plug_in(&backend, script);
}

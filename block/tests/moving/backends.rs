//! Backends: their devices take back what has not begun, and whoever cannot move says why.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use blockjob_block::backend::DeviceOps;
use blockjob_block::child::{Child, ChildParent};
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::error_policy::{IoOperation, OnError};
use blockjob_block::graph::attach_root;
use blockjob_block::moving::{self, Arrival, PackedDevice, Packer};
use blockjob_block::{BlockBackend, BlockResult};
use blockjob_runtime::CoQueue;
use bytes::Bytes;

use crate::bouncer::Bouncer;
use crate::world::{EXCLUSIVE, LAX, Shard, World};

/// A device that writes what it is told to, and takes back what has not begun when it moves.
struct Guest {
    backend: Weak<BlockBackend>,
    /// Numbers of writes whose outcome it has not heard.
    open: RefCell<Vec<u64>>,
    done: Arc<AtomicU32>,
    /// Its requests are given up: it is somewhere else.
    left: Cell<bool>,
    leave: CoQueue,
}

impl Guest {
    fn on(backend: &Rc<BlockBackend>, done: &Arc<AtomicU32>) -> Rc<Guest> {
        let guest = Rc::new(Guest {
            backend: Rc::downgrade(backend),
            open: RefCell::default(),
            done: done.clone(),
            left: Cell::new(false),
            leave: CoQueue::new(),
        });
        backend.set_device_ops(Some(guest.clone()));
        guest
    }

    fn write(self: &Rc<Self>, number: u64) {
        let (guest, backend) = (self.clone(), self.backend.upgrade().expect("it is in use"));
        self.open.borrow_mut().push(number);
        let graph = backend.graph().expect("it is there");
        let write = async move {
            let write = backend.write(512 * number, Bytes::from(vec![number as u8; 512]));
            let leave = async {
                guest.leave.wait().await;
                Ok(())
            };
            let result = futures_lite::future::or(write, leave).await;
            if !guest.left.get() {
                result.expect("it is writable");
                guest.open.borrow_mut().retain(|it| *it != number);
                guest.done.fetch_add(1, Ordering::SeqCst);
            }
        };
        graph.context().coroutine("guest", write).enter();
    }
}

impl DeviceOps for Guest {
    fn can_move(&self) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _packer: &Packer<'_>) -> Box<dyn PackedDevice> {
        self.left.set(true);
        self.leave.wake_all();
        let open = self.open.take();
        Box::new(PackedGuest {
            open,
            done: self.done.clone(),
        })
    }
}

struct PackedGuest {
    open: Vec<u64>,
    done: Arc<AtomicU32>,
}

impl PackedDevice for PackedGuest {
    fn unpack(self: Box<Self>, backend: &Rc<BlockBackend>, _arrival: &Arrival<'_>) {
        let guest = Guest::on(backend, &self.done);
        self.open.into_iter().for_each(|number| guest.write(number));
    }
}

/// Somebody who uses a node and does not know how to move.
struct Rooted;

impl ChildParent for Rooted {
    fn describe(&self) -> String {
        "a tree".to_owned()
    }

    fn drained_begin(&self, _child: &Child) {}

    fn drained_poll(&self, _child: &Child) -> bool {
        false
    }

    fn drained_end(&self, _child: &Child) {}
}

/// A device that lets itself be moved, and forgets its requests.
struct Careless;

impl DeviceOps for Careless {
    fn can_move(&self) -> BlockResult<()> {
        Ok(())
    }

    fn holds_nodes(&self) -> bool {
        true
    }

    fn pack(&self, _packer: &Packer<'_>) -> Box<dyn PackedDevice> {
        Box::new(Careless)
    }
}

impl PackedDevice for Careless {
    fn unpack(self: Box<Self>, backend: &Rc<BlockBackend>, _arrival: &Arrival<'_>) {
        backend.set_device_ops(Some(Rc::new(Careless)));
    }
}

fn disk(here: &Shard) {
    here.add("disk", MemOptions::new(64 << 10).build(), &[]);
}

/// Has somebody keep a thing in the first context for ever.
fn keep(here: &Shard, thing: impl Sized + 'static) {
    let keep = async move {
        let _thing = thing;
        std::future::pending::<()>().await;
    };
    here.graph.context().coroutine("keeps", keep).enter();
}

/// Refused, and nothing has changed.
fn check_stays(world: &World, why: &str) {
    let dump = |world: &World| {
        world.on(0, |here| {
            let disk = here.node("disk");
            let edges: Vec<_> = disk
                .parents()
                .iter()
                .map(|edge| format!("{edge:?}"))
                .collect();
            (
                here.names(),
                edges,
                disk.quiesce_counter(),
                here.graph.backends().len(),
            )
        })
    };
    let before = dump(world);
    assert_eq!(world.refusal("disk", 0, 1), why);
    // The end of the section comes behind.
    world.on(0, |_| ());
    assert_eq!(dump(world), before);
    assert_eq!(world.on(1, |it| it.names()), [""; 0]);
}

in_both_lives! {
    fn a_device_takes_back_what_has_not_begun_and_it_is_done_once_on_the_other_side(world) {
        let done = Arc::new(AtomicU32::new(0));
        let driver = Bouncer::new();
        let seen = driver.seen.clone();
        let count = done.clone();
        world.on(0, move |here| {
            here.add("disk", driver, &[]);
            Guest::on(&here.backend("drive", "disk", LAX), &count);
        });
        let shard = world.shards[0].clone();
        let drained = world.run(async move {
            moving::co_drained_begin(&shard, "disk", "test").await.expect("it is there")
        });
        let count = done.clone();
        world.on(0, move |here| {
            let drive = here.find_backend("drive");
            let guest = Guest::on(&drive, &count);
            (1..=3).for_each(|number| guest.write(number));
            assert_eq!(drive.queued(), 3);
        });
        world.send("disk", 0, 1).expect("everybody can");
        assert_eq!(world.on(1, |here| here.find_backend("drive").queued()), 3);
        assert_eq!((done.load(Ordering::SeqCst), seen.served()), (0, 0));
        drop(drained);
        for _ in 0..10 {
            world.on(1, |_| ());
            world.on(0, |_| ());
        }
        assert_eq!((done.load(Ordering::SeqCst), seen.served()), (3, 3));
        // Nothing has stayed behind.
        assert_eq!(world.on(0, |here| here.graph.backends().len()), 0);
    }

    fn whatever_is_left_of_a_node_answers_that_it_has_moved(world) {
        let shard = world.shards[0].clone();
        world.on(0, |here| {
            disk(here);
            here.backend("drive", "disk", LAX).set_device_ops(Some(Rc::new(Careless)));
        });
        let drained = world.run(async move {
            moving::co_drained_begin(&shard, "disk", "test").await.expect("it is there")
        });
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let tell = told.clone();
        world.on(0, move |here| {
            let (shell, drive) = (here.node("disk"), here.find_backend("drive"));
            // They stay there, and are found by nobody.
            keep(here, (shell.clone(), drive.clone()));
            let write = async move {
                let write = drive.write(0, Bytes::from_static(b"late")).await;
                let left = [write, shell.co_write(0, Bytes::from_static(b"late")).await, shell.flush().await];
                let texts = left.map(|it| it.expect_err("nothing is there").to_string());
                tell.lock().expect("nobody panics").extend(texts);
            };
            keep_running(here, write);
        });
        world.send("disk", 0, 1).expect("everybody can");
        world.on(0, |here| {
            assert!(here.graph.find_node("disk").is_none());
            assert!(here.graph.find_backend("drive").is_none());
        });
        assert_eq!(*told.lock().expect("nobody panics"), [
            "block device 'drive' has moved to another context",
            "Node 'disk' has moved to another context",
            "Node 'disk' has moved to another context",
        ]);
        drop(drained);
        assert_eq!(world.read(1, "drive", 0, 4), [0; 4]);
    }

    fn a_backend_moves_with_its_name_its_permissions_and_its_policies(world) {
        world.on(0, |here| {
            disk(here);
            let drive = here.backend("drive", "disk", EXCLUSIVE);
            drive.set_on_error(OnError::Stop, OnError::Ignore);
            drive.iostatus_enable();
            drive.error_action(IoOperation::Read, 28);
        });
        world.send("disk", 0, 1).expect("everybody can");
        world.on(1, |here| {
            let drive = here.find_backend("drive");
            assert_eq!(drive.perms(), EXCLUSIVE);
            assert_eq!(drive.on_error(IoOperation::Read), OnError::Stop);
            assert_eq!(drive.on_error(IoOperation::Write), OnError::Ignore);
            let status = drive.iostatus().expect("it has one");
            assert!(format!("{status:?}").to_lowercase().contains("nospace"), "{status:?}");
        });
        // Its name is taken everywhere.
        let taken = world.on(0, |here| {
            BlockBackend::new(&here.graph, "drive", LAX).map(drop)
        });
        let text = taken.expect_err("it is taken").to_string();
        assert_eq!(text, "Device with id 'drive' already exists");
    }

    fn a_backend_that_does_not_allow_it_stays(world) {
        world.on(0, |here| {
            disk(here);
            here.backend("drive", "disk", LAX).set_allow_move(false);
        });
        check_stays(&world, "Cannot change iothread of active block backend");
    }

    fn a_backend_for_which_coroutines_wait_stays(world) {
        world.on(0, |here| {
            disk(here);
            let drive = here.backend("drive", "disk", LAX);
            let hold = here.node("disk").drained_begin("test");
            keep(here, hold);
            let write = async move { drive.write(0, Bytes::from_static(b"waits")).await };
            keep_running(here, write);
        });
        let refused = world.refusal("disk", 0, 1);
        assert_eq!(refused, "Cannot change iothread of active block backend");
    }

    fn a_user_who_does_not_know_how_to_move_stays(world) {
        world.on(0, |here| {
            disk(here);
            let user: Rc<dyn ChildParent> = Rc::new(Rooted);
            let edge = attach_root("root", Rc::downgrade(&user), &here.node("disk"), LAX);
            keep(here, (user, edge.expect("nobody objects")));
        });
        check_stays(&world, "a tree cannot change its context");
    }

    fn whoever_holds_a_node_and_is_not_asked_keeps_it(world) {
        world.on(0, |here| {
            disk(here);
            keep(here, here.node("disk"));
        });
        check_stays(&world, "Node 'disk' is in use by somebody who has not been asked");
    }

    fn a_driver_that_does_not_know_how_to_move_keeps_its_node(world) {
        world.on(0, |here| {
            here.add("disk", Stubborn(Bouncer::new()), &[]);
        });
        let why = "Node 'disk' cannot change its context: the driver 'stubborn' does not support it";
        check_stays(&world, why);
    }

    fn a_node_that_is_not_there_cannot_move(world) {
        let refused = world.refusal("none", 0, 1);
        assert_eq!(refused, "Cannot find device='' nor node-name='none'");
    }
}

fn keep_running<T: 'static>(here: &Shard, future: impl Future<Output = T> + 'static) {
    let run = async move {
        let _result = future.await;
    };
    here.graph.context().coroutine("waits", run).enter();
}

/// A disk whose driver says nothing about moving.
struct Stubborn(Bouncer);

impl blockjob_block::driver::Driver for Stubborn {
    fn format_name(&self) -> &'static str {
        "stubborn"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn length(&self, node: &blockjob_block::Node) -> BlockResult<u64> {
        self.0.length(node)
    }

    fn read<'a>(
        &'a self,
        node: &'a blockjob_block::Node,
        offset: u64,
        buf: bytes::BytesMut,
    ) -> blockjob_block::driver::IoFuture<'a, blockjob_block::driver::ReadResult> {
        self.0.read(node, offset, buf)
    }

    fn write<'a>(
        &'a self,
        node: &'a blockjob_block::Node,
        offset: u64,
        data: Bytes,
    ) -> blockjob_block::driver::IoFuture<'a, BlockResult<()>> {
        self.0.write(node, offset, data)
    }
}

//! Backends: requests that wait for the end of a section, requests whose callers have gone, ends of
//! disks, devices.
//!
//! Two of them are bugs of QEMU's past: DRN-01, a request that was let go ran in the next section
//! (8eeaa706ba), and DRN-09, a section began before those had paused who were told to (89bd030533).

#[path = "common/mod.rs"]
#[macro_use]
mod common;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_block::backend::DeviceOps;
use blockjob_block::{BlockBackend, ErrorKind, Perm, PermPair};
use bytes::Bytes;

use common::{LAX, LEN, Pace, TestDriver, TestParent, Way, World, read, write};

in_both_lives! {
    fn drn_01_a_request_that_was_let_go_never_runs_in_the_next_section(world) {
        for way in Way::EACH {
            for pace in [Pace::AtOnce, Pace::BottomHalf, Pace::Timer(1000)] {
                let (disk, driver) = world.disk("disk");
                driver.set_pace(pace);
                let backend = world.backend("drive", &disk);
                let first = world.drain(way, &disk);
                let queued: Vec<_> = (0..3)
                    .map(|i| world.start(write(backend.clone(), i * 512, 512, 1)))
                    .collect();
                assert_eq!((backend.queued(), driver.served()), (3, 0));
                drop(first);
                // Nothing runs in between: what was let go has not run yet, and is in flight.
                assert_eq!((backend.in_flight(), driver.served()), (3, 0));
                let second = world.drain(way, &disk);
                assert_eq!((driver.active(), driver.served()), (0, 3), "{way:?} {pace:?}");
                world.settle();
                assert_eq!(driver.served(), 3, "{way:?} {pace:?}");
                assert!(queued.iter().all(|request| request.ended()), "{way:?} {pace:?}");
                drop(second);
            }
        }
    }

    fn drn_09_a_section_waits_until_those_have_paused_who_were_told_to(world) {
        for way in Way::EACH {
            let (disk, driver) = world.disk("disk");
            let (job, edge) = TestParent::of("job", &disk);
            let backend = BlockBackend::new(&world.graph, "", LAX).expect("unnamed");
            backend.insert(&disk).expect("nobody objects");
            // A job's own requests are not queued: it has to pause itself.
            backend.set_queue_requests(false);
            job.set_busy(true);
            let (pauses, node, works) = (job.clone(), disk.clone(), backend.clone());
            world.context.schedule_oneshot("job", move || assert!(pauses.is_stopped()));
            let context = world.context.clone();
            let last = world.start({
                let job = job.clone();
                async move {
                    context.sleep(1000).await;
                    write(works, 0, 512, 1).await.expect("writes");
                    job.set_busy(false);
                    node.drain_kick();
                }
            });
            let drained = world.drain(way, &disk);
            assert!(last.ended(), "{way:?}");
            assert_eq!((driver.active(), driver.served()), (0, 1), "{way:?}");
            drop((drained, edge));
        }
    }

    fn requests_wait_for_the_end_of_the_section_in_order(world) {
        let (disk, driver) = world.disk("disk");
        let backend = world.backend("drive", &disk);
        let outer = disk.drained_begin("outer");
        let inner = disk.drained_begin("inner");
        let flushes = backend.clone();
        let queued = [
            world.start(write(backend.clone(), 0, 512, 1)),
            world.start(async move { flushes.flush().await }),
            world.start(write(backend.clone(), 512, 512, 1)),
        ];
        drop(inner);
        world.settle();
        assert_eq!((backend.queued(), backend.in_flight(), driver.served()), (3, 0, 0));
        drop(outer);
        for request in &queued {
            world.finish(request).expect("writes");
        }
        // Nothing had been written when the flush began, so it did not reach the driver; and all
        // began in the order in which they came.
        let log = driver.take_log();
        let writes: Vec<_> = log.iter().filter(|line| *line != "flush").collect();
        assert_eq!(writes, ["write 0+512", "write 512+512"]);
        assert_eq!((backend.queued(), backend.in_flight()), (0, 0));
    }

    fn a_request_that_was_let_go_does_not_queue_again_when_a_section_has_begun_since(world) {
        let (disk, driver) = world.disk("disk");
        let backend = world.backend("drive", &disk);
        let first = disk.drained_begin("first");
        let queued = world.start(write(backend.clone(), 0, 512, 1));
        drop(first);
        let second = disk.drained_begin_no_poll("second");
        let late = world.start(write(backend.clone(), 512, 512, 1));
        world.settle();
        assert!(queued.ended(), "the section waits for it");
        assert_eq!((driver.served(), backend.queued()), (1, 1));
        drop(second);
        world.finish(&late).expect("writes");
    }

    fn a_backend_that_does_not_queue_gets_its_requests_through_and_the_section_waits(world) {
        let (disk, driver) = world.disk("disk");
        let backend = world.backend("drive", &disk);
        backend.set_queue_requests(false);
        let drained = disk.drained_begin("test");
        driver.set_pace(Pace::Timer(1000));
        let request = world.start(write(backend.clone(), 0, 512, 1));
        assert_eq!((backend.in_flight(), driver.active()), (1, 1));
        let second = disk.drained_begin("second");
        assert_eq!((backend.in_flight(), driver.active()), (0, 0));
        world.finish(&request).expect("writes");
        drop((drained, second));
    }

    fn a_request_whose_caller_has_gone_is_in_flight_until_the_driver_has_done_with_it(world) {
        let (disk, driver) = world.disk("disk");
        driver.set_pace(Pace::Timer(1_000_000));
        let backend = world.backend("drive", &disk);
        let gives_up = backend.clone();
        world.run(async move {
            let request = gives_up.write(0, Bytes::from_static(&[1; 512]));
            assert!(futures_lite::future::poll_once(request).await.is_none());
        });
        assert_eq!((backend.in_flight(), disk.in_flight(), driver.active()), (1, 1, 1));
        let drained = disk.drained_begin("test");
        assert_eq!((backend.in_flight(), disk.in_flight(), driver.active()), (0, 0, 0));
        assert_eq!(driver.content()[..512], [1; 512]);
        drop(drained);
    }

    fn a_request_whose_caller_has_gone_while_it_was_queued_runs_all_the_same(world) {
        let (disk, driver) = world.disk("disk");
        let backend = world.backend("drive", &disk);
        let drained = disk.drained_begin("test");
        let gives_up = backend.clone();
        world.run(async move {
            let request = gives_up.write(0, Bytes::from_static(&[1; 512]));
            assert!(futures_lite::future::poll_once(request).await.is_none());
        });
        drop(drained);
        disk.drain("test");
        assert_eq!(driver.content()[..512], [1; 512]);
        assert_eq!((backend.in_flight(), backend.queued()), (0, 0));
    }

    fn a_backend_gives_its_node_up_after_its_requests_and_tells_who_waits_that_there_is_none(world) {
        let (disk, driver) = world.disk("disk");
        driver.set_pace(Pace::BottomHalf);
        let backend = world.backend("drive", &disk);
        let running = world.start(write(backend.clone(), 0, 512, 1));
        let drained = disk.drained_begin_no_poll("test");
        let queued = world.start(write(backend.clone(), 512, 512, 1));
        backend.remove();
        assert_eq!(driver.active(), 0);
        assert!(backend.node().is_none() && disk.parents().is_empty());
        world.finish(&running).expect("it was there first");
        let error = world.finish(&queued).expect_err("there is nothing to write to");
        assert_eq!(error.to_string(), "Device 'drive' has no medium");
        assert_eq!(error.errno(), 123);
        drop(drained);

        backend.insert(&disk).expect("nobody objects");
        world.run(write(backend, 512, 512, 1)).expect("and now there is");
    }

    fn a_backend_inserted_into_a_drained_node_waits(world) {
        let (disk, driver) = world.disk("disk");
        let drained = disk.drained_begin("test");
        let backend = world.backend("drive", &disk);
        let queued = world.start(write(backend, 0, 512, 1));
        world.settle();
        assert_eq!(driver.served(), 0);
        drop(drained);
        world.finish(&queued).expect("writes");
    }
}

#[test]
fn requests_past_the_end_fail_with_eio_and_do_not_reach_the_driver() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    let last = LEN - 512;
    let results = world.run(async move {
        write(backend.clone(), last, 512, 1)
            .await
            .expect("that fits");
        let mut errors = Vec::new();
        for (offset, bytes) in [(last, 513), (LEN, 1), (LEN + 1, 0), (u64::MAX, 2)] {
            errors.push(write(backend.clone(), offset, bytes, 1).await.err());
            errors.push(read(backend.clone(), offset, bytes).await.err());
            let flags = Default::default();
            let zeroed = backend.write_zeroes(offset, bytes as u64, flags).await;
            errors.push(zeroed.err());
            errors.push(backend.discard(offset, bytes as u64).await.err());
        }
        errors
    });
    assert_eq!(driver.served(), 1);
    for error in results {
        let error = error.expect("past the end");
        assert_eq!((error.kind(), error.errno()), (ErrorKind::Io, 5));
    }
}

#[test]
fn a_backend_without_a_medium_refuses_everything() {
    let world = World::new();
    let backend = BlockBackend::new(&world.graph, "drive", LAX).expect("free");
    assert!(backend.is_empty() && backend.len().is_err());
    world.run(async move {
        let errors = [
            write(backend.clone(), 0, 512, 1).await.err(),
            read(backend.clone(), 0, 512).await.err(),
            backend.flush().await.err(),
            backend.truncate(0).await.err(),
            backend.discard(0, 512).await.err(),
        ];
        for error in errors {
            let error = error.expect("no medium");
            assert_eq!((error.kind(), error.errno()), (ErrorKind::NotFound, 123));
        }
    });
}

#[test]
fn a_backend_that_is_refused_has_no_medium_and_can_try_again() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let exclusive = world.user(&disk, common::EXCLUSIVE).expect("the first");
    let writer = PermPair::new(Perm::WRITE, Perm::ALL);
    let backend = BlockBackend::new(&world.graph, "drive", writer).expect("free");
    backend.insert(&disk).expect_err("a conflict");
    assert!(backend.node().is_none());
    drop(exclusive);
    backend.insert(&disk).expect("it is alone");
}

/// Writes down what it is told.
#[derive(Default)]
struct Device {
    told: RefCell<Vec<&'static str>>,
    busy: Cell<bool>,
    /// Asked for its length when the device is dropped.
    backend: RefCell<Weak<BlockBackend>>,
}

impl DeviceOps for Device {
    fn drained_begin(&self) {
        self.told.borrow_mut().push("begin");
    }

    fn drained_poll(&self) -> bool {
        self.busy.get()
    }

    fn drained_end(&self) {
        self.told.borrow_mut().push("end");
    }

    fn resized(&self) {
        self.told.borrow_mut().push("resized");
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(backend) = self.backend.take().upgrade() {
            backend.set_device_ops(None);
        }
    }
}

#[test]
fn a_device_is_told_of_the_outermost_section_and_of_changes_of_the_length() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    let device = Rc::new(Device::default());
    backend.set_device_ops(Some(device.clone()));
    let outer = disk.drained_begin("outer");
    drop(disk.drained_begin("inner"));
    assert_eq!(device.told.take(), ["begin"]);
    drop(outer);
    assert_eq!(device.told.take(), ["end"]);
    world
        .run(async move { backend.truncate(512).await })
        .expect("cuts");
    assert_eq!(device.told.take(), ["resized"]);
}

#[test]
fn a_section_waits_for_a_device_that_is_busy() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    let device = Rc::new(Device::default());
    backend.set_device_ops(Some(device.clone()));
    device.busy.set(true);
    let rests = device.clone();
    let timer = world.context.timer("rests", move || rests.busy.set(false));
    timer.arm(world.context.now_ns() + 1000);
    drop(disk.drained_begin("test"));
    assert!(!device.busy.get());
}

#[test]
fn a_device_that_comes_to_a_drained_backend_is_told_at_once() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    let drained = disk.drained_begin("test");
    let device = Rc::new(Device::default());
    backend.set_device_ops(Some(device.clone()));
    assert_eq!(*device.told.borrow(), ["begin"]);
    drop(drained);
    assert_eq!(*device.told.borrow(), ["begin", "end"]);
}

#[test]
fn a_device_may_call_its_backend_while_it_is_dropped() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let backend = world.backend("drive", &disk);
    let device = Device::default();
    device.backend.replace(Rc::downgrade(&backend));
    backend.set_device_ops(Some(Rc::new(device)));
    backend.set_device_ops(None);
    drop(disk.drained_begin("test"));
}

#[test]
fn requests_follow_the_backend_to_another_node() {
    let world = World::new();
    let (old, _) = world.disk("old");
    let driver = TestDriver::new(LEN);
    let new = world.node("new", &driver, &[]);
    let backend = world.backend("drive", &old);
    let drained = old.drained_begin("test");
    let queued = world.start(write(backend, 0, 512, 1));
    world
        .graph
        .replace_node(&old, &new)
        .expect("nobody objects");
    world.finish(&queued).expect("writes");
    assert_eq!(driver.served(), 1);
    drop(drained);
}

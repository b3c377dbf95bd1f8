//! A raw disk that was only guessed to be one: its guest may not make anything else of it.
//! qemu-io 10.0.2 refuses the same writes.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::blkdebug::{BlkdebugOptions, Event};
use blockjob_block::driver::mem::{MemDisk, MemOptions};
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::{BlockBackend, BlockResult, ErrorKind, Perm};
use bytes::Bytes;
use nix::libc;

use super::common::{BoxFuture, World, join_all};

const LEN: u64 = 10_000;
const QCOW2: &[u8] = b"QFI\xfb\0\0\0\x03";

struct Disk {
    world: World,
    guest: Rc<BlockBackend>,
    disk: Rc<MemDisk>,
}

fn disk_of(options: RawOptions, len: u64, latency_ns: u64) -> Disk {
    let world = World::simulated();
    let driver = MemOptions::new(len).latency_ns(latency_ns).build();
    let disk = driver.disk();
    let file = world.node(driver, &[]);
    let raw = RawDriver::new(options, len).expect("it fits").probed();
    assert!(raw.is_probed());
    let role = RawDriver::child_role(options);
    let node = world.node(raw, &[("file", role, file)]);
    Disk {
        // The guest does not resize its disk.
        guest: world.backend_for(&node, Perm::CONSISTENT_READ | Perm::WRITE),
        world,
        disk,
    }
}

fn probed() -> Disk {
    disk_of(RawOptions::default(), LEN, 0)
}

impl Disk {
    fn write(&self, offset: u64, data: &[u8]) -> BlockResult<()> {
        let (guest, data) = (self.guest.clone(), Bytes::copy_from_slice(data));
        self.world
            .run(async move { guest.write(offset, data).await })
    }

    fn zero(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        let guest = self.guest.clone();
        let flags = ZeroFlags::default();
        self.world
            .run(async move { guest.write_zeroes(offset, bytes, flags).await })
    }

    fn discard(&self, offset: u64, bytes: u64) -> BlockResult<()> {
        let guest = self.guest.clone();
        self.world
            .run(async move { guest.discard(offset, bytes).await })
    }

    fn beginning(&self) -> Vec<u8> {
        let mut seen = vec![0; 16];
        self.disk.read_at(0, &mut seen);
        seen
    }
}

fn refused(result: BlockResult<()>) {
    let error = result.expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.errno(), libc::EPERM);
}

#[test]
fn a_write_that_makes_the_disk_look_like_an_image_is_refused() {
    let disk = probed();
    let mut sector = QCOW2.to_vec();
    sector.resize(512, 0);
    refused(disk.write(0, &sector));
    sector.resize(4096, 7);
    refused(disk.write(0, &sector));
    refused(disk.write(0, QCOW2));
    assert_eq!(disk.beginning(), [0; 16], "nothing of it was written");
    disk.write(512, &sector).expect("it is not the beginning");
    disk.write(1, QCOW2).expect("nobody looks for it there");
    disk.write(100, b"anything else").expect("that is raw");
    let without = World::simulated();
    let file = without.node(MemOptions::new(LEN).build(), &[]);
    let raw = RawDriver::new(RawOptions::default(), LEN).expect("it fits");
    let node = without.node(raw, &[("file", ChildRole::Filtered, file)]);
    without.write(&without.backend(&node), 0, QCOW2);
}

#[test]
fn parts_that_make_a_whole_are_refused() {
    let disk = probed();
    disk.write(4, &QCOW2[4..]).expect("raw so far");
    disk.write(1, b"F").expect("raw so far");
    disk.write(0, b"Q").expect("raw so far");
    disk.write(2, b"I").expect("raw so far");
    refused(disk.write(3, b"\xfb"));
    refused(disk.write(3, &[0xfb; 4000]));
    disk.write(8, b"more").expect("still raw");
}

/// Neither of two writes at the same time is to be refused alone.
#[test]
fn two_halves_at_the_same_time_do_not_both_pass() {
    let disk = disk_of(RawOptions::default(), LEN, 1000);
    let (one, other) = (disk.guest.clone(), disk.guest.clone());
    let results = disk.world.run(join_all(vec![
        Box::pin(async move { one.write(0, Bytes::from_static(&QCOW2[..4])).await })
            as BoxFuture<_>,
        Box::pin(async move { other.write(4, Bytes::from_static(&QCOW2[4..])).await }),
    ]));
    let passed = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(passed, 1, "{results:?}");
    assert_ne!(disk.beginning()[..8], *QCOW2);
}

/// Who looks must not miss what another one is about to write.
#[test]
fn a_write_waits_for_one_that_was_looked_at_and_is_not_there_yet() {
    let world = World::simulated();
    let image = world.node(MemOptions::new(LEN).build(), &[]);
    let debug = BlkdebugOptions::new().build(&image).expect("fits");
    let control = debug.control();
    let file = world.node(debug, &[("image", ChildRole::Filtered, image)]);
    let raw = RawDriver::new(RawOptions::default(), LEN).expect("it fits");
    let node = world.node(raw.probed(), &[("file", ChildRole::Filtered, file)]);
    let guest = world.backend_for(&node, Perm::CONSISTENT_READ | Perm::WRITE);
    control.suspend(Event::WRITE_AIO, "first");
    let results: Rc<RefCell<Vec<bool>>> = Rc::default();
    for (offset, half) in [(0, &QCOW2[..4]), (4, &QCOW2[4..])] {
        let (guest, results) = (guest.clone(), results.clone());
        let writer = world.context.coroutine("writer", async move {
            let result = guest.write(offset, Bytes::from_static(half)).await;
            results.borrow_mut().push(result.is_ok());
        });
        writer.wake();
        world.settle();
    }
    assert!(results.borrow().is_empty(), "both wait");
    control.resume("first").expect("one is held");
    world.settle();
    assert_eq!(*results.borrow(), [true, false]);
}

#[test]
fn zeroes_can_complete_a_header_too() {
    let header = b"WithoutFreeSpace\x02\x01\0\0";
    for way in [Disk::zero, Disk::discard] {
        let disk = probed();
        disk.write(0, header).expect("no such version");
        refused(way(&disk, 17, 1));
        refused(way(&disk, 17, 5000));
        way(&disk, 16, 2).expect("version 0 is none");
        way(&disk, 0, 4096).expect("zeroes are raw");
    }
}

#[test]
fn a_disk_that_is_shorter_than_a_sector_does_not_grow() {
    let disk = disk_of(RawOptions::default(), 100, 0);
    refused(disk.write(0, QCOW2));
    disk.write(50, &[7; 50]).expect("raw");
    assert_eq!(disk.disk.len(), 100);
}

#[test]
fn the_beginning_of_a_window_is_that_of_the_disk() {
    let window = RawOptions {
        offset: 1000,
        size: Some(1024),
    };
    let disk = disk_of(window, LEN, 0);
    disk.write(4, &QCOW2[4..]).expect("raw so far");
    refused(disk.write(0, &QCOW2[..4]));
    disk.write(512, QCOW2).expect("it is not the beginning");
    let mut seen = [0; 8];
    disk.disk.read_at(1512, &mut seen);
    assert_eq!(seen, *QCOW2);
}

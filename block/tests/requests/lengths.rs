//! The end of a disk: reads past it, writes past it, and changes of it.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::{BlockResult, ErrorKind, Node, PermPair};
use bytes::{Bytes, BytesMut};

use crate::common::{LAX, LEN, Pace, TestDriver, TestParent, World};

fn read(world: &World, node: &Rc<Node>, offset: u64, bytes: usize) -> Vec<u8> {
    let node = node.clone();
    let mut buf = BytesMut::zeroed(bytes);
    buf.fill(9);
    let (buf, result) = world.run(async move { node.co_read(offset, buf).await });
    result.expect("reads");
    buf.to_vec()
}

fn write(world: &World, node: &Rc<Node>, offset: u64, bytes: usize) -> BlockResult<()> {
    let node = node.clone();
    let data = Bytes::from(vec![1; bytes]);
    world.run(async move { node.co_write(offset, data).await })
}

fn truncate(world: &World, node: &Rc<Node>, len: u64) -> BlockResult<()> {
    let node = node.clone();
    world.run(async move { node.co_truncate(len).await })
}

#[test]
fn what_lies_past_the_end_reads_as_zeroes_and_is_not_asked_for() {
    let world = World::new();
    // The last block is not whole.
    let driver = TestDriver::new(1000).with_align(512);
    driver.fill(7);
    let disk = world.node("disk", &driver, &[]);
    let seen = read(&world, &disk, 512, 1024);
    assert!(seen[..488].iter().all(|byte| *byte == 7));
    assert!(seen[488..].iter().all(|byte| *byte == 0));
    assert_eq!(driver.take_log(), ["read 512+512"]);
    assert_eq!(read(&world, &disk, 900, 200)[..100], [7; 100]);
    assert_eq!(driver.take_log(), ["read 512+512"]);
    assert_eq!(read(&world, &disk, 1024, 2048), vec![0; 2048]);
    assert_eq!(read(&world, &disk, 5000, 10), vec![0; 10]);
    assert!(driver.take_log().is_empty());
}

#[test]
fn a_write_past_the_end_makes_bitmaps_longer_and_users_hear_of_it() {
    let world = World::new();
    let driver = TestDriver::new(4096);
    driver.grows();
    let disk = world.node("disk", &driver, &[]);
    let (parent, _edge) = TestParent::of("user", &disk);
    let bitmap = disk.create_dirty_bitmap(None, 512).expect("made");
    write(&world, &disk, 0, 4096).expect("writes");
    assert_eq!(parent.resizes(), 0);
    bitmap.bits_mut().clear(0, 4096);

    write(&world, &disk, 8192, 512).expect("writes");
    assert_eq!(parent.resizes(), 1);
    assert_eq!(bitmap.bits().len(), 8704);
    assert_eq!(
        bitmap.bits().dirty_bytes(),
        512,
        "what was written, not the gap"
    );
    write(&world, &disk, 8192, 512).expect("writes");
    assert_eq!(parent.resizes(), 1);
}

#[test]
fn a_disk_that_is_cut_or_extended_takes_its_bitmaps_along() {
    let world = World::new();
    let driver = TestDriver::new(4096).with_align(512);
    let disk = world.node("disk", &driver, &[]);
    let (parent, _edge) = TestParent::of("user", &disk);
    let bitmap = disk.create_dirty_bitmap(None, 512).expect("made");
    truncate(&world, &disk, 8192).expect("extends");
    assert_eq!(
        (bitmap.bits().len(), bitmap.bits().dirty_bytes()),
        (8192, 4096)
    );
    truncate(&world, &disk, 5120).expect("cuts");
    assert_eq!(
        (bitmap.bits().len(), bitmap.bits().dirty_bytes()),
        (5120, 1024)
    );
    assert_eq!(parent.resizes(), 2);
    assert_eq!(disk.len().expect("has one"), 5120);

    let error = truncate(&world, &disk, 100).expect_err("no whole block");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    driver.fail_with(Some(28));
    let error = truncate(&world, &disk, 8192).expect_err("no space");
    assert_eq!(error.errno(), 28);
    assert_eq!((bitmap.bits().len(), parent.resizes()), (5120, 2));
}

#[test]
fn a_change_of_the_length_waits_for_requests_in_what_it_changes() {
    let world = World::new();
    let driver = TestDriver::new(4096);
    driver.set_pace(Pace::Held);
    let disk = world.node("disk", &driver, &[]);
    let writer = disk.clone();
    let data = Bytes::from_static(&[1; 512]);
    let writing = world.start(async move { writer.co_write(2048, data).await });
    let cutter = disk.clone();
    let cutting = world.start(async move { cutter.co_truncate(1024).await });
    assert_eq!(driver.take_log(), ["write 2048+512"]);
    assert!(driver.release());
    world.finish(&writing).expect("writes");
    world.settle();
    assert_eq!(driver.take_log(), ["truncate 1024"]);
    assert!(driver.release());
    world.finish(&cutting).expect("cuts");
}

#[test]
fn a_filter_and_its_users_follow_the_disk_below_and_a_format_does_not() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let (filter, _) = world.filter("filter", &disk);
    let driver = TestDriver::new(LEN);
    driver.set_child_perms(|_, _| PermPair::HARMLESS);
    let format = world.node("format", &driver, &[("file", ChildRole::Data, &disk)]);
    let (of_filter, _edge) = TestParent::of("user", &filter);
    let (of_format, _edge) = TestParent::of("other", &format);
    let bitmap = filter.create_dirty_bitmap(None, 512).expect("made");
    let backend = world.user(&disk, LAX).expect("nobody objects");
    world
        .run(async move { backend.truncate(4096).await })
        .expect("cuts");
    assert_eq!((of_filter.resizes(), of_format.resizes()), (1, 0));
    assert_eq!(filter.len().expect("has one"), 4096);
    assert_eq!(bitmap.bits().len(), 4096);
}

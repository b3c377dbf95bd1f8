//! Dirty bitmaps are told of every write, when it has ended and before its owner hears of it.

use std::rc::Rc;

use blockjob_block::bitmap::NodeBitmap;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::{ErrorKind, Node};
use bytes::Bytes;

use crate::common::{LEN, Pace, Started, TestDriver, World};

fn scene() -> (World, Rc<Node>, TestDriver, Rc<NodeBitmap>) {
    let world = World::new();
    let driver = TestDriver::new(LEN).with_align(512);
    let disk = world.node("disk", &driver, &[]);
    let bitmap = disk.create_dirty_bitmap(Some("bits"), 512).expect("made");
    (world, disk, driver, bitmap)
}

fn dirty(bitmap: &NodeBitmap) -> Vec<u64> {
    let bits = bitmap.bits();
    (0..LEN)
        .step_by(512)
        .filter(|offset| bits.get(*offset))
        .collect()
}

fn write(world: &World, node: &Rc<Node>, offset: u64, bytes: usize) -> Started<bool> {
    let node = node.clone();
    let data = Bytes::from(vec![1; bytes]);
    world.start(async move { node.co_write(offset, data).await.is_ok() })
}

#[test]
fn a_write_is_noted_when_it_has_ended() {
    let (world, disk, driver, bitmap) = scene();
    driver.set_pace(Pace::Held);
    let writing = write(&world, &disk, 512, 512);
    assert!(dirty(&bitmap).is_empty());
    assert!(driver.release());
    world.finish(&writing);
    assert_eq!(dirty(&bitmap), [512]);
}

#[test]
fn a_write_that_failed_is_noted_too_because_some_of_it_may_be_there() {
    let (world, disk, driver, bitmap) = scene();
    driver.fail_with(Some(5));
    assert!(!write(&world, &disk, 512, 512).take());
    assert_eq!(dirty(&bitmap), [512]);
}

#[test]
fn zeroes_and_discards_are_noted_and_reads_and_padding_are_not() {
    let (world, disk, _, bitmap) = scene();
    let other = disk.clone();
    world.run(async move {
        let flags = ZeroFlags::default();
        other.co_write_zeroes(0, 512, flags).await.expect("writes");
        other.co_discard(1024, 512).await.expect("discards");
        let (_, read) = other.co_read(2048, bytes::BytesMut::zeroed(512)).await;
        read.expect("reads");
        // Its padding reaches into no other block; of its own blocks both are written.
        let data = Bytes::from_static(&[1; 100]);
        other.co_write(4000, data).await.expect("writes");
    });
    assert_eq!(dirty(&bitmap), [0, 1024, 3584, 4096]);
}

#[test]
fn a_bitmap_that_is_disabled_or_released_is_not_told() {
    let (world, disk, _, bitmap) = scene();
    bitmap.set_enabled(false);
    write(&world, &disk, 0, 512);
    assert!(dirty(&bitmap).is_empty());
    bitmap.set_enabled(true);
    write(&world, &disk, 0, 512);
    assert_eq!(dirty(&bitmap), [0]);
    assert!(disk.find_dirty_bitmap("bits").is_some());
    disk.release_dirty_bitmap(&bitmap);
    write(&world, &disk, 512, 512);
    assert_eq!(dirty(&bitmap), [0]);
    assert!(disk.find_dirty_bitmap("bits").is_none());
}

#[test]
fn a_request_passes_by_the_one_bitmap_whose_keeper_knows_of_it() {
    let (world, disk, _, bitmap) = scene();
    let others = disk.create_dirty_bitmap(None, 512).expect("made");
    let (node, keeper) = (disk.clone(), bitmap.clone());
    world.run(async move {
        let keeper = Some(&*keeper);
        let data = Bytes::from_static(&[1; 100]);
        let written = node.co_write_unseen_by(keeper, 100, data).await;
        written.expect("writes");
        let flags = ZeroFlags::default();
        let zeroed = node.co_write_zeroes_unseen_by(keeper, 1024, 512, flags);
        zeroed.await.expect("writes");
        let discarded = node.co_discard_unseen_by(keeper, 2048, 512).await;
        discarded.expect("discards");
    });
    assert!(dirty(&bitmap).is_empty());
    assert_eq!(dirty(&others), [0, 1024, 2048]);
}

#[test]
fn names_of_bitmaps_are_unique_and_granularities_are_powers_of_two() {
    let (_world, disk, _, _bitmap) = scene();
    let error = disk.create_dirty_bitmap(Some("bits"), 512);
    let error = error.expect_err("it exists");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.to_string(), "Bitmap already exists: bits");
    disk.create_dirty_bitmap(None, 512).expect("unnamed");
    disk.create_dirty_bitmap(None, 512).expect("unnamed");
    let error = disk.create_dirty_bitmap(None, 1000);
    assert_eq!(error.expect_err("no").kind(), ErrorKind::Invalid);
}

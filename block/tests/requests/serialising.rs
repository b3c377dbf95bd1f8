//! Who waits for whom.

use std::rc::Rc;

use blockjob_block::{BlockResult, Node};
use bytes::{Bytes, BytesMut};

use crate::common::{LEN, Pace, Started, TestDriver, World};

/// A disk in blocks of 512 bytes that holds its requests.
fn disk(world: &World) -> (Rc<Node>, TestDriver) {
    let driver = TestDriver::new(LEN).with_align(512);
    driver.set_pace(Pace::Held);
    (world.node("disk", &driver, &[]), driver)
}

fn write(world: &World, node: &Rc<Node>, offset: u64, bytes: usize) -> Started<BlockResult<()>> {
    let node = node.clone();
    let data = Bytes::from(vec![1; bytes]);
    world.start(async move { node.co_write(offset, data).await })
}

fn read(world: &World, node: &Rc<Node>, offset: u64, bytes: usize) -> Started<BlockResult<()>> {
    let node = node.clone();
    let buf = BytesMut::zeroed(bytes);
    world.start(async move { node.co_read(offset, buf).await.1 })
}

fn release_all(world: &World, driver: &TestDriver) {
    while driver.release() {
        world.settle();
    }
}

#[test]
fn aligned_requests_overlap_as_they_like() {
    let world = World::new();
    let (node, driver) = disk(&world);
    let _requests = [
        write(&world, &node, 0, 1024),
        write(&world, &node, 512, 1024),
        read(&world, &node, 0, 2048),
    ];
    assert_eq!(driver.active(), 3);
    // Also while somebody else is not so free.
    let _padded = write(&world, &node, 8192, 10);
    let _request = read(&world, &node, 512, 512);
    assert_eq!(driver.active(), 5);
    release_all(&world, &driver);
}

#[test]
fn a_padded_write_waits_for_what_it_overlaps_with_its_padding() {
    let world = World::new();
    let (node, driver) = disk(&world);
    let _first = write(&world, &node, 512, 512);
    let beside = write(&world, &node, 0, 100);
    assert_eq!(
        driver.active(),
        2,
        "they do not overlap: it reads its block"
    );
    let overlaps = write(&world, &node, 1000, 10);
    assert_eq!(driver.active(), 2, "its padding overlaps the first");
    release_all(&world, &driver);
    assert!(beside.ended() && overlaps.ended());
    let log = driver.take_log();
    assert_eq!(log[..3], ["write 512+512", "read 0+512", "read 512+512"]);
    assert_eq!(log[3..], ["write 0+512", "write 512+512"]);
}

#[test]
fn others_wait_for_a_padded_write_reads_and_discards_too() {
    let world = World::new();
    let (node, driver) = disk(&world);
    let _padded = write(&world, &node, 10, 10);
    assert_eq!(driver.active(), 1);
    let discards = node.clone();
    let waiting = [
        write(&world, &node, 0, 512),
        read(&world, &node, 0, 512),
        world.start(async move { discards.co_discard(0, 512).await }),
    ];
    let free = read(&world, &node, 512, 512);
    assert_eq!(driver.active(), 2, "only the one beside it has begun");
    release_all(&world, &driver);
    assert!(waiting.iter().all(Started::ended) && free.ended());
}

#[test]
fn nobody_waits_for_one_who_waits_himself() {
    let world = World::new();
    let (node, driver) = disk(&world);
    let _first = write(&world, &node, 0, 512);
    // Waits for the first.
    let padded = write(&world, &node, 500, 100);
    assert_eq!(driver.active(), 1);
    // Overlaps only the one that waits, which looks again when it wakes, and waits for this one.
    let overtakes = write(&world, &node, 512, 512);
    assert_eq!(driver.active(), 2);
    assert!(driver.release());
    world.settle();
    assert_eq!(
        driver.active(),
        1,
        "the padded one waits for who has overtaken it"
    );
    assert!(driver.release());
    world.settle();
    assert!(overtakes.ended() && !padded.ended());
    release_all(&world, &driver);
    assert!(padded.ended());
}

#[test]
fn two_padded_writes_of_the_same_block_do_not_undo_each_other() {
    let world = World::new();
    let driver = TestDriver::new(LEN).with_align(512);
    driver.set_pace(Pace::Timer(1000));
    let node = world.node("disk", &driver, &[]);
    let writes: Vec<_> = (0..8).map(|i| write(&world, &node, i * 64, 64)).collect();
    for write in &writes {
        world.finish(write).expect("writes");
    }
    assert_eq!(driver.content()[..512], [1; 512]);
}

#[test]
fn a_request_that_waits_is_in_flight_and_one_that_is_dropped_is_not_waited_for() {
    let world = World::new();
    let (node, driver) = disk(&world);
    let _first = write(&world, &node, 0, 512);
    let gives_up = node.clone();
    let given_up = world.start(async move {
        let write = gives_up.co_write(10, Bytes::from_static(&[1; 10]));
        assert!(futures_lite::future::poll_once(write).await.is_none());
    });
    assert!(given_up.ended());
    assert_eq!(node.in_flight(), 1);
    let padded = write(&world, &node, 20, 10);
    assert_eq!(node.in_flight(), 2);
    release_all(&world, &driver);
    assert!(padded.ended());
    assert_eq!(node.in_flight(), 0);
}

//! What `overlay` alone promises.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::{BlkdebugOptions, Event, InjectError};
use blockjob_block::driver::mem::{Fill, MemOptions};
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::driver::{BlockStatus, ZeroFlags};
use blockjob_block::{BlockBackend, ErrorKind, Node};
use bytes::Bytes;

use super::common::{BoxFuture, World, join_all};

const CLUSTER: u64 = 4096;

/// An overlay of `len` bytes on a disk of `backing_len` bytes of noise, which are returned.
fn stack(world: &World, len: u64, backing_len: u64) -> (Rc<Node>, Rc<BlockBackend>, Vec<u8>) {
    let driver = MemOptions::new(backing_len)
        .fill(Fill::Noise(1))
        .latency_ns(1_000)
        .build();
    let mut below = vec![0; backing_len as usize];
    driver.disk().read_at(0, &mut below);
    let backing = world.node(driver, &[]);
    let (node, backend) = on(world, len, backing);
    (node, backend, below)
}

fn on(world: &World, len: u64, backing: Rc<Node>) -> (Rc<Node>, Rc<BlockBackend>) {
    let driver = OverlayOptions::new(len).cluster_size(CLUSTER).build();
    let node = world.node(driver, &[("backing", ChildRole::Cow, backing)]);
    let backend = world.backend(&node);
    (node, backend)
}

fn status(world: &World, node: &Rc<Node>, offset: u64, bytes: u64) -> BlockStatus {
    let node = node.clone();
    world.run(async move { node.block_status(offset, bytes).await.expect("answers") })
}

fn write(backend: &Rc<BlockBackend>, offset: u64, data: &'static [u8]) -> BoxFuture<()> {
    let backend = backend.clone();
    Box::pin(async move {
        let data = Bytes::from_static(data);
        backend.write(offset, data).await.expect("writes");
    })
}

#[test]
fn two_writes_to_one_cluster_at_the_same_time_lose_nothing() {
    let world = World::simulated();
    let (_, backend, below) = stack(&world, CLUSTER, CLUSTER);
    let writes = vec![
        write(&backend, 0, b"first"),
        write(&backend, 100, b"second"),
    ];
    world.run(async move {
        join_all(writes).await;
    });
    assert_eq!(world.context.now_ns(), 1_000, "both copied up at once");
    assert_eq!(world.read(&backend, 0, 5), b"first");
    assert_eq!(world.read(&backend, 100, 6), b"second");
    assert_eq!(world.read(&backend, 106, 3990), &below[106..]);
}

#[test]
fn a_cluster_that_becomes_zero_during_a_copy_up_stays_zero_around_the_write() {
    let world = World::simulated();
    let (_, backend, _) = stack(&world, CLUSTER, CLUSTER);
    let zeroes: BoxFuture<()> = Box::pin({
        let backend = backend.clone();
        async move {
            let result = backend.write_zeroes(0, CLUSTER, ZeroFlags::default()).await;
            result.expect("zeroes");
        }
    });
    let both = vec![write(&backend, 10, b"data"), zeroes];
    world.run(async move {
        join_all(both).await;
    });
    let mut expected = vec![0; CLUSTER as usize];
    expected[10..14].copy_from_slice(b"data");
    assert_eq!(world.read(&backend, 0, CLUSTER as usize), expected);
}

#[test]
fn it_says_what_it_holds() {
    let world = World::simulated();
    let (node, backend, _) = stack(&world, 4 * CLUSTER, 4 * CLUSTER);
    let len = 4 * CLUSTER;
    assert_eq!(status(&world, &node, 0, len), BlockStatus::unallocated(len));
    world.write(&backend, CLUSTER + 7, b"x");
    assert_eq!(
        status(&world, &node, 100, len),
        BlockStatus::unallocated(CLUSTER - 100)
    );
    assert_eq!(
        status(&world, &node, CLUSTER, len),
        BlockStatus::data(CLUSTER)
    );
    let discarding = backend.clone();
    world.run(async move {
        let result = discarding.discard(2 * CLUSTER, CLUSTER).await;
        result.expect("discards");
    });
    assert_eq!(
        status(&world, &node, 2 * CLUSTER, len),
        BlockStatus::zero(CLUSTER)
    );
    let zeroes = vec![0; CLUSTER as usize];
    assert_eq!(world.read(&backend, 2 * CLUSTER, CLUSTER as usize), zeroes);
}

#[test]
fn a_shorter_backing_node_is_followed_by_zeroes() {
    let world = World::simulated();
    let (_, backend, below) = stack(&world, 3 * CLUSTER, CLUSTER + 100);
    // In the middle of the cluster in which the backing node ends.
    world.write(&backend, CLUSTER + 200, b"x");
    let mut expected = below;
    expected.resize(3 * CLUSTER as usize, 0);
    expected[CLUSTER as usize + 200] = b'x';
    assert_eq!(world.read(&backend, 0, 3 * CLUSTER as usize), expected);
}

#[test]
fn growth_does_not_uncover_the_backing_node() {
    let world = World::simulated();
    let (_, backend, below) = stack(&world, 100, 3 * CLUSTER);
    let growing = backend.clone();
    world.run(async move { growing.truncate(4 * CLUSTER).await.expect("grows") });
    let seen = world.read(&backend, 0, 4 * CLUSTER as usize);
    assert_eq!(seen[..100], below[..100]);
    assert!(seen[100..].iter().all(|byte| *byte == 0));
}

#[test]
fn what_the_backing_node_once_had_behind_the_end_is_not_copied_up() {
    let world = World::simulated();
    let (node, backend, below) = stack(&world, 100, CLUSTER);
    world.write(&backend, 0, b"x");
    let (growing, disk) = (backend.clone(), node.backing().expect("has one").node());
    world.run(async move {
        disk.co_truncate(50).await.expect("shrinks");
        growing.truncate(CLUSTER).await.expect("grows");
    });
    let seen = world.read(&backend, 0, CLUSTER as usize);
    assert_eq!(seen[1..100], below[1..100]);
    assert!(seen[100..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_write_fails_and_changes_nothing_when_the_rest_cannot_be_copied_up() {
    let world = World::simulated();
    let disk = world.node(MemOptions::new(CLUSTER).fill(Fill::Noise(1)).build(), &[]);
    let error = InjectError::new(Event::READ_AIO).once();
    let filter = BlkdebugOptions::new()
        .inject_error(error)
        .build(&disk)
        .expect("no limits");
    let backing = world.node(filter, &[("image", ChildRole::Filtered, disk)]);
    let (node, backend) = on(&world, CLUSTER, backing);
    let writing = backend.clone();
    let result = world.run(async move { writing.write(5, Bytes::from_static(b"x")).await });
    assert_eq!(result.expect_err("cannot read").kind(), ErrorKind::Io);
    assert!(!status(&world, &node, 0, CLUSTER).allocated);
    world.write(&backend, 5, b"x");
    assert!(status(&world, &node, 0, CLUSTER).allocated);
}

#[test]
fn a_write_of_a_whole_cluster_does_not_read_below() {
    let world = World::simulated();
    let (_, backend, _) = stack(&world, CLUSTER, CLUSTER);
    world.write(&backend, 0, &[7; CLUSTER as usize]);
    assert_eq!(
        world.context.now_ns(),
        0,
        "a read would have taken its time"
    );
}

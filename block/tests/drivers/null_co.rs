//! What `null-co` alone promises.

use blockjob_block::driver::BlockStatus;
use blockjob_block::driver::null_co::{NullCoDriver, NullCoOptions};

use super::common::World;

#[test]
fn it_is_1_gib_long_and_leaves_buffers_alone() {
    let world = World::simulated();
    let node = world.node(NullCoDriver::new(NullCoOptions::default()), &[]);
    assert_eq!(node.len().expect("has one"), 1 << 30);
    let backend = world.backend(&node);
    world.write(&backend, 0, b"lost");
    assert_eq!(world.read(&backend, 0, 4), [0xee; 4]);
    let status = world.run({
        let node = node.clone();
        async move { node.block_status(0, 4096).await.expect("answers") }
    });
    assert_eq!(status, BlockStatus::unallocated(4096));
}

#[test]
fn with_read_zeroes_it_reads_as_zeroes_and_says_so() {
    let world = World::simulated();
    let options = NullCoOptions {
        size: 1 << 20,
        read_zeroes: true,
        ..NullCoOptions::default()
    };
    let node = world.node(NullCoDriver::new(options), &[]);
    let backend = world.backend(&node);
    assert_eq!(world.read(&backend, 512, 4), [0; 4]);
    let status = world.run({
        let node = node.clone();
        async move { node.block_status(0, 2 << 20).await.expect("answers") }
    });
    assert_eq!(status, BlockStatus::zero(1 << 20));
}

#[test]
fn each_request_takes_its_latency() {
    let world = World::simulated();
    let options = NullCoOptions {
        latency_ns: 70,
        ..NullCoOptions::default()
    };
    let backend = world.backend(&world.node(NullCoDriver::new(options), &[]));
    world.write(&backend, 0, b"data");
    assert_eq!(world.context.now_ns(), 70);
    world.read(&backend, 0, 4);
    world.run(async move {
        backend.flush().await.expect("flushes");
        backend.discard(0, 512).await.expect("discards");
    });
    assert_eq!(world.context.now_ns(), 280);
}

//! What `null-co` alone promises.

use blockjob_block::driver::null_co::{NullCoDriver, NullCoOptions};
use blockjob_block::driver::{BlockStatus, ZeroFlags};

use bytes::{Bytes, BytesMut};
use futures_lite::future::poll_once;

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

#[test]
fn null_aio_ends_every_request_after_a_turn_of_the_loop_and_null_co_at_once() {
    for aio in [false, true] {
        let world = World::simulated();
        let options = NullCoOptions::default();
        let driver = match aio {
            true => NullCoDriver::aio(options),
            false => NullCoDriver::new(options),
        };
        let node = world.node(driver, &[]);
        let name = if aio { "null-aio" } else { "null-co" };
        assert_eq!(node.driver().format_name(), name);
        world.run(async move {
            // A flush is skipped if nothing was written before.
            let written = node.co_write(0, Bytes::from_static(b"data")).await;
            written.expect("it ends");
            let at_once = [
                poll_once(node.co_read(0, BytesMut::zeroed(512)))
                    .await
                    .is_some(),
                poll_once(node.co_write(0, Bytes::from_static(b"data")))
                    .await
                    .is_some(),
                poll_once(node.co_write_zeroes(0, 512, ZeroFlags::default()))
                    .await
                    .is_some(),
                poll_once(node.co_discard(0, 512)).await.is_some(),
                poll_once(node.flush()).await.is_some(),
            ];
            assert_eq!(at_once, [!aio; 5], "{name}");
            let (_, result) = node.co_read(0, BytesMut::zeroed(512)).await;
            result.expect("it ends");
        });
        assert_eq!(world.context.now_ns(), 0);
    }
}

#[test]
fn a_request_that_is_dropped_while_it_takes_its_time_leaves_nothing_behind() {
    let world = World::simulated();
    let options = NullCoOptions {
        latency_ns: 70,
        ..NullCoOptions::default()
    };
    let node = world.node(NullCoDriver::new(options), &[]);
    let reading = node.clone();
    world.run(async move {
        assert!(
            poll_once(reading.co_read(0, BytesMut::zeroed(512)))
                .await
                .is_none()
        );
    });
    assert_eq!((node.in_flight(), world.context.armed_timers()), (0, 0));
}

#[test]
fn it_cannot_be_resized() {
    let world = World::simulated();
    let node = world.node(NullCoDriver::new(NullCoOptions::default()), &[]);
    let result = world.run(async move { node.co_truncate(512).await });
    let error = result.expect_err("refused");
    assert_eq!(error.kind(), blockjob_block::ErrorKind::NotSupported);
}

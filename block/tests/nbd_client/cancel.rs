//! Giving up on what hangs, and futures that are dropped.

use blockjob_block::ErrorKind;
use blockjob_block::driver::nbd::NbdOptions;
use bytes::{Bytes, BytesMut};

use super::fake::Fake;
use crate::common::World;

const SECOND_NS: u64 = 1_000_000_000;

fn options(delay_s: u64) -> NbdOptions {
    NbdOptions {
        reconnect_delay_ns: delay_s * SECOND_NS,
        ..NbdOptions::default()
    }
}

fn sleep(world: &World, ns: u64) {
    let context = world.context.clone();
    world.run(async move { context.sleep(ns).await });
}

#[test]
fn requests_that_hang_at_a_silent_server_end_when_they_are_cancelled() {
    let world = World::new();
    let fake = Fake::new();
    let node = fake.node(&world, &options(0)).expect("it is there");
    fake.hangs.set(true);
    let pending: Vec<_> = (0..20)
        .map(|index| {
            let node = node.clone();
            let data = Bytes::from(vec![1; 100]);
            world.start(async move { node.co_write(index * 100, data).await })
        })
        .collect();
    world.settle();
    assert!(pending.iter().all(|pending| !pending.ended()));
    node.cancel_in_flight();
    for pending in &pending {
        let error = world.finish(pending).expect_err("it was cancelled");
        assert_eq!(error.kind(), ErrorKind::Canceled);
    }
    let drained = node.drained_begin("test");
    drop(drained);
    fake.hangs.set(false);
    sleep(&world, SECOND_NS);
    let again = node.clone();
    let (buf, result) = world.run(async move { again.co_read(0, BytesMut::zeroed(10)).await });
    result.expect("there is a new connection");
    assert_eq!(&buf[..], [0; 10]);
    assert_eq!(fake.connections.get(), 2);
}

#[test]
fn requests_that_wait_for_a_connection_end_when_they_are_cancelled() {
    let world = World::new();
    let fake = Fake::new();
    let node = fake.node(&world, &options(1000)).expect("it is there");
    fake.refuses.set(true);
    fake.hangs.set(true);
    let pending = world.start({
        let node = node.clone();
        async move { node.co_write(0, Bytes::from_static(b"x")).await }
    });
    world.settle();
    fake.die_now();
    world.settle();
    assert!(!pending.ended(), "it waits for a connection");
    node.cancel_in_flight();
    let error = world.finish(&pending).expect_err("it was cancelled");
    assert_eq!(error.kind(), ErrorKind::Canceled);
    let later = node.clone();
    let result = world.run(async move { later.co_write(0, Bytes::from_static(b"x")).await });
    assert_eq!(
        result.expect_err("nobody is there").errno(),
        nix::libc::EIO,
        "after giving up, nobody waits until there is a connection"
    );
}

#[test]
fn nothing_in_flight_means_nothing_to_cancel() {
    let world = World::new();
    let fake = Fake::new();
    let node = fake.node(&world, &options(0)).expect("it is there");
    node.cancel_in_flight();
    let node = node.clone();
    let result = world.run(async move { node.co_write(0, Bytes::from_static(b"x")).await });
    result.expect("the connection is the first one still");
    assert_eq!(fake.connections.get(), 1);
}

#[test]
fn requests_that_are_about_to_be_sent_to_a_silent_server_are_cancelled_and_keep_the_connection() {
    let world = World::new();
    let fake = Fake::new();
    let node = fake.node(&world, &options(0)).expect("it is there");
    fake.hangs.set(true);
    let pending = world.start({
        let node = node.clone();
        async move { node.co_write(0, Bytes::from_static(b"x")).await }
    });
    // In the same pass of the event loop.
    node.cancel_in_flight();
    let error = world.finish(&pending).expect_err("it was cancelled");
    assert_eq!(error.kind(), ErrorKind::Canceled);
    fake.hangs.set(false);
    let result = world.run(async move { node.co_write(0, Bytes::from_static(b"x")).await });
    result.expect("the connection is the first one still");
    assert_eq!(fake.connections.get(), 1);
}

#[test]
fn a_dropped_request_goes_on_and_keeps_the_node_busy() {
    let world = World::new();
    let fake = Fake::new();
    let node = fake.node(&world, &options(0)).expect("it is there");
    fake.hangs.set(true);
    {
        let node = node.clone();
        let context = world.context.clone();
        world.run(async move {
            let write = node.co_write(0, Bytes::from(vec![9; 5000]));
            let timeout = async {
                context.sleep(1000).await;
                Ok(())
            };
            futures_lite::future::or(write, timeout).await
        })
    }
    .expect("the sleep is over first");
    assert_eq!(node.in_flight(), 1, "the server may be at it");
    let section = node.drained_begin_no_poll("test");
    fake.hangs.set(false);
    fake.go_on.wake_all();
    world.context.poll_while(|| node.in_flight() > 0);
    drop(section);
    assert!(fake.disk.borrow()[..5000].iter().all(|byte| *byte == 9));
    // And the stream is in order.
    let (buf, result) = world.run(async move { node.co_read(4990, BytesMut::zeroed(20)).await });
    result.expect("the connection is good");
    assert_eq!(buf[..10], [9; 10]);
    assert_eq!(buf[10..], [0; 10]);
    assert_eq!(fake.connections.get(), 1);
}

#[test]
fn a_driver_that_goes_while_it_tries_to_connect_leaves_nothing_behind() {
    let world = World::new();
    let fake = Fake::new();
    let node = fake.node(&world, &options(0)).expect("it is there");
    fake.hangs.set(true);
    let pending = world.start({
        let node = node.clone();
        async move { node.co_write(0, Bytes::from_static(b"x")).await }
    });
    world.settle();
    fake.refuses.set(true);
    node.cancel_in_flight();
    world.finish(&pending).expect_err("it was cancelled");
    sleep(&world, SECOND_NS);
    drop(node);
    fake.hangs.set(false);
    fake.go_on.wake_all();
    world.settle();
    assert_eq!(world.context.live_coroutines(), 0);
    assert_eq!(world.context.armed_timers(), 0);
}

//! What requests of a node become on the wire.

use std::rc::Rc;

use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::nbd::NbdOptions;
use blockjob_block::nbd::proto::{error, flag};
use blockjob_block::{ErrorKind, Node};
use bytes::{Bytes, BytesMut};

use super::fake::{Fake, SIZE};
use crate::common::World;

fn world_with(fake: &Fake) -> (World, Rc<Node>) {
    let world = World::new();
    let node = fake.node(&world, &NbdOptions::default());
    (world, node.expect("it is there"))
}

#[test]
fn what_a_node_is_asked_for_is_what_the_server_is_asked_for() {
    let fake = Fake::new();
    let (world, node) = world_with(&fake);
    assert_eq!(node.len().expect("it is known"), SIZE);
    assert_eq!(node.limits().max_transfer, 32 << 20);
    let asked = node.clone();
    world
        .run(async move {
            let node = asked;
            node.co_write(5, Bytes::from_static(b"hello")).await?;
            let plain = ZeroFlags::default();
            node.co_write_zeroes(100, 10, plain).await?;
            let may_unmap = true;
            node.co_write_zeroes(100, 10, ZeroFlags { may_unmap, ..plain })
                .await?;
            let no_fallback = true;
            node.co_write_zeroes(
                100,
                10,
                ZeroFlags {
                    no_fallback,
                    ..plain
                },
            )
            .await?;
            node.co_discard(0, 4).await?;
            let (buf, result) = node.co_read(4, BytesMut::zeroed(7)).await;
            assert_eq!(&buf[..], b"\0hello\0");
            result?;
            let status = node.block_status(5, 100).await?;
            assert!(status.allocated && status.data && !status.zero);
            assert_eq!(status.bytes, 5);
            let status = node.block_status(10, 100).await?;
            assert!(status.allocated && !status.data && status.zero);
            assert_eq!(status.bytes, 100);
            node.flush().await
        })
        .expect("the server can do all that");
    let log = fake.log.borrow().join(", ");
    assert_eq!(
        log,
        "write 5+5, zeroes 2 100+10, zeroes 0 100+10, zeroes 12 100+10, trim 0+4, read 4+7, \
         status 5+100, status 10+100, flush 0+0"
    );
}

#[test]
fn what_the_server_cannot_do_is_not_asked_of_it() {
    let fake = Fake::new();
    fake.flags.set(flag::HAS_FLAGS);
    let (world, node) = world_with(&fake);
    world.run(async move {
        node.co_write(0, Bytes::from_static(b"x"))
            .await
            .expect("it can write");
        node.flush().await.expect("nothing has to be done");
        node.co_discard(0, 512)
            .await
            .expect("nothing has to be done");
        let zeroes = node.co_write_zeroes(0, 512, ZeroFlags::default()).await;
        zeroes.expect("literal zeroes are written");
        let fast = ZeroFlags {
            no_fallback: true,
            ..ZeroFlags::default()
        };
        let error = node
            .co_write_zeroes(0, 512, fast)
            .await
            .expect_err("that is not fast");
        assert_eq!(error.kind(), ErrorKind::NotSupported);
    });
    assert_eq!(fake.log.borrow().join(", "), "write 0+1, write 0+512");
}

#[test]
fn an_error_of_the_server_is_the_error_of_the_request_and_of_no_other() {
    let fake = Fake::new();
    let (world, node) = world_with(&fake);
    fake.error.set(error::ENOSPC);
    let failing = node.clone();
    let error = world
        .run(async move { failing.co_write(0, Bytes::from_static(b"x")).await })
        .expect_err("the disk is full");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(
        error.to_string(),
        "The NBD server reports 'oops': No space left on device"
    );
    fake.error.set(0);
    world
        .run(async move { node.co_write(0, Bytes::from_static(b"x")).await })
        .expect("there is room again");
    assert_eq!(fake.connections.get(), 1);
}

#[test]
fn many_requests_at_once_are_answered_each_with_its_own_data() {
    let fake = Fake::new();
    for (index, byte) in fake.disk.borrow_mut().iter_mut().enumerate() {
        *byte = (index / 1000) as u8;
    }
    let (world, node) = world_with(&fake);
    let pending: Vec<_> = (0..60)
        .map(|index| {
            let node = node.clone();
            world.start(async move { node.co_read(index * 1000, BytesMut::zeroed(1000)).await })
        })
        .collect();
    for (index, pending) in pending.iter().enumerate() {
        let (buf, result) = world.finish(pending);
        result.expect("it can be read");
        assert!(buf.iter().all(|byte| usize::from(*byte) == index));
    }
}

#[test]
fn an_export_does_not_change_its_size() {
    let fake = Fake::new();
    let (world, node) = world_with(&fake);
    world.run(async move {
        node.co_truncate(SIZE)
            .await
            .expect("nothing has to be done");
        let error = node.co_truncate(SIZE + 1).await.expect_err("it cannot");
        assert_eq!(error.to_string(), "Cannot grow NBD nodes");
        node.co_truncate(512).await.expect("it is as if it did");
        assert_eq!(node.len().expect("it is known"), SIZE);
        let end = Bytes::from_static(b"end");
        let error = node
            .co_write(SIZE - 1, end)
            .await
            .expect_err("it ends there");
        assert_eq!(error.kind(), ErrorKind::NoSpace);
    });
}

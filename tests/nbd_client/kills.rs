//! Servers that are killed or stopped while they work.

use std::path::PathBuf;
use std::rc::Rc;

use blockjob::block::{ErrorKind, Node};
use bytes::{Bytes, BytesMut};
use rustix::process::Signal;

use crate::server::{Server, have, tool};
use crate::world::{Started, World};

const BLOCK: u64 = 16 << 10;
const BLOCKS: u64 = 256;

fn image(world: &World) -> PathBuf {
    let image = world.path().join("image");
    let name = image.to_str().expect("a simple name");
    tool("qemu-img", &["create", "-q", "-f", "raw", name, "4M"]);
    image
}

/// Eight writers, which share the blocks of the disk among them. Each block holds its own number in
/// the end, unless its write fails.
fn writers(world: &World, node: &Rc<Node>) -> Vec<Started<Vec<(u64, bool)>>> {
    let writer = |writer: u64| {
        let node = node.clone();
        world.start(async move {
            let mut done = Vec::new();
            for block in (writer..BLOCKS).step_by(8) {
                let data = Bytes::from(vec![block as u8 ^ 0x55; BLOCK as usize]);
                let result = node.co_write(block * BLOCK, data).await;
                if let Err(error) = &result {
                    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
                }
                done.push((block, result.is_ok()));
            }
            done
        })
    };
    (0..8).map(writer).collect()
}

/// Polls until the first block is on the disk: then the writers are at it.
fn wait_for_the_first(world: &World, image: &PathBuf) {
    world.context.poll_while(|| {
        let head = std::fs::read(image).expect("it is there");
        head[0] != 0x55
    });
}

fn check(image: &PathBuf, done: &[(u64, bool)]) {
    let disk = std::fs::read(image).expect("it is there");
    for (block, good) in done {
        let range = (block * BLOCK) as usize..((block + 1) * BLOCK) as usize;
        let whole = disk[range].iter().all(|byte| *byte == *block as u8 ^ 0x55);
        assert!(
            whole || !good,
            "block {block} was acknowledged, and is not there"
        );
    }
}

#[test]
fn with_a_delay_no_request_notices_that_the_server_was_killed() {
    if !have(&["qemu-nbd", "qemu-img"]) {
        return;
    }
    let world = World::new();
    let image = image(&world);
    let mut server = Server::qemu_nbd(world.path(), "raw", &image);
    let node = world.node(&[("reconnect-delay", "60")]);
    let writers = writers(&world, &node);
    wait_for_the_first(&world, &image);
    for _ in 0..3 {
        server.kill();
        for _ in 0..50 {
            world.context.poll(false);
        }
        server = Server::qemu_nbd(world.path(), "raw", &image);
        for _ in 0..50 {
            world.context.poll(false);
        }
    }
    let done: Vec<_> = writers
        .iter()
        .flat_map(|writer| world.finish(writer))
        .collect();
    assert_eq!(done.len() as u64, BLOCKS);
    assert!(done.iter().all(|(_, good)| *good), "{done:?}");
    // The flush does: the servers that were killed may have forgotten something. It says so once.
    let flush = || {
        let node = node.clone();
        world.run(async move { node.flush().await })
    };
    let lost = flush().expect_err("connections were lost");
    assert_eq!(lost.kind(), ErrorKind::LostWrites);
    flush().expect("the server is there");
    check(&image, &done);
}

#[test]
fn without_a_delay_requests_fail_and_the_next_server_is_found() {
    if !have(&["qemu-nbd", "qemu-img"]) {
        return;
    }
    let world = World::new();
    let image = image(&world);
    let server = Server::qemu_nbd(world.path(), "raw", &image);
    let node = world.node(&[]);
    let first = writers(&world, &node);
    wait_for_the_first(&world, &image);
    server.kill();
    let done: Vec<_> = first
        .iter()
        .flat_map(|writer| world.finish(writer))
        .collect();
    check(&image, &done);
    let lost = node.clone();
    let result = world.run(async move { lost.co_read(0, BytesMut::zeroed(512)).await.1 });
    result.expect_err("nobody is there");
    let _server = Server::qemu_nbd(world.path(), "raw", &image);
    let found = {
        let (node, context) = (node.clone(), world.context.clone());
        world.start(async move {
            while node.co_read(0, BytesMut::zeroed(512)).await.1.is_err() {
                context.sleep(10_000_000).await;
            }
        })
    };
    world.finish(&found);
    let again = writers(&world, &node);
    let done: Vec<_> = again
        .iter()
        .flat_map(|writer| world.finish(writer))
        .collect();
    assert!(done.iter().all(|(_, good)| *good), "{done:?}");
    check(&image, &done);
}

#[test]
fn what_hangs_at_a_stopped_server_can_be_given_up() {
    if !have(&["qemu-nbd", "qemu-img"]) {
        return;
    }
    let world = World::new();
    let image = image(&world);
    let server = Server::qemu_nbd(world.path(), "raw", &image);
    let node = world.node(&[("reconnect-delay", "60")]);
    server.signal(Signal::STOP);
    let pending: Vec<_> = (0..20)
        .map(|block| {
            let node = node.clone();
            let data = Bytes::from(vec![1; BLOCK as usize]);
            world.start(async move { node.co_write(block * BLOCK, data).await })
        })
        .collect();
    for _ in 0..100 {
        world.context.poll(false);
    }
    assert!(pending.iter().all(|pending| !pending.ended()));
    node.cancel_in_flight();
    for pending in &pending {
        let error = world.finish(pending).expect_err("it was given up");
        assert_eq!(error.kind(), ErrorKind::Canceled);
    }
    drop(node.drained_begin("test"));
    server.signal(Signal::CONT);
    let again = {
        let (node, context) = (node.clone(), world.context.clone());
        world.start(async move {
            while node.co_write(0, Bytes::from(vec![2; 512])).await.is_err() {
                context.sleep(10_000_000).await;
            }
        })
    };
    world.finish(&again);
}

//! What happens while there is no connection, and what the next one must be like.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::nbd::{NbdDriver, NbdOptions};
use blockjob_block::nbd::proto::flag;
use bytes::Bytes;

use super::fake::{Fake, Manner};
use crate::common::{Started, World};

/// What a server is changed into while nobody is connected.
type Change = fn(&Fake);

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

fn write(world: &World, node: &Rc<Node>) -> Started<blockjob_block::BlockResult<()>> {
    let node = node.clone();
    world.start(async move { node.co_write(0, Bytes::from_static(b"data")).await })
}

/// A node whose server dies under the first request, and is not there any more.
fn lost(
    world: &World,
    fake: &Fake,
    delay_s: u64,
) -> (Rc<Node>, Started<Result<(), blockjob_block::BlockError>>) {
    let node = fake.node(world, &options(delay_s)).expect("it is there");
    fake.refuses.set(true);
    fake.hangs.set(true);
    let pending = write(world, &node);
    world.settle();
    fake.die_now();
    world.settle();
    fake.hangs.set(false);
    (node, pending)
}

fn is_up(node: &Node) -> bool {
    let driver = node.driver().as_any().downcast_ref::<NbdDriver>();
    driver.expect("it is one").is_connected()
}

#[test]
fn requests_wait_for_the_delay_and_then_fail() {
    let world = World::new();
    let fake = Fake::new();
    let (node, pending) = lost(&world, &fake, 5);
    assert!(!pending.ended());
    sleep(&world, 4 * SECOND_NS);
    let second = write(&world, &node);
    assert!(!pending.ended() && !second.ended());
    sleep(&world, 2 * SECOND_NS);
    for pending in [&pending, &second] {
        let error = world.finish(pending).expect_err("the delay is over");
        assert_eq!(error.errno(), nix::libc::EIO);
    }
    let third = write(&world, &node);
    assert!(third.ended(), "after the delay nobody waits");
    third.take().expect_err("there is no connection");
    fake.refuses.set(false);
    sleep(&world, 20 * SECOND_NS);
    assert!(is_up(&node), "it was looked for all the time");
    let fourth = write(&world, &node);
    world.finish(&fourth).expect("the server is back");
}

#[test]
fn requests_that_wait_go_on_when_the_server_is_back() {
    let world = World::new();
    let fake = Fake::new();
    let (node, pending) = lost(&world, &fake, 60);
    sleep(&world, 30 * SECOND_NS);
    fake.refuses.set(false);
    let began_ns = world.context.now_ns();
    world.finish(&pending).expect("the server is back");
    let took_ns = world.context.now_ns() - began_ns;
    assert!(
        took_ns <= SECOND_NS,
        "while somebody waits, pauses are short: {took_ns}"
    );
    assert_eq!(&fake.disk.borrow()[..4], b"data");
    assert!(is_up(&node));
}

#[test]
fn a_drained_section_waits_no_longer_than_the_delay() {
    let world = World::new();
    let fake = Fake::new();
    let (node, pending) = lost(&world, &fake, 5);
    let began_ns = world.context.now_ns();
    let section = node.drained_begin("test");
    assert!(pending.ended());
    let took_ns = world.context.now_ns() - began_ns;
    assert!(
        (4 * SECOND_NS..=5 * SECOND_NS).contains(&took_ns),
        "{took_ns}"
    );
    drop(section);
    // Without requests that wait, attempts to connect hold nothing up.
    let began_ns = world.context.now_ns();
    drop(node.drained_begin("test"));
    assert_eq!(world.context.now_ns(), began_ns);
}

#[test]
fn an_idle_connection_that_is_lost_is_found_again_before_it_is_needed() {
    let world = World::new();
    let fake = Fake::new();
    let node = fake.node(&world, &options(0)).expect("it is there");
    fake.die_now();
    world.settle();
    sleep(&world, SECOND_NS);
    assert_eq!(fake.connections.get(), 2);
    let pending = write(&world, &node);
    world.finish(&pending).expect("nothing was noticed");
}

#[test]
fn an_export_that_has_changed_is_not_gone_on_with() {
    let changes: [(&str, Change); 3] = [
        ("it has 1024 bytes, and had 65536", |fake| {
            fake.size.set(1024)
        }),
        ("it is read-only now", |fake| {
            fake.flags.set(fake.flags.get() | flag::READ_ONLY);
        }),
        ("it does not take discards any more", |fake| {
            fake.flags.set(fake.flags.get() & !flag::SEND_TRIM);
        }),
    ];
    for (text, change) in changes {
        let world = World::new();
        let fake = Fake::new();
        let (node, pending) = lost(&world, &fake, 5);
        change(&fake);
        fake.refuses.set(false);
        world.finish(&pending).expect_err("it is another export");
        let later = write(&world, &node);
        let error = world.finish(&later).expect_err("it is another export");
        assert!(error.to_string().contains(text), "{error}");
        assert!(fake.disk.borrow().iter().all(|byte| *byte == 0));
    }
}

#[test]
fn opening_tries_again_until_its_time_is_over() {
    let world = World::new();
    let fake = Fake::new();
    fake.refuses.set(true);
    let options = NbdOptions {
        open_timeout_ns: 5 * SECOND_NS,
        ..NbdOptions::default()
    };
    let error = fake.node(&world, &options).expect_err("nobody is there");
    assert_eq!(error.to_string(), "Failed to connect");
    assert_eq!(world.context.now_ns(), 5 * SECOND_NS);
    let coming = {
        let (fake, context) = (fake.clone(), world.context.clone());
        world.start(async move {
            context.sleep(2 * SECOND_NS).await;
            fake.refuses.set(false);
        })
    };
    fake.node(&world, &options).expect("it has come");
    assert!(coming.ended());
}

#[test]
fn a_server_that_breaks_the_protocol_is_left_for_ever() {
    let world = World::new();
    let fake = Fake::new();
    let node = fake.node(&world, &options(5)).expect("it is there");
    fake.manner.set(Manner::Babbles);
    let pending = write(&world, &node);
    let error = world
        .finish(&pending)
        .expect_err("what it says means nothing");
    assert_eq!(error.errno(), nix::libc::EIO);
    assert!(
        error.to_string().contains("Protocol error: invalid magic"),
        "{error}"
    );
    sleep(&world, 60 * SECOND_NS);
    let later = write(&world, &node);
    assert!(later.ended());
    assert_eq!(fake.connections.get(), 1);
}

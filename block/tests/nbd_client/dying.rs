//! A server that dies after each number of bytes, sent or taken, of a short exchange.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::nbd::NbdOptions;
use blockjob_block::{BlockResult, ErrorKind, Node};
use bytes::{Bytes, BytesMut};

use super::fake::{Fake, Manner};
use crate::common::World;

/// What became of each request, by its name.
type Results = Vec<(&'static str, BlockResult<()>)>;

const SECOND_NS: u64 = 1_000_000_000;

/// Every kind of request, one after another and some at once. Errors do not stop it.
async fn exchange(node: Rc<Node>) -> Results {
    let mut results = Vec::new();
    let mut note = |what, result: BlockResult<()>| results.push((what, result));
    note("write", node.co_write(0, Bytes::from(vec![5; 700])).await);
    let (buf, result) = node.co_read(100, BytesMut::zeroed(300)).await;
    if result.is_ok() {
        // What was acknowledged is there, and what was not may be.
        assert!(buf.iter().all(|byte| *byte == 5) || buf.iter().all(|byte| *byte == 0));
    }
    note("read", result);
    let both = futures_lite::future::zip(
        node.co_write(1000, Bytes::from(vec![6; 50])),
        node.co_write(1050, Bytes::from(vec![7; 50])),
    );
    let (first, second) = both.await;
    note("first", first);
    note("second", second);
    let flags = ZeroFlags::default();
    note("zeroes", node.co_write_zeroes(200, 100, flags).await);
    note("discard", node.co_discard(2000, 100).await);
    let status = node.block_status(200, 400).await;
    if let Ok(status) = &status {
        assert!(status.bytes <= 400);
    }
    note("status", status.map(drop));
    note("flush", node.flush().await);
    results
}

/// Runs the exchange against a server whose first connection dies as `die` says.
fn run(options: &NbdOptions, die: impl Fn(&Fake)) -> Option<(World, Fake, Rc<Node>, Results)> {
    let world = World::new();
    let fake = Fake::new();
    die(&fake);
    let node = match fake.node(&world, options) {
        Ok(node) => node,
        Err(error) => {
            assert_eq!(options.open_timeout_ns, 0, "{error}");
            return None;
        }
    };
    let results = world.run(exchange(node.clone()));
    Some((world, fake, node, results))
}

/// How many bytes go each way if nothing dies.
fn whole() -> (usize, usize) {
    let (_, fake, _, results) = run(&NbdOptions::default(), |_| ()).expect("it is there");
    assert!(
        results.iter().all(|(_, result)| result.is_ok()),
        "{results:?}"
    );
    (fake.sent.get(), fake.taken.get())
}

fn expect_disk(fake: &Fake) {
    let disk = fake.disk.borrow();
    let mut expected = vec![0; disk.len()];
    expected[..700].fill(5);
    expected[200..300].fill(0);
    expected[1000..1050].fill(6);
    expected[1050..1100].fill(7);
    assert!(*disk == expected, "the disk is not what was written");
}

fn every_death(test: impl Fn(&dyn Fn(&Fake), usize)) {
    let (sent, taken) = whole();
    assert!(
        sent > 500 && taken > 1000,
        "the exchange has {sent} and {taken} bytes"
    );
    for n in 0..sent {
        test(&|fake: &Fake| fake.sends.set(n), n);
    }
    for n in 0..taken {
        test(&|fake: &Fake| fake.takes.set(n), n);
    }
}

#[test]
fn with_a_delay_every_request_survives_the_death_of_the_server_at_any_byte() {
    let options = NbdOptions {
        reconnect_delay_ns: 10 * SECOND_NS,
        open_timeout_ns: 10 * SECOND_NS,
        ..NbdOptions::default()
    };
    let lost = Cell::new(0);
    every_death(|die, n| {
        let (world, fake, node, results) = run(&options, die).expect("it tries again");
        for (what, result) in results {
            if is_lost(what, &result) {
                lost.set(lost.get() + 1);
                // Once: who has written what was not flushed can do it again.
                let node = node.clone();
                let flushed = world.run(async move { node.flush().await });
                flushed.expect("it is said once");
                continue;
            }
            assert!(result.is_ok(), "{what} after {n} bytes: {result:?}");
        }
        assert_eq!(fake.connections.get(), 2, "after {n} bytes");
        expect_disk(&fake);
    });
    assert!(lost.get() > 1000, "{} flushes have said it", lost.get());
}

/// A flush says that the connection was lost with writes that no flush had made safe.
fn is_lost(what: &str, result: &BlockResult<()>) -> bool {
    let kind = result.as_ref().err().map(|error| error.kind());
    what == "flush" && kind == Some(ErrorKind::LostWrites)
}

#[test]
fn without_a_delay_requests_fail_with_eio_and_later_ones_find_the_server_again() {
    every_death(|die, n| {
        let options = NbdOptions::default();
        let Some((world, fake, node, results)) = run(&options, die) else {
            return;
        };
        let mut failed = false;
        for (what, result) in results {
            if let Err(error) = result {
                failed = true;
                assert_eq!(
                    error.errno(),
                    nix::libc::EIO,
                    "{what} after {n} bytes: {error}"
                );
            }
        }
        let again = {
            let context = world.context.clone();
            world.run(async move {
                context.sleep(SECOND_NS).await;
                exchange(node).await
            })
        };
        let good = |(what, result): &(&str, BlockResult<()>)| {
            result.is_ok() || (failed && is_lost(what, result))
        };
        assert!(again.iter().all(good), "{again:?}");
        assert_eq!(
            fake.connections.get(),
            if failed { 2 } else { fake.connections.get() }
        );
        expect_disk(&fake);
    });
}

#[test]
fn a_server_that_dies_under_every_request_does_not_hold_one_for_ever() {
    let world = World::new();
    let fake = Fake::new();
    let options = NbdOptions {
        reconnect_delay_ns: 3 * SECOND_NS,
        ..NbdOptions::default()
    };
    let node = fake.node(&world, &options).expect("it is there");
    fake.manner.set(Manner::Dies);
    let began_ns = world.context.now_ns();
    let result = world.run({
        let node = node.clone();
        async move { node.co_write(0, Bytes::from_static(b"x")).await }
    });
    let error = result.expect_err("nobody answers it");
    assert_eq!(error.errno(), nix::libc::EIO);
    let took_ns = world.context.now_ns() - began_ns;
    assert!(took_ns <= 5 * SECOND_NS, "it took {took_ns} ns");
    let connections = fake.connections.get();
    assert!(
        (3..20).contains(&connections),
        "it tried {connections} times"
    );
}

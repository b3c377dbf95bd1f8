//! What the driver is asked, for what was asked of the node.

use std::rc::Rc;

use blockjob_block::driver::Limits;
use blockjob_block::{BlockResult, Node};
use bytes::{Bytes, BytesMut};

use crate::common::{LEN, TestDriver, World};

/// A world with a disk of such limits, full of 7s.
fn disk(limits: Limits) -> (World, Rc<Node>, TestDriver) {
    let world = World::new();
    let driver = TestDriver::new(LEN).with_limits(limits);
    driver.fill(7);
    let node = world.node("disk", &driver, &[]);
    (world, node, driver)
}

fn blocks_of(request_alignment: u64) -> Limits {
    Limits {
        request_alignment,
        ..Limits::default()
    }
}

fn write(world: &World, node: &Rc<Node>, offset: u64, bytes: usize) -> BlockResult<()> {
    let node = node.clone();
    let data = Bytes::from(vec![1; bytes]);
    world.run(async move { node.co_write(offset, data).await })
}

fn read(world: &World, node: &Rc<Node>, offset: u64, bytes: usize) -> (Vec<u8>, BlockResult<()>) {
    let node = node.clone();
    let (buf, result) =
        world.run(async move { node.co_read(offset, BytesMut::zeroed(bytes)).await });
    (buf.to_vec(), result)
}

#[test]
fn a_padded_write_reads_the_blocks_at_its_ends_and_no_others() {
    let (world, node, driver) = disk(blocks_of(512));
    for (offset, bytes, asked) in [
        (
            100,
            1000,
            &["read 0+512", "read 1024+512", "write 0+1536"][..],
        ),
        (100, 2000, &["read 0+512", "read 2048+512", "write 0+2560"]),
        (100, 10, &["read 0+512", "write 0+512"]),
        (0, 10, &["read 0+512", "write 0+512"]),
        (500, 12, &["read 0+512", "write 0+512"]),
        (512, 600, &["read 1024+512", "write 512+1024"]),
        (500, 524, &["read 0+512", "write 0+1024"]),
        (512, 512, &["write 512+512"]),
    ] {
        driver.fill(7);
        write(&world, &node, offset, bytes).expect("writes");
        assert_eq!(driver.take_log(), asked, "{offset}+{bytes}");
        let mut expected = vec![7; LEN as usize];
        expected[offset as usize..][..bytes].fill(1);
        assert!(driver.content() == expected, "{offset}+{bytes}");
    }
}

#[test]
fn a_padded_read_reads_whole_blocks_and_shows_their_middle() {
    let (world, node, driver) = disk(blocks_of(512));
    write(&world, &node, 600, 10).expect("writes");
    driver.take_log();
    let (seen, result) = read(&world, &node, 598, 14);
    result.expect("reads");
    assert_eq!(seen, [7, 7, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 7, 7]);
    assert_eq!(driver.take_log(), ["read 512+512"]);
}

#[test]
fn long_requests_are_split_at_the_longest_transfer_rounded_down_to_whole_blocks() {
    let (world, node, driver) = disk(Limits {
        max_transfer: 1500,
        ..blocks_of(512)
    });
    write(&world, &node, 512, 2560).expect("writes");
    let asked = ["write 512+1024", "write 1536+1024", "write 2560+512"];
    assert_eq!(driver.take_log(), asked);
    let (seen, result) = read(&world, &node, 0, 4096);
    result.expect("reads");
    assert!(seen == driver.content()[..4096]);
    assert_eq!(driver.take_log().len(), 4);
}

#[test]
fn a_driver_that_takes_less_than_a_block_is_sent_single_blocks() {
    let (world, node, driver) = disk(Limits {
        max_transfer: 100,
        ..blocks_of(512)
    });
    write(&world, &node, 0, 1024).expect("writes");
    assert_eq!(driver.take_log(), ["write 0+512", "write 512+512"]);
}

#[test]
fn the_first_part_that_fails_is_the_last() {
    let (world, node, driver) = disk(Limits {
        max_transfer: 512,
        ..blocks_of(512)
    });
    driver.fail_with(Some(28));
    let error = write(&world, &node, 0, 2048).expect_err("no space");
    assert_eq!(error.errno(), 28);
    assert_eq!(driver.take_log(), ["write 0+512"]);
    let (seen, result) = read(&world, &node, 0, 2048);
    assert_eq!(result.expect_err("it fails").errno(), 28);
    assert_eq!(seen.len(), 2048, "the whole buffer comes back");
    assert_eq!(driver.take_log(), ["read 0+512"]);
}

#[test]
fn a_padded_write_whose_reading_fails_writes_nothing() {
    let (world, node, driver) = disk(blocks_of(512));
    driver.fail_with(Some(5));
    write(&world, &node, 10, 10).expect_err("it fails");
    assert_eq!(driver.take_log(), ["read 0+512"]);
}

#[test]
fn requests_without_bytes_do_not_reach_the_driver() {
    let (world, node, driver) = disk(blocks_of(512));
    write(&world, &node, 10, 0).expect("nothing to do");
    read(&world, &node, 10, 0).1.expect("nothing to do");
    let other = node.clone();
    world.run(async move {
        other.co_discard(10, 0).await.expect("nothing to do");
        let zeroed = other.co_write_zeroes(10, 0, Default::default()).await;
        zeroed.expect("nothing to do");
    });
    assert_eq!(driver.served(), 0);
}

#[test]
fn requests_past_what_an_offset_can_express_are_refused() {
    let (world, node, driver) = disk(blocks_of(512));
    for offset in [u64::MAX, u64::MAX - 512, i64::MAX as u64] {
        write(&world, &node, offset, 512).expect_err("too far");
        read(&world, &node, offset, 512).1.expect_err("too far");
        let other = node.clone();
        world.run(async move {
            let zeroed = other.co_write_zeroes(offset, 512, Default::default());
            zeroed.await.expect_err("too far");
            other.co_discard(offset, 512).await.expect_err("too far");
        });
    }
    assert_eq!(driver.served(), 0);
}

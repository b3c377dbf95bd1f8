//! Writes of zeroes, and discards.

use std::rc::Rc;

use blockjob_block::driver::{Limits, ZeroFlags};
use blockjob_block::{BlockResult, ErrorKind, Node};

use crate::common::{TestDriver, World};

const DISK: u64 = 4 << 20;

fn disk(limits: Limits) -> (World, Rc<Node>, TestDriver) {
    let world = World::new();
    let driver = TestDriver::new(DISK).with_limits(limits);
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

fn zero(world: &World, node: &Rc<Node>, offset: u64, bytes: u64) -> BlockResult<()> {
    zero_with(world, node, offset, bytes, ZeroFlags::default())
}

fn zero_with(
    world: &World,
    node: &Rc<Node>,
    offset: u64,
    bytes: u64,
    flags: ZeroFlags,
) -> BlockResult<()> {
    let node = node.clone();
    world.run(async move { node.co_write_zeroes(offset, bytes, flags).await })
}

fn discard(world: &World, node: &Rc<Node>, offset: u64, bytes: u64) -> BlockResult<()> {
    let node = node.clone();
    world.run(async move { node.co_discard(offset, bytes).await })
}

/// The disk holds zeroes exactly there.
fn assert_zero_only_at(driver: &TestDriver, offset: u64, bytes: u64) {
    let mut expected = vec![7; DISK as usize];
    expected[offset as usize..(offset + bytes) as usize].fill(0);
    assert!(driver.content() == expected, "{offset}+{bytes}");
}

#[test]
fn whole_blocks_are_left_to_the_driver_and_the_ends_are_written() {
    let (world, node, driver) = disk(blocks_of(512));
    for (offset, bytes, asked) in [
        (512, 1024, &["zero 512+1024"][..]),
        (
            500,
            1100,
            &[
                "read 0+512",
                "write 0+512",
                "zero 512+1024",
                "read 1536+512",
                "write 1536+512",
            ],
        ),
        (10, 20, &["read 0+512", "write 0+512"]),
        (
            500,
            24,
            &["read 0+512", "write 0+512", "read 512+512", "write 512+512"],
        ),
        (0, 20, &["read 0+512", "write 0+512"]),
        (500, 12, &["read 0+512", "write 0+512"]),
    ] {
        driver.fill(7);
        zero(&world, &node, offset, bytes).expect("writes");
        assert_eq!(driver.take_log(), asked, "{offset}+{bytes}");
        assert_zero_only_at(&driver, offset, bytes);
    }
}

#[test]
fn they_are_split_at_the_drivers_limit() {
    let (world, node, driver) = disk(Limits {
        max_write_zeroes: 1500,
        ..blocks_of(512)
    });
    zero(&world, &node, 0, 2560).expect("writes");
    let asked = ["zero 0+1024", "zero 1024+1024", "zero 2048+512"];
    assert_eq!(driver.take_log(), asked);
}

#[test]
fn a_driver_that_cannot_is_sent_literal_zeroes_in_pieces() {
    let (world, node, driver) = disk(blocks_of(512));
    driver.cannot_zero();
    let bytes = (2 << 20) + 512;
    zero(&world, &node, 512, bytes).expect("writes");
    assert_eq!(
        driver.take_log(),
        [
            "zero 512+2097664",
            "write 512+1048576",
            "write 1049088+1048576",
            "write 2097664+512",
        ]
    );
    assert_zero_only_at(&driver, 512, bytes);
}

#[test]
fn literal_zeroes_keep_to_the_longest_transfer_and_to_enormous_blocks() {
    let (world, node, driver) = disk(Limits {
        max_transfer: 1 << 19,
        ..blocks_of(512)
    });
    driver.cannot_zero();
    zero(&world, &node, 0, 1 << 20).expect("writes");
    let asked = ["zero 0+1048576", "write 0+524288", "write 524288+524288"];
    assert_eq!(driver.take_log(), asked);

    let (world, node, driver) = disk(blocks_of(2 << 20));
    driver.cannot_zero();
    zero(&world, &node, 512, (2 << 20) + 512).expect("writes");
    assert_zero_only_at(&driver, 512, (2 << 20) + 512);
    driver.take_log();
    zero(&world, &node, 0, DISK).expect("writes");
    let asked = ["zero 0+4194304", "write 0+2097152", "write 2097152+2097152"];
    assert_eq!(driver.take_log(), asked);
}

#[test]
fn who_wants_no_literal_zeroes_hears_that_the_driver_cannot() {
    let (world, node, driver) = disk(blocks_of(512));
    driver.cannot_zero();
    let flags = ZeroFlags {
        no_fallback: true,
        ..ZeroFlags::default()
    };
    let error = zero_with(&world, &node, 0, 512, flags).expect_err("it cannot");
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert_eq!(driver.take_log(), ["zero 0+512"]);
}

#[test]
fn an_error_is_no_reason_to_write_literal_zeroes() {
    let (world, node, driver) = disk(blocks_of(512));
    driver.fail_with(Some(5));
    zero(&world, &node, 0, 512).expect_err("it fails");
    assert_eq!(driver.take_log(), ["zero 0+512"]);
}

#[test]
fn a_discard_gives_up_whole_blocks_alone() {
    let (world, node, driver) = disk(Limits {
        max_discard: 1024,
        ..blocks_of(512)
    });
    discard(&world, &node, 100, 2600).expect("discards");
    let asked = ["discard 512+1024", "discard 1536+1024"];
    assert_eq!(driver.take_log(), asked);
    discard(&world, &node, 100, 900).expect("there is no whole block");
    assert!(driver.take_log().is_empty());
}

#[test]
fn a_driver_that_cannot_discard_is_no_error_and_another_error_is() {
    let (world, node, driver) = disk(blocks_of(512));
    let (eopnotsupp, eio) = (95, 5);
    driver.fail_with(Some(eopnotsupp));
    discard(&world, &node, 0, 512).expect("nothing was promised");
    driver.fail_with(Some(eio));
    let error = discard(&world, &node, 0, 512).expect_err("it fails");
    assert_eq!(error.errno(), eio);
}

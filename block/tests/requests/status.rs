//! Block status, of a node and over its backing chain.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::BlockStatus;

use crate::common::{TestDriver, World};

const KIB: u64 = 1024;

fn status(world: &World, node: &Rc<Node>, offset: u64, bytes: u64) -> BlockStatus {
    let node = node.clone();
    let status = world.run(async move { node.block_status(offset, bytes).await });
    status.expect("known")
}

fn above(
    world: &World,
    node: &Rc<Node>,
    base: Option<&Rc<Node>>,
    offset: u64,
    bytes: u64,
) -> BlockStatus {
    let (node, base) = (node.clone(), base.cloned());
    let run = async move {
        node.block_status_above(base.as_deref(), offset, bytes)
            .await
    };
    world.run(run).expect("known")
}

fn allocated(
    world: &World,
    node: &Rc<Node>,
    base: Option<&Rc<Node>>,
    offset: u64,
    bytes: u64,
) -> (bool, u64) {
    let (node, base) = (node.clone(), base.cloned());
    let run = async move {
        node.is_allocated_above(base.as_deref(), offset, bytes)
            .await
    };
    world.run(run).expect("known")
}

/// A driver of `len` bytes that holds only what is in `held`.
fn holds(len: u64, held: std::ops::Range<u64>) -> TestDriver {
    let driver = TestDriver::new(len);
    driver.set_status(move |offset, bytes| {
        let end = offset + bytes;
        if offset >= held.end || end <= held.start {
            BlockStatus::unallocated(bytes)
        } else if offset < held.start {
            BlockStatus::unallocated(held.start - offset)
        } else {
            BlockStatus::data(bytes.min(held.end - offset))
        }
    });
    driver
}

/// base of 32 KiB, middle of 64 KiB, top of 128 KiB, and a filter: each holds a part.
fn chain(world: &World) -> [Rc<Node>; 4] {
    let base = world.node("base", &holds(32 * KIB, 0..8 * KIB), &[]);
    let over = [("backing", ChildRole::Cow, &base)];
    let middle = world.node("middle", &holds(64 * KIB, 8 * KIB..16 * KIB), &over);
    let (filter, _) = world.filter("filter", &middle);
    let over = [("backing", ChildRole::Cow, &filter)];
    let top = world.node("top", &holds(128 * KIB, 16 * KIB..24 * KIB), &over);
    [base, middle, filter, top]
}

#[test]
fn a_question_is_cut_at_the_end_and_past_it_all_is_zero() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let len = disk.len().expect("has one");
    assert_eq!(
        status(&world, &disk, len - 512, 4096),
        BlockStatus::data(512)
    );
    assert_eq!(status(&world, &disk, len, 4096), BlockStatus::zero(4096));
    assert_eq!(status(&world, &disk, 0, 0).bytes, 0);
    assert_eq!(disk.in_flight(), 0);
}

#[test]
fn a_question_is_asked_in_whole_blocks_and_answered_in_bytes() {
    let world = World::new();
    let driver = TestDriver::new(8192).with_align(512);
    driver.set_status(|offset, bytes| {
        assert!((offset | bytes).is_multiple_of(512), "{offset}+{bytes}");
        BlockStatus::data(bytes.min(1024))
    });
    let disk = world.node("disk", &driver, &[]);
    assert_eq!(status(&world, &disk, 100, 10).bytes, 10);
    assert_eq!(status(&world, &disk, 100, 4000).bytes, 924);
    assert_eq!(status(&world, &disk, 512, 4000).bytes, 1024);
}

#[test]
#[should_panic(expected = "'disk' knows 512 of the 1024 bytes at 0, and was asked about 600")]
fn an_answer_that_ends_before_the_question_is_a_bug_of_the_driver() {
    let world = World::new();
    let driver = TestDriver::new(8192).with_align(1024);
    driver.set_status(|_, _| BlockStatus::data(512));
    let disk = world.node("disk", &driver, &[]);
    status(&world, &disk, 600, 10);
}

#[test]
fn a_chain_answers_with_the_first_node_that_holds_the_range() {
    let world = World::new();
    let [_, _, filter, top] = chain(&world);
    let data = |bytes| BlockStatus::data(bytes);
    assert_eq!(above(&world, &top, None, 0, 64 * KIB), data(8 * KIB));
    assert_eq!(above(&world, &top, None, 8 * KIB, 64 * KIB), data(8 * KIB));
    assert_eq!(above(&world, &top, None, 20 * KIB, 64 * KIB), data(4 * KIB));
    // Within the base, nobody holds it.
    let nowhere = above(&world, &top, None, 24 * KIB, 64 * KIB);
    assert!(!nowhere.allocated && nowhere.zero && !nowhere.data);
    assert_eq!(nowhere.bytes, 8 * KIB, "up to the end of the base");
    assert_eq!(
        above(&world, &filter, None, 8 * KIB, 4 * KIB),
        data(4 * KIB)
    );
}

#[test]
fn a_shorter_backing_node_shows_zeroes_that_it_holds_itself() {
    let world = World::new();
    let [base, middle, _, top] = chain(&world);
    let zero = |bytes| BlockStatus::zero(bytes);
    // Past the end of the base, which is asked; and past the end of the middle.
    assert_eq!(above(&world, &top, None, 40 * KIB, 8 * KIB), zero(8 * KIB));
    assert_eq!(above(&world, &top, None, 80 * KIB, 8 * KIB), zero(8 * KIB));
    // A base that is not asked says nothing, however short it is.
    assert_eq!(
        allocated(&world, &top, Some(&base), 40 * KIB, 8 * KIB),
        (false, 8 * KIB)
    );
    // Nor do the filters on top of it, which are as short.
    assert_eq!(
        allocated(&world, &top, Some(&middle), 80 * KIB, 8 * KIB),
        (false, 8 * KIB)
    );
    // But a node in between that is too short hides what is below it.
    assert_eq!(
        allocated(&world, &top, Some(&base), 80 * KIB, 8 * KIB),
        (true, 8 * KIB)
    );
}

#[test]
fn what_is_allocated_above_a_base_leaves_the_base_out() {
    let world = World::new();
    let [base, middle, filter, top] = chain(&world);
    let at = |base, offset| allocated(&world, &top, base, offset, 4 * KIB);
    assert_eq!(at(Some(&base), 0), (false, 4 * KIB));
    assert_eq!(at(None, 0), (true, 4 * KIB));
    assert_eq!(at(Some(&base), 8 * KIB), (true, 4 * KIB));
    assert_eq!(at(Some(&middle), 8 * KIB), (false, 4 * KIB));
    assert_eq!(at(Some(&filter), 8 * KIB), (false, 4 * KIB));
    assert_eq!(at(Some(&top), 16 * KIB), (false, 4 * KIB));
    assert_eq!(at(Some(&filter), 16 * KIB), (true, 4 * KIB));
}

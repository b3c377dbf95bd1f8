//! Op blockers: coarser than permissions, and asked before a job begins.

use blockjob_block::ErrorKind;
use blockjob_block::op_blocker::BlockOp;

use crate::common::World;

#[test]
fn a_blocked_operation_is_refused_until_the_block_is_dropped() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    disk.check_op(BlockOp::Resize).expect("nobody blocks it");
    let block = disk.op_block(Some(BlockOp::Resize), "it is measured");
    let error = disk.check_op(BlockOp::Resize).expect_err("blocked");
    assert_eq!(error.to_string(), "Node 'disk' is busy: it is measured");
    assert_eq!(error.kind(), ErrorKind::InUse);
    disk.check_op(BlockOp::Eject).expect("that is not");
    drop(block);
    disk.check_op(BlockOp::Resize)
        .expect("nobody blocks it any more");
}

#[test]
fn a_block_of_everything_lets_its_exceptions_through() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let block = disk.op_block(None, "a job").except(BlockOp::Dataplane);
    disk.check_op(BlockOp::MirrorSource).expect_err("blocked");
    disk.check_op(BlockOp::Dataplane).expect("let through");
    let second = disk.op_block(None, "another job");
    disk.check_op(BlockOp::Dataplane)
        .expect_err("by the second");
    drop(second);
    disk.check_op(BlockOp::Dataplane).expect("let through");
    drop(block);
    disk.check_op(BlockOp::MirrorSource)
        .expect("nobody blocks it");
}

#[test]
fn of_several_blocks_the_newest_gives_the_reason() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let _old = disk.op_block(None, "the old");
    let new = disk.op_block(None, "the new");
    let text = || {
        disk.check_op(BlockOp::Replace)
            .expect_err("blocked")
            .to_string()
    };
    assert_eq!(text(), "Node 'disk' is busy: the new");
    drop(new);
    assert_eq!(text(), "Node 'disk' is busy: the old");
}

#[test]
fn a_block_may_outlive_its_node() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let block = disk.op_block(None, "a job");
    drop(disk);
    assert!(
        world.graph.find_node("disk").is_none(),
        "a block does not hold it"
    );
    drop(block);
}

//! What `quorum` alone promises. Texts, events and their order are those of qemu-storage-daemon
//! 10.0.2.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::{Blkdebug, BlkdebugOptions, Event, InjectError, IoType};
use blockjob_block::driver::mem::{MemDisk, MemDriver, MemOptions};
use blockjob_block::driver::quorum::{
    QuorumDriver, QuorumEvent, QuorumOp, QuorumOptions, ReadPattern, Sectors, child_name,
};
use blockjob_block::driver::{BlockStatus, ZeroFlags};
use blockjob_block::{BlockBackend, BlockResult, ErrorKind, Node, Perm, PermPair};
use bytes::Bytes;
use nix::libc;

use super::common::{BoxFuture, World, join_all, noise, read};

const LEN: u64 = 64 << 10;

/// A quorum of disks in memory, each behind a `blkdebug` node.
struct Quorum {
    node: Rc<Node>,
    guest: Rc<BlockBackend>,
    disks: Vec<Rc<MemDisk>>,
    controls: Vec<Blkdebug>,
    events: Rc<RefCell<Vec<String>>>,
}

/// `bad read c2 8+1`, with the error if there is one.
fn describe(event: &QuorumEvent) -> String {
    match event {
        QuorumEvent::ReportBad {
            op,
            node_name,
            sectors: Sectors { num, count },
            error,
        } => {
            let error = error
                .as_ref()
                .map_or(String::new(), |text| format!(": {text}"));
            format!("bad {} {node_name} {num}+{count}{error}", op.name())
        }
        QuorumEvent::Failure { reference, sectors } => {
            format!("failure {reference} {}+{}", sectors.num, sectors.count)
        }
        QuorumEvent::Mismatch { node_name, offset } => format!("mismatch {node_name} {offset}"),
    }
}

fn quorum_of(world: &World, options: QuorumOptions, latencies_ns: &[u64]) -> Quorum {
    let mut nodes = Vec::new();
    let (mut disks, mut controls) = (Vec::new(), Vec::new());
    for (index, latency_ns) in latencies_ns.iter().enumerate() {
        let driver = MemOptions::new(LEN).latency_ns(*latency_ns).build();
        disks.push(driver.disk());
        let image = world.node(driver, &[]);
        let driver = BlkdebugOptions::new().build(&image).expect("fits");
        controls.push(driver.control());
        let name = format!("c{index}");
        let children = [("image", ChildRole::Filtered, image)];
        let node = world
            .graph
            .add_node(Some(&name), Box::new(driver), false, &children);
        nodes.push(node.expect("nobody objects"));
    }
    let driver = options.build(&nodes).expect("they fit");
    let events: Rc<RefCell<Vec<String>>> = Rc::default();
    let log = events.clone();
    driver.on_event(move |event| log.borrow_mut().push(describe(event)));
    let children = nodes.iter().enumerate().map(|(index, node)| {
        let name = child_name(index).expect("there are few");
        (name, ChildRole::Data, node.clone())
    });
    let children: Vec<_> = children.collect();
    let node = world
        .graph
        .add_node(Some("quorum"), Box::new(driver), false, &children);
    let node = node.expect("nobody objects");
    Quorum {
        guest: world.backend_for(&node, Perm::CONSISTENT_READ | Perm::WRITE),
        node,
        disks,
        controls,
        events,
    }
}

fn quorum(world: &World, options: QuorumOptions, children: usize) -> Quorum {
    quorum_of(world, options, &vec![0; children])
}

impl Quorum {
    /// Fills the disks, each with a pattern.
    fn fill(&self, patterns: &[u8]) {
        for (disk, pattern) in self.disks.iter().zip(patterns) {
            disk.write_at(0, &vec![*pattern; LEN as usize]);
        }
    }

    /// The bytes at `offset`, one of each disk.
    fn shows(&self, offset: u64) -> Vec<u8> {
        let mut byte = [0];
        let show = |disk: &Rc<MemDisk>| {
            disk.read_at(offset, &mut byte);
            byte[0]
        };
        self.disks.iter().map(show).collect()
    }

    fn read(&self, world: &World, offset: u64, bytes: usize) -> BlockResult<Vec<u8>> {
        let guest = self.guest.clone();
        world.run(async move { read(&guest, offset, bytes).await })
    }

    fn write(&self, world: &World, offset: u64, bytes: usize) -> BlockResult<()> {
        let guest = self.guest.clone();
        world.run(async move { guest.write(offset, Bytes::from(vec![7; bytes])).await })
    }

    fn flush(&self, world: &World) -> BlockResult<()> {
        let guest = self.guest.clone();
        world.run(async move { guest.flush().await })
    }

    fn fail(&self, child: usize, io_type: IoType, errno: i32) {
        let rule = InjectError::new(Event::NONE).io_type(io_type).errno(errno);
        self.controls[child].inject_error(rule);
    }

    fn take_events(&self) -> Vec<String> {
        self.events.take()
    }
}

fn threshold(vote_threshold: i64) -> QuorumOptions {
    QuorumOptions::new(vote_threshold)
}

#[test]
fn options_that_contradict_each_other_are_refused_in_qemus_words() {
    let world = World::simulated();
    let nodes: Vec<_> = (0..33)
        .map(|_| world.node(MemOptions::new(LEN).build(), &[]))
        .collect();
    let refusal = |options: QuorumOptions, children: usize| {
        let refused = options.build(&nodes[..children]).err().expect("refused");
        refused.to_string()
    };
    assert_eq!(
        refusal(threshold(1), 0),
        "Number of provided children must be 1 or more"
    );
    assert_eq!(
        refusal(threshold(1), 33),
        "Number of provided children must be 32 or less"
    );
    let small = "Parameter 'vote-threshold' expects a value >= 1";
    assert_eq!(refusal(threshold(0), 3), small);
    assert_eq!(refusal(threshold(-1), 3), small);
    assert_eq!(
        refusal(threshold(4), 3),
        "threshold may not exceed children count"
    );
    let verify = |vote_threshold| QuorumOptions {
        blkverify: true,
        ..threshold(vote_threshold)
    };
    let two = "blkverify=on can only be set if there are exactly two files and vote-threshold is 2";
    assert_eq!(refusal(verify(1), 2), two);
    assert_eq!(refusal(verify(2), 3), two);
    let both = QuorumOptions {
        rewrite_corrupted: true,
        ..verify(2)
    };
    let text = "rewrite-corrupted=on cannot be used with blkverify=on";
    assert_eq!(refusal(both, 2), text);
    // Who does not vote does not compare.
    let fifo = QuorumOptions {
        read_pattern: ReadPattern::Fifo,
        ..both
    };
    assert!(fifo.build(&nodes[..3]).is_ok());
}

#[test]
fn children_of_different_lengths_are_refused() {
    let world = World::simulated();
    let nodes = [LEN, LEN, LEN + 512].map(|len| world.node(MemOptions::new(len).build(), &[]));
    let error = threshold(2).build(&nodes).err().expect("refused");
    assert_eq!(
        error.to_string(),
        "Could not refresh total sector count: Input/output error"
    );
    let driver = threshold(2).build(&nodes[..2]).expect("they fit");
    let child = |index| {
        (
            child_name(index).expect("few"),
            ChildRole::Data,
            nodes[index].clone(),
        )
    };
    let node = world.node(driver, &[child(0), child(1)]);
    assert_eq!(node.len().expect("the same"), LEN);
    let driver = nodes[1].driver().as_any().downcast_ref::<MemDriver>();
    driver.expect("it is one").disk().set_len(LEN / 2);
    assert_eq!(node.len().expect_err("they differ").errno(), libc::EIO);
}

#[test]
fn the_majority_is_read_and_the_minority_reported() {
    let world = World::simulated();
    let quorum = quorum(&world, threshold(2), 3);
    quorum.fill(&[1, 1, 1]);
    assert_eq!(quorum.read(&world, 4000, 700).expect("reads"), [1; 700]);
    assert!(quorum.take_events().is_empty());
    quorum.disks[2].write_at(4096, &[9]);
    assert_eq!(quorum.read(&world, 4000, 700).expect("reads"), [1; 700]);
    assert_eq!(quorum.take_events(), ["bad read c2 7+3"]);
    assert_eq!(
        quorum.shows(4096),
        [1, 1, 9],
        "nobody has asked to correct it"
    );
}

#[test]
fn of_equal_parties_the_one_that_was_seen_last_wins() {
    let world = World::simulated();
    let quorum = quorum(&world, threshold(1), 3);
    quorum.fill(&[1, 2, 3]);
    assert_eq!(quorum.read(&world, 4096, 16).expect("reads"), [3; 16]);
    assert_eq!(quorum.take_events(), ["bad read c1 8+1", "bad read c0 8+1"]);
}

#[test]
fn a_read_on_which_too_few_agree_fails() {
    let world = World::simulated();
    let quorum = quorum(&world, threshold(2), 2);
    quorum.fill(&[1, 2]);
    let error = quorum.read(&world, 4096, 512).expect_err("no majority");
    assert_eq!(error.errno(), libc::EIO);
    assert_eq!(quorum.take_events(), ["failure quorum 8+1"]);
    // Whoever has a name is named.
    let perms = PermPair::new(Perm::CONSISTENT_READ, Perm::ALL);
    let drive = BlockBackend::new(&world.graph, "drive0", perms).expect("the name is free");
    drive.insert(&quorum.node).expect("nobody objects");
    quorum.read(&world, 4096, 512).expect_err("no majority");
    assert_eq!(quorum.take_events(), ["failure drive0 8+1"]);
}

#[test]
fn a_child_that_cannot_be_read_has_no_vote() {
    let world = World::simulated();
    let quorum = quorum(&world, threshold(2), 3);
    quorum.fill(&[1, 1, 1]);
    quorum.fail(0, IoType::Read, libc::EIO);
    assert_eq!(quorum.read(&world, 0, 512).expect("reads"), [1; 512]);
    assert_eq!(
        quorum.take_events(),
        ["bad read c0 0+1: Input/output error"]
    );
    // The others differ now, and the one that fails is not reported twice.
    quorum.fill(&[1, 1, 2]);
    quorum.read(&world, 0, 512).expect_err("no majority");
    let failed = ["bad read c0 0+1: Input/output error", "failure quorum 0+1"];
    assert_eq!(quorum.take_events(), failed);
    quorum.fail(1, IoType::Read, libc::ENOMEM);
    quorum.fail(2, IoType::Read, libc::ENOMEM);
    let error = quorum.read(&world, 0, 512).expect_err("nobody answers");
    assert_eq!(error.errno(), libc::ENOMEM, "most say so");
}

#[test]
fn a_write_succeeds_if_enough_children_take_it() {
    let world = World::simulated();
    let two = quorum(&world, threshold(2), 3);
    two.fail(0, IoType::Write, libc::ENOSPC);
    two.fail(0, IoType::WriteZeroes, libc::ENOSPC);
    two.write(&world, 10000, 1000).expect("two of three");
    let bad = "bad write c0 19+3: No space left on device";
    assert_eq!(two.take_events(), [bad]);
    assert_eq!(two.shows(10000), [0, 7, 7]);
    let guest = two.guest.clone();
    let zeroed =
        world.run(async move { guest.write_zeroes(10000, 1000, ZeroFlags::default()).await });
    zeroed.expect("two of three");
    assert_eq!(two.take_events(), [bad]);
    assert_eq!(two.shows(10000), [0, 0, 0]);
}

#[test]
fn a_write_that_too_few_children_take_fails() {
    let world = World::simulated();
    let quorum = quorum(&world, threshold(3), 3);
    quorum.fail(0, IoType::Write, libc::ENOSPC);
    let error = quorum.write(&world, 10000, 1000).expect_err("two of three");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    let events = [
        "bad write c0 19+3: No space left on device",
        "failure quorum 19+3",
    ];
    assert_eq!(quorum.take_events(), events);
}

#[test]
fn a_flush_is_voted_on_and_no_child_is_left_out() {
    let world = World::simulated();
    let quorum = quorum(&world, threshold(2), 3);
    quorum.write(&world, 0, 512).expect("writes");
    quorum.fail(1, IoType::Flush, libc::EIO);
    quorum.flush(&world).expect("two of three");
    let bad = "bad flush c1 0+0: Input/output error";
    assert_eq!(quorum.take_events(), [bad]);
    quorum.fail(2, IoType::Flush, libc::EIO);
    let error = quorum.flush(&world).expect_err("one of three");
    assert_eq!(error.errno(), libc::EIO);
    let other = "bad flush c2 0+0: Input/output error";
    assert_eq!(quorum.take_events(), [bad, other]);
}

#[test]
fn with_rewrite_corrupted_the_minority_is_corrected() {
    let world = World::simulated();
    let options = QuorumOptions {
        rewrite_corrupted: true,
        ..threshold(2)
    };
    let quorum = quorum(&world, options, 3);
    quorum.fill(&[1, 1, 1]);
    quorum.disks[2].write_at(4096, &[9; 512]);
    quorum.read(&world, 4096, 512).expect("reads");
    assert_eq!(quorum.take_events(), ["bad read c2 8+1"]);
    assert_eq!(quorum.shows(4096), [1, 1, 1]);
    quorum.read(&world, 4096, 512).expect("reads");
    assert!(quorum.take_events().is_empty());
    // One that cannot be corrected is no reason to fail.
    quorum.disks[0].write_at(0, &[9]);
    quorum.fail(0, IoType::Write, libc::EIO);
    assert_eq!(quorum.read(&world, 0, 512).expect("reads"), [1; 512]);
    assert_eq!(quorum.shows(0), [9, 1, 1]);
}

/// The children get the same write at different times, and in between they differ.
#[test]
fn a_read_beside_a_write_finds_nobody_wrong_and_undoes_nothing() {
    for moment_ns in (0..400).step_by(20) {
        let world = World::simulated();
        let options = QuorumOptions {
            rewrite_corrupted: true,
            ..threshold(2)
        };
        let quorum = quorum_of(&world, options, &[10, 150, 300]);
        quorum.fill(&[1, 1, 1]);
        let (writer, reader) = (quorum.guest.clone(), quorum.guest.clone());
        let context = world.context.clone();
        let results = world.run(join_all(vec![
            Box::pin(async move { writer.write(512, Bytes::from(noise(1, 512))).await })
                as BoxFuture<_>,
            Box::pin(async move {
                context.sleep(moment_ns).await;
                read(&reader, 0, 2048).await.map(drop)
            }),
        ]));
        assert!(results.iter().all(Result::is_ok), "after {moment_ns} ns");
        assert!(quorum.take_events().is_empty(), "after {moment_ns} ns");
        assert_eq!(quorum.read(&world, 512, 512).expect("reads"), noise(1, 512));
        assert!(quorum.take_events().is_empty(), "after {moment_ns} ns");
    }
}

/// While a child is being corrected, a guest writes to the same place.
#[test]
fn a_correction_never_undoes_a_write() {
    for moment_ns in (0..1500).step_by(50) {
        let world = World::simulated();
        let options = QuorumOptions {
            rewrite_corrupted: true,
            ..threshold(2)
        };
        let quorum = quorum_of(&world, options, &[100, 200, 300]);
        quorum.fill(&[1, 9, 1]);
        let (node, writer) = (quorum.node.clone(), quorum.guest.clone());
        let context = world.context.clone();
        world.run(async move {
            // The reader even loses interest in the middle of it.
            let mut reading = Box::pin(node.co_read(0, bytes::BytesMut::zeroed(2048)));
            let polled = futures_lite::future::poll_once(&mut reading).await;
            assert!(polled.is_none());
            for _ in 0..moment_ns / 50 {
                context.sleep(50).await;
                if futures_lite::future::poll_once(&mut reading)
                    .await
                    .is_some()
                {
                    break;
                }
            }
            drop(reading);
            let writing = writer.write(512, Bytes::from(noise(1, 512)));
            writing.await.expect("writes");
        });
        quorum.node.drain("test");
        for disk in &quorum.disks {
            let mut seen = [0; 512];
            disk.read_at(512, &mut seen);
            assert!(seen[..] == noise(1, 512)[..], "after {moment_ns} ns");
        }
    }
}

#[test]
fn with_blkverify_a_difference_fails_the_read() {
    let world = World::simulated();
    let options = QuorumOptions {
        blkverify: true,
        ..threshold(2)
    };
    let quorum = quorum(&world, options, 2);
    quorum.fill(&[1, 1]);
    quorum.disks[1].write_at(5000, &[9]);
    quorum.read(&world, 0, 4096).expect("the same");
    let error = quorum.read(&world, 4096, 4096).expect_err("they differ");
    assert_eq!(error.context(), "contents mismatch at offset 5000");
    assert_eq!(quorum.take_events(), ["mismatch quorum 5000"]);
}

#[test]
fn first_in_first_out_asks_the_next_child_only_if_one_fails() {
    let world = World::simulated();
    let options = QuorumOptions {
        read_pattern: ReadPattern::Fifo,
        ..threshold(1)
    };
    let quorum = quorum(&world, options, 3);
    quorum.fill(&[1, 2, 3]);
    assert_eq!(quorum.read(&world, 51200, 512).expect("reads"), [1; 512]);
    assert!(quorum.take_events().is_empty(), "nobody has compared");
    quorum.fail(0, IoType::Read, libc::EIO);
    assert_eq!(quorum.read(&world, 51200, 512).expect("reads"), [2; 512]);
    assert_eq!(
        quorum.take_events(),
        ["bad read c0 100+1: Input/output error"]
    );
    quorum.fail(1, IoType::Read, libc::EIO);
    quorum.fail(2, IoType::Read, libc::ENOMEM);
    let error = quorum.read(&world, 51200, 512).expect_err("nobody is left");
    assert_eq!(error.errno(), libc::ENOMEM, "the last one's");
}

#[test]
fn it_is_zero_where_all_children_are_and_data_where_one_is() {
    let world = World::simulated();
    let disks = [0u64, 1, 2].map(|number| {
        let driver = MemOptions::new(LEN).cluster_size(4096).build();
        driver.disk().write_at(16384 + 4096 * number, &[1; 4096]);
        world.node(driver, &[])
    });
    let driver = threshold(2).build(&disks).expect("they fit");
    let child = |index: usize| {
        let name = child_name(index).expect("there are few");
        (name, ChildRole::Data, disks[index].clone())
    };
    let node = world.node(driver, &[child(0), child(1), child(2)]);
    let status = |offset: u64| {
        let node = node.clone();
        world.run(async move { node.block_status(offset, LEN).await.expect("answers") })
    };
    assert_eq!(status(0), BlockStatus::zero(16384));
    assert_eq!(status(16384), BlockStatus::data(4096));
    assert_eq!(status(28672), BlockStatus::zero(LEN - 28672));
}

#[test]
fn nobody_else_may_write_to_a_child_or_resize_it() {
    let world = World::simulated();
    let plain = quorum(&world, threshold(2), 3);
    let edge = |quorum: &Quorum| quorum.node.child("children.1").expect("kept");
    let perms = edge(&plain).perms();
    assert_eq!(perms.used, Perm::CONSISTENT_READ | Perm::WRITE);
    assert_eq!(perms.shared, Perm::CONSISTENT_READ | Perm::WRITE_UNCHANGED);
    let child = edge(&plain).node();
    let writer = BlockBackend::new(&world.graph, "", PermPair::new(Perm::WRITE, Perm::ALL));
    let refused = writer.expect("unnamed").insert(&child);
    assert_eq!(refused.expect_err("refused").kind(), ErrorKind::InUse);
    let guest = plain.guest.clone();
    let resized = world.run(async move { guest.node().expect("kept").co_truncate(512).await });
    assert_eq!(
        resized.expect_err("refused").kind(),
        ErrorKind::NotSupported
    );
    let world = World::simulated();
    let options = QuorumOptions {
        rewrite_corrupted: true,
        ..threshold(2)
    };
    let corrects = quorum(&world, options, 3);
    assert!(edge(&corrects).perms().used.contains(Perm::WRITE_UNCHANGED));
    assert_eq!(QuorumOp::Flush.name(), "flush");
}

/// x-blockdev-change of the peer says the same.
#[test]
fn children_come_and_go_while_it_is_in_use() {
    let world = World::simulated();
    let quorum = quorum(&world, threshold(2), 2);
    quorum.fill(&[1, 1]);
    let node = &quorum.node;
    let driver = node.driver().as_any().downcast_ref::<QuorumDriver>();
    let driver = driver.expect("it is one");
    let add = |name: &str, len: u64| {
        let disk = MemOptions::new(len).build();
        let content = disk.disk();
        let disk = world.graph.add_node(Some(name), Box::new(disk), false, &[]);
        (disk.expect("the name is free"), content)
    };
    let (third, content) = add("third", LEN);
    let edge = driver.add_child(node, &third).expect("it fits");
    assert_eq!(edge.name(), "children.2");
    let text = |result: BlockResult<()>| result.expect_err("refused").to_string();
    let twice = driver.add_child(node, &third).map(drop);
    assert_eq!(text(twice), "The node third already has a parent");
    quorum.read(&world, 0, 512).expect("two of three");
    assert_eq!(
        quorum.take_events(),
        ["bad read third 0+1"],
        "nobody has filled it"
    );
    driver.del_child(node, "children.0").expect("two are left");
    assert_eq!(
        text(driver.del_child(node, "children.1")),
        "The number of children cannot be lower than the vote threshold 2"
    );
    let missing = text(driver.del_child(node, "children.7"));
    assert_eq!(missing, "Node 'quorum' does not have child 'children.7'");
    quorum.write(&world, 0, 512).expect("two of two");
    assert_eq!(quorum.shows(0), [1, 7], "that one is none of them any more");
    let mut written = [0];
    content.read_at(0, &mut written);
    assert_eq!(written, [7]);
    let (short, _) = add("short", LEN / 2);
    let refused = driver.add_child(node, &short).map(drop);
    assert_eq!(
        text(refused),
        "Could not refresh total sector count: Input/output error"
    );
    let (fourth, _) = add("fourth", LEN);
    let edge = driver.add_child(node, &fourth).expect("it fits");
    assert_eq!(edge.name(), "children.3");
    driver.del_child(node, "children.2").expect("two are left");
    let edge = driver.add_child(node, &third).expect("it fits again");
    assert_eq!(edge.name(), "children.4", "no name is used again at once");
}

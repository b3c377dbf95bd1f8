//! What `copy-on-read` alone promises. Texts are those of qemu-storage-daemon 10.0.2.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::{BlkdebugOptions, Event, InjectError, IoType};
use blockjob_block::driver::copy_on_read::{CopyOnReadDriver, CopyOnReadOptions};
use blockjob_block::driver::mem::{Fill, MemDriver, MemOptions};
use blockjob_block::driver::overlay::{OverlayDriver, OverlayOptions};
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::{BlockBackend, BlockResult, ErrorKind, Node, Perm, PermPair};
use bytes::{Bytes, BytesMut};
use nix::libc;

use super::common::{BoxFuture, World, join_all, noise};

const CLUSTER: u64 = 4096;
const LEN: u64 = 16 * CLUSTER;
/// How long the base takes for a request, in nanoseconds.
const LATENCY_NS: u64 = 1000;

/// A base of noise, and overlays on it.
struct Chain {
    base: Rc<Node>,
    mid: Rc<Node>,
    top: Rc<Node>,
    bytes: Vec<u8>,
}

fn chain(world: &World) -> Chain {
    let options = MemOptions::new(LEN)
        .fill(Fill::Noise(1))
        .latency_ns(LATENCY_NS);
    let driver = options.build();
    let mut bytes = vec![0; LEN as usize];
    driver.disk().read_at(0, &mut bytes);
    let add = |name: &str, driver, children: &[_]| {
        let node = world.graph.add_node(Some(name), driver, false, children);
        node.expect("nobody objects")
    };
    let overlay = || Box::new(OverlayOptions::new(LEN).cluster_size(CLUSTER).build());
    let base = add("base", Box::new(driver), &[]);
    let mid = add(
        "mid",
        overlay(),
        &[("backing", ChildRole::Cow, base.clone())],
    );
    let top = add(
        "top",
        overlay(),
        &[("backing", ChildRole::Cow, mid.clone())],
    );
    Chain {
        base,
        mid,
        top,
        bytes,
    }
}

fn cor(world: &World, file: &Rc<Node>, bottom: Option<&str>) -> Rc<Node> {
    let driver = options(bottom).build(file).expect("they fit");
    world.node(driver, &[("file", ChildRole::Filtered, file.clone())])
}

fn options(bottom: Option<&str>) -> CopyOnReadOptions {
    CopyOnReadOptions {
        bottom: bottom.map(str::to_owned),
    }
}

/// The numbers of the clusters that an overlay holds.
fn held(world: &World, node: &Rc<Node>) -> Vec<u64> {
    let node = node.clone();
    world.run(async move {
        let mut held = Vec::new();
        for cluster in 0..LEN / CLUSTER {
            let status = node.block_status(cluster * CLUSTER, CLUSTER).await;
            if status.expect("answers").allocated {
                held.push(cluster);
            }
        }
        held
    })
}

fn data_bytes(node: &Node) -> u64 {
    let driver = node.driver().as_any().downcast_ref::<OverlayDriver>();
    driver.expect("it is an overlay").allocated_bytes()
}

#[test]
fn what_is_read_from_below_is_held_from_then_on_in_whole_clusters() {
    let world = World::simulated();
    let chain = chain(&world);
    let node = cor(&world, &chain.top, None);
    let guest = world.backend_for(&node, Perm::CONSISTENT_READ);
    let from = CLUSTER as usize + 100;
    let seen = world.read(&guest, from as u64, 2 * CLUSTER as usize);
    assert_eq!(seen, chain.bytes[from..from + 2 * CLUSTER as usize]);
    assert_eq!(held(&world, &chain.top), [1, 2, 3]);
    assert!(held(&world, &chain.mid).is_empty());
    let before_ns = world.context.now_ns();
    assert_eq!(
        world.read(&guest, from as u64, 5),
        chain.bytes[from..from + 5]
    );
    assert_eq!(
        world.context.now_ns(),
        before_ns,
        "the base was not asked again"
    );
    // The base goes wrong, and the copy does not.
    let disk = chain.base.driver().as_any().downcast_ref::<MemDriver>();
    disk.expect("it is one").disk().write_at(CLUSTER, b"wrong");
    let first = world.read(&guest, CLUSTER, 5);
    assert_eq!(first, chain.bytes[CLUSTER as usize..][..5]);
}

#[test]
fn zeroes_from_below_take_up_no_room() {
    let world = World::simulated();
    let chain = chain(&world);
    let below = world.backend(&chain.mid);
    world.run(async move {
        let zeroes = below.write_zeroes(0, 4 * CLUSTER, Default::default());
        zeroes.await.expect("zeroes");
    });
    let guest = world.backend(&cor(&world, &chain.top, None));
    assert_eq!(
        world.read(&guest, 0, 3 * CLUSTER as usize),
        vec![0; 3 * CLUSTER as usize]
    );
    assert_eq!(held(&world, &chain.top), [0, 1, 2]);
    assert_eq!(data_bytes(&chain.top), 0);
}

#[test]
fn with_a_bottom_node_only_what_lies_above_it_is_copied() {
    let world = World::simulated();
    let chain = chain(&world);
    world.write(
        &world.backend(&chain.mid),
        4 * CLUSTER,
        &noise(2, CLUSTER as usize),
    );
    let reads = |bottom: &str| {
        let guest = world.backend(&cor(&world, &chain.top, Some(bottom)));
        let seen = world.read(&guest, 0, 8 * CLUSTER as usize);
        assert_eq!(seen[4 * CLUSTER as usize..][..16], noise(2, 16));
        assert_eq!(seen[..16], chain.bytes[..16]);
        held(&world, &chain.top)
    };
    assert!(reads("top").is_empty(), "there is nothing above the top");
    assert_eq!(reads("mid"), [4]);
    assert_eq!(reads("base"), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_raw_base_can_be_the_bottom_node() {
    let world = World::simulated();
    let file = world.node(MemOptions::new(LEN).fill(Fill::Noise(1)).build(), &[]);
    let raw = RawDriver::new(RawOptions::default(), LEN).expect("fits");
    let children = [("file", ChildRole::Filtered, file)];
    let graph = &world.graph;
    let raw = graph.add_node(Some("raw"), Box::new(raw), false, &children);
    let overlay = OverlayOptions::new(LEN).cluster_size(CLUSTER).build();
    let children = [("backing", ChildRole::Cow, raw.expect("nobody objects"))];
    let top = world.node(overlay, &children);
    let guest = world.backend(&cor(&world, &top, Some("raw")));
    world.read(&guest, 0, 1);
    assert_eq!(held(&world, &top), [0]);
}

#[test]
fn a_node_without_a_backing_node_is_only_read() {
    let world = World::simulated();
    let top = world.node(OverlayOptions::new(LEN).cluster_size(CLUSTER).build(), &[]);
    let guest = world.backend(&cor(&world, &top, None));
    world.read(&guest, 0, LEN as usize);
    assert!(held(&world, &top).is_empty());
}

fn refusal(file: &Rc<Node>, bottom: &str) -> String {
    let refused = options(Some(bottom)).build(file);
    refused.err().expect("refused").to_string()
}

#[test]
fn a_bottom_node_that_cannot_be_one_is_refused() {
    let world = World::simulated();
    let chain = chain(&world);
    assert_eq!(refusal(&chain.top, "nope"), "Bottom node 'nope' not found");
    let debug = BlkdebugOptions::new().build(&chain.base).expect("fits");
    let children = [("image", ChildRole::Filtered, chain.base.clone())];
    let debug = world
        .graph
        .add_node(Some("debug"), Box::new(debug), false, &children);
    let _debug = debug.expect("nobody objects");
    assert_eq!(
        refusal(&chain.top, "debug"),
        "Bottom node 'debug' is a filter"
    );
    // The peer looks for this one for ever.
    assert_eq!(
        refusal(&chain.mid, "top"),
        "Bottom node 'top' is not in the backing chain of 'mid'"
    );
}

#[test]
fn the_links_to_the_bottom_node_stay_as_they_are_while_the_filter_lives() {
    let world = World::simulated();
    let chain = chain(&world);
    let backing = |node: &Rc<Node>| node.backing().expect("kept");
    let node = cor(&world, &chain.top, Some("mid"));
    assert!(backing(&chain.top).is_frozen());
    assert!(
        !backing(&chain.mid).is_frozen(),
        "that one is below the bottom"
    );
    assert!(node.child("file").expect("kept").is_frozen());
    assert_eq!(
        refusal(&chain.top, "base"),
        "Cannot change 'backing' link from 'top' to 'mid'"
    );
    assert!(world.graph.drop_filter(&node).is_err());
    let driver = node.driver().as_any().downcast_ref::<CopyOnReadDriver>();
    driver.expect("it is one").unfreeze();
    world.graph.drop_filter(&node).expect("nobody objects");
    assert!(!backing(&chain.top).is_frozen());
    let node = cor(&world, &chain.top, Some("base"));
    assert!(backing(&chain.mid).is_frozen());
    drop(node);
    assert!(!backing(&chain.top).is_frozen() && !backing(&chain.mid).is_frozen());
}

#[test]
fn it_writes_what_changes_nothing_and_so_needs_a_file_that_can_be_written_to() {
    let world = World::simulated();
    let chain = chain(&world);
    let node = cor(&world, &chain.top, None);
    let reader = BlockBackend::new(
        &world.graph,
        "",
        PermPair::new(Perm::CONSISTENT_READ, Perm::CONSISTENT_READ),
    );
    reader
        .expect("unnamed")
        .insert(&node)
        .expect("nobody objects");
    let _kept = world.backend_for(&node, Perm::CONSISTENT_READ);
    let perms = node.child("file").expect("kept").perms();
    assert_eq!(perms.used, Perm::CONSISTENT_READ | Perm::WRITE_UNCHANGED);
    assert!(perms.shared.contains(Perm::WRITE_UNCHANGED));
    let read_only = MemOptions::new(LEN).build();
    let read_only = world
        .graph
        .add_node(Some("ro"), Box::new(read_only), true, &[]);
    let read_only = read_only.expect("nobody objects");
    let driver = options(None).build(&read_only).expect("fits");
    let children = [("file", ChildRole::Filtered, read_only.clone())];
    let refused = world
        .graph
        .add_node(None, Box::new(driver), true, &children);
    assert_eq!(
        refused.expect_err("refused").to_string(),
        "Block node is read-only"
    );
}

/// A write comes at every moment of the copy, and of the read of what is copied.
#[test]
fn a_guest_write_is_never_lost_to_a_copy() {
    for moment_ns in (0..3 * LATENCY_NS).step_by(100) {
        for (offset, len) in [(0, 512), (700, 100), (0, CLUSTER as usize), (4000, 1000)] {
            let world = World::simulated();
            let chain = chain(&world);
            let guest = world.backend(&cor(&world, &chain.top, None));
            let (writer, context) = (guest.clone(), world.context.clone());
            let reading: BoxFuture<BlockResult<()>> = Box::pin({
                let guest = guest.clone();
                async move { guest.read(256, BytesMut::zeroed(6000)).await.1 }
            });
            let writing: BoxFuture<BlockResult<()>> = Box::pin(async move {
                context.sleep(moment_ns).await;
                writer.write(offset, Bytes::from(noise(9, len))).await
            });
            let results = world.run(join_all(vec![reading, writing]));
            assert!(results.iter().all(Result::is_ok));
            let mut expected = chain.bytes.clone();
            expected[offset as usize..][..len].copy_from_slice(&noise(9, len));
            let seen = world.read(&guest, 0, LEN as usize);
            assert!(
                seen == expected,
                "{len} bytes at {offset}, after {moment_ns} ns"
            );
        }
    }
}

/// Also a write that does not come through the filter.
#[test]
fn a_write_to_the_file_itself_waits_for_the_copy() {
    let world = World::simulated();
    let chain = chain(&world);
    let reader = world.backend(&cor(&world, &chain.top, None));
    let writer = world.backend(&chain.top);
    let results = world.run(join_all(vec![
        Box::pin(async move { reader.read(0, BytesMut::zeroed(512)).await.1 }) as BoxFuture<_>,
        Box::pin(async move { writer.write(1024, Bytes::from_static(b"new")).await }),
    ]));
    assert!(results.iter().all(Result::is_ok));
    let reader = world.backend(&chain.top);
    assert_eq!(world.read(&reader, 1024, 3), b"new");
}

#[test]
fn a_read_that_is_dropped_copies_to_its_end_and_others_wait_for_it() {
    let world = World::simulated();
    let chain = chain(&world);
    let node = cor(&world, &chain.top, None);
    let _reader = world.backend(&node);
    let (top, reading) = (chain.top.clone(), node.clone());
    world.run(async move {
        let mut read = Box::pin(reading.co_read(0, BytesMut::zeroed(512)));
        assert!(futures_lite::future::poll_once(&mut read).await.is_none());
        drop(read);
        assert_eq!(top.in_flight(), 1, "the copy goes on");
    });
    let guest = world.backend(&node);
    world.write(&guest, 0, b"new");
    assert_eq!(world.context.now_ns(), LATENCY_NS, "the write has waited");
    assert_eq!(world.read(&guest, 0, 3), b"new");
    assert_eq!(held(&world, &chain.top), [0]);
    chain.top.drain("test");
}

#[test]
fn a_copy_that_fails_fails_the_read() {
    let world = World::simulated();
    let chain = chain(&world);
    let rule = InjectError::new(Event::NONE)
        .io_type(IoType::Write)
        .errno(libc::ENOSPC);
    let options = BlkdebugOptions::new().inject_error(rule);
    let debug = options.build(&chain.top).expect("fits");
    let control = debug.control();
    let debug = world.node(debug, &[("image", ChildRole::Filtered, chain.top.clone())]);
    let guest = world.backend(&cor(&world, &debug, None));
    let reading = guest.clone();
    let result = world.run(async move { reading.read(0, BytesMut::zeroed(512)).await.1 });
    assert_eq!(result.expect_err("no room").kind(), ErrorKind::NoSpace);
    assert!(held(&world, &chain.top).is_empty());
    control.clear_errors();
    assert_eq!(world.read(&guest, 0, 512), chain.bytes[..512]);
    assert_eq!(held(&world, &chain.top), [0], "also through a filter");
}

#[test]
fn a_copy_dirties_nothing() {
    let world = World::simulated();
    let chain = chain(&world);
    let node = cor(&world, &chain.top, None);
    let guest = world.backend(&node);
    let bitmaps =
        [&chain.top, &node].map(|node| node.create_dirty_bitmap(Some("bits"), 512).expect("made"));
    world.read(&guest, 0, LEN as usize);
    assert_eq!(held(&world, &chain.top).len() as u64, LEN / CLUSTER);
    assert!(bitmaps.iter().all(|bitmap| bitmap.bits().count() == 0));
}

#[test]
fn two_reads_of_the_same_clusters_copy_them_once() {
    let world = World::simulated();
    let chain = chain(&world);
    let debug = BlkdebugOptions::new().build(&chain.top).expect("fits");
    let control = debug.control();
    let debug = world.node(debug, &[("image", ChildRole::Filtered, chain.top.clone())]);
    let guest = world.backend(&cor(&world, &debug, None));
    control.suspend_every(Event::PWRITEV, "copies");
    let ended = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let (guest, ended) = (guest.clone(), ended.clone());
        let reader = world.context.coroutine("reader", async move {
            let (_, result) = guest.read(0, BytesMut::zeroed(512)).await;
            result.expect("reads");
            ended.set(ended.get() + 1);
        });
        reader.wake();
    }
    world.context.poll_while(|| control.held("copies") == 0);
    world.settle();
    assert_eq!((control.held("copies"), ended.get()), (1, 0));
    control.resume("copies").expect("one is held");
    world.settle();
    assert_eq!((control.held("copies"), ended.get()), (0, 3));
}

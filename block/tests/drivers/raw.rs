//! What `raw` alone promises. The words are those of qemu-storage-daemon and qemu-io 10.0.2.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::driver::{BlockStatus, ZeroFlags};
use blockjob_block::{BlockBackend, ErrorKind, Node, Perm, PermPair};
use bytes::Bytes;

use super::common::World;

const MIB: u64 = 1 << 20;

fn refusal(offset: u64, size: Option<u64>) -> String {
    let error = RawDriver::new(RawOptions { offset, size }, MIB)
        .err()
        .expect("refused");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

fn on(world: &World, file: &Rc<Node>, options: RawOptions) -> Rc<Node> {
    let driver = RawDriver::new(options, file.len().expect("has one")).expect("fits");
    let role = RawDriver::child_role(options);
    world.node(driver, &[("file", role, file.clone())])
}

fn reader(world: &World, node: &Rc<Node>) -> Rc<BlockBackend> {
    world.backend_for(node, Perm::CONSISTENT_READ)
}

fn window(offset: u64, size: u64) -> RawOptions {
    RawOptions {
        offset,
        size: Some(size),
    }
}

#[test]
fn a_window_outside_of_the_file_is_refused_in_qemus_words() {
    assert_eq!(
        refusal(2 * MIB, None),
        "Offset (2097152) cannot be greater than size of the containing file (1048576)"
    );
    assert_eq!(
        refusal(0, Some(2 * MIB)),
        "The sum of offset (0) and size (2097152) has to be smaller or equal to the  actual size \
         of the containing file (1048576)"
    );
    assert_eq!(
        refusal(0, Some(513)),
        "Specified size is not multiple of 512"
    );
    let at_the_end = RawOptions {
        offset: MIB,
        size: Some(0),
    };
    assert!(RawDriver::new(at_the_end, MIB).is_ok());
}

#[test]
fn it_is_a_format_and_no_filter_also_without_a_window() {
    let world = World::simulated();
    let file = world.node(MemOptions::new(MIB).build(), &[]);
    let plain = on(&world, &file, RawOptions::default());
    assert!(!plain.driver().is_filter());
    assert!(Rc::ptr_eq(&plain.skip_filters(), &plain));
    assert!(plain.filtered().is_none() && plain.filter_or_cow().is_none());
    assert_eq!(
        plain.child("file").expect("kept").role(),
        ChildRole::Filtered
    );
    assert!(plain.has_zero_init());
    let windowed = on(&world, &file, window(512, 512));
    assert!(!windowed.driver().is_filter());
    assert_eq!(
        windowed.child("file").expect("kept").role(),
        ChildRole::Data
    );
}

#[test]
fn a_write_behind_a_fixed_size_finds_no_space() {
    let world = World::simulated();
    let file = world.node(MemOptions::new(MIB).build(), &[]);
    let node = on(&world, &file, window(512, 1024));
    let backend = world.backend(&node);
    let results = world.run({
        let node = node.clone();
        async move {
            [
                node.co_write(1020, Bytes::from_static(b"12345")).await,
                node.co_write_zeroes(1024, 1, ZeroFlags::default()).await,
                node.co_discard(0, 2048).await,
            ]
        }
    });
    for result in results {
        assert_eq!(result.expect_err("refused").kind(), ErrorKind::NoSpace);
    }
    world.write(&backend, 1020, b"1234");
    assert_eq!(world.read(&reader(&world, &file), 1532, 5), b"1234\0");
}

#[test]
fn only_a_node_without_a_size_can_be_resized() {
    let world = World::simulated();
    let new_file = || world.node(MemOptions::new(MIB).build(), &[]);
    let truncate = |node: &Rc<Node>, len: u64| {
        let backend = world.backend(node);
        world.run(async move { backend.truncate(len).await })
    };
    let fixed = on(&world, &new_file(), window(0, 1024));
    let error = truncate(&fixed, 512).expect_err("refused");
    assert_eq!(error.to_string(), "Cannot resize fixed-size raw disks");
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    let open_ended = RawOptions {
        offset: 512,
        size: None,
    };
    let file = new_file();
    let node = on(&world, &file, open_ended);
    truncate(&node, 2048).expect("resizes");
    assert_eq!(file.len().expect("has one"), 2560);
    let error = truncate(&node, i64::MAX as u64).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "Disk size too large for the chosen offset"
    );
    world.run({
        let file = file.clone();
        async move { file.co_truncate(100).await.expect("resizes") }
    });
    assert_eq!(node.len().expect("has one"), 0, "the file ends before it");
}

#[test]
fn a_window_that_the_file_cannot_address_is_padded_there() {
    let world = World::simulated();
    let file = world.node(MemOptions::new(MIB).request_alignment(4096).build(), &[]);
    assert_eq!(
        on(&world, &file, window(4096, 8192))
            .limits()
            .request_alignment,
        1,
        "the file pads, also where the window would be aligned"
    );
    let node = on(&world, &file, window(512, 1024));
    assert_eq!(node.limits().request_alignment, 1);
    world.write(&world.backend(&node), 1, b"odd");
    assert_eq!(world.read(&reader(&world, &file), 512, 5), b"\0odd\0");
}

#[test]
fn its_block_status_is_that_of_the_file_at_its_place() {
    let world = World::simulated();
    let file = world.node(MemOptions::new(MIB).cluster_size(4096).build(), &[]);
    world.write(&world.backend(&file), 8192, b"data");
    let status = |node: &Rc<Node>, offset: u64| {
        let node = node.clone();
        world.run(async move { node.block_status(offset, 65536).await.expect("answers") })
    };
    let node = on(&world, &file, window(4096, 65536));
    assert_eq!(status(&node, 0), BlockStatus::zero(4096));
    assert_eq!(status(&node, 4096), BlockStatus::data(4096));
    let plain = on(&world, &file, RawOptions::default());
    assert_eq!(status(&plain, 8192), BlockStatus::data(4096));
}

#[test]
fn who_uses_a_window_keeps_others_from_resizing_the_file_and_from_nothing_else() {
    let world = World::simulated();
    let file = world.node(MemOptions::new(MIB).build(), &[]);
    let node = on(&world, &file, window(512, 1024));
    let _reader = reader(&world, &node);
    let perms = node.child("file").expect("kept").perms();
    assert_eq!(perms.used, Perm::CONSISTENT_READ);
    let _writer = world.backend_for(&file, Perm::WRITE);
    let perms = PermPair::new(Perm::RESIZE, Perm::ALL);
    let resizer = BlockBackend::new(&world.graph, "", perms).expect("unnamed");
    let error = resizer.insert(&file).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InUse);
}

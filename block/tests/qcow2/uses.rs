//! What one does with an image in the course of its life: asks what is allocated, resizes it, makes it
//! writable, and finds compressed clusters and snapshots in it.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::BlockStatus;
use blockjob_block::driver::qcow2::{CreateOptions, OpenOptions, Qcow2Driver, open};

use crate::common::{Folder, World, noise};
use crate::peer;

/// What the node says of all its bytes.
fn map(world: &World, node: &Rc<Node>) -> Vec<(u64, BlockStatus)> {
    let node = node.clone();
    world.run(async move {
        let len = node.len().expect("a length");
        let mut found = Vec::new();
        let mut at = 0;
        while at < len {
            let status = node.block_status(at, len - at).await.expect("a status");
            found.push((at, status));
            at += status.bytes;
        }
        found
    })
}

#[test]
fn the_status_of_each_range_is_what_was_done_to_it_in_as_few_pieces_as_there_are() {
    let world = World::simulated();
    let (file, _) = world.memory();
    let options = CreateOptions {
        cluster_size: 4096,
        ..CreateOptions::new(8 << 20)
    };
    world.try_create(&file, options).expect("creates");
    let node = world.image(&file, false, None);
    let backend = world.backend(&node);
    assert_eq!(map(&world, &node), [(0, BlockStatus::unallocated(8 << 20))]);
    world.write(&backend, 100_000, &noise(1, 50_000));
    // Written in another order than it lies, so that the file is not in order.
    world.write(&backend, 3 << 20, &noise(1, 4096));
    world.write(&backend, (3 << 20) - 4096, &noise(1, 4096));
    world.zero(&backend, 4 << 20, 1 << 20, false);
    world.write(&backend, (6 << 20) + 1, b"x");
    world.discard(&backend, (6 << 20) + 4096, 4096);
    let expected = [
        (0, BlockStatus::unallocated(98_304)),
        (98_304, BlockStatus::data(53_248)),
        (
            151_552,
            BlockStatus::unallocated((3 << 20) - 4096 - 151_552),
        ),
        ((3 << 20) - 4096, BlockStatus::data(8192)),
        ((3 << 20) + 4096, BlockStatus::unallocated((1 << 20) - 4096)),
        (4 << 20, BlockStatus::zero(1 << 20)),
        (5 << 20, BlockStatus::unallocated(1 << 20)),
        (6 << 20, BlockStatus::data(4096)),
        ((6 << 20) + 4096, BlockStatus::unallocated((2 << 20) - 4096)),
    ];
    assert_eq!(map(&world, &node), expected);
}

#[test]
fn an_image_is_resized_as_the_peer_expects_it() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    for options in [
        "cluster_size=512",
        "cluster_size=65536,compat=0.10",
        "cluster_size=2M",
    ] {
        let path = folder.path("image");
        peer::make(&path, options, "1000000");
        peer::io(&path, &["write -P 3 0 976k"]);
        let file = world.file(&path, false);
        let node = world.image(&file, false, None);
        let backend = world.backend(&node);
        let mut expected = vec![3; 976 << 10];
        expected.resize(1_000_448, 0);
        let refused = world
            .truncate(&backend, 5_000_001)
            .expect_err("it is refused");
        assert_eq!(
            refused.to_string(),
            "The new size must be a multiple of 512"
        );
        for len in [700_416, 900_096, 5_000_192, 512, 33_554_432, 0, 1024] {
            world.truncate(&backend, len as u64).expect("resizes");
            expected.resize(len, 0);
            assert!(world.read(&backend, 0, len) == expected, "{options} {len}");
            if len > 0 {
                let at = len - 300.min(len);
                let data = noise(len as u8, len - at);
                world.write(&backend, at as u64, &data);
                expected[at..].copy_from_slice(&data);
            }
            world.flush(&node);
            peer::check(&path);
            peer::compare(&path, &folder.file("raw", &expected));
        }
    }
}

#[test]
fn a_node_that_was_read_only_can_be_written_to_later() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    let path = folder.path("image");
    peer::make(&path, "", "1M");
    let before = std::fs::read(&path).expect("it is there");
    let file = world.file(&path, false);
    // Opened for reading only, on a file that can be written to: as before a reopen.
    let opened = {
        let file = file.clone();
        world.run(async move {
            let opened = open(&file, OpenOptions { read_only: true }).await;
            opened.expect("opens")
        })
    };
    assert!(opened.driver.check_writable().is_ok());
    let children = [("file", blockjob_block::child::ChildRole::Data, file)];
    let node = world
        .graph
        .add_node(None, Box::new(opened.driver), false, &children)
        .expect("nobody objects");
    let backend = world.backend(&node);
    assert!(world.read(&backend, 0, 1000) == [0; 1000]);
    world.flush(&node);
    assert!(
        std::fs::read(&path).expect("it is there") == before,
        "nothing is written"
    );
    world.write(&backend, 5, b"now");
    world.flush(&node);
    assert_eq!(world.read(&backend, 5, 3), b"now");
    peer::check(&path);
}

#[test]
fn autoclear_features_that_nobody_knows_are_cleared_before_the_first_write() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    let path = folder.path("image");
    peer::make(&path, "lazy_refcounts=on", "1M");
    let mut bytes = std::fs::read(&path).expect("it is there");
    bytes[88] = 0x80;
    std::fs::write(&path, &bytes).expect("it can be written");
    let node = world.image(&world.file(&path, false), false, None);
    let backend = world.backend(&node);
    world.read(&backend, 0, 512);
    assert_eq!(std::fs::read(&path).expect("it is there")[88], 0x80);
    world.write(&backend, 0, b"x");
    world.flush(&node);
    let after = std::fs::read(&path).expect("it is there");
    assert_eq!(after[72..88], bytes[72..88], "other features stay");
    assert_eq!(after[88..96], [0; 8]);
    assert_eq!(after[104..1000], bytes[104..1000], "extensions stay");
    let driver = node.driver().as_any().downcast_ref::<Qcow2Driver>();
    let facts = driver.expect("it is one").facts();
    assert!(facts.lazy_refcounts && !facts.dirty);
    peer::check(&path);
}

#[test]
fn compressed_clusters_are_read_and_overwritten() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    for cluster_size in ["512", "65536", "2M"] {
        let mut expected = noise(1, 3 << 20);
        expected[1 << 20..2 << 20].fill(7);
        let raw = folder.file("raw", &expected);
        let path = folder.path("image");
        let options = format!("cluster_size={cluster_size}");
        let (from, to) = (raw.to_str().expect("plain"), path.to_str().expect("plain"));
        peer::tool(
            "qemu-img",
            &[
                "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", &options, from, to,
            ],
        );
        let node = world.image(&world.file(&path, false), false, None);
        let backend = world.backend(&node);
        assert!(world.read(&backend, 0, 3 << 20) == expected);
        for (seed, at, len) in [
            (2, 1_100_000, 10),
            (3, 2_000_000, 300_000),
            (4, 70_000, 65_536),
        ] {
            assert!(world.read(&backend, at as u64, len) == expected[at..at + len]);
            world.write(&backend, at as u64, &noise(seed, len));
            expected[at..at + len].copy_from_slice(&noise(seed, len));
        }
        world.zero(&backend, 1_500_000, 123_456, true);
        expected[1_500_000..1_623_456].fill(0);
        world.discard(&backend, 0, 65_536);
        let mut seen = world.read(&backend, 0, 3 << 20);
        let kept = if cluster_size == "2M" { 0 } else { 65_536 };
        expected[..kept].fill(0);
        assert!(seen == expected, "{cluster_size}");
        world.flush(&node);
        peer::check(&path);
        seen.truncate(3 << 20);
        peer::compare(&path, &folder.file("raw", &seen));
    }
}

#[test]
fn internal_snapshots_keep_what_they_had() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    let path = folder.path("image");
    let name = path.to_str().expect("plain").to_owned();
    peer::make(&path, "cluster_size=4096", "2M");
    peer::io(&path, &["write -P 1 0 1M"]);
    peer::tool("qemu-img", &["snapshot", "-c", "s", &name]);
    let mut expected = vec![1; 1 << 20];
    expected.resize(2 << 20, 0);
    {
        let node = world.image(&world.file(&path, false), false, None);
        let driver = node.driver().as_any().downcast_ref::<Qcow2Driver>();
        assert_eq!(driver.expect("it is one").facts().snapshots, 1);
        let backend = world.backend(&node);
        world.write(&backend, 100_001, &noise(2, 200_000));
        expected[100_001..300_001].copy_from_slice(&noise(2, 200_000));
        world.write(&backend, 100_001, b"again");
        expected[100_001..100_006].copy_from_slice(b"again");
        world.zero(&backend, 500_000, 100_000, true);
        expected[500_000..600_000].fill(0);
        world.discard(&backend, 800_000, 100_000);
        assert!(world.read(&backend, 0, 700_000) == expected[..700_000]);
        expected = world.read(&backend, 0, 2 << 20);
        world.flush(&node);
    }
    peer::check(&path);
    peer::compare(&path, &folder.file("raw", &expected));
    peer::tool("qemu-img", &["snapshot", "-a", "s", &name]);
    let mut before = vec![1; 1 << 20];
    before.resize(2 << 20, 0);
    peer::compare(&path, &folder.file("raw", &before));
    peer::check(&path);
}

/// Marks an image as dirty, and makes its refcounts wrong.
fn spoil(path: &std::path::Path, lose_the_block: bool) {
    let mut bytes = std::fs::read(path).expect("it is there");
    bytes[79] |= 1;
    let word = |bytes: &[u8], at: usize| {
        let word: [u8; 8] = bytes[at..at + 8].try_into().expect("a word");
        u64::from_be_bytes(word) as usize
    };
    let table = word(&bytes, 48);
    let block = word(&bytes, table);
    bytes[block + 3..block + 400].fill(0);
    if lose_the_block {
        bytes[table..table + 8].fill(0);
    }
    std::fs::write(path, &bytes).expect("it can be written");
}

#[test]
fn a_dirty_image_gets_its_refcounts_back_before_the_first_write() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    for refcount_bits in [1, 4, 8, 16, 64] {
        for lose_the_block in [false, true] {
            let path = folder.path("image");
            let options = format!("cluster_size=1024,refcount_bits={refcount_bits}");
            peer::make(&path, &options, "1M");
            peer::io(&path, &["write -P 7 100k 300k", "write -z 500k 100k"]);
            if refcount_bits == 16 {
                peer::io(&path, &["write -c -P 9 700k 64k"]);
            }
            spoil(&path, lose_the_block);
            let file = world.file(&path, false);
            assert!(world.try_open(&file, false).expect("opens").facts.dirty);
            let node = world.image(&file, false, None);
            let backend = world.backend(&node);
            let before = world.read(&backend, 0, 1 << 20);
            world.write(&backend, 0, &noise(1, 50_000));
            world.flush(&node);
            let mut expected = before;
            expected[..50_000].copy_from_slice(&noise(1, 50_000));
            assert!(world.read(&backend, 0, 1 << 20) == expected);
            peer::check(&path);
            peer::compare(&path, &folder.file("raw", &expected));
        }
    }
}

#[test]
fn a_dirty_image_with_more_wrong_is_left_alone() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    let path = folder.path("image");
    peer::make(&path, "", "1M");
    peer::io(&path, &["write 0 64k", "write 64k 64k"]);
    let mut bytes = std::fs::read(&path).expect("it is there");
    // Both clusters of the guest are the same one.
    bytes.copy_within(0x40000..0x40008, 0x40008);
    std::fs::write(&path, &bytes).expect("it can be written");
    spoil(&path, false);
    let before = std::fs::read(&path).expect("it is there");
    let node = world.image(&world.file(&path, false), false, None);
    let backend = world.backend(&node);
    let error = world.run(async move {
        let write = backend.write(0, bytes::Bytes::from_static(b"x"));
        write.await.expect_err("it is refused")
    });
    let text = "qcow2: Image is dirty, and two tables point to one cluster; cannot be opened \
                read/write";
    assert_eq!(error.to_string(), text);
    assert!(std::fs::read(&path).expect("it is there") == before);
}

/// A program that is killed leaves the file as it is at that moment. An image of version 2 cannot say that
/// its tables are behind, so they must not be: QEMU would give clusters out a second time.
#[test]
fn a_kill_leaves_an_image_of_version_2_that_others_can_go_on_with() {
    if !peer::peer_is_here() {
        return;
    }
    let folder = Folder::new();
    let world = World::simulated();
    let (file, disk) = world.memory();
    let options = CreateOptions {
        version: 2,
        cluster_size: 4096,
        ..CreateOptions::new(8 << 20)
    };
    world.try_create(&file, options).expect("creates");
    let node = world.image(&file, false, None);
    let backend = world.backend(&node);
    for (step, offset) in [(1, 100_000), (2, 5 << 20), (3, 101_000)] {
        world.write(&backend, offset, &noise(step, 50_000));
        peer::check(&folder.dump("killed", &disk));
    }
    world.zero(&backend, 5 << 20, 8192, true);
    peer::check(&folder.dump("killed", &disk));
    world.discard(&backend, 98_304, 8192);
    let left = folder.dump("killed", &disk);
    peer::check(&left);
    peer::io(&left, &["write 7M 64k"]);
    peer::check(&left);
}

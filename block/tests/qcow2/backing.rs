//! Images on top of others, and backing nodes that come and go.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::qcow2::{CreateOptions, Qcow2Driver};
use blockjob_block::{BlockBackend, ErrorKind, Node};

use crate::common::{Folder, World, noise};
use crate::peer;

/// An image in memory, of 256 KiB in clusters of 64 KiB.
fn fresh(world: &World, version: u32, backing: Option<&Rc<Node>>) -> Rc<Node> {
    let (file, _) = world.memory();
    let options = CreateOptions {
        version,
        ..CreateOptions::new(256 << 10)
    };
    world.try_create(&file, options).expect("creates");
    world.image(&file, false, backing)
}

fn disk(world: &World, bytes: &[u8]) -> Rc<Node> {
    let driver = MemOptions::new(bytes.len() as u64).build();
    driver.disk().write_at(0, bytes);
    world.leaf(driver, false)
}

fn all(world: &World, backend: &Rc<BlockBackend>) -> Vec<u8> {
    world.read(backend, 0, 256 << 10)
}

#[test]
fn a_chain_of_the_peer_is_read_and_written_through() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    let mut expected = noise(1, 3 << 20);
    let raw = folder.file("base.raw", &expected);
    let middle = folder.path("middle");
    peer::make_on(&middle, "cluster_size=4096", &raw, "raw");
    peer::io(&middle, &["write -P 5 10k 100k", "write -z 1M 64k"]);
    expected[10 << 10..110 << 10].fill(5);
    expected[1 << 20..(1 << 20) + (64 << 10)].fill(0);
    let top = folder.path("top");
    peer::make_on(&top, "cluster_size=65536", &middle, "qcow2");

    let base = world.file(&raw, true);
    let opened = world.image(&world.file(&middle, true), true, Some(&base));
    let file = world.file(&top, false);
    let facts = world.try_open(&file, true).expect("opens").facts;
    assert_eq!(facts.backing_file.as_deref(), middle.to_str());
    assert_eq!(facts.backing_format.as_deref(), Some("qcow2"));
    let node = world.image(&file, false, Some(&opened));
    let backend = world.backend(&node);
    assert!(world.read(&backend, 0, 3 << 20) == expected);

    world.write(&backend, 100_001, &noise(2, 33));
    expected[100_001..100_034].copy_from_slice(&noise(2, 33));
    world.write(&backend, 2_000_000, &noise(3, 200_000));
    expected[2_000_000..2_200_000].copy_from_slice(&noise(3, 200_000));
    world.zero(&backend, 700_000, 300_000, true);
    expected[700_000..1_000_000].fill(0);
    assert!(world.read(&backend, 0, 3 << 20) == expected);
    world.flush(&node);
    peer::check(&top);
    peer::compare(&top, &folder.file("expected", &expected));
}

#[test]
fn an_overlay_that_is_longer_than_its_backing_file_reads_zeroes_behind_it() {
    let world = World::simulated();
    let below = disk(&world, &noise(1, 100_000));
    let node = fresh(&world, 3, Some(&below));
    let backend = world.backend(&node);
    let mut expected = noise(1, 100_000);
    expected.resize(256 << 10, 0);
    assert!(all(&world, &backend) == expected);
    // The cluster in which the backing file ends is copied.
    world.write(&backend, 65536 + 5, b"x");
    expected[65536 + 5] = b'x';
    assert!(all(&world, &backend) == expected);
}

#[test]
fn a_backing_node_that_comes_later_shows_only_where_nothing_was_written() {
    let world = World::simulated();
    let node = fresh(&world, 3, None);
    let backend = world.backend(&node);
    world.write(&backend, 70_000, b"data");
    // All of a cluster, and a part of one: zeroes are written, so zeroes are to stay.
    world.zero(&backend, 128 << 10, 64 << 10, false);
    world.zero(&backend, (192 << 10) + 7, 1000, true);
    let below = disk(&world, &noise(9, 256 << 10));
    let edge = world
        .graph
        .attach_child(&node, "backing", ChildRole::Cow, &below)
        .expect("nobody objects");
    let mut expected = noise(9, 64 << 10);
    expected.resize(256 << 10, 0);
    expected[70_000..70_004].copy_from_slice(b"data");
    let seen = all(&world, &backend);
    assert!(
        seen == expected,
        "the rest of a cluster was zero when it was made"
    );
    world
        .graph
        .detach_child(&node, &edge)
        .expect("nobody objects");
    expected[..64 << 10].fill(0);
    assert!(all(&world, &backend) == expected);
}

#[test]
fn version_2_leaves_zeroes_over_a_backing_file_to_literal_ones() {
    let world = World::simulated();
    let below = disk(&world, &noise(1, 256 << 10));
    let node = fresh(&world, 2, Some(&below));
    let backend = world.backend(&node);
    world.zero(&backend, 10, 200_000, true);
    let mut expected = noise(1, 256 << 10);
    expected[10..200_010].fill(0);
    assert!(all(&world, &backend) == expected);
    world.discard(&backend, 0, 256 << 10);
    assert!(
        all(&world, &backend) == expected,
        "it may do nothing, and does"
    );
}

#[test]
fn the_name_of_the_backing_file_can_be_changed_while_the_image_is_in_use() {
    if !peer::peer_is_here() {
        return;
    }
    let world = World::real();
    let folder = Folder::new();
    let path = folder.path("image");
    peer::make(&path, "cluster_size=512", "1M");
    let file = world.file(&path, false);
    let node = world.image(&file, false, None);
    let backend = world.backend(&node);
    world.write(&backend, 0, &noise(1, 300_000));
    for (name, format) in [
        (Some("other.img"), Some("raw")),
        (Some("b"), None),
        (None, None),
    ] {
        let changed = node.clone();
        world.run(async move {
            let driver = changed.driver().as_any().downcast_ref::<Qcow2Driver>();
            let driver = driver.expect("it is one");
            let change = driver.change_backing_file(&changed, name, format);
            change.await.expect("there is room");
        });
        world.flush(&node);
        let facts = world.try_open(&file, true).expect("opens").facts;
        assert_eq!(facts.backing_file.as_deref(), name);
        assert_eq!(facts.backing_format.as_deref(), format);
        let info = peer::tool(
            "qemu-img",
            &["info", "-U", "--output=json", path.to_str().expect("plain")],
        );
        assert_eq!(
            info.contains("\"backing-filename\""),
            name.is_some(),
            "{info}"
        );
        assert_eq!(
            info.contains("\"backing-filename-format\""),
            format.is_some()
        );
    }
    let long = "x".repeat(600);
    let changed = node.clone();
    let error = world.run(async move {
        let driver = changed.driver().as_any().downcast_ref::<Qcow2Driver>();
        let change = driver
            .expect("it is one")
            .change_backing_file(&changed, Some(&long), None);
        change.await.expect_err("there is no room")
    });
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    peer::check(&path);
    assert!(world.read(&backend, 0, 300_000) == noise(1, 300_000));
}

//! Every driver against plain memory.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::BlkdebugOptions;
use blockjob_block::driver::file::{FileDriver, OpenOptions};
use blockjob_block::driver::mem::{Fill, MemOptions};
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::{Node, Perm};
use proptest::prelude::*;

use super::common::World;
use super::scripts::{Step, Subject, script};

/// A disk of noise in memory that takes its time, and its bytes.
fn noisy(world: &World, len: u64, latency_ns: u64, cluster_size: u64) -> (Rc<Node>, Vec<u8>) {
    let driver = MemOptions::new(len)
        .fill(Fill::Noise(len))
        .cluster_size(cluster_size)
        .latency_ns(latency_ns)
        .build();
    let mut bytes = vec![0; len as usize];
    driver.disk().read_at(0, &mut bytes);
    (world.node(driver, &[]), bytes)
}

fn subject(world: &World, node: Rc<Node>, expected: Vec<u8>) -> Subject {
    Subject {
        backend: world.backend(&node),
        node,
        expected,
        truncate_unit: 1,
        can_truncate: true,
        discard_zeroes: false,
    }
}

fn overlay(world: &World, len: u64, cluster_size: u64, backing: Option<Rc<Node>>) -> Rc<Node> {
    let driver = OverlayOptions::new(len).cluster_size(cluster_size).build();
    match backing {
        Some(backing) => world.node(driver, &[("backing", ChildRole::Cow, backing)]),
        None => world.node(driver, &[]),
    }
}

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        cases: count,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn latency() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1000)]
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn mem_does_as_memory(
        script in script(),
        len in 1..20_000u64,
        noise in any::<bool>(),
        latency_ns in latency(),
        cluster in 6..13u32,
    ) {
        let world = World::simulated();
        let (node, expected) = if noise {
            noisy(&world, len, latency_ns, 1 << cluster)
        } else {
            let driver = MemOptions::new(len).latency_ns(latency_ns).build();
            (world.node(driver, &[]), vec![0; len as usize])
        };
        subject(&world, node, expected).run(&world, &script);
    }

    #[test]
    fn mem_behind_an_alignment_does_as_memory(script in script(), blocks in 1..40u64) {
        let world = World::simulated();
        let driver = MemOptions::new(blocks * 512)
            .request_alignment(512)
            .latency_ns(10)
            .build();
        let node = world.node(driver, &[]);
        let mut subject = subject(&world, node, vec![0; blocks as usize * 512]);
        subject.truncate_unit = 512;
        subject.run(&world, &script);
    }

    #[test]
    fn an_overlay_does_as_memory_on_any_backing_node(
        script in script(),
        len in 1..20_000u64,
        backing_len in 0..20_000u64,
        cluster in 6..13u32,
        latency_ns in latency(),
    ) {
        let world = World::simulated();
        let (backing, mut expected) = noisy(&world, backing_len, latency_ns, 512);
        expected.resize(len as usize, 0);
        let node = overlay(&world, len, 1 << cluster, Some(backing));
        let mut subject = subject(&world, node, expected);
        subject.discard_zeroes = true;
        subject.run(&world, &script);
    }

    #[test]
    fn an_overlay_without_a_backing_node_does_as_memory(
        script in script(),
        len in 1..20_000u64,
        cluster in 6..13u32,
    ) {
        let world = World::simulated();
        let node = overlay(&world, len, 1 << cluster, None);
        let mut subject = subject(&world, node, vec![0; len as usize]);
        subject.discard_zeroes = true;
        subject.run(&world, &script);
    }

    #[test]
    fn raw_shows_its_window_and_nothing_else(
        script in script(),
        file_len in 2048..20_000u64,
        offset in 0..1024u64,
        sectors in prop::option::of(0..3u64),
    ) {
        let world = World::simulated();
        let (file, all) = noisy(&world, file_len, 0, 512);
        let options = RawOptions { offset, size: sectors.map(|n| n * 512) };
        let driver = RawDriver::new(options, file_len).expect("lies inside");
        let role = RawDriver::child_role(options);
        let node = world.node(driver, &[("file", role, file.clone())]);
        let end = options.size.map_or(file_len, |size| offset + size);
        let expected = all[offset as usize..end as usize].to_vec();
        let mut subject = subject(&world, node, expected);
        subject.can_truncate = options.size.is_none();
        subject.run(&world, &script);
        // What lies outside of the window is as it was.
        let file = world.backend_for(&file, Perm::CONSISTENT_READ);
        prop_assert_eq!(world.read(&file, 0, offset as usize), &all[..offset as usize]);
        if options.size.is_some() {
            let behind = world.read(&file, end, (file_len - end) as usize);
            prop_assert_eq!(behind, &all[end as usize..]);
        }
    }

    #[test]
    fn blkdebug_with_narrow_limits_changes_nothing(script in script(), blocks in 1..20u64) {
        let world = World::simulated();
        let len = blocks * 1024;
        let (backing, expected) = noisy(&world, len, 100, 512);
        let below = overlay(&world, len, 4096, Some(backing));
        let driver = BlkdebugOptions::new()
            .align(512)
            .max_transfer(1024)
            .opt_write_zero(1024)
            .max_write_zero(2048)
            .max_discard(1536)
            .build(&below)
            .expect("they fit");
        let node = world.node(driver, &[("image", ChildRole::Filtered, below)]);
        let mut subject = subject(&world, node, expected);
        subject.truncate_unit = 512;
        subject.run(&world, &script);
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn file_does_as_memory(script in script(), len in 1..200_000u64) {
        run_on_a_file(&script, len);
    }
}

fn run_on_a_file(script: &[Step], len: u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("image");
    let contents = super::common::noise(3, len as usize);
    std::fs::write(&path, &contents).expect("the image can be written");
    let world = World::real();
    let driver = FileDriver::open(&OpenOptions::new(&path)).expect("opens");
    let node = world.node(driver, &[]);
    let mut subject = subject(&world, node, contents);
    subject.discard_zeroes = false;
    subject.run(&world, script);
}

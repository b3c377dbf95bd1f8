//! Every filter against plain memory.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::BlkdebugOptions;
use blockjob_block::driver::copy_on_read::CopyOnReadOptions;
use blockjob_block::driver::mem::{Fill, MemOptions};
use blockjob_block::driver::overlay::OverlayOptions;
use blockjob_block::driver::qcow2::{CreateOptions, OpenOptions, create, open};
use blockjob_block::driver::quorum::{QuorumOptions, child_name};
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use blockjob_block::driver::throttle::{ThrottleDriver, ThrottleGroup, ThrottleLimits};
use proptest::prelude::*;

use super::common::World;
use super::scripts::{Subject, script};

/// A disk of noise in memory that takes its time, and its bytes.
fn noisy(world: &World, len: u64, latency_ns: u64, cluster_size: u64) -> (Rc<Node>, Vec<u8>) {
    let driver = MemOptions::new(len)
        .fill(Fill::Noise(7))
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

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        cases: count,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn throttle_changes_nothing_but_the_time(
        script in script(),
        len in 1..20_000u64,
        iops in prop::option::of(1..100i64),
    ) {
        let world = World::simulated();
        let (file, expected) = noisy(&world, len, 100, 512);
        let limits = ThrottleLimits { iops_total: iops, ..ThrottleLimits::default() };
        let group = ThrottleGroup::new(&world.context, "group", &limits).expect("they fit");
        let children = [("file", ChildRole::Filtered, file)];
        let node = world.node(ThrottleDriver::new(&group), &children);
        subject(&world, node, expected).run(&world, &script);
        prop_assert_eq!(group.pending(), 0);
    }

    #[test]
    fn a_probed_raw_disk_does_as_memory(script in script(), len in 1..2000u64, offset in 0..9u64) {
        let world = World::simulated();
        let (file, all) = noisy(&world, len + offset, 50, 512);
        let options = RawOptions { offset, size: None };
        let driver = RawDriver::new(options, len + offset).expect("it fits").probed();
        let role = RawDriver::child_role(options);
        let node = world.node(driver, &[("file", role, file)]);
        subject(&world, node, all[offset as usize..].to_vec()).run(&world, &script);
    }

    #[test]
    fn a_quorum_does_as_one_disk(
        script in script(),
        len in 1..20_000u64,
        latencies_ns in prop::collection::vec(0..1000u64, 1..5),
        rewrite_corrupted in any::<bool>(),
    ) {
        let world = World::simulated();
        let disks = latencies_ns.iter().map(|latency_ns| noisy(&world, len, *latency_ns, 512));
        let (children, contents): (Vec<_>, Vec<_>) = disks.unzip();
        let options = QuorumOptions {
            rewrite_corrupted,
            ..QuorumOptions::new(children.len() as i64 / 2 + 1)
        };
        let driver = options.build(&children).expect("they fit");
        driver.on_event(|event| panic!("all is well: {event:?}"));
        let named = children.iter().enumerate().map(|(index, child)| {
            (child_name(index).expect("there are few"), ChildRole::Data, child.clone())
        });
        let node = world.node(driver, &named.collect::<Vec<_>>());
        let mut subject = subject(&world, node, contents[0].clone());
        subject.can_truncate = false;
        subject.run(&world, &script);
    }

    #[test]
    fn copy_on_read_changes_nothing_that_is_seen(
        script in script(),
        len in 1..20_000u64,
        backing_len in 0..20_000u64,
        cluster in 9..13u32,
        latency_ns in prop_oneof![Just(0), Just(1000)],
    ) {
        let world = World::simulated();
        let (backing, mut expected) = noisy(&world, backing_len, latency_ns, 512);
        expected.resize(len as usize, 0);
        let driver = OverlayOptions::new(len).cluster_size(1 << cluster).build();
        let file = world.node(driver, &[("backing", ChildRole::Cow, backing)]);
        let driver = CopyOnReadOptions::default().build(&file).expect("it fits");
        let node = world.node(driver, &[("file", ChildRole::Filtered, file)]);
        let mut subject = subject(&world, node, expected);
        subject.discard_zeroes = true;
        subject.run(&world, &script);
    }

    #[test]
    fn copy_on_read_on_a_qcow2_image_changes_nothing_that_is_seen(
        script in script(),
        sectors in 1..60u64,
        backing_len in 0..30_000u64,
        cluster in 9..14u32,
    ) {
        let world = World::simulated();
        let len = sectors * 512;
        let (backing, mut expected) = noisy(&world, backing_len, 300, 512);
        expected.resize(len as usize, 0);
        let file = world.node(MemOptions::new(0).growable(true).latency_ns(100).build(), &[]);
        let options = CreateOptions { cluster_size: 1 << cluster, ..CreateOptions::new(len) };
        let driver = world.run({
            let file = file.clone();
            async move {
                create(&file, options).await.expect("creates");
                open(&file, OpenOptions { read_only: false }).await.expect("opens").driver
            }
        });
        let children = [("file", ChildRole::Data, file), ("backing", ChildRole::Cow, backing)];
        let image = world.node(driver, &children);
        let driver = CopyOnReadOptions::default().build(&image).expect("it fits");
        let node = world.node(driver, &[("file", ChildRole::Filtered, image.clone())]);
        let mut subject = subject(&world, node, expected);
        subject.truncate_unit = 512;
        subject.run(&world, &script);
        // All of it was read, so all of it is held.
        let (held, _) = world.run(async move {
            let len = image.len().expect("has one");
            let backing = image.backing().expect("kept").node();
            image.is_allocated_above(Some(&backing), 0, len.max(1)).await.expect("answers")
        });
        prop_assert!(held);
    }

    #[test]
    fn copy_on_read_through_narrow_limits_changes_nothing_that_is_seen(
        script in script(),
        blocks in 1..20u64,
    ) {
        let world = World::simulated();
        let len = blocks * 1024;
        let (backing, expected) = noisy(&world, len, 100, 512);
        let driver = OverlayOptions::new(len).cluster_size(2048).build();
        let overlay = world.node(driver, &[("backing", ChildRole::Cow, backing)]);
        let limits = BlkdebugOptions::new().align(512).max_transfer(1024).max_write_zero(1024);
        let driver = limits.build(&overlay).expect("they fit");
        let file = world.node(driver, &[("image", ChildRole::Filtered, overlay)]);
        let driver = CopyOnReadOptions::default().build(&file).expect("it fits");
        let node = world.node(driver, &[("file", ChildRole::Filtered, file)]);
        let mut subject = subject(&world, node, expected);
        subject.truncate_unit = 512;
        subject.run(&world, &script);
    }
}

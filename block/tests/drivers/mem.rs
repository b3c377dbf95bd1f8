//! What `mem` alone promises.

use std::rc::Rc;

use blockjob_block::ErrorKind;
use blockjob_block::driver::mem::{Fill, MemDisk, MemOptions};
use blockjob_block::driver::{BlockStatus, ZeroFlags};
use bytes::Bytes;

use super::common::{World, noise};

const KIB64: u64 = 64 << 10;

fn zero(world: &World, disk: &Disk, offset: u64, bytes: u64, may_unmap: bool) {
    let backend = disk.backend.clone();
    let flags = ZeroFlags {
        may_unmap,
        no_fallback: false,
    };
    world.run(async move {
        let result = backend.write_zeroes(offset, bytes, flags).await;
        result.expect("zeroes");
    });
}

struct Disk {
    node: Rc<blockjob_block::Node>,
    backend: Rc<blockjob_block::BlockBackend>,
    store: Rc<MemDisk>,
}

fn disk(world: &World, options: MemOptions) -> Disk {
    let driver = options.build();
    let store = driver.disk();
    let node = world.node(driver, &[]);
    Disk {
        backend: world.backend(&node),
        node,
        store,
    }
}

#[test]
fn a_disk_of_64_gib_costs_what_was_written_to_it() {
    let world = World::simulated();
    let disk = disk(&world, MemOptions::new(64 << 30));
    world.write(&disk.backend, (64 << 30) - 7, b"the end");
    assert_eq!(disk.store.allocated_bytes(), KIB64);
    assert_eq!(world.read(&disk.backend, (64 << 30) - 7, 7), b"the end");
    zero(&world, &disk, 0, 1 << 30, false);
    assert_eq!(disk.store.allocated_bytes(), KIB64, "zeroes cost nothing");
}

#[test]
fn zeroes_that_may_unmap_free_whole_pages_and_others_do_not() {
    let world = World::simulated();
    let disk = disk(&world, MemOptions::new(4 * KIB64));
    world.write(&disk.backend, 0, &noise(1, 4 * KIB64 as usize));
    zero(&world, &disk, 0, KIB64, false);
    assert_eq!(disk.store.allocated_bytes(), 4 * KIB64);
    zero(&world, &disk, 0, 2 * KIB64 + 1, true);
    assert_eq!(disk.store.allocated_bytes(), 2 * KIB64);
    assert_eq!(disk.store.status_at(0, KIB64), BlockStatus::zero(KIB64));
    let status = disk.store.status_at(KIB64, 4 * KIB64);
    assert_eq!(status, BlockStatus::zero(KIB64));
    let status = disk.store.status_at(2 * KIB64 + 5, KIB64);
    assert_eq!(status, BlockStatus::data(KIB64));
}

#[test]
fn an_old_disk_is_data_until_it_is_zeroed_or_grown() {
    let world = World::simulated();
    let disk = disk(&world, MemOptions::new(2 * KIB64).fill(Fill::Noise(9)));
    assert!(!disk.node.has_zero_init());
    let old = world.read(&disk.backend, 0, 64);
    assert_eq!(disk.store.allocated_bytes(), 0, "noise costs nothing");
    let status = disk.store.status_at(0, 2 * KIB64);
    assert_eq!(status, BlockStatus::data(2 * KIB64));
    zero(&world, &disk, 0, KIB64, true);
    let backend = disk.backend.clone();
    world.run(async move { backend.truncate(4 * KIB64).await.expect("grows") });
    assert_ne!(old, [0; 64]);
    assert_eq!(disk.store.status_at(0, KIB64), BlockStatus::zero(KIB64));
    let status = disk.store.status_at(2 * KIB64, 2 * KIB64);
    assert_eq!(status, BlockStatus::zero(2 * KIB64));
}

#[test]
fn a_drained_section_waits_for_a_slow_write() {
    let world = World::simulated();
    let disk = disk(&world, MemOptions::new(KIB64).latency_ns(5_000));
    let backend = disk.backend.clone();
    let writer = world.context.coroutine("writer", async move {
        let data = Bytes::from_static(b"late");
        backend.write(0, data).await.expect("writes");
    });
    writer.wake();
    world.settle();
    assert_eq!(disk.node.in_flight(), 1);
    let mut seen = [0; 4];
    disk.store.read_at(0, &mut seen);
    assert_eq!(seen, [0; 4], "it takes its time");
    disk.node.drain("test");
    assert_eq!(world.context.now_ns(), 5_000);
    disk.store.read_at(0, &mut seen);
    assert_eq!(&seen, b"late");
}

#[test]
fn a_write_whose_future_is_dropped_in_time_has_never_happened() {
    let world = World::simulated();
    let disk = disk(&world, MemOptions::new(KIB64).latency_ns(5_000));
    let (node, context) = (disk.node.clone(), world.context.clone());
    world.run(async move {
        let write = node.co_write(0, Bytes::from_static(b"never"));
        let timeout = context.sleep(1_000);
        futures_lite::future::or(
            async {
                write.await.expect("writes");
                panic!("it was faster than its latency");
            },
            timeout,
        )
        .await;
        context.sleep(10_000).await;
    });
    assert_eq!(disk.node.in_flight(), 0);
    assert_eq!(world.read(&disk.backend, 0, 5), [0; 5]);
}

#[test]
fn what_it_says_of_a_new_disk_can_be_chosen() {
    let world = World::simulated();
    let init = |options: MemOptions| disk(&world, options).node.has_zero_init();
    assert!(init(MemOptions::new(512)));
    assert!(!init(MemOptions::new(512).has_zero_init(false)));
    assert!(!init(MemOptions::new(512).fill(Fill::Noise(1))));
    assert!(init(
        MemOptions::new(512)
            .fill(Fill::Noise(1))
            .has_zero_init(true)
    ));
}

#[test]
fn a_write_behind_the_end_is_refused_unless_the_disk_may_grow() {
    let world = World::simulated();
    let write = |options: MemOptions| {
        let disk = disk(&world, options);
        let node = disk.node.clone();
        let result = world.run(async move { node.co_write(510, Bytes::from_static(b"abc")).await });
        (result, disk.node.len().expect("has one"))
    };
    let (result, len) = write(MemOptions::new(512));
    assert_eq!(result.expect_err("refused").kind(), ErrorKind::OutOfRange);
    assert_eq!(len, 512);
    let (result, len) = write(MemOptions::new(512).growable(true));
    result.expect("it grows");
    assert_eq!(len, 513);
}

//! Requests that meet in one cluster, futures that are dropped, and orders that are the same each time.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::blkdebug::{Blkdebug, BlkdebugOptions, Event};
use blockjob_block::driver::mem::{MemDisk, MemOptions};
use blockjob_block::driver::qcow2::CreateOptions;
use blockjob_block::{BlockBackend, Node};
use blockjob_runtime::AioContext;
use blockjob_runtime::trace::Recorder;
use bytes::Bytes;

use crate::common::{BoxFuture, Folder, World, join_all, noise};
use crate::peer;
use crate::random::Dice;

const LATENCY_NS: u64 = 1000;

/// A file in memory that takes its time.
fn slow(world: &World) -> (Rc<Node>, Rc<MemDisk>) {
    let driver = MemOptions::new(0)
        .growable(true)
        .latency_ns(LATENCY_NS)
        .build();
    let disk = driver.disk();
    (world.leaf(driver, false), disk)
}

/// An image whose file can hold requests.
fn held(world: &World) -> (Rc<Node>, Blkdebug, Rc<MemDisk>) {
    let (memory, disk) = world.memory();
    world
        .try_create(&memory, CreateOptions::new(1 << 20))
        .expect("creates");
    // It does not do discards: what a cluster held stays in it when it is given up.
    let options = BlkdebugOptions::new().opt_discard(1 << 30);
    let driver = options.build(&memory).expect("fits");
    let control = driver.control();
    let children = [("image", ChildRole::Filtered, memory)];
    let file = world
        .graph
        .add_node(None, Box::new(driver), false, &children)
        .expect("nobody objects");
    (world.image(&file, false, None), control, disk)
}

async fn zero(backend: &BlockBackend, offset: u64, bytes: u64) {
    let flags = ZeroFlags {
        may_unmap: true,
        no_fallback: false,
    };
    let zeroed = backend.write_zeroes(offset, bytes, flags).await;
    zeroed.expect("zeroes");
}

#[test]
fn zeroes_in_a_part_of_a_cluster_take_nothing_from_a_write_to_the_rest() {
    // The backing image is asked whether the rest of the cluster is zero, which takes a while. A write
    // that comes in between must not be lost. (Without the lock around it, it is, for some of the
    // delays.)
    for delay in 0..24 {
        let world = World::simulated();
        let (lower_file, _) = slow(&world);
        let options = CreateOptions {
            cluster_size: 512,
            ..CreateOptions::new(1 << 20)
        };
        world.try_create(&lower_file, options).expect("creates");
        let lower = world.image(&lower_file, false, None);
        let lower_user = world.backend(&lower);
        // Zeroes that it takes several tables to find.
        world.zero(&lower_user, 0, 128 << 10, false);
        world.flush(&lower);
        lower_user.remove();
        drop(lower);
        let lower = world.image(&lower_file, true, None);
        let (file, _) = slow(&world);
        world
            .try_create(&file, CreateOptions::new(1 << 20))
            .expect("creates");
        let node = world.image(&file, false, Some(&lower));
        let backend = world.backend(&node);
        world.write(&backend, 256 << 10, b"so that there is a table");
        let (zeroes, writes, context) = (backend.clone(), backend.clone(), world.context.clone());
        let both: Vec<BoxFuture<()>> = vec![
            Box::pin(async move { zero(&zeroes, 0, 5000).await }),
            Box::pin(async move {
                context.sleep(delay * LATENCY_NS / 2).await;
                let data = Bytes::from(vec![7; 65536 - 5000]);
                writes.write(5000, data).await.expect("writes");
            }),
        ];
        world.run(async move {
            join_all(both).await;
        });
        let seen = world.read(&backend, 0, 65536);
        assert!(seen[..5000].iter().all(|byte| *byte == 0), "delay {delay}");
        assert!(
            seen[5000..].iter().all(|byte| *byte == 7),
            "lost, delay {delay}"
        );
    }
}

#[test]
fn writes_into_one_new_cluster_at_the_same_time_all_arrive() {
    for seed in 0..40 {
        let context = AioContext::builder()
            .virtual_time()
            .decide(Rc::new(Dice::new(seed)))
            .build();
        let world = World::on(context);
        let (file, _) = slow(&world);
        world
            .try_create(&file, CreateOptions::new(1 << 20))
            .expect("creates");
        let node = world.image(&file, false, None);
        let backend = world.backend(&node);
        let writes: Vec<BoxFuture<()>> = (0..16_u64)
            .map(|part| -> BoxFuture<()> {
                let backend = backend.clone();
                Box::pin(async move {
                    let data = Bytes::from(vec![part as u8 + 1; 4096]);
                    backend.write(part * 4096, data).await.expect("writes");
                })
            })
            .collect();
        world.run(async move {
            join_all(writes).await;
        });
        let seen = world.read(&backend, 0, 65536);
        for part in 0..16 {
            let bytes = &seen[part * 4096..(part + 1) * 4096];
            assert!(
                bytes.iter().all(|byte| *byte == part as u8 + 1),
                "seed {seed}, part {part}"
            );
        }
    }
}

#[test]
fn nobody_sees_what_a_new_cluster_held_before() {
    let world = World::simulated();
    let (node, control, _) = held(&world);
    let backend = world.backend(&node);
    // A cluster of the file is filled with a secret and given up.
    world.write(&backend, 0, &[0x5e; 65536]);
    world.discard(&backend, 0, 65536);
    // So that the next write is of data, and not of a table.
    world.flush(&node);
    control.suspend(Event::PWRITEV, "data");
    let (writer, reader) = (backend.clone(), backend.clone());
    let writing = world.context.coroutine("writer", async move {
        let data = Bytes::from(vec![7; 65536]);
        writer.write(65536, data).await.expect("writes");
    });
    writing.wake();
    world.settle();
    assert_eq!(control.held("data"), 1, "the case is the one that is meant");
    let seen = Rc::new(RefCell::new(Vec::new()));
    let result = seen.clone();
    let reading = world.context.coroutine("reader", async move {
        let read = crate::common::read(&reader, 65536, 512).await;
        *result.borrow_mut() = read.expect("reads");
    });
    reading.wake();
    world.settle();
    control.resume("data").expect("it is held");
    world.settle();
    let seen = seen.take();
    assert_eq!(seen.len(), 512, "the reader has ended");
    assert!(
        seen.iter().all(|byte| *byte == 0) || seen.iter().all(|byte| *byte == 7),
        "{:x}",
        seen[0]
    );
}

#[test]
fn a_cluster_that_somebody_still_uses_is_not_given_to_another() {
    for event in [Event::READ_AIO, Event::PWRITEV] {
        let world = World::simulated();
        let (node, control, _) = held(&world);
        let backend = world.backend(&node);
        world.write(&backend, 0, &[1; 65536]);
        world.write(&backend, 512 << 10, &[9; 512]);
        world.flush(&node);
        control.suspend(event, "first");
        let seen = Rc::new(RefCell::new(Vec::new()));
        let start = |name, future: BoxFuture<()>| {
            world.context.coroutine(name, future).wake();
            world.settle();
        };
        let (user, result) = (backend.clone(), seen.clone());
        start(
            "first",
            Box::pin(async move {
                if event == Event::READ_AIO {
                    let read = crate::common::read(&user, 0, 512).await;
                    *result.borrow_mut() = read.expect("reads");
                } else {
                    let data = Bytes::from(vec![2; 512]);
                    user.write(0, data).await.expect("writes");
                }
            }),
        );
        assert_eq!(
            control.held("first"),
            1,
            "the case is the one that is meant"
        );
        let user = backend.clone();
        start(
            "giver",
            Box::pin(async move { user.discard(0, 65536).await.expect("discards") }),
        );
        let user = backend.clone();
        start(
            "taker",
            Box::pin(async move {
                let data = Bytes::from(vec![3; 65536]);
                user.write(65536, data).await.expect("writes");
            }),
        );
        control.resume("first").expect("it is held");
        world.settle();
        assert!(
            world.read(&backend, 65536, 65536) == [3; 65536],
            "{event:?}"
        );
        if event == Event::READ_AIO {
            assert!(*seen.borrow() == [1; 512], "somebody else's data");
        }
    }
}

#[test]
fn a_write_whose_future_is_dropped_goes_on_and_a_drained_section_waits_for_it() {
    let world = World::simulated();
    let (node, control, disk) = held(&world);
    control.suspend(Event::PWRITEV, "data");
    let writing = node.clone();
    world.run(async move {
        let data = Bytes::from(noise(1, 100_000));
        let mut write = Box::pin(writing.co_write(5, data));
        assert!(futures_lite::future::poll_once(&mut write).await.is_none());
        drop(write);
        assert!(writing.in_flight() > 0, "it is still under way");
    });
    world.settle();
    assert_eq!(control.held("data"), 1, "the case is the one that is meant");
    assert!(node.in_flight() > 0);
    control.resume("data").expect("it is held");
    node.drain("test");
    assert_eq!(node.in_flight(), 0);
    let backend = world.backend(&node);
    assert!(world.read(&backend, 5, 100_000) == noise(1, 100_000));
    world.flush(&node);
    if peer::peer_is_here() {
        peer::check(&Folder::new().dump("image", &disk));
    }
}

#[test]
fn requests_whose_futures_are_dropped_anywhere_leave_a_good_image() {
    if !peer::peer_is_here() {
        return;
    }
    for polls in 0..12 {
        let world = World::simulated();
        let (file, disk) = slow(&world);
        world
            .try_create(&file, CreateOptions::new(1 << 20))
            .expect("creates");
        let node = world.image(&file, false, None);
        let (target, context) = (node.clone(), world.context.clone());
        world.run(async move {
            for round in 0..10_u64 {
                let data = Bytes::from(noise(round as u8, 70_000));
                let flags = ZeroFlags::default();
                let mut futures: Vec<Option<BoxFuture<()>>> = Vec::new();
                for kind in 0..4 {
                    let (node, data) = (target.clone(), data.clone());
                    let offset = round * 90_000;
                    futures.push(Some(Box::pin(async move {
                        let _ = match kind {
                            0 => node.co_write(offset, data).await,
                            1 => node.co_write_zeroes(offset + 50_000, 60_000, flags).await,
                            2 => node.co_discard(offset, 200_000).await,
                            _ => node.flush().await,
                        };
                    })));
                }
                for _ in 0..polls {
                    for slot in &mut futures {
                        if let Some(future) = slot
                            && futures_lite::future::poll_once(future).await.is_some()
                        {
                            *slot = None;
                        }
                    }
                    context.sleep(LATENCY_NS).await;
                }
            }
        });
        node.drain("test");
        world.flush(&node);
        peer::check(&Folder::new().dump("image", &disk));
    }
}

#[test]
fn two_runs_of_the_same_seed_do_the_same_in_the_same_order() {
    let run = || {
        let record = Rc::new(Recorder::new());
        let context = AioContext::builder()
            .virtual_time()
            .decide(Rc::new(Dice::new(7)))
            .trace(record.clone())
            .build();
        let world = World::on(context);
        let (file, disk) = slow(&world);
        let options = CreateOptions {
            cluster_size: 512,
            ..CreateOptions::new(8 << 20)
        };
        world.try_create(&file, options).expect("creates");
        let node = world.image(&file, false, None);
        let backend = world.backend(&node);
        let requests: Vec<BoxFuture<()>> = (0..60_u64)
            .map(|index| -> BoxFuture<()> {
                let (backend, node) = (backend.clone(), node.clone());
                Box::pin(async move {
                    let offset = ((index * 1_234_567) % (8 << 20)) & !4095;
                    match index % 5 {
                        4 => node.flush().await.expect("flushes"),
                        3 => zero(&backend, offset, 3000).await,
                        _ => {
                            let data = Bytes::from(noise(index as u8, 4000));
                            backend.write(offset, data).await.expect("writes");
                        }
                    }
                })
            })
            .collect();
        world.run(async move {
            join_all(requests).await;
        });
        world.flush(&node);
        let mut bytes = vec![0; disk.len() as usize];
        disk.read_at(0, &mut bytes);
        (record.take(), bytes)
    };
    // The hash maps of `imago` are made anew each time, with another order.
    let (first, second) = (run(), run());
    assert!(first.0.len() > 1000, "there is something to compare");
    let differs = first.0.iter().zip(&second.0).find(|(a, b)| a != b);
    assert_eq!(differs, None);
    assert!(first == second);
}

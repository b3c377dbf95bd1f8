//! Flushes: as few as can be, and nobody waits for ever.

use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::{BlockResult, Node};
use bytes::Bytes;

use crate::common::{LEN, Pace, Started, TestDriver, World};

fn write(world: &World, node: &Rc<Node>) {
    let node = node.clone();
    let data = Bytes::from_static(&[1; 512]);
    world
        .run(async move { node.co_write(0, data).await })
        .expect("writes");
}

fn flush(world: &World, node: &Rc<Node>) -> Started<BlockResult<()>> {
    let node = node.clone();
    world.start(async move { node.flush().await })
}

fn flushes(driver: &TestDriver) -> usize {
    let log = driver.take_log();
    log.iter().filter(|line| *line == "flush").count()
}

#[test]
fn a_flush_reaches_the_driver_once_after_each_write() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    flush(&world, &disk).take().expect("nothing to do");
    assert_eq!(flushes(&driver), 0, "nothing was written");
    for _ in 0..2 {
        write(&world, &disk);
        flush(&world, &disk).take().expect("flushes");
        assert_eq!(flushes(&driver), 1);
        flush(&world, &disk).take().expect("nothing to do");
        assert_eq!(flushes(&driver), 0);
    }
}

#[test]
fn zeroes_and_discards_need_a_flush_like_writes() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    let other = disk.clone();
    world.run(async move {
        let zeroed = other.co_write_zeroes(0, 512, Default::default()).await;
        zeroed.expect("writes");
    });
    flush(&world, &disk).take().expect("flushes");
    assert_eq!(flushes(&driver), 1);
    let other = disk.clone();
    world.run(async move { other.co_discard(0, 512).await.expect("discards") });
    flush(&world, &disk).take().expect("flushes");
    assert_eq!(flushes(&driver), 1);
}

#[test]
fn a_flush_that_failed_has_to_be_done_again() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    write(&world, &disk);
    driver.fail_with(Some(5));
    flush(&world, &disk).take().expect_err("it fails");
    driver.fail_with(None);
    flush(&world, &disk).take().expect("flushes");
    assert_eq!(flushes(&driver), 2);
}

#[test]
fn flushes_that_come_meanwhile_wait_and_all_of_them_end() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    write(&world, &disk);
    driver.set_pace(Pace::Timer(1000));
    let started: Vec<_> = (0..5).map(|_| flush(&world, &disk)).collect();
    assert_eq!(driver.active(), 1);
    for flush in &started {
        world.finish(flush).expect("flushes");
    }
    assert_eq!(flushes(&driver), 1, "the first has done the work of all");
}

#[test]
fn a_write_that_ends_while_a_flush_runs_needs_another() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    write(&world, &disk);
    driver.set_pace(Pace::Held);
    let first = flush(&world, &disk);
    driver.set_pace(Pace::AtOnce);
    write(&world, &disk);
    let second = flush(&world, &disk);
    assert!(driver.release());
    world.finish(&first).expect("flushes");
    world.finish(&second).expect("flushes");
    assert_eq!(flushes(&driver), 2);
    flush(&world, &disk).take().expect("nothing to do");
    assert_eq!(flushes(&driver), 0);
}

#[test]
fn a_flush_that_is_given_up_lets_the_next_go_on() {
    let world = World::new();
    let (disk, driver) = world.disk("disk");
    write(&world, &disk);
    driver.set_pace(Pace::Held);
    let gives_up = disk.clone();
    let context = world.context.clone();
    let first = world.start(async move {
        let flush = async {
            gives_up.flush().await.expect("never");
            false
        };
        let timeout = async {
            context.sleep(1000).await;
            true
        };
        assert!(futures_lite::future::or(flush, timeout).await);
    });
    let second = flush(&world, &disk);
    world.finish(&first);
    driver.set_pace(Pace::AtOnce);
    world.finish(&second).expect("flushes");
    assert_eq!(disk.in_flight(), 0);
}

#[test]
fn a_flush_of_a_node_with_children_goes_down_and_is_in_flight() {
    let world = World::new();
    let (file, file_driver) = world.disk("file");
    let driver = TestDriver::new(LEN);
    let children = [("file", ChildRole::Data, &file)];
    let format = world.node("format", &driver, &children);
    // Written behind its back: a node with children does not know what they have to do.
    write(&world, &file);
    file_driver.set_pace(Pace::Held);
    let flushing = flush(&world, &format);
    assert_eq!((format.in_flight(), file.in_flight()), (1, 1));
    assert!(file_driver.release());
    world.finish(&flushing).expect("flushes");
    assert_eq!(flushes(&file_driver), 1);
}

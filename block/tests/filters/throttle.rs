//! What `throttle` alone promises: rates, bursts, turns, and that nothing waits while it is drained.
//! Texts are those of qemu-storage-daemon 10.0.2.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::throttle::{
    ThrottleDriver, ThrottleGroup, ThrottleGroups, ThrottleLimits,
};
use blockjob_block::{BlockBackend, ErrorKind, Node};
use bytes::Bytes;

use super::common::{World, read};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;

fn none() -> ThrottleLimits {
    ThrottleLimits::default()
}

fn iops(total: i64) -> ThrottleLimits {
    ThrottleLimits {
        iops_total: Some(total),
        ..none()
    }
}

fn group(world: &World, limits: ThrottleLimits) -> Rc<ThrottleGroup> {
    ThrottleGroup::new(&world.context, "group", &limits).expect("the limits fit together")
}

/// A node in `group`, and a guest of it.
struct Disk {
    node: Rc<Node>,
    backend: Rc<BlockBackend>,
}

/// When each request ended, and whose it was.
type Ends = Rc<RefCell<Vec<(char, u64)>>>;

fn disk(world: &World, group: &Rc<ThrottleGroup>) -> Disk {
    let file = world.node(MemOptions::new(1 << 20).build(), &[]);
    let children = [("file", ChildRole::Filtered, file)];
    let node = world.node(ThrottleDriver::new(group), &children);
    Disk {
        backend: world.backend(&node),
        node,
    }
}

impl Disk {
    /// Starts reads (or else writes) of so many bytes each, all at once.
    fn start(&self, world: &World, ends: &Ends, name: char, count: usize, bytes: usize) {
        for _ in 0..count {
            let backend = self.backend.clone();
            let (context, ends) = (world.context.clone(), ends.clone());
            let guest = world.context.coroutine("guest", async move {
                if name.is_lowercase() {
                    read(&backend, 0, bytes).await.expect("reads");
                } else {
                    let data = Bytes::from(vec![1; bytes]);
                    backend.write(0, data).await.expect("writes");
                }
                ends.borrow_mut().push((name, context.now_ns()));
            });
            guest.wake();
        }
    }
}

fn wait_for(world: &World, ends: &Ends, count: usize) {
    world.context.poll_while(|| ends.borrow().len() < count);
}

fn times(ends: &Ends) -> Vec<u64> {
    ends.borrow().iter().map(|(_, at_ns)| *at_ns).collect()
}

fn names(ends: &Ends) -> String {
    ends.borrow().iter().map(|(name, _)| *name).collect()
}

fn refusal(limits: ThrottleLimits) -> String {
    let world = World::simulated();
    let error = ThrottleGroup::new(&world.context, "group", &limits).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

#[test]
fn limits_that_do_not_fit_together_are_refused_in_qemus_words() {
    let range = "bps/iops/max values must be within [0, 1000000000000000]";
    assert_eq!(refusal(iops(-1)), range);
    assert_eq!(refusal(iops(1_000_000_000_000_001)), range);
    let both = ThrottleLimits {
        iops_read: Some(5),
        ..iops(10)
    };
    let at_the_same_time =
        "bps/iops/max total values and read/write values cannot be used at the same time";
    assert_eq!(refusal(both), at_the_same_time);
    let both = ThrottleLimits {
        bps_read_max: Some(10),
        bps_total_max: Some(10),
        ..none()
    };
    assert_eq!(refusal(both), at_the_same_time);
    let burst = |max, length| ThrottleLimits {
        iops_total_max: max,
        iops_total_max_length: length,
        ..iops(10)
    };
    let refused = [
        (
            burst(Some(5), None),
            "bps_max/iops_max cannot be lower than bps/iops",
        ),
        (burst(None, Some(5)), "burst length set without burst rate"),
        (burst(Some(20), Some(0)), "the burst length cannot be 0"),
        (
            burst(Some(20), Some(-1)),
            "burst length too high for this burst rate",
        ),
        (
            burst(Some(20), Some(1 << 32)),
            "iops-total-max-length value must be in the range [0, 4294967295]",
        ),
    ];
    for (limits, text) in refused {
        assert_eq!(refusal(limits), text);
    }
    let lonely = ThrottleLimits {
        bps_total: Some(10),
        bps_write_max: Some(20),
        ..none()
    };
    let text = "bps_max/iops_max require corresponding bps/iops values";
    assert_eq!(refusal(lonely), text);
    let size = ThrottleLimits {
        iops_size: Some(10),
        ..none()
    };
    assert_eq!(refusal(size), "iops size requires an iops value to be set");
}

#[test]
fn limits_are_changed_one_by_one_and_shown_as_a_whole() {
    let world = World::simulated();
    let group = group(
        &world,
        ThrottleLimits {
            iops_size: Some(-1),
            ..iops(5)
        },
    );
    let shown = group.limits();
    assert_eq!(shown.iops_total, Some(5));
    assert_eq!(shown.iops_size, Some(-1));
    assert_eq!(
        (shown.bps_read, shown.bps_read_max_length),
        (Some(0), Some(1))
    );
    let max = |max| ThrottleLimits {
        iops_total_max: Some(max),
        ..none()
    };
    let error = group.set_limits(&max(2)).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "bps_max/iops_max cannot be lower than bps/iops"
    );
    assert_eq!(group.limits(), shown, "nothing has changed");
    group.set_limits(&max(20)).expect("they fit");
    assert_eq!(
        group.limits(),
        ThrottleLimits {
            iops_total_max: Some(20),
            ..shown
        }
    );
}

#[test]
fn requests_pass_at_the_rate_exactly() {
    let world = World::simulated();
    let disk = disk(&world, &group(&world, iops(10)));
    let ends = Ends::default();
    disk.start(&world, &ends, 'r', 8, 512);
    wait_for(&world, &ends, 8);
    let expected = [0, 0, 1, 2, 3, 4, 5, 6].map(|tenths| tenths * 100 * MS);
    assert_eq!(
        times(&ends),
        expected,
        "a tenth of a second of them, and one more, at once"
    );
}

#[test]
fn bytes_pass_at_the_rate_exactly() {
    let world = World::simulated();
    let limits = ThrottleLimits {
        bps_write: Some(10 << 10),
        ..none()
    };
    let disk = disk(&world, &group(&world, limits));
    let ends = Ends::default();
    disk.start(&world, &ends, 'W', 5, 4096);
    disk.start(&world, &ends, 'r', 1, 4096);
    wait_for(&world, &ends, 6);
    // One KiB passes in a tenth of a second, and one KiB is the size of the bucket.
    let expected = [0, 0, 300, 700, 1100, 1500].map(|ms| ms * MS);
    assert_eq!(times(&ends), expected);
    assert_eq!(names(&ends), "WrWWWW", "reads have no limit here");
}

#[test]
fn zeroes_and_discards_are_writes_and_a_flush_is_nothing() {
    let world = World::simulated();
    let limits = ThrottleLimits {
        bps_total: Some(1000),
        ..none()
    };
    let disk = disk(&world, &group(&world, limits));
    let (backend, context) = (disk.backend.clone(), world.context.clone());
    let ends = world.run(async move {
        let mut ends = Vec::new();
        let flags = ZeroFlags::default();
        backend.write_zeroes(0, 1100, flags).await.expect("zeroes");
        ends.push(context.now_ns());
        backend.flush().await.expect("flushes");
        ends.push(context.now_ns());
        backend.discard(0, 500).await.expect("discards");
        ends.push(context.now_ns());
        read(&backend, 0, 1).await.expect("reads");
        ends.push(context.now_ns());
        ends
    });
    assert_eq!(ends, [0, 0, SECOND, 1500 * MS]);
}

#[test]
fn a_burst_passes_first_and_the_average_holds_after_it() {
    let world = World::simulated();
    let limits = ThrottleLimits {
        iops_total_max: Some(100),
        iops_total_max_length: Some(3),
        ..iops(10)
    };
    let disk = disk(&world, &group(&world, limits));
    let ends = Ends::default();
    disk.start(&world, &ends, 'r', 400, 512);
    wait_for(&world, &ends, 400);
    let passed = |until_ns: u64| times(&ends).iter().filter(|at| **at <= until_ns).count();
    assert_eq!(
        passed(0),
        11,
        "a tenth of a second of the burst, and one more"
    );
    assert_eq!(passed(SECOND), 111, "at the rate of the burst");
    // 300 fill the bucket, and what leaks meanwhile passes too.
    let burst = 3220 * MS;
    assert_eq!(passed(burst), 333);
    assert_eq!(passed(burst + SECOND) - passed(burst), 10, "at the average");
    let ends = times(&ends);
    let last: Vec<_> = ends[340..]
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect();
    assert!(last.iter().all(|between| *between == 100 * MS), "{last:?}");
}

#[test]
fn a_large_request_counts_as_several() {
    let world = World::simulated();
    let limits = ThrottleLimits {
        iops_size: Some(1024),
        ..iops(10)
    };
    let disk = disk(&world, &group(&world, limits));
    let ends = Ends::default();
    disk.start(&world, &ends, 'r', 2, 2560);
    disk.start(&world, &ends, 'r', 2, 512);
    wait_for(&world, &ends, 4);
    assert_eq!(times(&ends), [0, 150, 400, 500].map(|ms| ms * MS));
}

#[test]
fn the_members_of_a_group_take_turns() {
    let world = World::simulated();
    let group = group(&world, iops(10));
    let disks = [
        disk(&world, &group),
        disk(&world, &group),
        disk(&world, &group),
    ];
    let ends = Ends::default();
    for (disk, name) in disks.iter().zip("abc".chars()) {
        // The first comes with much more, and before the others.
        let count = if name == 'a' { 20 } else { 4 };
        disk.start(&world, &ends, name, count, 512);
    }
    wait_for(&world, &ends, 28);
    assert_eq!(names(&ends), "aaabcabcabcabcaaaaaaaaaaaaaa");
    assert_eq!(
        times(&ends)[27],
        2600 * MS,
        "together they keep to the rate"
    );
}

#[test]
fn reads_do_not_wait_for_writes_unless_the_limit_is_for_both() {
    let world = World::simulated();
    let limits = ThrottleLimits {
        iops_write: Some(1),
        ..none()
    };
    let separate = disk(&world, &group(&world, limits));
    let ends = Ends::default();
    separate.start(&world, &ends, 'W', 4, 512);
    separate.start(&world, &ends, 'r', 3, 512);
    wait_for(&world, &ends, 7);
    assert_eq!(names(&ends), "WrrrWWW");
    let shared = disk(&world, &group(&world, iops(10)));
    let ends = Ends::default();
    shared.start(&world, &ends, 'W', 50, 512);
    shared.start(&world, &ends, 'r', 50, 512);
    let begun_ns = world.context.now_ns();
    wait_for(&world, &ends, 100);
    let took_ns = world.context.now_ns() - begun_ns;
    // Both directions may come to an empty bucket at the same moment.
    assert!((9700 * MS..=9900 * MS).contains(&took_ns), "{took_ns}");
    let first_half = &names(&ends)[..50];
    let reads = first_half.matches('r').count();
    assert!((20..=30).contains(&reads), "neither starves: {first_half}");
}

#[test]
fn in_a_drained_section_all_that_waits_passes_at_once() {
    let world = World::simulated();
    let group = group(&world, iops(1));
    let (drained, other) = (disk(&world, &group), disk(&world, &group));
    let ends = Ends::default();
    drained.start(&world, &ends, 'd', 5, 512);
    drained.start(&world, &ends, 'D', 5, 512);
    other.start(&world, &ends, 'o', 1, 512);
    world.settle();
    assert_eq!(group.pending(), 10, "one read has gone");
    let section = drained.node.drained_begin("test");
    assert_eq!(world.context.now_ns(), 0, "no time has passed");
    assert_eq!(drained.node.in_flight(), 0);
    assert_eq!(group.pending(), 1, "the other node's goes on waiting");
    world.run({
        let node = drained.node.clone();
        async move {
            for _ in 0..5 {
                let (_, result) = node.co_read(0, bytes::BytesMut::zeroed(512)).await;
                result.expect("reads");
            }
        }
    });
    assert_eq!(world.context.now_ns(), 0, "what comes meanwhile passes too");
    drop(section);
    wait_for(&world, &ends, 11);
    assert_eq!(names(&ends).pop(), Some('o'));
    let before_ns = world.context.now_ns();
    assert_eq!(before_ns, 9900 * MS, "and all of it counts");
    drained.start(&world, &ends, 'd', 2, 512);
    wait_for(&world, &ends, 13);
    assert!(world.context.now_ns() > before_ns, "the limits hold again");
}

#[test]
fn a_request_that_is_dropped_while_it_waits_holds_nobody_up() {
    let world = World::simulated();
    let group = group(&world, iops(1));
    let (one, two) = (disk(&world, &group), disk(&world, &group));
    let ends = Ends::default();
    one.start(&world, &ends, 'a', 1, 512);
    world.settle();
    let node = one.node.clone();
    let pending = group.clone();
    world.run(async move {
        // The timer is armed for this one.
        let mut dropped = Box::pin(node.co_read(0, bytes::BytesMut::zeroed(512)));
        let polled = futures_lite::future::poll_once(&mut dropped).await;
        assert!(polled.is_none());
        assert_eq!(pending.pending(), 1);
        drop(dropped);
        assert_eq!(pending.pending(), 0);
    });
    assert_eq!(world.context.armed_timers(), 0, "nobody waits for it");
    two.start(&world, &ends, 'b', 1, 512);
    wait_for(&world, &ends, 2);
    assert_eq!(
        world.context.now_ns(),
        900 * MS,
        "as if the other had never come"
    );
}

#[test]
fn nobody_overtakes_who_comes_when_the_time_of_another_has_come() {
    let world = World::simulated();
    let disk = disk(&world, &group(&world, iops(10)));
    let ends = Ends::default();
    let (context, backend, late) = (world.context.clone(), disk.backend.clone(), ends.clone());
    let guest = world.context.coroutine("late", async move {
        context.sleep(100 * MS).await;
        read(&backend, 0, 512).await.expect("reads");
        late.borrow_mut().push(('z', context.now_ns()));
    });
    // Its timer is armed first, and so it runs first when both expire.
    guest.wake();
    world.settle();
    disk.start(&world, &ends, 'r', 3, 512);
    wait_for(&world, &ends, 4);
    assert_eq!(names(&ends), "rrrz");
    assert_eq!(times(&ends), [0, 0, 100 * MS, 200 * MS]);
}

#[test]
fn limits_change_while_requests_wait() {
    let world = World::simulated();
    let group = group(&world, iops(1));
    let disk = disk(&world, &group);
    let ends = Ends::default();
    disk.start(&world, &ends, 'r', 12, 512);
    world.settle();
    assert_eq!(group.pending(), 11);
    group.set_limits(&iops(100)).expect("they fit");
    wait_for(&world, &ends, 12);
    assert_eq!(
        world.context.now_ns(),
        0,
        "a tenth of a second's worth of the new rate"
    );
    disk.start(&world, &ends, 'r', 3, 512);
    wait_for(&world, &ends, 15);
    assert_eq!(world.context.now_ns(), 30 * MS);
    disk.start(&world, &ends, 'r', 5, 512);
    world.settle();
    group.set_limits(&iops(0)).expect("no limit is one, too");
    wait_for(&world, &ends, 20);
    assert_eq!(world.context.now_ns(), 30 * MS);
}

#[test]
fn a_node_moves_to_another_group() {
    let world = World::simulated();
    let groups = ThrottleGroups::new();
    let create = |name: &str, limits: ThrottleLimits| {
        groups
            .create(&world.context, name, &limits)
            .expect("the name is free")
    };
    let (slow, fast) = (create("slow", iops(1)), create("fast", iops(1000)));
    let disk = disk(&world, &slow);
    let ends = Ends::default();
    disk.start(&world, &ends, 'r', 5, 512);
    world.settle();
    assert_eq!(slow.pending(), 4);
    let in_use = groups.remove("slow").expect_err("it has a member");
    assert_eq!(
        in_use.to_string(),
        "object 'slow' is in use, can not be deleted"
    );
    let driver = disk.node.driver().as_any().downcast_ref::<ThrottleDriver>();
    let driver = driver.expect("it is a throttle node");
    driver.set_group(&disk.node, &fast);
    assert_eq!((slow.members(), fast.members()), (0, 1));
    assert_eq!((slow.pending(), driver.group().name()), (0, "fast"));
    disk.start(&world, &ends, 'r', 111, 512);
    wait_for(&world, &ends, 116);
    assert_eq!(world.context.now_ns(), 10 * MS, "at its rate");
    groups.remove("slow").expect("nobody uses it");
    let error = groups.find("slow").expect_err("it is gone");
    assert_eq!(error.to_string(), "Throttle group 'slow' does not exist");
    let twice = groups
        .create(&world.context, "fast", &none())
        .expect_err("twice");
    assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
    drop(disk);
    assert_eq!(fast.members(), 0, "a node that goes leaves its group");
}

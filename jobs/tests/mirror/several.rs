//! Several mirrors: in a transaction, one after another, side by side, and above each other.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::mem::Fill;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::{MirrorEnd, MirrorJob, MirrorOptions, mirror_start_in};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::txn::JobTxn;

use crate::guests::{Guest, Habits};
use crate::lab::{Lab, LabOptions};
use crate::model::Model;
use crate::support::{KIB, MIB, MS, World, assert_same, options};

/// A guest's disk and a place to mirror it to.
struct Pair {
    source: Rc<Node>,
    target: Rc<Node>,
    copy: Rc<Lab>,
    model: Rc<Model>,
    guest: Rc<Guest>,
    options: MirrorOptions,
}

impl Pair {
    fn new(world: &World, number: u64, target_len: u64) -> Pair {
        let lab = LabOptions::new(64 * KIB).half_ns(1_000..90_000);
        let (source, disk) = world.lab(&format!("s{number}"), lab.clone().seed(number));
        let mut lab = lab.fill(Fill::Noise(99)).seed(number + 50);
        lab.len = target_len;
        let (target, copy) = world.lab(&format!("t{number}"), lab);
        let blk = world.guest(&format!("drive{number}"), &source);
        let model = Rc::new(Model::new(disk.content()));
        let habits = Habits::new(number).depth(2).max_sectors(5).rest_ns(3 * MS);
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        let options = MirrorOptions {
            job_id: Some(format!("job{number}")),
            ..MirrorOptions::new()
        };
        Pair {
            source,
            target,
            copy,
            model,
            guest,
            options,
        }
    }

    fn start(&self, world: &World, txn: Option<&Rc<JobTxn>>) -> (Rc<Job>, Rc<MirrorJob>) {
        let (source, target) = (&self.source, &self.target);
        let started = mirror_start_in(&world.jobs, &world.pool, source, target, &self.options, txn);
        started.expect("it starts")
    }

    fn used_by_guest(&self, world: &World) -> String {
        let number = &self.source.name()[1..];
        let blk = world.graph.find_backend(&format!("drive{number}"));
        let node = blk.expect("it is there").node().expect("it has one");
        node.skip_implicit_filters().name().to_owned()
    }
}

#[test]
fn the_mirrors_of_a_transaction_pivot_together() {
    let world = World::new();
    let txn = JobTxn::new();
    let pairs = [0, 1].map(|number| Pair::new(&world, number, 64 * KIB));
    let jobs = [0, 1].map(|number: usize| pairs[number].start(&world, Some(&txn)));
    for (job, _) in &jobs {
        world.until_ready(job);
    }
    jobs[0].0.complete().expect("a ready job completes");
    world.until_status(&jobs[0].0, JobStatus::Waiting);
    world.pass(50 * MS);
    assert_eq!(
        pairs[0].used_by_guest(&world),
        "s0",
        "it waits for the other"
    );
    assert!(
        !world.ctx.handle().external_disabled(),
        "the other guest is heard"
    );
    let done = pairs[1].guest.done.get();
    world.until(|| pairs[1].guest.done.get() > done + 5);
    jobs[1].0.complete().expect("a ready job completes");
    for (number, (job, mirror)) in jobs.iter().enumerate() {
        assert_eq!(world.until_end(job, mirror).end, MirrorEnd::Pivoted);
        assert_eq!(pairs[number].used_by_guest(&world), format!("t{number}"));
        let events = world.events_of(&format!("job{number}"));
        let end = [
            "waiting",
            "pending",
            "BLOCK_JOB_COMPLETED",
            "concluded",
            "null",
        ];
        assert_eq!(events[4..], end);
    }
    for pair in &pairs {
        pair.guest.stop();
        pair.model.assert_legal(&pair.copy.content(), "the target");
    }
}

#[test]
fn if_one_mirror_of_a_transaction_fails_no_guest_is_moved() {
    // The second target is too small; or the second job is cancelled.
    for (too_small, ready_first) in [(true, false), (false, false), (false, true)] {
        let world = World::new();
        let txn = JobTxn::new();
        let pair = Pair::new(&world, 0, 64 * KIB);
        let (job, mirror) = pair.start(&world, Some(&txn));
        let other_len = if too_small { 32 * KIB } else { 64 * KIB };
        let other = Pair::new(&world, 1, other_len);
        let (bad, bad_mirror) = other.start(&world, Some(&txn));
        if !too_small {
            if ready_first {
                world.until_ready(&job);
                job.complete().expect("a ready job completes");
                world.until_status(&job, JobStatus::Waiting);
            }
            world.until_ready(&bad);
            bad.user_cancel(true).expect("a ready job can be");
        }
        let bad_end = world.until_end(&bad, &bad_mirror).end;
        assert_eq!(
            matches!(bad_end, MirrorEnd::Failed(_)),
            too_small,
            "{bad_end:?}"
        );
        assert_eq!(world.until_end(&job, &mirror).end, MirrorEnd::Abandoned);
        for (number, pair) in [&pair, &other].into_iter().enumerate() {
            assert_eq!(pair.used_by_guest(&world), format!("s{number}"));
            let events = world.events_of(&format!("job{number}"));
            let own_fault = number == 1 && too_small;
            let last = events[events.len() - 3].starts_with("BLOCK_JOB_CANCELLED");
            assert_eq!(last, !own_fault, "{events:?}");
            let done = pair.guest.done.get();
            world.until(|| pair.guest.done.get() > done + 5);
            pair.guest.stop();
        }
    }
}

/// Prepared last, the older job finds that it cannot pivot; the newer one has done so by then.
#[test]
fn a_mirror_that_pivoted_says_so_although_its_transaction_failed_after() {
    let world = World::new();
    let txn = JobTxn::new();
    let mut older = Pair::new(&world, 0, 64 * KIB);
    let (filter, _) = world.blkdebug("filter", &older.source);
    let blk = world.graph.find_backend("drive0").expect("it is there");
    blk.remove();
    blk.insert(&filter).expect("nobody minds");
    older.options.replaces = Some("s0".to_owned());
    let below = std::mem::replace(&mut older.source, filter.clone());
    let (old, old_mirror) = older.start(&world, Some(&txn));
    let newer = Pair::new(&world, 1, 64 * KIB);
    let (new, new_mirror) = newer.start(&world, Some(&txn));
    for job in [&old, &new] {
        world.until_ready(job);
        job.complete().expect("a ready job completes");
    }
    // In the moment in which the newer one pivots, somebody else's disk comes to be below the filter.
    let (other, _) = world.lab("other", LabOptions::new(64 * KIB));
    world
        .graph
        .replace_node(&below, &other)
        .expect("nobody minds");
    let old_end = world.until_end(&old, &old_mirror).end;
    assert!(matches!(old_end, MirrorEnd::Failed(_)), "{old_end:?}");
    assert_eq!(world.until_end(&new, &new_mirror).end, MirrorEnd::Pivoted);
    let cancelled = world.events_of("job1");
    assert!(
        cancelled.contains(&"BLOCK_JOB_CANCELLED".to_owned()),
        "{cancelled:?}"
    );
    let failed = world.events_of("job0");
    assert!(
        failed
            .iter()
            .any(|event| event == "BLOCK_JOB_COMPLETED(Operation not permitted)")
    );
    assert_eq!(newer.used_by_guest(&world), "t1");
}

#[test]
fn the_target_of_a_mirror_is_mirrored_in_its_turn() {
    let world = World::new();
    let mut pair = Pair::new(&world, 0, 64 * KIB);
    for generation in 1..5 {
        let (job, mirror) = pair.start(&world, None);
        assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
        world.assert_coroutines_of_guests_only(2);
        let lab = LabOptions::new(64 * KIB).half_ns(1_000..90_000);
        let (target, copy) = world.lab(&format!("next{generation}"), lab.seed(generation));
        pair.source = std::mem::replace(&mut pair.target, target);
        pair.copy = copy;
        let used = pair.source.name().to_owned();
        let blk = world.graph.find_backend("drive0").expect("it is there");
        assert_eq!(blk.node().expect("it has one").name(), used);
    }
    let (job, mirror) = pair.start(&world, None);
    assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
    pair.guest.stop();
    pair.model
        .assert_legal(&pair.copy.content(), "the last target");
    world.assert_nothing_left(job, mirror);
}

/// One job's source is a filter above the other one's: each drains nodes that the other one uses.
#[test]
fn a_mirror_of_a_filter_and_one_of_what_is_below_it_complete_together() {
    for delay in 0..40 {
        let world = World::new();
        let lab = LabOptions::new(64 * KIB).half_ns(1_000..90_000);
        let (below, disk) = world.lab("below", lab.clone().seed(delay + 1));
        let (filter, _) = world.blkdebug("filter", &below);
        let (top_target, top_copy) = world.lab("top-target", lab.clone().seed(delay + 2));
        let (low_target, low_copy) = world.lab("low-target", lab.seed(delay + 3));
        let blk = world.guest("drive0", &filter);
        let model = Rc::new(Model::new(disk.content()));
        let habits = Habits::new(delay + 1)
            .depth(3)
            .max_sectors(5)
            .rest_ns(3 * MS);
        let guest = Guest::start(&world.ctx, &blk, &model, habits);
        let named = |name: &str| MirrorOptions {
            job_id: Some(name.to_owned()),
            ..options()
        };
        let (top, top_mirror) = world.mirror(&filter, &top_target, &named("top"));
        let (low, low_mirror) = world.mirror(&below, &low_target, &named("low"));
        world.until_ready(&top);
        world.until_ready(&low);
        // Once the lower one has pivoted, the guest writes to its target.
        let top_first = Rc::new(Cell::new(false));
        let (noted, other) = (top_first.clone(), low_mirror.clone());
        top.on_finished(move |_, _| noted.set(other.outcome().is_none()));
        let (first, second) = if delay % 2 == 0 {
            (&low, &top)
        } else {
            (&top, &low)
        };
        first.complete().expect("a ready job completes");
        world.pass(delay * 5_000);
        if second.is_ready() {
            second.complete().expect("a ready job completes");
        }
        assert_eq!(world.until_end(&top, &top_mirror).end, MirrorEnd::Pivoted);
        assert_eq!(world.until_end(&low, &low_mirror).end, MirrorEnd::Pivoted);
        guest.stop();
        assert_eq!(blk.node().expect("it has one").name(), "top-target");
        model.assert_legal(&top_copy.content(), "the target of the filter");
        assert_eq!(
            filter.filtered().expect("it has one").node().name(),
            "low-target"
        );
        if top_first.get() {
            assert_same(&low_copy.content(), &disk.content());
        }
    }
}

#[test]
fn many_mirrors_share_a_pool_and_do_not_mix_their_bytes() {
    let world = World::new();
    let pairs: Vec<_> = (0..12)
        .map(|number| Pair::new(&world, number, 64 * KIB))
        .collect();
    let jobs: Vec<_> = pairs.iter().map(|pair| pair.start(&world, None)).collect();
    for (job, _) in &jobs {
        world.until_ready(job);
    }
    for (job, _) in &jobs {
        job.complete().expect("a ready job completes");
    }
    for ((job, mirror), pair) in jobs.iter().zip(&pairs) {
        assert_eq!(world.until_end(job, mirror).end, MirrorEnd::Pivoted);
        pair.guest.stop();
        pair.model.assert_legal(&pair.copy.content(), "the target");
    }
    assert!(world.pool.kept_bytes() as u64 <= 64 * MIB);
    assert!(!world.ctx.handle().external_disabled());
}

//! A budget for what a mirror may cost its guest: kept by each write to both sides, and by the copies in
//! the background as a mean.

use std::rc::Rc;

use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::mirror::convergence::Forecast;
use blockjob_jobs::mirror::{Limit, MirrorOptions};

use crate::lab::Lab;
use crate::load::{COPY_RATE, GRANULE, LEN, Load, SOURCE_NS, Scene, TARGET_NS, in_mode};
use crate::support::{MIB, MS, SECOND};

const BUDGET_NS: u64 = MS / 2;

fn within_budget(copy_mode: MirrorCopyMode) -> MirrorOptions {
    MirrorOptions {
        guest_latency_ns: Some(BUDGET_NS),
        ..in_mode(copy_mode)
    }
}

#[test]
fn no_write_waits_longer_for_a_slow_target_than_the_budget_and_the_copy_is_right() {
    for copy_mode in [MirrorCopyMode::WriteBlocking, MirrorCopyMode::Auto] {
        let scene = Scene::new(TARGET_NS);
        let (job, mirror) = scene.mirror(&within_budget(copy_mode));
        let load = scene.load(COPY_RATE, 0..LEN);
        scene.world.pass(30 * SECOND);
        assert!(load.done.get() > 10_000);
        let longest_ns = load.longest_ns.get();
        assert!(longest_ns <= SOURCE_NS + BUDGET_NS, "{longest_ns} ns");
        scene.complete(&job, &mirror, &load);
    }
}

#[test]
fn without_a_budget_they_do_wait() {
    let scene = Scene::new(TARGET_NS);
    let (job, mirror) = scene.mirror(&in_mode(MirrorCopyMode::WriteBlocking));
    let load = scene.load(COPY_RATE, 0..LEN);
    scene.world.pass(5 * SECOND);
    assert!(load.longest_ns.get() >= TARGET_NS);
    scene.complete(&job, &mirror, &load);
}

#[test]
fn a_target_that_is_fast_enough_gets_all_writes_at_once() {
    // As long as the source and most of the budget.
    let scene = Scene::new(SOURCE_NS + BUDGET_NS / 2);
    let (job, mirror) = scene.mirror(&within_budget(MirrorCopyMode::WriteBlocking));
    scene.world.until_ready(&job);
    let load = scene.load(COPY_RATE / 4, 0..LEN);
    scene.world.pass(5 * SECOND);
    let (active, done) = (mirror.stats().active_bytes, load.done.get());
    assert!(active >= done * GRANULE, "{active} bytes of {done} writes");
    assert_eq!(load.longest_ns.get(), SOURCE_NS + BUDGET_NS / 2);
    scene.complete(&job, &mirror, &load);
}

#[test]
fn when_the_budget_forces_it_to_diverge_it_says_so() {
    let scene = Scene::new(10 * TARGET_NS);
    let (job, mirror) = scene.mirror(&within_budget(MirrorCopyMode::Auto));
    let load = scene.load(COPY_RATE, 0..LEN);
    scene.world.pass(60 * SECOND);
    assert!(!job.is_ready());
    let seen = mirror.convergence();
    assert!(
        matches!(seen.forecast, Forecast::Diverges { .. }),
        "{seen:?}"
    );
    assert_eq!(seen.limit, Some(Limit::GuestLatency));
    assert!(load.longest_ns.get() <= SOURCE_NS + BUDGET_NS);
    scene.complete(&job, &mirror, &load);
}

#[test]
fn a_target_that_hangs_does_not_stop_the_guest_and_is_not_given_more_and_more() {
    let scene = Scene::new(TARGET_NS / 6);
    let (job, mirror) = scene.mirror(&within_budget(MirrorCopyMode::WriteBlocking));
    scene.world.until_ready(&job);
    let load = scene.load(COPY_RATE, 0..LEN);
    scene.world.pass(SECOND);
    let before = load.done.get();
    *scene.copy.half_ns.borrow_mut() = 20 * SECOND..20 * SECOND + 1;
    scene.world.pass(10 * SECOND);
    let done = load.done.get() - before;
    assert!(done > 4_000, "{done} writes");
    assert!(load.longest_ns.get() <= SOURCE_NS + BUDGET_NS);
    // As many as may be copied at a time, and those that the job itself has under way.
    let late = mirror.operations().len();
    assert!(late <= 2 * 4 + 8, "{late} writes are kept for it");
    // Now and then one waits for what hangs; most do not, because nothing is tried any more.
    assert!(
        load.mean_ns() <= SOURCE_NS + BUDGET_NS / 4,
        "{} ns",
        load.mean_ns()
    );
    *scene.copy.half_ns.borrow_mut() = MS / 2..MS / 2 + 1;
    scene.complete(&job, &mirror, &load);
}

/// Each request that is in flight at the source makes the next ones take so much longer.
fn slows_down(disk: &Rc<Lab>, each_ns: u64) {
    let weak = Rc::downgrade(disk);
    *disk.on_change.borrow_mut() = Some(Rc::new(move || {
        if let Some(disk) = weak.upgrade() {
            let others = disk.in_flight.get().saturating_sub(1) as u64;
            let half_ns = (SOURCE_NS + others * each_ns) / 2;
            *disk.half_ns.borrow_mut() = half_ns..half_ns + 1;
        }
    }));
}

/// The mean of what writes took, over a time in which they are looked at fifty times.
fn mean_ns(scene: &Scene, load: &Load) -> u64 {
    let mut total_ns = 0;
    for _ in 0..50 {
        scene.world.pass(SECOND / 10);
        total_ns += load.mean_ns();
    }
    total_ns / 50
}

/// What writes take: while nothing is copied, and while a mirror copies with that budget.
fn costs_ns(each_ns: u64, guest_latency_ns: Option<u64>) -> (u64, u64) {
    // So long that the first pass is not over before the end.
    let scene = Scene::sized(TARGET_NS / 6, 128 * MIB);
    slows_down(&scene.disk, each_ns);
    let load = scene.load(COPY_RATE / 8, 0..LEN);
    scene.world.pass(SECOND);
    let alone_ns = mean_ns(&scene, &load);
    let options = MirrorOptions {
        guest_latency_ns,
        ..in_mode(MirrorCopyMode::Background)
    };
    let (job, mirror) = scene.mirror(&options);
    scene.world.pass(4 * SECOND);
    let copied = mirror.stats().copied_bytes;
    let copying_ns = mean_ns(&scene, &load);
    assert!(mirror.stats().copied_bytes > copied, "it starves");
    assert!(!job.is_ready(), "there is nothing left to copy");
    load.stop();
    job.block_job_cancel(true).expect("it can be cancelled");
    scene.world.until_end(&job, &mirror);
    (alone_ns, copying_ns)
}

#[test]
fn copies_in_the_background_slow_the_guest_down_no_more_than_the_budget_says() {
    // A single copy is more than the budget in the second case.
    for each_ns in [MS / 3, 2 * MS] {
        let (alone_ns, free_ns) = costs_ns(each_ns, None);
        let over = free_ns - alone_ns;
        assert!(
            over > BUDGET_NS * 5 / 4,
            "{over} ns without a budget: nothing is shown"
        );
        let (alone_ns, kept_ns) = costs_ns(each_ns, Some(BUDGET_NS));
        let over = kept_ns.saturating_sub(alone_ns);
        assert!(over <= BUDGET_NS * 5 / 4, "{over} ns of {BUDGET_NS}");
    }
}

//! What a mirror keeps when it moves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use blockjob_block::BlockBackend;
use blockjob_jobs::driver::{JobChange, MirrorCopyMode};
use blockjob_jobs::error_policy::{IoStatus, OnError};
use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::mirror::{
    Limit, MirrorBackingMode, MirrorEnd, MirrorOptions, MirrorSync, MirrorTuning, OpenBacking,
    Receipt, Verified,
};
use blockjob_jobs::state::JobStatus;

use crate::disk::Disk;
use crate::guest::{self, Shared, after_all, plug_in, script};
use crate::world::{GUEST, MS, World};

const GRANULE: u64 = 4096;
const LEN: u64 = 32 * GRANULE;

/// A source with a guest, and a target.
struct Scene {
    world: World,
    source: Disk,
    target: Disk,
    script: Shared,
    receipt: Arc<Mutex<Option<Receipt>>>,
    begun: Arc<AtomicU64>,
}

impl Scene {
    /// In `io0`, with a guest that writes so many times.
    fn new(world: World, writes: usize) -> Scene {
        let scene = Scene {
            world,
            source: Disk::noise(LEN, 7),
            target: Disk::noise(LEN, 99),
            script: script(LEN, writes, MS / 4),
            receipt: Arc::default(),
            begun: Arc::default(),
        };
        let (source, target) = (scene.source.clone(), scene.target.clone());
        let script = scene.script.clone();
        scene.world.on(1, move |shard| {
            shard.add("source", source);
            shard.add("target", target);
            plug_in(shard, script);
        });
        for place in 0..3 {
            let kept = scene.receipt.clone();
            // The hook of the end does not travel, so it is set anew wherever the job arrives.
            scene.world.on(place, move |shard| {
                shard.list.on_arrival(move |job| keep_receipt(job, &kept));
            });
        }
        scene
    }

    fn start(&self, options: impl FnOnce() -> MirrorOptions + Send + 'static) {
        let (kept, begun) = (self.receipt.clone(), self.begun.clone());
        let script = self.script.clone();
        self.world.on(1, move |shard| {
            let answered = script.lock().expect("whole").answered as u64;
            let under_way = shard.backend("drive0").in_flight();
            assert_eq!(under_way, 0, "the disk answers at once");
            begun.store(answered, Ordering::Relaxed);
            shard.start(&MirrorOptions {
                granularity: GRANULE,
                ..options()
            });
            keep_receipt(&shard.job(), &kept);
        });
    }

    /// How many writes of the guest had begun when the mirror did.
    fn before_the_mirror(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    fn send(&self, from: usize, to: usize) {
        let moved = self.world.send("source", from, to);
        moved.expect("everybody can");
    }

    fn until_guest_has_ended(&self, place: usize) {
        let script = self.script.clone();
        self.world.until(place, move |_| {
            let script = script.lock().expect("whole");
            script.answered == script.writes.len()
        });
    }

    fn until_ready(&self, place: usize) {
        self.world.until(place, |shard| shard.job().is_ready());
    }

    fn status(&self, place: usize) -> JobStatus {
        self.world.on(place, |shard| shard.job().status())
    }

    fn sleep(&self, place: usize, ns: u64) {
        let slept = move |shard: std::rc::Rc<crate::world::Shard>| async move {
            shard.graph.context().sleep(ns).await;
        };
        self.world.co(place, slept);
    }

    fn receipt(&self) -> Receipt {
        let receipt = self.receipt.lock().expect("whole").clone();
        receipt.expect("the job has ended")
    }

    /// The guest ends, the mirror pivots, and nothing was lost.
    fn finish(&self, place: usize) {
        self.until_guest_has_ended(place);
        self.world.complete(place);
        assert_eq!(self.receipt().outcome.end, MirrorEnd::Pivoted);
        self.assert_copied();
        self.world.on(place, |shard| {
            let node = shard.backend("drive0").node().expect("it has a medium");
            assert_eq!(node.name(), "target");
        });
    }

    fn assert_copied(&self) {
        let expected = after_all(&self.script, Disk::noise(LEN, 7).content());
        assert!(self.source.content() == expected, "the guest's own disk");
        assert!(self.target.content() == expected, "the copy");
    }
}

fn keep_receipt(job: &blockjob_jobs::job::Job, kept: &Arc<Mutex<Option<Receipt>>>) {
    let mirror = blockjob_jobs::mirror::MirrorJob::of(job).map(|it| std::rc::Rc::downgrade(&it));
    let kept = kept.clone();
    job.on_finished(move |_, _| {
        let mirror = mirror.and_then(|mirror| mirror.upgrade());
        *kept.lock().expect("whole") = mirror.and_then(|mirror| mirror.receipt());
    });
}

fn in_mode(copy_mode: MirrorCopyMode) -> MirrorOptions {
    MirrorOptions {
        copy_mode,
        ..MirrorOptions::new()
    }
}

in_both_lives! {
    // test-block-iothread: /propagate/mirror
    fn moving_the_source_moves_target_filter_and_job_and_back(world) {
        let scene = Scene::new(world, 0);
        scene.start(move || MirrorOptions {
            sync: MirrorSync::None,
            filter_node_name: Some("filter".to_owned()),
            ..MirrorOptions::new()
        });
        scene.until_ready(1);
        scene.world.told();
        for (node, from, to) in [("source", 1, 2), ("target", 2, 0), ("filter", 0, 1)] {
            scene.world.send(node, from, to).expect("everybody can");
            scene.world.on(from, |shard| {
                assert!(shard.list.is_empty() && shard.graph.nodes().is_empty());
                assert!(shard.graph.backends().is_empty());
            });
            scene.world.on(to, |shard| {
                let here = shard.graph.context();
                for name in ["source", "target", "filter"] {
                    assert_eq!(shard.node(name).context(), here);
                    assert_eq!(shard.node(name).quiesce_counter(), 0);
                }
                assert_eq!(shard.job().home(), here);
                let drive = shard.backend("drive0").node().expect("it has a medium");
                assert_eq!(drive.name(), "filter");
                let nodes = shard.job().block_job().expect("it is one").nodes();
                let names: Vec<_> = nodes.iter().map(|node| node.name()).collect();
                assert_eq!(names, ["target", "source", "filter"]);
            });
            assert_eq!(scene.world.told(), "standby, ready");
        }
        // Nobody else may write to the target, wherever it is.
        scene.world.on(1, |shard| {
            let other = BlockBackend::new(&shard.graph, "other", GUEST).expect("the name is free");
            assert!(other.insert(&shard.node("target")).is_err());
        });
    }

    fn a_ready_mirror_moves_and_completes_there_with_every_write(world) {
        for mode in [MirrorCopyMode::Background, MirrorCopyMode::WriteBlocking] {
            let scene = Scene::new(world_like(&world), 40);
            scene.start(move || in_mode(mode));
            scene.until_ready(1);
            scene.send(1, 2);
            scene.finish(2);
            let script = scene.script.lock().expect("whole");
            let (first, last) = (script.places.first(), script.places.last());
            assert_eq!((first.map(String::as_str), last.map(String::as_str)), (Some("io0"), Some("io1")));
        }
    }

    fn active_writes_go_to_both_sides_after_a_move_as_before(world) {
        let scene = Scene::new(world, 30);
        scene.start(move || in_mode(MirrorCopyMode::WriteBlocking));
        scene.until_ready(1);
        scene.send(1, 0);
        let active = |shard: &std::rc::Rc<crate::world::Shard>| shard.mirror().stats().active_bytes;
        let before = scene.world.on(0, active);
        scene.until_guest_has_ended(0);
        scene.world.until(0, |shard| shard.mirror().is_actively_synced());
        assert!(scene.world.on(0, active) > before);
        let counted = scene.world.on(0, |shard| shard.mirror().guest_writes());
        // All but what came before there was a filter.
        assert_eq!(counted, 30 - scene.before_the_mirror());
        scene.world.complete(0);
        scene.assert_copied();
        assert_eq!(scene.receipt().last_guest_write, Some(counted));
    }

    fn a_mirror_that_its_user_has_paused_moves_and_goes_on_when_it_is_resumed(world) {
        let scene = Scene::new(world, 20);
        scene.start(move || MirrorOptions::new());
        scene.world.on(1, |shard| shard.job().user_pause()).expect("it can be paused");
        scene.world.until(1, |shard| shard.job().is_paused());
        scene.send(1, 2);
        let written = scene.target.state().written;
        scene.sleep(2, 20 * MS);
        assert!(matches!(scene.status(2), JobStatus::Paused | JobStatus::Standby));
        scene.world.on(2, |shard| {
            assert_eq!((shard.job().pause_count(), shard.job().is_user_paused()), (1, true));
        });
        assert_eq!(scene.target.state().written, written);
        scene.world.on(2, |shard| shard.job().user_resume()).expect("it was paused");
        scene.finish(2);
    }

    fn a_mirror_that_an_error_has_stopped_moves_and_goes_on_when_it_is_resumed(world) {
        let scene = Scene::new(world, 20);
        scene.target.state().fails = true;
        scene.start(move || MirrorOptions { on_target_error: OnError::Stop, ..MirrorOptions::new() });
        scene.world.until(1, |shard| shard.job().is_paused());
        let look = |shard: &std::rc::Rc<crate::world::Shard>| {
            let (job, mirror) = (shard.job(), shard.mirror());
            (job.io_status(), job.stop_cause(), mirror.last_error(), job.is_user_paused())
        };
        let before = scene.world.on(1, look);
        assert_eq!(before.0, IoStatus::Failed);
        assert!(before.1.is_some() && before.2.is_some());
        scene.send(1, 2);
        assert_eq!(scene.world.on(2, look), before);
        scene.target.state().fails = false;
        scene.world.on(2, |shard| shard.job().user_resume()).expect("it was stopped");
        assert_eq!(scene.world.on(2, look).0, IoStatus::Ok);
        scene.finish(2);
    }

    fn a_soft_cancel_after_a_move_keeps_the_copy_and_a_forced_one_does_not(world) {
        for force in [false, true] {
            let scene = Scene::new(world_like(&world), 10);
            scene.start(move || MirrorOptions::new());
            scene.until_ready(1);
            scene.send(1, 2);
            scene.until_guest_has_ended(2);
            scene.world.on(2, move |shard| shard.job().cancel(force));
            scene.world.until_end(2);
            let end = match force {
                true => MirrorEnd::Abandoned,
                false => MirrorEnd::PointInTime,
            };
            assert_eq!(scene.receipt().outcome.end, end);
            if !force {
                scene.assert_copied();
            }
            scene.world.on(2, |shard| {
                let node = shard.backend("drive0").node().expect("it has a medium");
                assert_eq!(node.name(), "source");
            });
        }
    }

    fn a_mirror_told_to_complete_while_it_is_paused_completes_where_it_is_resumed(world) {
        let scene = Scene::new(world, 10);
        scene.start(move || MirrorOptions { replaces: Some("source".to_owned()), ..MirrorOptions::new() });
        scene.until_ready(1);
        scene.until_guest_has_ended(1);
        scene.world.on(1, |shard| shard.job().user_pause()).expect("it can be paused");
        scene.world.until(1, |shard| shard.job().is_paused());
        scene.world.on(1, |shard| shard.job().complete()).expect("it is ready");
        scene.send(1, 2);
        scene.world.on(2, |shard| {
            assert!(shard.mirror().is_told_to_complete());
            shard.job().user_resume().expect("it was paused");
        });
        scene.world.until_end(2);
        assert_eq!(scene.receipt().outcome.end, MirrorEnd::Pivoted);
        scene.assert_copied();
    }

    fn a_mirror_that_waits_to_be_finalized_holds_the_source_drained_over_the_move(world) {
        let scene = Scene::new(world, 12);
        scene.start(move || MirrorOptions { auto_finalize: false, ..MirrorOptions::new() });
        scene.until_ready(1);
        scene.world.on(1, |shard| shard.job().complete()).expect("it is ready");
        scene.world.until(1, |shard| shard.job().status() == JobStatus::Pending);
        let answered = scene.script.lock().expect("whole").answered;
        assert!(answered < 12, "the guest had its time");
        scene.send(1, 2);
        scene.sleep(2, 20 * MS);
        // What the guest has sent meanwhile waits, for it belongs to the target.
        assert_eq!(scene.script.lock().expect("whole").answered, answered);
        assert_eq!(scene.world.on(2, |shard| shard.node("source").quiesce_counter()), 1);
        scene.world.on(2, |shard| shard.job().finalize()).expect("it is pending");
        scene.until_guest_has_ended(2);
        let expected = after_all(&scene.script, Disk::noise(LEN, 7).content());
        assert!(scene.target.content() == expected, "the guest has the copy");
        assert!(scene.source.content() != expected, "and not what it was copied from");
        assert_eq!(scene.receipt().outcome.end, MirrorEnd::Pivoted);
    }

    fn a_mirror_that_is_to_be_verified_is(world) {
        let scene = Scene::new(world, 10);
        scene.start(move || MirrorOptions { verify: true, ..MirrorOptions::new() });
        scene.until_ready(1);
        scene.send(1, 2);
        scene.finish(2);
        assert_eq!(scene.receipt().verified, Verified::Passed);
    }

    fn a_callback_that_can_be_called_anywhere_lets_the_mirror_move_and_another_one_does_not(world) {
        for anywhere in [true, false] {
            let scene = Scene::new(world_like(&world), 0);
            let called = Arc::new(Mutex::new(String::new()));
            let noted = called.clone();
            let open = move |node: &std::rc::Rc<blockjob_block::Node>| {
                *noted.lock().expect("whole") = node.context().handle().name().to_owned();
                Ok(())
            };
            scene.world.on(1, move |shard| {
                let open = match anywhere {
                    true => OpenBacking::anywhere(open),
                    false => OpenBacking::new(open),
                };
                shard.start(&MirrorOptions {
                    backing_mode: MirrorBackingMode::OpenChain(open),
                    ..MirrorOptions::new()
                });
            });
            let moved = scene.world.send("source", 1, 2);
            if anywhere {
                moved.expect("everybody can");
                scene.world.complete(2);
                assert_eq!(*called.lock().expect("whole"), "io1");
            } else {
                let text = moved.expect_err("it cannot").to_string();
                let why = "it opens the backing file of its target where it was started";
                assert!(text.ends_with(why), "{text}");
                scene.world.complete(1);
                assert_eq!(*called.lock().expect("whole"), "io0");
            }
        }
    }

    fn a_mirror_of_nothing_moves_and_is_ready_once(world) {
        world.on(1, |shard| {
            shard.add("source", Disk::new(Vec::new()));
            shard.add("target", Disk::new(Vec::new()));
            shard.start(&MirrorOptions::new());
        });
        world.until(1, |shard| shard.job().is_ready());
        world.send("source", 1, 2).expect("everybody can");
        world.complete(2);
        let told = world.told().replace("standby, ready, ", "");
        assert_eq!(told.matches("BLOCK_JOB_READY").count(), 1, "{told}");
        assert_eq!(told.matches("ready").count(), 1, "{told}");
    }
}

/// Another world of the same life.
fn world_like(world: &World) -> World {
    match world.threads {
        Some(_) => World::virtual_time(),
        None => World::real(),
    }
}

#[test]
fn a_speed_limit_holds_however_often_the_mirror_moves() {
    const SPEED: u64 = 400 << 10;
    let scene = Scene::new(World::virtual_time(), 0);
    scene.start(move || MirrorOptions {
        speed: SPEED,
        ..MirrorOptions::new()
    });
    let (mut place, mut last) = (1, 0);
    for turn in 1..=30 {
        scene.sleep(place, 7 * MS);
        let next = (place + 1) % 3;
        scene.send(place, next);
        place = next;
        let now_ns = scene.world.main.now_ns();
        let written = scene.target.state().written;
        // A slice's quota more, and one copy.
        let most = SPEED * (now_ns / MS + 100) / 1000 + 10 * GRANULE;
        assert!(
            written <= most,
            "turn {turn}: {written} bytes after {now_ns} ns"
        );
        last = written;
    }
    assert!(last > 0, "it has copied something");
    assert_eq!(
        scene
            .world
            .on(place, |shard| shard.job().speed_bytes_per_s()),
        SPEED
    );
    scene.finish(place);
}

#[test]
fn what_a_mirror_has_measured_goes_along() {
    let scene = Scene::new(World::virtual_time(), 400);
    scene.source.state().half_ns = MS;
    scene.target.state().half_ns = 3 * MS;
    scene.start(move || MirrorOptions {
        copy_mode: MirrorCopyMode::Auto,
        guest_latency_ns: Some(50 * MS),
        ..MirrorOptions::new()
    });
    scene.sleep(1, 600 * MS);
    let look = |shard: &std::rc::Rc<crate::world::Shard>| {
        let mirror = shard.mirror();
        (
            mirror.convergence(),
            mirror.stats(),
            mirror.guest_writes(),
            mirror.len_bytes(),
            mirror.last_step(),
        )
    };
    let paused = scene.world.on(1, |shard| shard.job().user_pause());
    paused.expect("it can be paused");
    scene.world.until(1, |shard| shard.job().is_paused());
    // The guest goes on; only what is written meanwhile may differ, so it has to rest.
    scene.script.lock().expect("whole").rest_ns = u64::MAX / 4;
    scene.sleep(1, 20 * MS);
    let before = scene.world.on(1, look);
    assert!(
        before.0.rates.is_some() && before.0.limit == Some(Limit::Pause),
        "{before:?}"
    );
    assert_eq!(before.0.asked_mode, MirrorCopyMode::Auto);
    scene.send(1, 2);
    assert_eq!(scene.world.on(2, look), before);
}

/// M5 asks for a gigabyte at a time.
#[test]
fn a_mirror_that_moves_while_it_looks_what_there_is_goes_on_from_where_it_was() {
    const GIB: u64 = 1 << 30;
    let world = World::virtual_time();
    let disks = [(); 2].map(|()| Disk::new(Vec::new()).slow(4 * MS));
    for disk in &disks {
        disk.state().zeroes = 16 * GIB;
    }
    let [source, target] = disks.clone();
    world.on(1, move |shard| {
        shard.add("source", source);
        shard.add("target", target);
        shard.start(&MirrorOptions {
            zero_target: false,
            granularity: 64 << 20,
            ..MirrorOptions::new()
        });
    });
    let (mut place, mut moves) = (1, 0);
    loop {
        let seen = world.on(place, |shard| shard.mirror().last_step());
        if seen.is_some_and(|(step, _)| step > Step::M6) {
            break;
        }
        let next = (place + 1) % 3;
        world.send("source", place, next).expect("everybody can");
        (place, moves) = (next, moves + 1);
        assert!(moves < 100, "it begins anew each time");
    }
    assert!(moves > 8, "{moves} moves");
    assert_eq!(disks[0].state().asked, 16);
    world.complete(place);
}

#[test]
fn a_mode_that_was_asked_for_meanwhile_goes_along() {
    let scene = Scene::new(World::virtual_time(), 10);
    scene.start(move || MirrorOptions::new());
    scene.until_ready(1);
    scene.world.on(1, |shard| {
        let copy_mode = MirrorCopyMode::WriteBlocking;
        let changed = shard.job().change(JobChange::Mirror { copy_mode });
        changed.expect("it can be changed");
    });
    scene.send(1, 2);
    let mode = scene.world.on(2, |shard| shard.mirror().copy_mode());
    assert_eq!(mode, MirrorCopyMode::WriteBlocking);
    scene.finish(2);
}

/// A write that came in the drained section before the family was packed is repeated on the other side,
/// through the filter.
#[test]
fn a_write_that_waits_for_the_move_is_in_the_copy() {
    let scene = Scene::new(World::virtual_time(), 0);
    scene.start(move || MirrorOptions::new());
    scene.until_ready(1);
    let drained = blockjob_block::moving::drained_begin(
        &scene.world.main,
        &scene.world.shards[1],
        "source",
        "main",
    );
    let drained = drained.expect("it is there");
    let script = script(LEN, 3, 0);
    scene.script.lock().expect("whole").writes = script.lock().expect("whole").writes.clone();
    let again = scene.script.clone();
    scene.world.on(1, move |shard| {
        guest::go_on(&shard.backend("drive0"), again)
    });
    scene.sleep(1, 5 * MS);
    assert_eq!(
        scene.world.on(1, |shard| shard.backend("drive0").queued()),
        1
    );
    scene.send(1, 2);
    assert_eq!(scene.script.lock().expect("whole").answered, 0);
    drop(drained);
    scene.finish(2);
    assert_eq!(scene.receipt().guest_writes, 3);
}

/// Two mirrors share little memory: one has begun with a claim and waits for more when it moves.
#[test]
fn what_a_mirror_had_begun_and_not_copied_is_copied_on_the_other_side() {
    use blockjob_block::buf::BufferPool;
    use blockjob_jobs::mirror::mirror_start;

    for passes in 1..60 {
        let scene = Scene::new(World::virtual_time(), 0);
        scene.target.state().half_ns = 2 * MS;
        scene.world.on(1, |shard| {
            shard.add("source2", Disk::noise(LEN, 8));
            shard.add("target2", Disk::noise(LEN, 98).slow(2 * MS));
            let pool = std::rc::Rc::new(BufferPool::new(4096, 2 * GRANULE as usize));
            for (id, source, target) in
                [("other", "source2", "target2"), ("j0", "source", "target")]
            {
                let options = MirrorOptions {
                    job_id: Some(id.to_owned()),
                    granularity: 4 * GRANULE,
                    buf_size: 16 * GRANULE,
                    tuning: MirrorTuning {
                        max_io_bytes: GRANULE,
                        ..MirrorTuning::default()
                    },
                    ..MirrorOptions::new()
                };
                let (source, target) = (shard.node(source), shard.node(target));
                let started = mirror_start(&shard.list, &pool, &source, &target, &options);
                started.expect("it starts");
            }
        });
        let threads = scene.world.threads.clone().expect("it is virtual");
        for _ in 0..passes {
            threads.pass(1);
        }
        scene.send(1, 2);
        scene.world.until(2, |shard| shard.job().is_ready());
        scene
            .world
            .on(2, |shard| shard.job().complete())
            .expect("it is ready");
        scene.world.until_end(2);
        scene.assert_copied();
    }
}

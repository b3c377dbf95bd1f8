//! What a mirror keeps when it moves, down to the nanosecond: in virtual time.

use std::rc::Rc;

use blockjob_block::buf::BufferPool;
use blockjob_jobs::driver::{JobChange, MirrorCopyMode};
use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::mirror::{Limit, MirrorOptions, MirrorTuning, mirror_start};

use crate::disk::Disk;
use crate::guest::{self, script};
use crate::scene::{GRANULE, LEN, Scene};
use crate::world::{MS, Shard, World};

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
    let look = |shard: &Rc<Shard>| {
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
    scene.start(MirrorOptions::new);
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
    scene.start(MirrorOptions::new);
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
    for passes in 1..60 {
        let scene = Scene::new(World::virtual_time(), 0);
        scene.target.state().half_ns = 2 * MS;
        scene.world.on(1, |shard| {
            shard.add("source2", Disk::noise(LEN, 8));
            shard.add("target2", Disk::noise(LEN, 98).slow(2 * MS));
            let pool = Rc::new(BufferPool::new(4096, 2 * GRANULE as usize));
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

/// Over the hop nothing speaks for a guest in the context of the source, and everything in main.
#[test]
fn the_guests_of_the_right_context_are_not_listened_to_until_main_has_had_its_turn() {
    let scene = Scene::new(World::virtual_time(), 4);
    scene.start(MirrorOptions::new);
    scene.until_ready(1);
    scene.until_guest_has_ended(1);
    scene.send(1, 2);
    let (main, old, home) = (
        scene.world.contexts[0].handle(),
        scene.world.contexts[1].handle(),
        scene.world.contexts[2].handle(),
    );
    let masked = move || {
        (
            main.external_disabled(),
            old.external_disabled(),
            home.external_disabled(),
        )
    };
    let job = {
        let _current = scene.world.contexts[2].make_current();
        let job = scene.world.shards[2].get().expect("it is current").job();
        job.complete().expect("it is ready");
        job
    };
    while !job.deferred_to_main_loop() {
        scene.world.contexts[2].poll(false);
    }
    assert_eq!(masked(), (false, false, true));
    let source = job.block_job().expect("it is one").nodes()[1].clone();
    assert_eq!((source.name(), source.quiesce_counter()), ("source", 1));
    // The context goes on for as long as it likes, and the source stays as it is.
    for _ in 0..20 {
        scene.world.contexts[2].poll(false);
    }
    assert_eq!((source.quiesce_counter(), job.is_completed()), (1, false));
    scene.world.main.poll(false);
    assert_eq!(masked(), (false, false, false));
    assert_eq!(source.quiesce_counter(), 0);
    assert_eq!(job.result(), Some(Ok(())));
    scene.assert_copied();
}

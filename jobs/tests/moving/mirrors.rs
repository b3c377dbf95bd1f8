//! Mirrors that move, on threads and in virtual time.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use blockjob_block::{BlockBackend, Node};
use blockjob_jobs::driver::MirrorCopyMode;
use blockjob_jobs::error_policy::{IoStatus, OnError};
use blockjob_jobs::mirror::{
    MirrorBackingMode, MirrorEnd, MirrorOptions, MirrorSync, OpenBacking, Verified,
};
use blockjob_jobs::state::JobStatus;

use crate::disk::Disk;
use crate::guest::after_all;
use crate::scene::{LEN, Scene, world_like};
use crate::world::{GUEST, MS, Shard};

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
            let scene = Scene::with_busy_guest(world_like(&world));
            scene.start(move || in_mode(mode));
            scene.until_ready(1);
            scene.send(1, 2);
            // Nobody says when a move comes, only that the guest goes on after it where it then is.
            scene.let_guest_end(2);
            scene.finish(2);
            let script = scene.script.lock().expect("whole");
            let (first, last) = (script.places.first(), script.places.last());
            assert_eq!((first.map(String::as_str), last.map(String::as_str)), (Some("io0"), Some("io1")));
        }
    }

    fn active_writes_go_to_both_sides_after_a_move_as_before(world) {
        let scene = Scene::with_busy_guest(world);
        scene.start(move || in_mode(MirrorCopyMode::WriteBlocking));
        scene.until_ready(1);
        scene.send(1, 0);
        let active = |shard: &Rc<Shard>| shard.mirror().stats().active_bytes;
        let before = scene.world.on(0, active);
        scene.let_guest_end(0);
        scene.world.until(0, |shard| shard.mirror().is_actively_synced());
        assert!(scene.world.on(0, active) > before);
        let counted = scene.world.on(0, |shard| shard.mirror().guest_writes());
        // All but what came before there was a filter.
        assert_eq!(counted, scene.answered() as u64 - scene.before_the_mirror());
        scene.world.complete(0);
        scene.assert_copied();
        assert_eq!(scene.receipt().last_guest_write, Some(counted));
    }

    fn a_mirror_that_its_user_has_paused_moves_and_goes_on_when_it_is_resumed(world) {
        let scene = Scene::new(world, 20);
        scene.start(MirrorOptions::new);
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
        let look = |shard: &Rc<Shard>| {
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
            scene.start(MirrorOptions::new);
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
        let scene = Scene::with_busy_guest(world);
        scene.start(move || MirrorOptions { auto_finalize: false, ..MirrorOptions::new() });
        scene.until_ready(1);
        scene.world.on(1, |shard| shard.job().complete()).expect("it is ready");
        scene.world.until(1, |shard| shard.job().status() == JobStatus::Pending);
        // Whatever it has written until then is in the copy; what comes now is held.
        let answered = scene.answered();
        scene.send(1, 2);
        scene.sleep(2, 20 * MS);
        // What the guest has sent meanwhile waits, for it belongs to the target.
        assert_eq!(scene.answered(), answered);
        assert_eq!(scene.world.on(2, |shard| shard.backend("drive0").queued()), 1);
        assert_eq!(scene.world.on(2, |shard| shard.node("source").quiesce_counter()), 1);
        scene.world.on(2, |shard| shard.job().finalize()).expect("it is pending");
        scene.let_guest_end(2);
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
            let open = move |node: &Rc<Node>| {
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

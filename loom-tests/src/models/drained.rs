//! Sections that main holds in iothreads, against the requests of guests there.
//!
//! The counters of a section and of requests are plain cells of one context. What crosses threads is the
//! question, its answer, the end of a section, and what wakes a request; and main must be able to rely on
//! the answer: while it holds a section nothing begins, ends or is in flight at the disk, and
//! afterwards what has waited goes on.
//!
//! QEMU: `bdrv_drained_begin`, `bdrv_drain_all_begin` (block/io.c), `blk_root_drained_end`
//! (block/block-backend.c).

use blockjob_block::moving::{RemoteDrained, co_drained_begin, drain_all_begin, drained_begin};

use crate::check::group;
use crate::home::{DISK, Facts, Scene, write};
use crate::world::{block_on, join, poll_once, spawn};

group! { "drained" about &["call.rs", "handle.rs", "coroutine.rs", "resident.rs"];
    a_request_of_another_thread_is_before_a_section_or_waits_for_its_end within 1,
    a_request_under_way_is_waited_for within 2,
    a_request_that_main_itself_must_answer_ends_before_the_section within 2,
    a_request_that_one_end_wakes_is_not_met_by_the_next_section within 2,
    all_is_drained_in_both_contexts_or_in_none within 2,
    two_threads_are_drained_at_once within 1,
    a_section_that_is_given_up_while_it_begins_ends_there within 2,
}

/// A disk in a thread, with a guest on it.
fn scene() -> Scene {
    Scene::new(|shard, _| {
        let disk = shard.add_disk(DISK, None);
        shard.add_drive("drive", &disk);
    })
}

/// The same, and each request asks main before it ends.
fn scene_over_main() -> Scene {
    Scene::new(|shard, main| {
        let disk = shard.add_disk(DISK, Some(main));
        shard.add_drive("drive", &disk);
    })
}

fn begin(scene: &Scene) -> RemoteDrained {
    let section = drained_begin(&scene.main, &scene.there, DISK, "main");
    let section = section.expect("the disk is there");
    scene.facts.hold();
    section
}

fn end(facts: &Facts, section: impl Sized) {
    facts.let_go();
    drop(section);
}

fn served(scene: Scene, count: u32) {
    assert_eq!(scene.facts.see(|seen| seen.served), count);
    assert_eq!(scene.ask(|shard| shard.sections_of(DISK)), Some(0));
    scene.end();
}

fn a_request_of_another_thread_is_before_a_section_or_waits_for_its_end() {
    let scene = scene_over_main();
    let (there, main) = (scene.there.clone(), scene.main.handle());
    let guest = spawn(move || {
        let written = block_on(write(&there, "drive"));
        main.notify();
        written
    });
    let section = begin(&scene);
    end(&scene.facts, section);
    // The disk asks main, so main must not just wait for the guest's thread.
    scene
        .main
        .poll_while(|| scene.facts.see(|seen| seen.served) == 0);
    join(guest).expect("the thread runs");
    served(scene, 1);
}

fn a_request_under_way_is_waited_for() {
    let scene = scene();
    let written = write(&scene.there, "drive");
    let section = begin(&scene);
    scene.ask(|_| ());
    end(&scene.facts, section);
    scene.main.run("guest", written).expect("the thread runs");
    served(scene, 1);
}

fn a_request_that_main_itself_must_answer_ends_before_the_section() {
    let scene = scene_over_main();
    let written = write(&scene.there, "drive");
    let section = begin(&scene);
    end(&scene.facts, section);
    scene.main.run("guest", written).expect("the thread runs");
    served(scene, 1);
}

fn a_request_that_one_end_wakes_is_not_met_by_the_next_section() {
    let scene = scene();
    let first = begin(&scene);
    let written = write(&scene.there, "drive");
    end(&scene.facts, first);
    let second = begin(&scene);
    end(&scene.facts, second);
    scene.main.run("guest", written).expect("the thread runs");
    served(scene, 1);
}

fn all_is_drained_in_both_contexts_or_in_none() {
    let scene = scene();
    scene.here(|shard| {
        let disk = shard.add_disk("own", None);
        shard.add_drive("own-drive", &disk);
    });
    let written = [write(&scene.there, "drive"), write(&scene.own, "own-drive")];
    let homes = [scene.own.clone(), scene.there.clone()];
    let sections = drain_all_begin(&scene.main, &homes, "main");
    assert_eq!(sections.len(), 2);
    scene.facts.hold();
    scene.main.poll(false);
    end(&scene.facts, sections);
    for written in written {
        scene.main.run("guest", written).expect("both are there");
    }
    served(scene, 2);
}

fn two_threads_are_drained_at_once() {
    let mut scene = scene();
    let other = scene.add_thread(|shard, _| {
        let disk = shard.add_disk("other", None);
        shard.add_drive("other-drive", &disk);
    });
    let written = [write(&scene.there, "drive"), write(&other, "other-drive")];
    let homes = [scene.there.clone(), other];
    let sections = drain_all_begin(&scene.main, &homes, "main");
    assert_eq!(sections.len(), 2);
    scene.facts.hold();
    scene.ask(|_| ());
    end(&scene.facts, sections);
    for written in written {
        scene.main.run("guest", written).expect("both are there");
    }
    served(scene, 2);
}

fn a_section_that_is_given_up_while_it_begins_ends_there() {
    let scene = scene();
    let written = write(&scene.there, "drive");
    let mut begun = Box::pin(co_drained_begin(&scene.there, DISK, "main"));
    // It may be there at once, if the thread is quick.
    drop(poll_once(&mut begun));
    drop(begun);
    scene.main.run("guest", written).expect("the thread runs");
    let next = begin(&scene);
    end(&scene.facts, next);
    served(scene, 1);
}

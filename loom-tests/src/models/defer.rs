//! The hop of a job that ends in an iothread, which is jobs' own (`jobs/src/main_loop.rs`): its coroutine ends
//! there, main is sent a turn, and calls back into the iothread to have the job's end run, while main also
//! cancels, pauses, drains or moves.
//!
//! The job is a real one, with a node, on a real list; its type is the models' own, whose work is one nap.
//! Each time its end runs once, in a turn of main's or while main waits, after its coroutine, and not in
//! a section of main's: see [`Facts`](crate::home::Facts).
//!
//! QEMU: `job_defer_to_main_loop`, `job_exit` (job.c).

use blockjob_block::moving::{drained_begin, set_aio_context};

use crate::check::group;
use crate::home::{DISK, Scene};

group! { "defer" about &["call.rs", "handle.rs", "coroutine.rs", "iothread.rs", "resident.rs"];
    a_job_ends_once_in_a_turn_of_mains within 2,
    a_forced_cancel_comes_before_the_end_or_aborts_or_too_late within 2,
    a_pause_and_its_end_neither_lose_nor_double_the_end within 2,
    a_section_of_mains_meets_no_end_of_a_job within 2,
    a_job_that_moves_while_it_ends_ends_once_here_or_there within 2,
}

/// A job in a thread, which has begun and is about to end.
fn scene() -> Scene {
    Scene::new(|shard, _| {
        let disk = shard.add_disk(DISK, None);
        shard.start_job(&disk);
    })
}

fn until_it_is_over(scene: Scene) -> bool {
    scene.main.poll_while(|| !scene.facts.job_is_over());
    let facts = scene.facts.clone();
    scene.end();
    facts.ended_once()
}

fn a_job_ends_once_in_a_turn_of_mains() {
    assert!(until_it_is_over(scene()));
}

fn a_forced_cancel_comes_before_the_end_or_aborts_or_too_late() {
    let scene = scene();
    let came = scene.command(|job| {
        job.cancel(true);
        job.is_cancelled()
    });
    let well = until_it_is_over(scene);
    assert_eq!(well, came != Some(true), "a forced cancel in time aborts");
}

fn a_pause_and_its_end_neither_lose_nor_double_the_end() {
    let scene = scene();
    let paused = scene.command(|job| job.user_pause().is_ok());
    if paused == Some(true) {
        // It may have ended over the hop, which a pause does not stop.
        scene.command(|job| drop(job.user_resume()));
    }
    assert!(until_it_is_over(scene));
}

fn a_section_of_mains_meets_no_end_of_a_job() {
    let scene = scene();
    let section = drained_begin(&scene.main, &scene.there, DISK, "main");
    let section = section.expect("the disk is there");
    scene.facts.hold();
    scene.ask(|_| ());
    scene.facts.let_go();
    drop(section);
    assert!(until_it_is_over(scene));
}

fn a_job_that_moves_while_it_ends_ends_once_here_or_there() {
    let scene = scene();
    let moved = set_aio_context(&scene.main, DISK, &scene.there, &scene.own);
    moved.expect("everybody can move");
    // The end of the section of the move is on its way to main from main.
    scene.main.poll(false);
    let sections = scene.here(|shard| shard.sections_of(DISK));
    assert_eq!(sections, Some(0));
    assert!(until_it_is_over(scene));
}

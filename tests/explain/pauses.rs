//! Jobs that stand still or sleep.

use blockjob::block::driver::blkdebug::{Event, InjectError};

use crate::world::{MIB, World, lines};

#[test]
fn a_job_that_sleeps_for_its_speed_limit_says_which_and_how_long() {
    let world = World::new(16 * MIB);
    world.mirror("a0", "b0", ", 'speed': 1048576");
    world.pass_ms(1250);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is running, 1.2 s so far.",
            "It copies node 'a0' to node 'b0': 14.6 MiB of 16.0 MiB are dirty, no copy is under way.",
            "Its last step is M15 (it sleeps), 0 ms ago.",
            "At the rates of the last two seconds: ready in 14 s.",
            "Nobody has asked anything of it that is not done.",
            "It waits for the speed limit of 1.0 MiB/s to let it go on, in 125 ms.",
            "What to do: block-job-set-speed device=job0 speed=0.",
        ])
    );
}

#[test]
fn a_job_that_the_user_has_paused_waits_for_the_user() {
    let world = World::new(16 * MIB);
    world.mirror("a0", "b0", ", 'speed': 1048576");
    world.ok("job-pause", "{'id': 'job0'}");
    world.pass_ms(3200);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is paused, 3.2 s so far.",
            "It copies node 'a0' to node 'b0': 15.9 MiB of 16.0 MiB are dirty, no copy is under way.",
            "Its last step is M15 (it sleeps), 3.2 s ago.",
            "It is asked to stand still by the user.",
            "It waits for the user to resume it (3.2 s so far).",
            "What to do: job-resume id=job0.",
        ])
    );
}

#[test]
fn a_job_in_somebodys_drained_section_names_who_holds_it() {
    let world = World::new(16 * MIB);
    world.mirror("a0", "b0", ", 'speed': 1048576");
    let section = world.node("a0").drained_begin("backup-tool");
    world.pass_ms(2500);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is paused, 2.5 s so far.",
            "It copies node 'a0' to node 'b0': 15.9 MiB of 16.0 MiB are dirty, no copy is under way.",
            "Its last step is M15 (it sleeps), 2.5 s ago.",
            "It is asked to stand still by the drained section 'backup-tool' on node 'a0', 2.5 s so far.",
            "It waits for the drained section 'backup-tool' on node 'a0' to end (2.5 s so far),",
            "  which waits for whoever asked for it ('backup-tool') to end it.",
            "The drained section 'backup-tool' on node 'a0' is open, 2.5 s so far.",
        ])
    );
    drop(section);
}

#[test]
fn a_job_that_an_error_has_stopped_says_what_a_person_must_do() {
    let world = World::new(16 * MIB);
    world.blockdev("driver=blkdebug,image=b0,node-name=b");
    let full = InjectError::new(Event::WRITE_AIO).errno(28);
    world.blkdebug("b").inject_error(full);
    world.mirror("a0", "b", ", 'on-target-error': 'enospc'");
    world.pass_ms(62_000);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is paused, 1 min 2 s so far.",
            "It copies node 'a0' to node 'b': 16.0 MiB of 16.0 MiB are dirty, no copy is under way.",
            "Its last step is M7 (the head of its loop), 1 min 2 s ago.",
            "A write to node 'b' failed 1 min 2 s ago, and its error policy stopped it: No space left on device.",
            "It is asked to stand still by the error policy, 1 min 2 s so far.",
            "It waits for the user to see to the error that stopped it, and to resume it (1 min 2 s so far).",
            "What to do: make room for node 'b', then job-resume id=job0; or give up: job-cancel id=job0.",
        ])
    );
}

#[test]
fn a_job_whose_errors_are_ignored_says_what_fails() {
    let world = World::new(16 * MIB);
    world.blockdev("driver=blkdebug,image=b0,node-name=b");
    let broken = InjectError::new(Event::WRITE_AIO).errno(5);
    world.blkdebug("b").inject_error(broken);
    world.mirror("a0", "b", ", 'on-target-error': 'ignore'");
    world.pass_ms(2_000);
    let told = world.explain("job0").replace("\n  ", " ");
    assert!(
        told.contains(
            "a write to its target failed: blkdebug rule for event 'write_aio': Input/output error."
        ),
        "{told}"
    );
}

//! Jobs that are ready, that end or that have ended.

use std::rc::Rc;

use blockjob::jobs::mirror::{MirrorOptions, mirror_start_in};
use blockjob::jobs::txn::JobTxn;

use crate::world::{MIB, World, lines};

#[test]
fn a_job_that_is_ready_says_who_can_end_it_and_how() {
    let world = World::new(16 * MIB);
    world.mirror("a0", "b0", "");
    world.pass_ms(1000);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is ready, 1.0 s so far.",
            "It copies node 'a0' to node 'b0': 0 bytes of 16.0 MiB are dirty, no copy is under way.",
            "Its last step is M15 (it sleeps), 0 ms ago.",
            "Its forecast: ready.",
            "Nobody has asked anything of it that is not done.",
            "It waits for the user to complete it, or to end it (1.0 s so far).",
            "What to do: job-complete id=job0 (all then use node 'b0'), or block-job-cancel device=job0 (it stays",
            "  a copy).",
        ])
    );
}

#[test]
fn a_job_that_was_told_to_complete_says_so_while_it_copies() {
    let world = World::new(16 * MIB);
    let guest = world.guest("dev", "a0");
    world.mirror("a0", "b0", "");
    world.pass_ms(1000);
    world.ok("block-job-set-speed", "{'device': 'job0', 'speed': 65536}");
    world.write(&guest, 0, 4 * MIB);
    world.pass_ms(1000);
    world.ok("job-complete", "{'id': 'job0'}");
    world.pass_ms(500);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is ready, 2.5 s so far.",
            "It copies node 'a0' to node 'b0': 3.9 MiB of 16.0 MiB are dirty, no copy is under way.",
            "128.0 KiB had to be copied again: somebody wrote there, or the copy failed.",
            "Its last step is M15 (it sleeps), 400 ms ago.",
            "Its forecast: ready.",
            "The user has told it to complete.",
            "It waits for whoever writes to the disk to leave nothing dirty for a moment (3.9 MiB are).",
            "It also waits for the speed limit of 64.0 KiB/s to let it go on, in 600 ms.",
            "What to do: block-job-set-speed device=job0 speed=0.",
        ])
    );
}

#[test]
fn a_job_that_is_to_be_finalized_by_hand_keeps_guests_waiting_and_says_so() {
    let world = World::new(16 * MIB);
    let guest = world.guest("dev", "a0");
    world.mirror("a0", "b0", ", 'auto-finalize': false");
    world.pass_ms(1000);
    world.ok("job-complete", "{'id': 'job0'}");
    world.pass_ms(200);
    world.write(&guest, 0, 4096);
    world.pass_ms(7000);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is pending, 7.2 s so far.",
            "It copies node 'a0' to node 'b0': 0 bytes of 16.0 MiB are dirty, no copy is under way.",
            "Its last step is M16 (it keeps the source drained, and ends), 7.2 s ago.",
            "The user has told it to complete.",
            "It waits for the user to finalize it (7.2 s so far).",
            "What to do: job-finalize id=job0.",
            "The drained section 'mirror_run' on node 'a0' is open, 7.2 s so far; 1 request waits for its end.",
        ])
    );
    world.ok("job-finalize", "{'id': 'job0'}");
}

#[test]
fn a_job_that_is_over_waits_to_be_dismissed() {
    let world = World::new(16 * MIB);
    world.mirror("a0", "b0", "");
    world.pass_ms(1000);
    world.ok("job-complete", "{'id': 'job0'}");
    world.pass_ms(90_000);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is concluded, 1 min 30 s so far; it has ended well.",
            "Its last step is M17 (it hands over in the main loop), 1 min 30 s ago.",
            "The user has told it to complete.",
            "It waits for the user to dismiss it (1 min 30 s so far).",
            "What to do: job-dismiss id=job0.",
        ])
    );
}

#[test]
fn a_job_of_a_transaction_names_the_job_that_it_waits_for() {
    let mut world = World::new(16 * MIB);
    world.disk("c0", 4 * MIB, 3);
    world.disk("d0", 4 * MIB, 4);
    let txn = JobTxn::new();
    let start = |id: &str, source, target| {
        let options = MirrorOptions {
            job_id: Some(id.to_owned()),
            ..MirrorOptions::new()
        };
        let (jobs, pool) = (world.daemon.jobs(), world.daemon.pool());
        let (source, target) = (world.node(source), world.node(target));
        let started = mirror_start_in(jobs, pool, &source, &target, &options, Some(&txn));
        started.expect("the job can be started").0
    };
    let one: Rc<_> = start("one", "a0", "b0");
    let other = start("other", "c0", "d0");
    world.pass_ms(1000);
    other.user_pause().expect("it runs");
    world.pass_ms(1000);
    one.complete().expect("it is ready");
    world.pass_ms(2000);
    assert_eq!(
        world.explain("one"),
        lines(&[
            "Job 'one' (mirror) is waiting, 2.0 s so far.",
            "It copies node 'a0' to node 'b0': 0 bytes of 16.0 MiB are dirty, no copy is under way.",
            "Its last step is M16 (it keeps the source drained, and ends), 2.0 s ago.",
            "The user has told it to complete.",
            "It waits for job 'other' to end, which is of the same transaction (3.0 s so far),",
            "  which waits for the user to resume it (3.0 s so far).",
            "What to do: job-resume id=other.",
            "The drained section 'mirror_run' on node 'a0' is open, 2.0 s so far.",
        ])
    );
}

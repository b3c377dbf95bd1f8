//! A disk of no bytes: READY at once, and then it waits to be told.

use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::mirror::{MirrorEnd, MirrorStats};
use blockjob_jobs::state::JobStatus;

use crate::lab::LabOptions;
use crate::support::{SECOND, World, options};

#[test]
fn it_is_ready_at_once_and_completes() {
    let world = World::new();
    let (source, _) = world.lab("source", LabOptions::new(0));
    let (target, copy) = world.lab("target", LabOptions::new(0));
    let blk = world.guest("drive0", &source);
    let (job, mirror) = world.mirror(&source, &target, &options());
    assert_eq!(
        world.take_events(),
        ["created", "running", "ready", "BLOCK_JOB_READY"],
        "before the command returns"
    );
    world.pass(SECOND);
    assert_eq!(job.status(), JobStatus::Ready);
    let outcome = world.complete(&job, &mirror);
    assert_eq!(outcome.end, MirrorEnd::Pivoted);
    assert!(outcome.is_copy());
    assert_eq!(outcome.stats, MirrorStats::default());
    assert_eq!(copy.requests(), 0);
    assert_eq!(blk.node().expect("it has one").name(), "target");
    assert_eq!(
        world.diary.steps("job0"),
        [Step::M1, Step::M2, Step::M13, Step::M16, Step::M17]
    );
    world.assert_nothing_left(job, mirror);
}

#[test]
fn it_is_cancelled_softly_and_by_force() {
    for force in [false, true] {
        let world = World::new();
        let (source, _) = world.lab("source", LabOptions::new(0));
        let (target, _) = world.lab("target", LabOptions::new(0));
        let (job, mirror) = world.mirror(&source, &target, &options());
        job.block_job_cancel(force).expect("a ready job can be");
        let end = world.until_end(&job, &mirror).end;
        let expected = if force {
            MirrorEnd::Abandoned
        } else {
            MirrorEnd::PointInTime
        };
        assert_eq!(end, expected);
        world.assert_nothing_left(job, mirror);
    }
}

#[test]
fn it_pauses_and_is_completed_while_it_is_paused() {
    let world = World::new();
    let (source, _) = world.lab("source", LabOptions::new(0));
    let (target, _) = world.lab("target", LabOptions::new(0));
    let (job, mirror) = world.mirror(&source, &target, &options());
    job.user_pause().expect("a ready job pauses");
    world.until_status(&job, JobStatus::Standby);
    job.complete().expect("a job in standby can be completed");
    world.pass(SECOND);
    assert_eq!(job.status(), JobStatus::Standby);
    job.user_resume().expect("it was paused");
    assert_eq!(world.until_end(&job, &mirror).end, MirrorEnd::Pivoted);
}

#[test]
fn a_drained_section_passes_it_by() {
    let world = World::new();
    let (source, _) = world.lab("source", LabOptions::new(0));
    let (target, _) = world.lab("target", LabOptions::new(0));
    let (job, mirror) = world.mirror(&source, &target, &options());
    for node in [&source, &target] {
        let drained = node.drained_begin("test");
        assert_eq!(job.status(), JobStatus::Standby);
        drop(drained);
    }
    assert_eq!(world.complete(&job, &mirror).end, MirrorEnd::Pivoted);
}

//! Requests of a mirror that fail, by what the user has said is to be done then.

use crate::world::World;

/// A mirror whose every write to the target fails with `errno`, or only the first one.
fn world(errno: u32, once: bool, policy: &str) -> World {
    let world = World::new();
    for name in ["a", "b"] {
        world.raw(name, 128 << 10);
    }
    world.blockdev("driver=raw,node-name=a,file.driver=file,file.filename=$DIR/a");
    let once = if once { "on" } else { "off" };
    world.blockdev(&format!(
        "driver=raw,node-name=b,file.driver=blkdebug,file.image.driver=file,\
         file.image.filename=$DIR/b,file.inject-error.0.event=none,\
         file.inject-error.0.iotype=write,file.inject-error.0.errno={errno},\
         file.inject-error.0.once={once}"
    ));
    world.ok(
        "blockdev-mirror",
        &format!(
            "{{'job-id': 'j', 'device': 'a', 'target': 'b', 'sync': 'full', \
             'on-target-error': '{policy}'}}"
        ),
    );
    world
}

fn action(world: &World) -> String {
    let events = world.events();
    let mut errors = events
        .iter()
        .filter(|event| event.starts_with("BLOCK_JOB_ERROR"));
    errors.next().expect("a request has failed").clone()
}

#[test]
fn an_error_that_is_reported_ends_the_job() {
    for (errno, policy, text) in [
        (5, "report", "Input/output error"),
        (28, "report", "No space left on device"),
        (5, "enospc", "Input/output error"),
        (5, "auto", "Input/output error"),
    ] {
        let world = world(errno, false, policy);
        world.until("null");
        let said = world.said();
        let end = "BLOCK_JOB_ERROR, aborting, BLOCK_JOB_COMPLETED, concluded, null";
        assert!(said.ends_with(end), "{said}");
        let events = world.events();
        let is_error = |event: &&String| event.starts_with("BLOCK_JOB_ERROR");
        assert_eq!(
            events.iter().find(is_error).expect("it is told"),
            "BLOCK_JOB_ERROR {'device': 'j', 'operation': 'write', 'action': 'report'}"
        );
        let completed = &events[events.len() - 3];
        assert!(
            completed.contains(&format!("'error': '{text}'")),
            "{completed}"
        );
    }
}

#[test]
fn an_error_that_stops_the_job_waits_for_the_user() {
    for (errno, policy, status) in [
        (5, "stop", "failed"),
        (28, "stop", "nospace"),
        (28, "enospc", "nospace"),
        (28, "auto", "nospace"),
    ] {
        let world = world(errno, true, policy);
        world.until("paused");
        assert_eq!(
            action(&world),
            "BLOCK_JOB_ERROR {'device': 'j', 'operation': 'write', 'action': 'stop'}"
        );
        let jobs = world.ok("query-block-jobs", "{}");
        assert!(jobs.contains(&format!("'io-status': '{status}'")), "{jobs}");
        assert!(jobs.contains("'paused': true"), "{jobs}");
        assert_eq!(
            world.refused("job-pause", "{'id': 'j'}"),
            "Job is already paused"
        );
        world.said();
        world.ok("job-resume", "{'id': 'j'}");
        world.until("BLOCK_JOB_READY");
        let said = world.said();
        assert_eq!(said, "running, return, ready, BLOCK_JOB_READY");
        let jobs = world.ok("query-block-jobs", "{}");
        assert!(jobs.contains("'io-status': 'ok'"), "{jobs}");
    }
}

#[test]
fn an_error_that_is_ignored_is_tried_again() {
    let world = world(5, true, "ignore");
    world.until("BLOCK_JOB_READY");
    assert_eq!(
        action(&world),
        "BLOCK_JOB_ERROR {'device': 'j', 'operation': 'write', 'action': 'ignore'}"
    );
    world.ok("block-job-cancel", "{'device': 'j'}");
    world.until("null");
    world.tool("qemu-img compare -q -f raw -F raw -U $DIR/a $DIR/b");
}

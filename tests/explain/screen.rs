//! What holds of every explanation.

use blockjob::block::driver::blkdebug::Event;

use crate::world::{MIB, World};

#[test]
fn a_crowd_of_long_names_still_fits_on_one_screen() {
    let world = World::new(16 * MIB);
    let long = "x".repeat(31);
    world.blockdev(&format!("driver=blkdebug,image=b0,node-name={long}"));
    world.blkdebug(&long).suspend_every(Event::PWRITEV, &long);
    let id = format!("j{}", "y".repeat(120));
    world.mirror_as(&id, "a0", &long, "");
    let sections: Vec<_> = (0..9)
        .map(|_| {
            world
                .node("a0")
                .drained_begin_no_poll("a-tool-with-a-name-as-long-as-that-may-be")
        })
        .collect();
    world.pass_ms(1_000_000_000);
    let explanation = world.explanation(&id);
    let lines = &explanation.sentences;
    assert!(lines.len() > 10 && lines.len() <= 24, "{lines:#?}");
    for line in lines.iter().chain([&explanation.summary]) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    drop(sections);
    let blkdebug = world.blkdebug(&long);
    blkdebug.remove_breakpoint(&long).expect("some are held");
    world.settle();
}

#[test]
fn a_job_that_is_not_there_is_told_with_those_that_are() {
    let mut world = World::new(16 * MIB);
    let refused = |world: &World| {
        let answer = world.run("x-job-explain", "{'id': 'nobody'}");
        answer.expect_err("there is no such job")
    };
    assert_eq!(refused(&world), "Job 'nobody' not found: there are no jobs");
    world.mirror("a0", "b0", "");
    assert_eq!(
        refused(&world),
        "Job 'nobody' not found: there is only 'job0'"
    );
    world.disk("c0", MIB, 3);
    world.disk("d0", MIB, 4);
    world.mirror_as("job1", "c0", "d0", "");
    assert_eq!(
        refused(&world),
        "Job 'nobody' not found: there are 'job1', 'job0'"
    );
}

#[test]
fn the_answer_on_the_wire_has_the_lines_and_what_they_are_made_of() {
    let world = World::new(16 * MIB);
    world.mirror("a0", "b0", ", 'speed': 1048576");
    world.pass_ms(1250);
    let answer = world.ok("x-job-explain", "{'id': 'job0'}");
    let answer = answer.as_dict().expect("it is an object").clone();
    let lines = answer.get("sentences").and_then(|it| it.as_list());
    let lines: Vec<_> = lines.expect("they are there").iter().collect();
    let seen = world.explanation("job0");
    let seen_lines: Vec<_> = seen.sentences.iter().map(|it| it.as_str().into()).collect();
    assert_eq!(lines, seen_lines.iter().collect::<Vec<_>>());
    assert_eq!(seen.waits_for.len(), 1);
    assert_eq!(seen.waits_for[0].holder.as_str(), "speed-limit");
    assert_eq!(
        seen.summary,
        "job0: mirror, running for 1.2 s, 8 %; waits for the speed limit of 1.0 MiB/s"
    );
}

//! Jobs that wait for somebody else: down to whoever holds them.

use blockjob::block::driver::blkdebug::Event;

use crate::world::{MIB, World, lines};

#[test]
fn a_write_that_a_breakpoint_holds_is_at_the_end_of_the_chain() {
    let world = World::new(16 * MIB);
    world.blockdev("driver=blkdebug,image=b0,node-name=b");
    world.blkdebug("b").suspend(Event::PWRITEV, "A");
    world.mirror("a0", "b", "");
    world.pass_ms(3210);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is running, 3.2 s so far.",
            "It copies node 'a0' to node 'b': 0 bytes of 16.0 MiB are dirty, 1 copy is under way (1.0 MiB).",
            "Its last step is M9 (it can start nothing now), 3.2 s ago.",
            "Its forecast: stalled: nothing is copied.",
            "Nobody has asked anything of it that is not done.",
            "It waits for the copy of job 'job0' under way (1.0 MiB) to end,",
            "  which waits for write #1 at node 'b' (1.0 MiB at 0) to end (3.2 s so far),",
            "  which waits for the breakpoint 'A' of node 'b' (blkdebug) to let it go.",
            "What to do: in a monitor for people: qemu-io b \"resume A\".",
            "1 request is under way at its nodes and below; the oldest:",
            "  write #1 at node 'b', 1.0 MiB at 0, 3.2 s so far",
        ])
    );
    world.blkdebug("b").resume("A").expect("it is held");
    world.settle();
}

#[test]
fn a_target_that_a_throttle_group_slows_down_names_the_group() {
    let world = World::new(16 * MIB);
    world.ok(
        "object-add",
        "{'qom-type': 'throttle-group', 'id': 'slow', 'limits': {'bps-total': 1048576}}",
    );
    world.blockdev("driver=throttle,throttle-group=slow,file=b0,node-name=b");
    world.mirror("a0", "b", "");
    world.pass_ms(2750);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is running, 2.7 s so far.",
            "It copies node 'a0' to node 'b': 0 bytes of 16.0 MiB are dirty, 13 copies are under way (13.0 MiB).",
            "Its last step is M9 (it can start nothing now), 850 ms ago.",
            "At the rates of the last two seconds: ready in 12 s.",
            "Nobody has asked anything of it that is not done.",
            "It waits for the 13 copies of job 'job0' under way (13.0 MiB) to end, one of them,",
            "  which waits for write #4 at node 'b' (1.0 MiB at 3145728) to end (2.7 s so far),",
            "  which waits for the throttle group 'slow' (bps-total=1048576) of node 'b' to let it pass (13",
            "    requests wait there).",
            "13 requests are under way at its nodes and below; the oldest:",
            "  write #4 at node 'b', 1.0 MiB at 3145728, 2.7 s so far",
            "  write #5 at node 'b', 1.0 MiB at 4194304, 2.7 s so far",
            "  write #6 at node 'b', 1.0 MiB at 5242880, 2.7 s so far",
        ])
    );
}

#[test]
fn a_job_without_memory_names_the_job_that_has_it_and_what_holds_that() {
    let mut world = World::new(96 * MIB);
    world.disk("c0", 4 * MIB, 3);
    world.disk("d0", 4 * MIB, 4);
    world.blockdev("driver=blkdebug,image=b0,node-name=b");
    world.blkdebug("b").suspend_every(Event::PWRITEV, "A");
    world.mirror_as("greedy", "a0", "b", ", 'buf-size': 134217728");
    world.mirror_as("patient", "c0", "d0", "");
    world.pass_ms(4000);
    assert_eq!(
        world.explain("patient"),
        lines(&[
            "Job 'patient' (mirror) is running, 4.0 s so far.",
            "It copies node 'c0' to node 'd0': 4.0 MiB of 4.0 MiB are dirty, no copy is under way.",
            "Its last step is M9 (it can start nothing now), 4.0 s ago.",
            "Its forecast: stalled: nothing is copied.",
            "Nobody has asked anything of it that is not done.",
            "It waits for 1.0 MiB of the memory that all jobs share (64.0 MiB of 64.0 MiB are taken),",
            "  which waits for job 'greedy' to give some back, which has 64.0 MiB (4.0 s so far),",
            "  which waits for the 8 copies of job 'greedy' under way (64.0 MiB) to end, one of them,",
            "  which waits for write #1 at node 'b' (8.0 MiB at 0) to end (4.0 s so far),",
            "  which waits for the breakpoint 'A' of node 'b' (blkdebug) to let it go.",
            "What to do: in a monitor for people: qemu-io b \"resume A\".",
        ])
    );
    world
        .blkdebug("b")
        .remove_breakpoint("A")
        .expect("some are held");
    world.settle();
}

#[test]
fn a_section_that_cannot_begin_names_the_guests_write_that_is_held() {
    let world = World::new(16 * MIB);
    world.blockdev("driver=blkdebug,image=a0,node-name=a");
    let guest = world.guest("dev", "a");
    world.mirror("a", "b0", ", 'speed': 65536");
    world.blkdebug("a").suspend(Event::PWRITEV, "G");
    world.write(&guest, 8 * MIB, 4096);
    let section = world.node("a").drained_begin_no_poll("block_resize");
    world.settle();
    world.write(&guest, 9 * MIB, 4096);
    world.pass_ms(1500);
    assert_eq!(
        world.explain("job0"),
        lines(&[
            "Job 'job0' (mirror) is paused, 1.5 s so far.",
            "It copies node 'a' to node 'b0': 15.9 MiB of 16.0 MiB are dirty, no copy is under way.",
            "Its last step is M15 (it sleeps), 1.5 s ago.",
            "It is asked to stand still by the drained section 'block_resize' on node 'a', 1.5 s so far.",
            "It waits for the drained section 'block_resize' on node 'a' to end (1.5 s so far),",
            "  which waits for write #2 at node 'a' (4.0 KiB at 8388608) to end (1.5 s so far),",
            "  which waits for the breakpoint 'G' of node 'a' (blkdebug) to let it go.",
            "What to do: in a monitor for people: qemu-io a \"resume G\".",
            "The drained section 'block_resize' on node 'a' is to begin, 1.5 s so far; 1 request waits for its",
            "  end.",
            "2 requests are under way at its nodes and below; the oldest:",
            "  write #1 at node '#block000', 4.0 KiB at 8388608, 1.5 s so far",
            "  write #2 at node 'a', 4.0 KiB at 8388608, 1.5 s so far",
        ])
    );
    world.blkdebug("a").resume("G").expect("it is held");
    drop(section);
    world.settle();
}

#[test]
fn a_guests_write_to_both_sides_that_the_target_holds_is_told() {
    let world = World::new(16 * MIB);
    world.blockdev("driver=blkdebug,image=b0,node-name=b");
    let guest = world.guest("dev", "a0");
    world.mirror("a0", "b", ", 'copy-mode': 'write-blocking'");
    world.pass_ms(1000);
    world.blkdebug("b").suspend(Event::PWRITEV, "A");
    world.write(&guest, 8 * MIB, 4096);
    let section = world.node("a0").drained_begin_no_poll("backup-tool");
    world.pass_ms(1500);
    let text = world.explain("job0");
    for line in [
        "1 write of a guest goes to both sides.",
        "It waits for the drained section 'backup-tool' on node 'a0' to end (1.5 s so far),",
        "  which waits for write #1 at node '#block000' (4.0 KiB at 8388608) to end (1.5 s so far),",
        "  which waits for write #17 at node 'b' (4.0 KiB at 8388608) to end (1.5 s so far),",
        "  which waits for the breakpoint 'A' of node 'b' (blkdebug) to let it go.",
    ] {
        assert!(text.lines().any(|said| said == line), "{line}\n{text}");
    }
    world.blkdebug("b").resume("A").expect("it is held");
    drop(section);
    world.settle();
}

#[test]
fn a_guests_write_that_waits_for_a_copy_of_the_same_place_is_told() {
    let world = World::new(16 * MIB);
    world.blockdev("driver=blkdebug,image=b0,node-name=b");
    let guest = world.guest("dev", "a0");
    world.blkdebug("b").suspend(Event::PWRITEV, "A");
    world.mirror("a0", "b", ", 'copy-mode': 'write-blocking'");
    world.pass_ms(1000);
    world.write(&guest, 65536, 4096);
    world.pass_ms(1500);
    let explanation = world.explanation("job0");
    let text = explanation.sentences.join("\n");
    for line in [
        "1 write of a guest goes to both sides, 1 of them after a copy or a write of the same place.",
        "It waits for the copy of job 'job0' under way (1.0 MiB) to end,",
        "  which waits for write #1 at node 'b' (1.0 MiB at 0) to end (2.5 s so far),",
        "  which waits for the breakpoint 'A' of node 'b' (blkdebug) to let it go.",
    ] {
        assert!(text.lines().any(|said| said == line), "{line}\n{text}");
    }
    let mirror = explanation.mirror.expect("it is one");
    let write = mirror.operations.iter().find(|it| it.offset == 65536);
    let claim = mirror.operations.iter().find(|it| it.offset == 0);
    let (write, claim) = write.zip(claim).expect("both are under way");
    assert_eq!(write.waits_for, Some(claim.id), "{:?}", mirror.operations);
    world.blkdebug("b").resume("A").expect("it is held");
    world.settle();
}

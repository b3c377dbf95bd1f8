//! Bugs of the mirror itself.

use crate::museum::exhibit::{Exhibit, Finder, State, exhibit};

exhibit! {
    MIR_02, "MIR-02", "A write between the last count and the pivot is acknowledged and lost",
    went_wrong: "The job drained the source, saw that all was clean, and returned; the pivot was left to \
        a bottom half of the main loop. In between the loop served the guest's event handler, which wrote \
        to the old source, and a moment later the guest was given the target.",
    qemu: "block/mirror.c, mirror_exit; mended by ab27c3b5e7, broken since 5a7e7a0ba",
    seen_as: "a guest's write that was acknowledged is gone after the pivot",
    breaks: ["DRAIN", "DATA"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::run, MirrorJob::exit" },
}

exhibit! {
    MIR_07, "MIR-07", "A guest in another thread writes while the job hops to the main context",
    went_wrong: "The guest's handler ran in an iothread and went on running after the job had given its \
        dirty bitmap back and before the main thread switched the devices. What it wrote in that window \
        was neither tracked nor copied.",
    qemu: "block/mirror.c, mirror_exit; mended by 176c36997f",
    seen_as: "silent loss of data",
    breaks: ["DRAIN", "DATA"],
    found_by: Shuttle,
    state: State::Here { site: "jobs: mirror::run, MirrorJob::exit" },
}

exhibit! {
    MIR_01, "MIR-01", "Writes that are under way while the job starts are not tracked",
    went_wrong: "The filter on top of the source marks the job's bitmap, but it did so only once it knew \
        the job, which was late in the job's start. A write that was in flight while the job looked what \
        is allocated was neither found by that look nor marked when it ended.",
    qemu: "block/mirror.c, mirror_start_job and mirror_dirty_init; mended by 167ef239fb, broken since \
        32125b1460",
    seen_as: "a target that differs although the job reports success, with sync=top or a sparse source",
    breaks: ["DIRTY", "DATA"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror, set_up; mirror::run, MirrorJob::run_until_done" },
}

exhibit! {
    MIR_08, "MIR-08", "Two copies of one block are in flight, and the older one lands last",
    went_wrong: "A block was copied again while its first copy was still on the way to a disk that \
        reorders. When the first copy landed after the second, old content stayed behind a clean bit.",
    qemu: "block-migration.c, where 33656af702 mended it; block/mirror.c, mirror_iteration, which got the \
        same rule in 402a47411b",
    seen_as: "a stale block on the destination",
    breaks: ["DIRTY", "DATA"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::iteration, MirrorJob::next_free_dirty and free_run" },
}

exhibit! {
    MIR_04A, "MIR-04a", "An operation that needs a buffer waits for itself to end",
    went_wrong: "An operation was on the list of those in flight before it had its buffers. While there \
        were too few it waited for the first operation on that list, which could be itself.",
    qemu: "block/mirror.c, mirror_wait_for_free_in_flight_slot; the attempt that 9178f4fe5f took back",
    seen_as: "a job that hangs with no request outstanding, and a drained section that hangs with it",
    breaks: ["WAITGRAPH", "INFLIGHT", "PROGRESS"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::copy, MirrorJob::perform; mirror::late_buffers" },
}

exhibit! {
    MIR_04B, "MIR-04b", "Two operations that need buffers wait for each other to end",
    went_wrong: "The first attempt to mend MIR-04a left the operation itself out and still took any other \
        one of the list, also one that had no buffers either. Each waited for the other, and neither had \
        begun.",
    qemu: "block/mirror.c, mirror_wait_for_free_in_flight_slot; mended by ce8cabbd17",
    seen_as: "a job that hangs with no request outstanding, and a drained section that hangs with it",
    breaks: ["WAITGRAPH", "INFLIGHT", "PROGRESS"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::copy, MirrorJob::perform; mirror::late_buffers" },
}

exhibit! {
    MIR_03, "MIR-03", "Two guest writes that queue behind a third come to wait for each other",
    went_wrong: "Writes that conflict with an operation wait for it and look again. Two that waited \
        behind the same one searched the list in order, found each other there, both still waiting, and \
        waited for each other.",
    qemu: "block/mirror.c, mirror_wait_on_conflicts; mended by d44dae1a7c, broken since d06107ade0",
    seen_as: "a guest and a job that hang for ever",
    breaks: ["WAITGRAPH", "PROGRESS"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::conflicts, Operations::find_conflict" },
}

exhibit! {
    MIR_05, "MIR-05", "A write of a part of a granule makes all of it clean",
    went_wrong: "In write-blocking mode a guest's write went to the target, and then its range was made \
        clean, rounded outward to whole granules. The rest of such a granule had perhaps never been \
        copied.",
    qemu: "block/mirror.c, do_sync_target_write; mended by 9adc1cb49a",
    seen_as: "stale bytes around small writes, and a job that reports success",
    breaks: ["DIRTY", "DATA"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::active, MirrorJob::pieces and target_takes" },
}

exhibit! {
    MIR_06A, "MIR-06a", "A mirror without I/O in flight says that it stands still",
    went_wrong: "A drained section only asks the job to pause. The mirror answered that it was quiescent \
        as soon as nothing was in flight, although it had not come to a pause point and could start more.",
    qemu: "block/mirror.c, mirror_drained_poll; mended by 5e771752a1",
    seen_as: "a hang when a device is unplugged right after its commit began, or I/O of a job inside \
        of a foreign drained section",
    breaks: ["DRAIN", "PROGRESS"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror, MirrorJob::drained_poll" },
}

exhibit! {
    MIR_06B, "MIR-06b", "A mirror that drains its own source waits for itself",
    went_wrong: "The opposite of MIR-06a, and why its mending needs an exception: the job that begins its \
        last drained section is not paused and never will be, so it must not be waited for there.",
    qemu: "block/mirror.c, mirror_drained_poll, the part of 5e771752a1 about in_drain",
    seen_as: "a job that never completes",
    breaks: ["PROGRESS"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror, MirrorJob::drained_poll" },
}

exhibit! {
    MIR_10, "MIR-10", "A job whose flush keeps failing cannot be cancelled",
    went_wrong: "The loop looked for a cancel at its end, and a flush that failed went back to its head \
        before that. When the target was gone for good, the job flushed and failed for ever.",
    qemu: "block/mirror.c, mirror_run; mended by the series for GitLab 462",
    seen_as: "an endless loop of errors which a forced cancel does not end",
    breaks: ["CANCEL"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::run, MirrorJob::run_until_done" },
}

exhibit! {
    HZ_01, "HZ-01", "Dirty bits are cleared after the read",
    went_wrong: "Not a bug that was shipped, but one that the comments there warn of: the bits must be \
        cleared before anything is asked or read, because that can yield, and a write that lands meanwhile \
        sets bits that would then be wiped.",
    qemu: "block/mirror.c, mirror_iteration",
    seen_as: "stale data on the target",
    breaks: ["DIRTY", "DATA"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::iteration, MirrorJob::claim; mirror::copy, MirrorJob::copy" },
}

exhibit! {
    HZ_02, "HZ-02", "A busy job never comes to a moment without I/O",
    went_wrong: "Not a bug that was shipped, but one that the comments there warn of: without a pause \
        every slice, a job that always finds more to do is never seen without I/O in flight, and who \
        wants to drain its nodes waits for as long as that lasts.",
    qemu: "block/mirror.c, mirror_run, the check against SLICE_TIME",
    seen_as: "a drained section that does not begin",
    breaks: ["PROGRESS"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::run, MirrorJob::run_until_done and turn" },
}

exhibit! {
    HZ_03, "HZ-03", "Dirty granules are not counted again after the last drain",
    went_wrong: "Not a bug that was shipped, but one that the comments there warn of: a write marks its \
        granules when it ends, so one that was in flight when the count was zero shows only after the \
        source has been drained.",
    qemu: "block/mirror.c, mirror_run, before it completes",
    seen_as: "a guest's write that was acknowledged is gone after the pivot",
    breaks: ["DATA"],
    found_by: Simulator,
    state: State::Here { site: "jobs: mirror::run, MirrorJob::complete_in_drain" },
}

//! Bugs of jobs in general.

use crate::museum::exhibit::{Exhibit, Finder, State, exhibit};

exhibit! {
    JOB_01, "JOB-01", "A soft cancel of a job that is done cancels it after all",
    went_wrong: "A mirror that is ready ends in good order upon a soft cancel, and so its success stands. \
        One that came after the job's coroutine had returned, and before the main loop had taken note of \
        that, made a cancelled job of it, and the transaction was aborted.",
    qemu: "job.c, job_cancel_async; mended by the series for GitLab 462",
    seen_as: "a finished copy that is reported as cancelled, and takes its transaction down",
    breaks: ["FSM", "TXN"],
    found_by: Simulator,
    state: State::Here { site: "jobs: cancel, Job::cancel_async" },
}

exhibit! {
    JOB_02, "JOB-02", "Nobody is told that a job has become idle",
    went_wrong: "The main thread began a drained section, saw that the job was busy, and slept. The job, \
        in an iothread, yielded or ended: the condition was false then, and nobody woke the sleeper.",
    qemu: "blockjob.c and job.c, job_do_yield; mended by a series of 2018 about hangs of jobs and drains",
    seen_as: "a drained section, and so any command, that hangs although nothing is going on",
    breaks: ["WAKE"],
    found_by: Shuttle,
    state: State::Here { site: "jobs: job, Job::kick" },
}

exhibit! {
    JOB_03A, "JOB-03a", "A job whose completion is scheduled counts as quiescent",
    went_wrong: "A job that had handed its completion to the main loop said that it stood still. The \
        completion then ran inside of the drained section of somebody else, who was changing the graph, \
        and changed it under their hands.",
    qemu: "blockjob.c, child_job_drained_poll; mended by a series of 2018 about hangs of jobs and drains, \
        ancestor 91af091f92",
    seen_as: "a graph that changes inside of a drained section: assertions, uses of freed nodes",
    breaks: ["DRAIN"],
    found_by: Simulator,
    state: State::Here { site: "jobs: pause, Job::drained_poll" },
}

exhibit! {
    JOB_03B, "JOB-03b", "A job counts as busy until its completion has ended",
    went_wrong: "The mending of JOB-03a that comes to mind first. A completion drains nodes itself, and \
        would wait for its own job to stand still.",
    qemu: "blockjob.c, child_job_drained_poll; avoided in the same series of 2018",
    seen_as: "a hang in the main loop when a job completes",
    breaks: ["PROGRESS"],
    found_by: Simulator,
    state: State::Here { site: "jobs: pause, Job::drained_poll" },
}

exhibit! {
    JOB_04, "JOB-04", "A sleep for the speed limit that is cut short counts as a whole one",
    went_wrong: "A sleeping job is entered before its time by pauses, drained sections and a new speed. \
        It then went on as if it had slept, so that every drained section bought it a burst.",
    qemu: "blockjob.c, block_job_ratelimit_sleep; mended by 018e5987b5",
    seen_as: "a job that is faster than its limit",
    breaks: ["RATE"],
    found_by: Simulator,
    state: State::Here { site: "jobs: sleep, Job::ratelimit_sleep" },
}

exhibit! {
    JOB_05, "JOB-05", "A job is entered by its timer and by somebody else",
    went_wrong: "A sleeping job could be woken by the timer of its sleep and by whoever entered it. Both \
        did, and the coroutine was entered while it ran or after it had ended. What was done about the \
        symptom first made sleeping jobs deaf to a cancel.",
    qemu: "blockjob.c, block_job_sleep_ns and block_job_enter; mended by the parent of f1a7ff770f, symptom \
        4afeffc857",
    seen_as: "a crash, or a cancel that takes as long as the sleep",
    breaks: ["HOME", "CANCEL"],
    found_by: Simulator,
    state: State::Here { site: "jobs: enter, Job::enter_cond" },
}

exhibit! {
    HZ_04, "HZ-04", "A sleep that begins does not look for a cancel",
    went_wrong: "Not a bug that was shipped, but one that the order of the statements there avoids: a \
        cancel that comes while the job is busy enters nobody, so it has to be looked for before busy is \
        cleared.",
    qemu: "job.c, job_sleep_ns",
    seen_as: "a cancel that is noticed one sleep later",
    breaks: ["CANCEL"],
    found_by: Simulator,
    state: State::Here { site: "jobs: sleep, Job::yield_until" },
}

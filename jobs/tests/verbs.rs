//! What a job answers to each verb in each state, and what its watchers are told, held against what
//! the reference daemon was seen to do: `docs/peer-verbs.md` is read, not copied.

mod common;

use std::rc::Rc;

use blockjob_jobs::driver::{JobChange, JobResult, MirrorCopyMode};
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::txn::JobTxn;
use common::{TestJob, World, manual};

const PEER: &str = include_str!("../../docs/peer-verbs.md");

/// The cells of the rows of the table that has `heading` as the first cell of its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_matches('|');
        inner
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let rows: Vec<_> = PEER
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {heading} |")))
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .filter(|cells| !cells[0].starts_with('-'))
        .collect();
    assert!(rows.len() > 5, "the table of the peer has moved");
    rows
}

/// Brings job `j0` of `world` into the state named `state`; the other job is one that it waits for.
fn job_in(world: &World, state: &str) -> (Rc<Job>, Rc<TestJob>, Option<Rc<Job>>) {
    let txn = JobTxn::new();
    let options = JobOptions {
        auto_finalize: state != "pending",
        txn: Some(txn.clone()),
        ..manual()
    };
    let driver = TestJob::new();
    let job = world.job_with("j0", driver.clone(), options);
    job.start();
    let other = (state == "waiting").then(|| {
        let options = JobOptions {
            txn: Some(txn),
            ..manual()
        };
        let other = world.job_with("other", TestJob::new(), options);
        other.start();
        other
    });
    if ["ready", "standby"].contains(&state) {
        driver.converge(world, &job);
    }
    if ["paused", "standby"].contains(&state) {
        job.user_pause().expect("a job that works can be paused");
    }
    if ["waiting", "pending", "concluded"].contains(&state) {
        driver.should_complete.set(true);
        world.poll_until(|| job.status().as_str() == state);
    }
    assert_eq!(job.status().as_str(), state);
    (job, driver, other)
}

fn apply(job: &Job, command: &str) -> JobResult {
    let to_write_blocking = JobChange::Mirror {
        copy_mode: MirrorCopyMode::WriteBlocking,
    };
    match command {
        "block-job-cancel" => job.block_job_cancel(false),
        "block-job-cancel+force" => job.block_job_cancel(true),
        "job-cancel" => job.user_cancel(true),
        "block-job-pause" | "job-pause" => job.user_pause(),
        "block-job-resume" | "job-resume" => job.user_resume(),
        "block-job-set-speed" => job.set_speed(0),
        "block-job-complete" | "job-complete" => job.complete(),
        "block-job-finalize" | "job-finalize" => job.finalize(),
        "block-job-dismiss" | "job-dismiss" => job.dismiss(),
        "block-job-change" => job.change(to_write_blocking),
        _ => panic!("no such command: {command}"),
    }
}

#[test]
fn every_verb_is_answered_in_every_state_as_the_peer_answered_it() {
    let rows = table("verb");
    let states = &rows[0][2..];
    let mut asked = 0;
    for row in &rows[1..] {
        let (verb, command) = (&row[0], row[1].trim_matches('`'));
        for (state, cell) in states.iter().zip(&row[2..]) {
            let world = World::virtual_time();
            let (job, ..) = job_in(&world, state);
            let expected = match cell.as_str() {
                "ok" => String::new(),
                "verb" => {
                    format!("Job 'j0' in state '{state}' cannot accept command verb '{verb}'")
                }
                "already" => "Job is already paused".to_owned(),
                "unpaused" => "Can't resume a job that was not paused".to_owned(),
                "held" => "The block job for device 'j0' is currently paused".to_owned(),
                _ => panic!("an unknown cell: {cell}"),
            };
            let answer = apply(&job, command).err();
            let answer = answer.map_or(String::new(), |error| error.to_string());
            assert_eq!(answer, expected, "{command} in state {state}");
            asked += 1;
        }
    }
    assert_eq!(asked, 15 * 7);
}

/// Does what a row of the second table says was done.
fn perform(world: &World, job: &Job, driver: &TestJob, commands: &str) {
    // A copy without a limit gets there by itself.
    if commands.contains("set-speed") {
        driver.should_converge.set(true);
    }
    let commands = commands.replace(" to 0", "").replace(", then ", ", ");
    let commands = commands.replace(", and ", ", ").replace(" again", "");
    for command in commands.split(", ") {
        match command.trim_matches('`') {
            "quit" => {
                // QEMU drains everything first, and lets it go when the jobs are gone.
                job.pause();
                world.poll_until(|| !job.drained_poll());
                world.list.cancel_sync_all();
            }
            command => {
                // That the second of two is refused is part of what was recorded.
                let _refused = apply(job, command);
            }
        }
        world.note("return");
    }
}

/// The commands of a row; some rows are about several that did the same.
fn alternatives(commands: &str) -> Vec<&str> {
    match commands {
        "`block-job-cancel` with or without force, `job-cancel`" => {
            vec![
                "`block-job-cancel`",
                "`block-job-cancel+force`",
                "`job-cancel`",
            ]
        }
        "`job-complete`, or `block-job-cancel` without force" => {
            vec!["`job-complete`", "`block-job-cancel`"]
        }
        "`job-cancel`, or force" => vec!["`job-cancel`", "`block-job-cancel+force`"],
        "`job-cancel`, or force, also after `job-complete`" => {
            vec!["`job-cancel`", "`block-job-cancel+force`"]
        }
        "`job-complete` (once or twice)" => vec!["`job-complete`"],
        one => vec![one],
    }
}

/// What watchers are to be told, in the words of our diary; `None` if the row speaks in prose.
fn expected(state: &str, seen: &str) -> Option<String> {
    let seen = match (state, seen) {
        ("running", prose) if prose.contains("as above") => return None,
        ("waiting", _) => {
            "other aborting, other BLOCK_JOB_CANCELLED, other concluded, aborting, \
             BLOCK_JOB_CANCELLED, concluded, return"
        }
        (_, "return; the job stays in standby") => "return",
        (_, seen) => seen,
    };
    Some(seen.replace(';', ","))
}

#[test]
fn watchers_are_told_what_the_watchers_of_the_peer_were_told_in_the_same_order() {
    let rows = table("state");
    let mut compared = 0;
    for row in &rows[1..] {
        let [state, commands, seen] = &row[..] else {
            panic!("a row of three cells: {row:?}");
        };
        let Some(expected) = expected(state, seen) else {
            continue;
        };
        for commands in alternatives(commands) {
            let world = World::virtual_time();
            let (job, driver, _other) = job_in(&world, state);
            world.told();
            perform(&world, &job, &driver, commands);
            // Whatever follows from it happens without more being asked.
            let end_ns = world.ctx.now_ns() + 100 * common::NAP_NS;
            let awake = world.ctx.timer("awake", || ());
            awake.arm(end_ns);
            world.poll_until(|| world.ctx.now_ns() >= end_ns);
            assert_eq!(world.told(), expected, "{commands} in state {state}");
            compared += 1;
        }
    }
    assert!(compared >= 24, "{compared} rows were compared");
}

#[test]
fn completing_a_job_that_is_being_cancelled_is_refused() {
    let world = World::virtual_time();
    let (job, driver) = world.started("j0");
    driver.converge(&world, &job);
    job.cancel(false);
    let error = job.complete().expect_err("it is being cancelled");
    let text = "The active block job 'j0' cannot be completed";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_speed_is_kept_and_a_negative_one_refused() {
    let world = World::virtual_time();
    let (job, _) = world.started("j0");
    job.set_speed(1 << 20).expect("a running job takes a speed");
    let error = job.set_speed(-1).expect_err("no job is that slow");
    let text = "Parameter 'speed' expects a non-negative value";
    assert_eq!(error.to_string(), text);
    assert_eq!(job.speed_bytes_per_s(), 1 << 20);
    assert_eq!(job.status(), JobStatus::Running);
}

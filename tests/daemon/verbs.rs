//! Every verb in every state, against what was recorded from the reference daemon.

use crate::world::World;

const ADD: &str = "driver=raw,file.driver=file,file.filename=$DIR/";

/// A world with a job `j0` that is brought to `state`.
fn world_in(state: &str) -> World {
    let world = World::new();
    for name in ["a", "b"] {
        world.raw(name, 16 << 20);
        world.blockdev(&format!("{ADD}{name},node-name={name}"));
    }
    let more = match state {
        "running" | "paused" => ", 'speed': 1",
        "pending" => ", 'auto-finalize': false",
        _ => "",
    };
    world.ok(
        "blockdev-mirror",
        &format!(
            "{{'job-id': 'j0', 'device': 'a', 'target': 'b', 'sync': 'full', \
             'auto-dismiss': false{more}}}"
        ),
    );
    let say = |name| {
        world.ok(name, "{'id': 'j0'}");
    };
    let job = world.daemon.jobs().get("j0").expect("it was made");
    // What was recorded is what a job does that sleeps.
    let until_asleep = || {
        let ctx = &world.ctx;
        ctx.poll_while(|| job.is_busy() || job.progress().current() == 0);
    };
    if matches!(state, "running" | "paused") {
        until_asleep();
    }
    match state {
        "running" => {}
        "paused" => say("job-pause"),
        _ => {
            world.until("BLOCK_JOB_READY");
            until_asleep();
            match state {
                "standby" => say("job-pause"),
                "pending" | "concluded" => say("job-complete"),
                _ => {}
            }
        }
    }
    if world.status("j0") != state {
        world.until(state);
    }
    world.said();
    world
}

/// The arguments of a command for the job.
fn arguments(command: &str) -> (&str, &str) {
    match command {
        "block-job-cancel+force" => ("block-job-cancel", "{'device': 'j0', 'force': true}"),
        "block-job-set-speed" => (command, "{'device': 'j0', 'speed': 5}"),
        "block-job-change" => (
            command,
            "{'id': 'j0', 'type': 'mirror', 'copy-mode': 'background'}",
        ),
        "block-job-finalize" | "block-job-dismiss" => (command, "{'id': 'j0'}"),
        _ if command.starts_with("block-job-") => (command, "{'device': 'j0'}"),
        _ => (command, "{'id': 'j0'}"),
    }
}

/// The rows of a table of `docs/peer-verbs.md` whose heading begins so.
fn recorded(heading: &str) -> Vec<Vec<&'static str>> {
    let text = include_str!("../../docs/peer-verbs.md");
    let lines = text.lines().skip_while(|line| !line.starts_with(heading));
    let rows = lines
        .take_while(|line| line.starts_with('|'))
        .filter(|line| !line.starts_with("|-"));
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().trim_matches('`')).collect()
    })
    .collect()
}

#[test]
fn every_verb_in_every_state_is_answered_as_the_reference_daemon_does() {
    let table = recorded("| verb |");
    let (heading, rows) = table.split_first().expect("the table has a heading");
    let mut asked = 0;
    for row in rows {
        let (verb, command) = (row[0], row[1]);
        for (state, cell) in heading[2..].iter().zip(&row[2..]) {
            // A job waits only for another one of its transaction, and no command makes one.
            if *state == "waiting" {
                continue;
            }
            let world = world_in(state);
            let (name, args) = arguments(command);
            let reply = world.run(name, args);
            let text = match *cell {
                "ok" => {
                    assert_eq!(reply, "{'return': {}}", "{command} in {state}");
                    asked += 1;
                    continue;
                }
                "verb" => {
                    format!("Job 'j0' in state '{state}' cannot accept command verb '{verb}'")
                }
                "already" => "Job is already paused".to_owned(),
                "unpaused" => "Can't resume a job that was not paused".to_owned(),
                "held" => "The block job for device 'j0' is currently paused".to_owned(),
                other => panic!("no such answer was recorded: {other}"),
            };
            let expected = format!("{{'error': {{'class': 'GenericError', 'desc': '{text}'}}}}");
            assert_eq!(reply, expected, "{command} in {state}");
            asked += 1;
        }
    }
    assert_eq!(asked, 15 * 6);
}

/// What is said when `commands` are run one after another on a job in `state`, up to `end`.
fn events(state: &str, commands: &[&str], end: &str) -> String {
    let world = world_in(state);
    for command in commands {
        let (name, args) = match *command {
            "quit" => ("quit", "{}"),
            command => arguments(command),
        };
        world.ok(name, args);
    }
    if !end.is_empty() {
        world.until(end);
    }
    world.said()
}

#[test]
fn events_and_returns_come_in_the_recorded_order() {
    let end = "concluded";
    let gone = "return, aborting, BLOCK_JOB_CANCELLED, concluded";
    for cancel in ["block-job-cancel", "block-job-cancel+force", "job-cancel"] {
        assert_eq!(events("running", &[cancel], end), gone, "{cancel}");
    }
    assert_eq!(
        events("running", &["job-pause"], "paused"),
        "paused, return"
    );
    assert_eq!(events("paused", &["job-resume"], ""), "running, return");
    for cancel in ["block-job-cancel+force", "job-cancel"] {
        assert_eq!(
            events("paused", &[cancel], end),
            format!("running, {gone}"),
            "{cancel}"
        );
    }
    let done = "return, waiting, pending, BLOCK_JOB_COMPLETED, concluded";
    for complete in ["job-complete", "block-job-complete", "block-job-cancel"] {
        assert_eq!(events("ready", &[complete], end), done, "{complete}");
    }
    assert_eq!(events("ready", &["job-cancel"], end), gone);
    assert_eq!(events("ready", &["job-pause"], ""), "standby, return");
    assert_eq!(events("standby", &["job-resume"], ""), "ready, return");
    assert_eq!(
        events("standby", &["job-complete", "job-complete"], ""),
        "return, return"
    );
    assert_eq!(
        events("standby", &["job-complete", "job-resume"], end),
        format!("return, ready, {done}")
    );
    assert_eq!(
        events("standby", &["job-cancel"], end),
        format!("ready, {gone}")
    );
    assert_eq!(
        events("pending", &["job-finalize"], ""),
        "BLOCK_JOB_COMPLETED, concluded, return"
    );
    assert_eq!(
        events("pending", &["job-cancel"], ""),
        "aborting, BLOCK_JOB_CANCELLED, concluded, return"
    );
    assert_eq!(events("concluded", &["job-dismiss"], ""), "null, return");
}

#[test]
fn quit_tells_the_end_of_every_job_before_it_returns() {
    let table = recorded("| state | command |");
    let rows = table.iter().filter(|row| row[1] == "quit");
    let mut asked = 0;
    for row in rows {
        assert_eq!(events(row[0], &["quit"], ""), row[2], "quit in {}", row[0]);
        asked += 1;
    }
    assert_eq!(asked, 6);
}

#[test]
fn a_job_that_is_not_there_is_missed_in_two_ways() {
    let world = World::new();
    let missed = |command: &str| world.run(arguments(command).0, arguments(command).1);
    for command in [
        "block-job-cancel",
        "block-job-pause",
        "block-job-resume",
        "block-job-complete",
        "block-job-set-speed",
        "block-job-finalize",
        "block-job-dismiss",
        "block-job-change",
    ] {
        assert_eq!(
            missed(command),
            "{'error': {'class': 'DeviceNotActive', 'desc': 'Block job 'j0' not found'}}",
            "{command}"
        );
    }
    for command in [
        "job-cancel",
        "job-pause",
        "job-resume",
        "job-complete",
        "job-finalize",
        "job-dismiss",
    ] {
        assert_eq!(
            missed(command),
            "{'error': {'class': 'GenericError', 'desc': 'Job not found'}}",
            "{command}"
        );
    }
}

#[test]
fn a_mirror_can_be_changed_to_any_mode_and_back() {
    let world = world_in("ready");
    let to = |what: &str| world.run("block-job-change", &format!("{{'id': 'j0', {what}}}"));
    for mode in ["background", "write-blocking", "auto", "background"] {
        let told = to(&format!("'type': 'mirror', 'copy-mode': '{mode}'"));
        assert_eq!(told, "{'return': {}}", "{mode}");
        let jobs = world.ok("query-block-jobs", "{}");
        assert!(jobs.contains(&format!("'asked-mode': '{mode}'")), "{jobs}");
    }
    // What the job is it knows itself.
    assert_eq!(to("'type': 'commit'"), "{'return': {}}");
    assert_eq!(
        to("'type': 'mirror'"),
        "{'error': {'class': 'GenericError', 'desc': 'Parameter 'copy-mode' is missing'}}"
    );
}

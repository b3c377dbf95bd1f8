//! The server of the target dies, or stands still, in the middle of a mirror: what the guest, the job
//! and its policy make of that.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::daemon::{Daemon, image};
use super::guest::Guest;
use super::journal::BLOCK;
use super::killed_daemon::{base, make};
use super::rounds::{Dice, play};
use super::targets::Target;
use super::tools::{Scratch, lacks, prints};

const PLACES: u64 = 2048;
/// What a guest may ask for after the blow.
const AFTERWARDS: u64 = 400;

/// What a mirror is doing when its target goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Copying,
    Ready,
    Completing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Kill,
    StandStill,
}

#[derive(Debug)]
struct Plan {
    policy: &'static str,
    mode: &'static str,
    moment: Moment,
    blow: Blow,
    /// The server comes back.
    back: bool,
    /// Nobody waits for the policy: the job is cancelled at once.
    hasty: bool,
    reconnect_delay_s: u64,
    formats: [&'static str; 2],
}

impl Plan {
    fn roll(dice: &mut Dice, policy: &'static str) -> Plan {
        let back = dice.one_in(2);
        Plan {
            policy,
            mode: dice.pick(&["background", "write-blocking", "auto"]),
            moment: dice.pick(&[Moment::Copying, Moment::Ready, Moment::Completing]),
            blow: dice.pick(&[Blow::Kill, Blow::Kill, Blow::StandStill]),
            back,
            hasty: !back && dice.one_in(4),
            reconnect_delay_s: dice.below(2),
            formats: [0; 2].map(|_| dice.pick(&["raw", "raw", "qcow2"])),
        }
    }

    /// Whether a job may have ended so.
    fn allows(&self, end: End) -> bool {
        match end {
            // It may have been too late for the blow.
            End::Moved if self.moment == Moment::Completing => true,
            End::Moved => self.back,
            // What the server forgot is to be copied again.
            End::Differs => false,
            End::Failed => {
                let reports = matches!(self.policy, "report" | "enospc");
                self.blow == Blow::Kill && reports
            }
            End::Cancelled => !self.back && (self.hasty || !self.fails_by_itself()),
        }
    }

    /// Sees the job to its end.
    fn watch(&self, daemon: &mut Daemon) -> End {
        let warden = Warden {
            plan: self,
            daemon,
            told_to_complete: self.moment == Moment::Completing,
            told_to_cancel: false,
        };
        warden.see_it_end()
    }

    /// True if the job ends when its target does.
    fn fails_by_itself(&self) -> bool {
        self.blow == Blow::Kill && matches!(self.policy, "report" | "enospc")
    }

    /// A server that is killed takes tables along that it has not written, and with them what it was
    /// sent since the last flush. It does not say so when it is back, so everything is read back.
    fn verify(&self) -> bool {
        self.blow == Blow::Kill && self.back && self.formats[1] == "qcow2"
    }

    /// What an error event must say.
    fn action(&self) -> &'static str {
        match self.policy {
            // The server's death is no lack of space.
            "enospc" => "report",
            policy => policy,
        }
    }
}

/// How a job has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Moved,
    Failed,
    /// Both sides were read, and are not the same.
    Differs,
    Cancelled,
}

/// A mirror under a guest, up to the blow.
fn until_struck(
    plan: &Plan,
    dice: &mut Dice,
    daemon: &mut Daemon,
    guest: &Guest,
    target: &mut Target,
) {
    guest.allow(dice.below(300));
    let speed = match plan.moment {
        Moment::Copying => dice.pick(&[0, 4 << 20, 16 << 20]),
        _ => 0,
    };
    daemon.mirror(json!({
        "copy-mode": plan.mode, "on-target-error": plan.policy, "speed": speed,
        "x-verify": plan.verify(),
    }));
    if plan.moment != Moment::Copying {
        guest.hold();
        daemon.event("BLOCK_JOB_READY");
    }
    let more = 1 + dice.below(300);
    let before = guest.answers();
    guest.allow(more);
    if plan.moment == Moment::Completing {
        daemon.ok("job-complete", json!({"id": "m"}));
    }
    let answers = match plan.moment {
        // Soon, or it is over.
        Moment::Completing => dice.below(8).min(more),
        _ => dice.below(more),
    };
    let served = guest.wait_for(before, answers);
    served.unwrap_or_else(|why| panic!("{why}: {}", daemon.explain()));
    match plan.blow {
        Blow::Kill => target.kill(),
        Blow::StandStill => target.signal(Signal::STOP),
    }
    guest.allow(AFTERWARDS);
    if plan.back {
        for _ in 0..dice.below(50) {
            std::thread::yield_now();
        }
        match plan.blow {
            Blow::Kill => target.restart(),
            Blow::StandStill => target.signal(Signal::CONT),
        }
    }
}

/// Sees the job to its end, as whoever has started it would. The daemon's patience is the bound.
struct Warden<'a> {
    plan: &'a Plan,
    daemon: &'a mut Daemon,
    told_to_complete: bool,
    told_to_cancel: bool,
}

impl Warden<'_> {
    fn force_cancel(&mut self) {
        if !self.told_to_cancel {
            self.told_to_cancel = true;
            // The job may be gone already.
            self.daemon
                .qmp("block-job-cancel", json!({"device": "m", "force": true}));
        }
    }

    /// Refused while the job pauses, or is over.
    fn complete(&mut self) {
        if !self.told_to_complete && self.plan.back {
            let reply = self.daemon.qmp("job-complete", json!({"id": "m"}));
            self.told_to_complete = reply.get("return").is_some();
        }
    }

    /// An error of the target: it says what the policy does, and the job does it.
    fn error(&mut self, event: &Value) {
        let data = &event["data"];
        let reads = data["operation"] == "read" && self.plan.verify();
        assert!(reads || data["operation"] == "write", "{event}");
        assert_eq!(data["action"], self.plan.action(), "{event}");
        if self.plan.policy == "report" || self.plan.policy == "enospc" {
            return;
        }
        if !self.plan.back {
            if self.plan.policy == "stop" && !self.told_to_cancel {
                let jobs = self.daemon.ok("query-block-jobs", json!({}));
                assert_eq!(jobs[0]["io-status"], "failed", "{jobs}");
                assert_eq!(jobs[0]["paused"], true, "{jobs}");
            }
            self.force_cancel();
        } else if self.plan.policy == "stop" {
            // Refused if several errors have stopped it once.
            self.daemon.qmp("block-job-resume", json!({"device": "m"}));
        }
    }

    fn see_it_end(mut self) -> End {
        let plan = self.plan;
        if plan.hasty || (!plan.back && plan.blow == Blow::StandStill) {
            self.force_cancel();
        }
        if plan.moment == Moment::Ready {
            self.complete();
        }
        let end = loop {
            let event = self.daemon.next(|_| true);
            match event["event"].as_str().expect("it has a name") {
                "BLOCK_JOB_ERROR" => self.error(&event),
                "BLOCK_JOB_CANCELLED" => break End::Cancelled,
                "BLOCK_JOB_COMPLETED" if event["data"].get("error").is_some() => {
                    let receipts = self.daemon.ok("x-query-job-receipts", json!({}));
                    break match receipts[0]["verified"] == "failed" {
                        true => End::Differs,
                        false => End::Failed,
                    };
                }
                "BLOCK_JOB_COMPLETED" => break End::Moved,
                _ if event["data"]["status"] == "ready" => self.complete(),
                _ => {}
            }
        };
        self.daemon.gone();
        end
    }
}

/// One round. Says how the job has ended.
fn round(dice: &mut Dice, policy: &'static str) -> String {
    let plan = Plan::roll(dice, policy);
    eprintln!("{plan:?}");
    let scratch = Scratch::new();
    let base = base(PLACES);
    let [source, copy] = plan.formats;
    make(&scratch, source, "src", &base);
    scratch.image(copy, "dst", PLACES * BLOCK);
    let mut target = Target::qemu_nbd(&scratch, copy, "dst");
    let delay = format!(
        "{},reconnect-delay={}",
        target.node("dst"),
        plan.reconnect_delay_s
    );
    let nodes = [image(source, "src", &scratch.path("src")), delay];
    let mut daemon = Daemon::start(&scratch, &nodes);
    let guest = Guest::connect(daemon.connect(), &base, dice.split());

    until_struck(&plan, dice, &mut daemon, &guest, &mut target);
    let end = plan.watch(&mut daemon);
    assert!(plan.allows(end), "{end:?}");

    let moved = end == End::Moved;
    if moved && !plan.back && plan.blow == Blow::StandStill {
        // It is the guest's disk now.
        target.signal(Signal::CONT);
    }
    let before = guest.answers();
    guest.allow(AFTERWARDS);
    let served = guest.wait_for(before, 50);
    served.unwrap_or_else(|why| panic!("{why}: {}", daemon.explain()));
    let remains = guest.end();
    let may_fail = moved && plan.blow == Blow::Kill;
    assert!(remains.failed == 0 || may_fail, "{} errors", remains.failed);
    assert!(remains.end.is_ok() || may_fail, "{:?}", remains.end);
    assert_eq!(remains.wrong, [] as [String; 0]);
    if !plan.back && plan.blow == Blow::StandStill {
        // The end of the daemon waits for the last flush of its nodes.
        target.signal(Signal::CONT);
    }
    daemon.quit();
    let well = plan.back || plan.blow == Blow::StandStill;
    match well {
        true => target.end(),
        false => drop(target),
    }

    let (format, name) = if moved {
        (copy, "dst")
    } else {
        (source, "src")
    };
    // A server that was killed under the guest has taken its tables along, and a flush that the guest
    // has asked for since tells of the new server alone.
    let tables_lost = moved && plan.blow == Blow::Kill && copy == "qcow2";
    if !tables_lost {
        let found = remains.journal.check(&scratch.content(format, name));
        let lost = found.expect("the guest's disk is whole").unflushed_lost;
        assert_eq!(lost, 0, "places are lost");
    }
    if format == "qcow2" && !tables_lost {
        prints(&["qemu-img", "check", "-f", "qcow2", &scratch.path(name)]);
    }
    format!("{end:?}")
}

/// True if the target has been sent, and has answered, all that the source has.
fn at_rest(daemon: &mut Daemon) -> bool {
    let jobs = daemon.ok("query-block-jobs", json!({}));
    let facts = &jobs[0]["x-convergence"];
    facts["dirty-bytes"] == 0 && facts["in-flight-bytes"] == 0
}

/// The smallest case in which a server loses what it had acknowledged, and that is where the mirror moves
/// its users. `x-verify` reads it back first.
#[test]
fn a_target_that_came_back_without_what_it_was_sent_is_sent_it_again() {
    if lacks(&["qemu-nbd", "qemu-img", "qemu-io"]) {
        return;
    }
    for mode in ["background", "write-blocking"] {
        let scratch = Scratch::new();
        scratch.image("raw", "src", 1 << 20);
        scratch.image("qcow2", "dst", 1 << 20);
        let mut target = Target::qemu_nbd(&scratch, "qcow2", "dst");
        let nodes = [
            image("raw", "src", &scratch.path("src")),
            target.node("dst"),
        ];
        let mut daemon = Daemon::start(&scratch, &nodes);
        daemon.mirror(json!({
            "copy-mode": mode, "on-target-error": "stop", "x-verify": true, "filter-node-name": "top",
        }));
        daemon.event("BLOCK_JOB_READY");
        let write = [
            "qemu-io",
            "-f",
            "raw",
            "-c",
            "write -P 1 0 64k",
            &daemon.uri(),
        ];
        prints(&write);
        // It is at the target, and not in the image there: that is in the memory of the server.
        while !at_rest(&mut daemon) {}
        target.kill();
        target.restart();
        let plan = Plan {
            policy: "stop",
            mode,
            moment: Moment::Ready,
            blow: Blow::Kill,
            back: true,
            hasty: false,
            reconnect_delay_s: 0,
            formats: ["raw", "qcow2"],
        };
        assert_eq!(plan.watch(&mut daemon), End::Moved, "{mode}");
        let exports = daemon.ok("query-block-exports", json!({}));
        assert_eq!(exports[0]["node-name"], "dst", "{mode}");
        daemon.quit();
    }
}

/// The smallest case in which a job that is cancelled has yet to write to its target: it reads then.
#[test]
fn a_cancel_by_force_sends_nothing_more_to_a_target_that_stands_still() {
    if lacks(&["qemu-nbd", "qemu-img", "qemu-io"]) {
        return;
    }
    let scratch = Scratch::new();
    make(&scratch, "raw", "src", &[1; 1 << 20]);
    scratch.image("raw", "dst", 1 << 20);
    let target = Target::qemu_nbd(&scratch, "raw", "dst");
    let nodes = [
        image("raw", "src", &scratch.path("src")),
        target.node("dst"),
    ];
    let mut daemon = Daemon::start(&scratch, &nodes);
    let group = json!({"qom-type": "throttle-group", "id": "slow", "x-bps-read": 100_000});
    daemon.ok("object-add", group);
    let slow = json!({
        "driver": "throttle", "throttle-group": "slow", "node-name": "slow", "file": "src",
    });
    daemon.ok("blockdev-add", slow);
    let parts = json!({"device": "slow", "granularity": 65536, "buf-size": 65536});
    daemon.mirror(parts);
    // The read of the second part waits for the better part of a second.
    let first = |daemon: &mut Daemon| {
        let jobs = daemon.ok("query-block-jobs", json!({}));
        jobs[0]["x-convergence"]["copied-bytes"] == 65536
    };
    while !first(&mut daemon) {}
    target.signal(Signal::STOP);
    daemon.ok("block-job-cancel", json!({"device": "m", "force": true}));
    daemon.event("BLOCK_JOB_CANCELLED");
    target.signal(Signal::CONT);
    daemon.quit();
}

fn rounds(policy: &'static str) {
    if lacks(&["qemu-nbd", "qemu-img"]) {
        return;
    }
    let name = format!("kill -9 of the target's server, on-target-error={policy}");
    play(&name, 1, |dice| round(dice, policy));
}

#[test]
fn a_mirror_whose_target_dies_fails_and_its_guest_goes_on_by_report() {
    rounds("report");
}

#[test]
fn a_mirror_whose_target_dies_waits_for_it_by_ignore() {
    rounds("ignore");
}

#[test]
fn a_mirror_whose_target_dies_fails_as_that_is_no_lack_of_space_by_enospc() {
    rounds("enospc");
}

#[test]
fn a_mirror_whose_target_dies_pauses_until_it_is_resumed_by_stop() {
    rounds("stop");
}

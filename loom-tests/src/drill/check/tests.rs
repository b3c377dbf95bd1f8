//! Each rule can fail. What engines with historical bugs show is found by whole drills (`cargo xtask
//! shuttle`); here is what no engine does.

use std::rc::Rc;
use std::sync::Arc;

use blockjob_block::request::{BlockTrace, RequestKind};
use blockjob_jobs::mirror::steps::{MirrorEvent, MirrorTrace, Step};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use crate::drill::disk::Store;
use crate::drill::facts::{Pair, Unseen, Whereabouts};
use crate::drill::hub::{GuestSeen, Hub, Seen};
use crate::drill::model::{Model, at_first, noise};

/// A hub with one pair, which lives in the context `io0` of this thread.
fn hub() -> Arc<Hub> {
    let hub = Hub::new();
    let at = || "io0".to_owned();
    hub.add_pair(&Arc::new(Pair {
        number: 0,
        disks: [Store::new("a0", 4, at_first), Store::new("b0", 4, noise)],
        model: Arc::new(Unseen::new(Model::new(4))),
        place: Unseen::new(Whereabouts {
            at: [at(), at()],
            bound_for: None,
            source: 0,
        }),
    }));
    hub.add_context("io0");
    hub
}

fn status(hub: &Hub, from: JobStatus, to: JobStatus) {
    let what = JobTraceKind::Status { from, to };
    job(hub, what);
}

fn job(hub: &Hub, what: JobTraceKind) {
    let job: Rc<str> = "mirror0-1".into();
    hub.see("io0", &Seen::Job(&JobTrace { job, what }));
}

fn step(hub: &Hub, step: Step) {
    let (job, event) = ("mirror0-1".into(), MirrorEvent::Step(step));
    hub.see("io0", &Seen::Mirror(&MirrorTrace { job, event }));
}

fn begin(hub: &Hub, context: &str, node: &str) {
    let trace = BlockTrace::RequestBegin {
        node: node.into(),
        id: 1,
        kind: RequestKind::Write,
        offset: 0,
        bytes: 128,
    };
    hub.see(context, &Seen::Block(&trace));
}

fn drain(hub: &Hub, established: bool) {
    let (node, section, owner) = (Rc::<str>::from("a0"), 1, "monitor");
    let begins = BlockTrace::DrainBegin {
        node: node.clone(),
        section,
        owner,
    };
    hub.see("io0", &Seen::Block(&begins));
    if established {
        let drained = BlockTrace::Drained {
            node,
            section,
            owner,
        };
        hub.see("io0", &Seen::Block(&drained));
    }
}

#[test]
#[should_panic(expected = "HOME: 'a0' lives in io0, and works in io1")]
fn a_node_that_works_where_it_does_not_live_is_seen() {
    let hub = hub();
    hub.add_context("io1");
    begin(&hub, "io1", "a0");
}

#[test]
fn an_event_in_a_thread_that_is_not_the_one_of_its_context_is_seen() {
    let hub = hub();
    // A foreign thread is the point.
    #[allow(clippy::disallowed_methods)]
    let elsewhere = std::thread::spawn(move || begin(&hub, "io0", "a0"));
    let panic = elsewhere.join().expect_err("it breaks a rule");
    let text = panic.downcast_ref::<String>().expect("a report");
    assert!(text.starts_with("HOME: something of context io0 happens in another thread"));
}

#[test]
#[should_panic(expected = "DATA: 'mirror0-1' ends well, and 'a0' and 'b0' differ at 0")]
fn a_job_that_ends_well_and_has_copied_nothing_is_seen() {
    let hub = hub();
    status(&hub, JobStatus::Undefined, JobStatus::Created);
    status(&hub, JobStatus::Created, JobStatus::Running);
    status(&hub, JobStatus::Running, JobStatus::Waiting);
    step(&hub, Step::M17);
}

#[test]
#[should_panic(expected = "DRAIN: a request begins at 'a0' while 'monitor' has 'a0' drained")]
fn a_request_that_begins_in_a_section_is_seen() {
    let hub = hub();
    drain(&hub, true);
    begin(&hub, "io0", "a0");
}

#[test]
#[should_panic(expected = "DRAIN: 'monitor' has 'a0' drained, and something is in flight at 'a0'")]
fn a_section_that_is_established_too_early_is_seen() {
    let hub = hub();
    begin(&hub, "io0", "a0");
    drain(&hub, true);
}

#[test]
#[should_panic(expected = "DRAIN: 'mirror0-1' completes while 'monitor' has 'a0' drained")]
fn a_completion_in_a_section_of_somebody_else_is_seen() {
    let hub = hub();
    job(&hub, JobTraceKind::Defer);
    drain(&hub, true);
    job(&hub, JobTraceKind::DeferredStart);
}

#[test]
#[should_panic(expected = "ONCE: 'mirror0-1' had its exit twice")]
fn a_second_exit_is_seen() {
    let hub = hub();
    step(&hub, Step::M17);
    step(&hub, Step::M17);
}

#[test]
#[should_panic(expected = "ONCE: request 7 of guest 0 was answered twice")]
fn an_answer_to_what_nobody_has_asked_is_seen() {
    let (pair, request) = (0, 7);
    let answer = GuestSeen {
        pair,
        request,
        asks: false,
    };
    hub().see("io0", &Seen::Guest(answer));
}

#[test]
#[should_panic(expected = "ONCE: what 'mirror0-1' left for main has not run")]
fn a_hop_that_never_comes_back_is_seen() {
    let hub = hub();
    job(&hub, JobTraceKind::Defer);
    hub.end();
}

#[test]
#[should_panic(expected = "FSM: 'mirror0-1' goes from 'created' to 'ready'")]
fn a_change_of_state_that_is_none_is_seen() {
    let hub = hub();
    status(&hub, JobStatus::Undefined, JobStatus::Created);
    status(&hub, JobStatus::Created, JobStatus::Ready);
}

#[test]
#[should_panic(expected = "FSM: 'mirror0-1' leaves 'running', and was in 'created'")]
fn a_change_of_state_that_was_skipped_is_seen() {
    let hub = hub();
    status(&hub, JobStatus::Undefined, JobStatus::Created);
    status(&hub, JobStatus::Running, JobStatus::Ready);
}

#[test]
#[should_panic(expected = "CANCEL: 'mirror0-1' takes granules, and was cancelled by force")]
fn a_job_that_copies_on_after_a_forced_cancel_is_seen() {
    let hub = hub();
    job(&hub, JobTraceKind::Cancel { force: true });
    let event = MirrorEvent::MirrorIteration {
        offset: 0,
        bytes: 128,
    };
    let job = "mirror0-1".into();
    hub.see("io0", &Seen::Mirror(&MirrorTrace { job, event }));
}

#[test]
#[should_panic(expected = "WAKE: in io0, somebody was forgotten")]
fn somebody_who_is_forgotten_is_seen() {
    let forgotten = Some("somebody was forgotten".to_owned());
    hub().see("io0", &Seen::Idle(forgotten));
}

#[test]
#[should_panic(expected = "PROGRESS: the section of 'monitor' over 'a0' has not ended")]
fn a_section_that_does_not_end_is_seen() {
    let hub = hub();
    drain(&hub, false);
    hub.end();
}

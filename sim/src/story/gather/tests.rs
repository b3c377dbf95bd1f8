//! Contexts count their sections and their coroutines each from 1: what is of one is not taken for another's.

use std::rc::Rc;

use blockjob_block::request::{ALL_NODES, BlockTrace, RequestKind};
use blockjob_runtime::trace::CoroutineId;

use super::gather;
use crate::event::{DiskEvent, DiskKind, DiskWhat, GuestEvent, GuestKind, GuestWhat};
use crate::record::{Entry, RuntimeEvent, What, Who};
use crate::story::facts::Facts;

const BYTES: u64 = 4096;

/// The facts of events, each with the context in which it happened and the serial of the coroutine that ran,
/// or 0.
fn facts<const N: usize>(events: [(&str, u64, What); N]) -> Facts {
    let mut entries = Vec::new();
    for (context, serial, what) in events {
        let context: Rc<str> = context.into();
        let who = Who {
            context: context.clone(),
            id: coroutine(serial),
        };
        let seq = entries.len() as u64;
        entries.push(Entry {
            seq,
            at_ns: seq * 1_000,
            decisions: 0,
            context,
            coroutine: (serial > 0).then_some(who),
            what,
        });
    }
    gather(&entries)
}

fn coroutine(serial: u64) -> CoroutineId {
    CoroutineId {
        name: "virtio",
        serial,
    }
}

fn begins(section: u64) -> What {
    What::Block(BlockTrace::DrainBegin {
        node: ALL_NODES.into(),
        section,
        owner: "monitor",
    })
}

fn drained(section: u64) -> What {
    What::Block(BlockTrace::Drained {
        node: ALL_NODES.into(),
        section,
        owner: "monitor",
    })
}

fn ends(section: u64) -> What {
    What::Block(BlockTrace::DrainEnd {
        node: ALL_NODES.into(),
        section,
        owner: "monitor",
    })
}

fn request() -> What {
    What::Block(BlockTrace::RequestBegin {
        node: "source".into(),
        id: 1,
        kind: RequestKind::Read,
        offset: 0,
        bytes: BYTES,
    })
}

fn asks() -> What {
    What::Guest(GuestEvent {
        guest: 0,
        request: 1,
        kind: GuestKind::Read,
        offset: 0,
        bytes: BYTES,
        what: GuestWhat::Asks,
    })
}

fn disk(what: DiskWhat) -> What {
    What::Disk(DiskEvent {
        disk: "source",
        kind: DiskKind::Read,
        offset: 0,
        bytes: BYTES,
        what,
    })
}

fn made(serial: u64) -> What {
    What::Runtime(RuntimeEvent::Create {
        coroutine: coroutine(serial),
    })
}

#[test]
fn sections_of_one_number_in_two_contexts_are_established_and_end_each_for_itself() {
    let facts = facts([
        ("main", 0, begins(1)),
        ("io1", 0, begins(1)),
        ("main", 0, drained(1)),
        ("io1", 0, drained(1)),
        ("main", 0, ends(1)),
        ("io1", 0, ends(1)),
    ]);
    let mut told = Vec::new();
    for section in &facts.sections {
        let established = section.established.expect("it is established").seq;
        let ended = section.ended.expect("it ends").seq;
        told.push((&*section.context, section.begun.seq, established, ended));
    }
    assert_eq!(told, [("main", 0, 2, 4), ("io1", 1, 3, 5)]);
    assert_eq!(facts.ended_sections, [0, 1]);
}

#[test]
fn a_section_is_named_with_its_context_where_another_has_its_number_and_owner() {
    let facts = facts([
        ("main", 0, begins(1)),
        ("io1", 0, begins(1)),
        ("io1", 0, begins(2)),
    ]);
    let sections = facts.sections.iter();
    let names: Vec<_> = sections
        .map(|section| facts.section_name(section))
        .collect();
    assert_eq!(
        names,
        [
            "section 1 of the monitor in main",
            "section 1 of the monitor in io1",
            "section 2 of the monitor",
        ]
    );
}

#[test]
fn a_section_of_all_nodes_waits_for_the_requests_of_its_own_context() {
    let facts = facts([
        ("io0", 0, request()),
        ("main", 0, begins(1)),
        ("io0", 0, begins(1)),
    ]);
    assert!(facts.sections[0].in_flight.is_empty());
    assert_eq!(facts.sections[1].in_flight, [0]);
}

#[test]
fn a_section_of_all_nodes_holds_back_the_requests_of_its_own_context() {
    let ring = || ("io0", 0, made(1));
    let served = || ("io0", 1, request());
    let foreign = facts([
        ring(),
        ("main", 0, begins(1)),
        ("main", 0, asks()),
        ("main", 0, ends(1)),
        served(),
    ]);
    assert_eq!(foreign.waited_behind(0), (vec![], None));
    let own = facts([
        ring(),
        ("main", 0, begins(1)),
        ("io0", 0, begins(1)),
        ("main", 0, asks()),
        ("io0", 0, ends(1)),
        ("main", 0, ends(1)),
        served(),
    ]);
    assert_eq!(own.waited_behind(0), (vec![1], Some(1)));
}

#[test]
fn a_request_at_a_disk_lands_for_the_coroutine_of_the_context_that_is_woken() {
    let wake = What::Runtime(RuntimeEvent::Wake {
        serial: 1,
        by: None,
    });
    let facts = facts([
        ("io0", 1, disk(DiskWhat::Begins)),
        ("io1", 1, disk(DiskWhat::Begins)),
        ("main", 0, disk(DiskWhat::Lands { failed: false })),
        ("io1", 0, wake),
    ]);
    let ops = facts.disk_ops.iter();
    let landed: Vec<_> = ops.map(|op| op.landed.is_some()).collect();
    assert_eq!(landed, [false, true]);
}

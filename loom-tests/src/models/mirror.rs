//! The smallest whole thing: a mirror of two granules in a thread of its own, a guest who writes to one of
//! them, and main, which starts the job, waits until it is READY, and has it pivot.
//!
//! It is the [drill](crate::drill) with its rules, and so DATA and DRAIN look at every event of every
//! execution: the copy equals the source when the job has ended well, the guest's disk is the copy
//! afterwards, and nothing begins or is in flight in a drained section.
//!
//! Between two contexts there is nothing of a mirror but messages: the command, the hop at the end, and
//! their answers. All that happens in between happens in one thread, in one order. So the bound is
//! reached with fewer executions than the number of events would let one think, and what loom does not
//! show here is what the drill under shuttle is for: other orders within a context, moves, sections of
//! main's, two jobs.

use crate::check::group;
use crate::drill::{Hub, run_smallest};

group! {
    "mirror" about &["handle.rs", "call.rs", "iothread.rs", "resident.rs"];
    a_mirror_with_a_guest_ends_with_a_copy within 3,
}

fn a_mirror_with_a_guest_ends_with_a_copy() {
    run_smallest(&Hub::new());
}

//! Recordings of real runs, and the pages that are made of them.

#[path = "record/daemon.rs"]
mod daemon;
#[path = "record/damaged.rs"]
mod damaged;
#[path = "record/mirror.rs"]
mod mirror;
#[allow(dead_code)] // What other test programs use of it.
#[path = "program/support.rs"]
mod support;
#[path = "record/trace.rs"]
mod trace;

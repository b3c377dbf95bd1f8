//! Drained sections, case by case as QEMU tests them in tests/unit/test-bdrv-drain.c, and what we
//! have found ourselves. Each runs in virtual time, where a wake-up that is lost panics, and most of
//! them on this machine as well.
//!
//! | QEMU's case | here |
//! |---|---|
//! | `driver-cb/*`, `driver-cb/co/*`, `quiesce/*`, `quiesce/co/*`, `nested` | [`callbacks`] |
//! | `multiparent`, `graph-change/*`, `attach/drain` | [`graph`] |
//! | `deletion/drain`, `detach/*`, `detach/parent_cb`, `detach/driver_cb` | [`mid_drain`] |
//! | `replace_child/mid-drain` | [`replace`] |
//! | `blockjob/commit_by_drained_end`, as far as it concerns the graph | [`ends`] |
//!
//! Who is woken, and when, is in [`wakes`].
//!
//! The cases with several contexts, `iothread/*` and `set_aio_context`, are in `block/tests/moving`. Those that
//! need a job, `blockjob/*`, `blockjob/error/*`, `blockjob/iothread/*`, `blockjob/iothread/error/*` and
//! `bdrv_drop_intermediate/poll`, are with the jobs.
//!
//! Two numbers differ from what QEMU's test says in places. A node's parent is told once an edge,
//! not once a section, as in QEMU since 8.0; and there is a section of a whole subtree, as in QEMU
//! before 8.0. So a node whose child is drained, too, counts one section more than those it is in
//! itself.

#[path = "../common/mod.rs"]
#[macro_use]
mod common;

mod callbacks;
mod ends;
mod graph;
mod mid_drain;
mod replace;
mod wakes;

//! Families of nodes that move from one context to another. Where it can be, each test runs twice: on
//! threads of this machine, and with all contexts on one thread in virtual time, where a wake-up that is
//! lost panics.
//!
//! | QEMU's case | here |
//! |---|---|
//! | test-bdrv-drain `set_aio_context` | [`sections`] |
//! | test-bdrv-drain `iothread/*` | [`iothread_drain`] |
//! | test-block-iothread `/sync-op/*` | [`sync_op`] |
//! | test-block-iothread `/attach/second_node`, `/attach/preserve_blk_ctx`, `/propagate/*` | [`attach`] |
//!
//! Cases with a job are with the jobs.

#[macro_use]
mod world;

mod attach;
mod backends;
mod bouncer;
mod drivers;
mod families;
mod files;
mod images;
mod iothread_drain;
mod nbd;
mod sections;
mod stress;
mod sync_op;

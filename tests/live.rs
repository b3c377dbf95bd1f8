//! Mirrors under live guests, and what is left when somebody is killed in the middle of one.
//!
//! The guests are clients of the NBD server: those of QEMU, libnbd and fio, and one of our own that
//! knows what it was promised. The targets are files, and exports of QEMU's and libnbd's servers.
//!
//! Without a tool on the machine its tests say so and do nothing. Every wait for another process is
//! bounded; nothing sleeps. The kills come at random moments, a few in each run; `BLOCKJOB_KILLS=100`
//! has a hundred, and `BLOCKJOB_SEED=...` those of a run that is to be repeated.

#[path = "live/clients.rs"]
mod clients;
#[path = "live/daemon.rs"]
mod daemon;
#[path = "live/guest.rs"]
mod guest;
#[path = "live/journal.rs"]
mod journal;
#[path = "live/killed_daemon.rs"]
mod killed_daemon;
#[path = "live/killed_target.rs"]
mod killed_target;
#[path = "live/rounds.rs"]
mod rounds;
#[path = "live/targets.rs"]
mod targets;
#[path = "live/tools.rs"]
mod tools;

//! The daemon in several threads: exports in I/O threads, nodes that move between them under their
//! guests, and jobs that live where their nodes are.
//!
//! Without a client on the machine its tests say so and do nothing. Every wait for another process is
//! bounded; nothing sleeps, and whatever is to happen at intervals happens after so many requests.

#[path = "nbd/client.rs"]
#[allow(dead_code)] // The other tests of exports use all of it.
mod client;
#[path = "iothread/descriptors.rs"]
mod descriptors;
#[path = "iothread/ends.rs"]
mod ends;
#[path = "iothread/exports.rs"]
mod exports;
#[path = "iothread/guest.rs"]
mod guest;
#[path = "iothread/mirrors.rs"]
mod mirrors;
#[path = "iothread/moves.rs"]
mod moves;
#[path = "iothread/refusals.rs"]
mod refusals;
#[path = "iothread/reopens.rs"]
mod reopens;
#[path = "nbd/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "iothread/world.rs"]
mod world;

//! A daemon in this process: commands in, replies and events out, on real files.
//!
//! Nothing here waits for a time: each test polls until what it is about has happened.

#[path = "daemon/breaks.rs"]
mod breaks;
#[path = "daemon/changing.rs"]
mod changing;
#[path = "daemon/drive_mirror.rs"]
mod drive_mirror;
#[path = "daemon/errors.rs"]
mod errors;
#[path = "daemon/machine.rs"]
mod machine;
#[path = "daemon/opening.rs"]
mod opening;
#[path = "daemon/queries.rs"]
mod queries;
#[path = "daemon/receipts.rs"]
mod receipts;
#[path = "daemon/verbs.rs"]
mod verbs;
#[path = "daemon/whole.rs"]
mod whole;
#[path = "daemon/world.rs"]
mod world;

//! The filters that guests' requests go through, as their nodes show them, and the drivers that make
//! one disk of several.

#[allow(dead_code)] // It is shared with the tests of the drivers.
#[path = "../drivers/common.rs"]
mod common;
mod copy_on_read;
mod model;
mod probed;
mod quorum;
#[path = "../drivers/scripts.rs"]
mod scripts;
mod throttle;

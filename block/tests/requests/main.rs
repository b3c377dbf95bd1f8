//! Requests at a node: how they are padded, split and kept apart, what flushes and block status
//! know, and what happens at the end of a disk.

#[path = "../common/mod.rs"]
#[macro_use]
mod common;

mod bitmap_trace;
mod bitmaps;
mod flush;
mod lengths;
mod random;
mod serialising;
mod settings;
mod shapes;
mod status;
mod zeroes;

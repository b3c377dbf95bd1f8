//! Jobs that move among contexts with their nodes.

#[path = "../common/mod.rs"]
mod common;

#[allow(unused_macros)]
#[macro_use]
mod world;
mod disk;
mod guest;
mod scene;

mod worker;

mod every_step;
mod mirrors;
mod states;
mod travels;

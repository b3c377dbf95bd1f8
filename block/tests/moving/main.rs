//! Families of nodes that move from one context to another.

#[macro_use]
mod world;

mod families;

//! The drivers: what a node does its work with.

pub mod file;

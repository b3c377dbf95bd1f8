//! Images of the format qcow2 in simulated disks: how they are made, and what is in their files.

pub(crate) mod reader;
pub(crate) mod workshop;

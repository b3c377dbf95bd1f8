//! The program as a person meets it: real files, real processes, exit statuses and lines.
//!
//! What a test needs and a machine does not have (QEMU's tools, namespaces of its own, a user who is
//! not root) makes it say so on standard error and do nothing.

#[path = "program/bad_input.rs"]
mod bad_input;
#[path = "program/clients.rs"]
mod clients;
#[path = "program/copies.rs"]
mod copies;
#[path = "program/demo.rs"]
mod demo;
#[path = "program/explain.rs"]
mod explain;
#[path = "program/in_use.rs"]
mod in_use;
#[path = "program/interrupted.rs"]
mod interrupted;
#[path = "program/no_space.rs"]
mod no_space;
#[path = "program/qcow2.rs"]
mod qcow2;
#[path = "program/serve.rs"]
mod serve;
#[path = "program/sim.rs"]
mod sim;
#[path = "program/socket.rs"]
mod socket;
#[path = "program/support.rs"]
mod support;

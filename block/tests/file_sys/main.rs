//! The system-call half of the `file` driver, on real files of a temporary folder.

mod common;

mod create;
mod devices;
mod direct;
mod flush;
mod io;
mod lock;
mod open;
mod peer;
mod status;
mod zeroes;

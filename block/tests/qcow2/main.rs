//! The driver `qcow2`: against a model, against the peer's tools, and in what can go wrong.

mod common;
mod peer;

mod backing;
mod errors;
mod hostile;
mod images;
mod kills;
mod overlaps;
mod races;
mod random;
mod uses;

//! The deterministic simulator: the shipped runtime, block layer and jobs in worlds of one thread,
//! where every choice is one entry of a log that replays, is searched and shrinks.
#![forbid(unsafe_code)]

pub mod decide;

//! The deterministic simulator: the shipped runtime, block layer and jobs in worlds of one thread,
//! where every choice is one entry of a log that replays, is searched and shrinks.
#![forbid(unsafe_code)]

pub mod case;
pub mod cast;
pub mod check;
pub mod compare;
pub mod confidence;
pub mod config;
pub mod coverage;
pub mod decide;
pub mod determinism;
pub mod disk;
pub mod event;
pub mod export;
pub mod failure;
pub mod guest;
pub mod hub;
mod image;
pub mod lab;
pub mod measure;
pub mod model;
pub mod monitor;
#[cfg(feature = "museum")]
pub mod museum;
pub mod record;
pub mod run;
pub mod scenario;
pub mod shrink;
pub mod story;
pub mod swarm;
pub mod sweep;
pub mod view;
pub mod waits;
pub mod world;

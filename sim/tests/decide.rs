//! The decision layer: the decider and its policies, logs as text, shrinking.

#[path = "decide/decider.rs"]
mod decider;
#[path = "decide/random.rs"]
mod random;
#[path = "decide/speed.rs"]
mod speed;
#[path = "decide/toy.rs"]
mod toy;

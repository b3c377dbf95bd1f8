//! The decision layer: the decider and its policies, logs as text, shrinking.

#[path = "decide/bytes.rs"]
mod bytes;
#[path = "decide/compare.rs"]
mod compare;
#[path = "decide/decider.rs"]
mod decider;
#[path = "decide/exhaustive.rs"]
mod exhaustive;
#[path = "decide/pct.rs"]
mod pct;
#[path = "decide/random.rs"]
mod random;
#[path = "decide/replay.rs"]
mod replay;
#[path = "decide/shrink.rs"]
mod shrink;
#[path = "decide/speed.rs"]
mod speed;
#[path = "decide/text.rs"]
mod text;
#[path = "decide/toy.rs"]
mod toy;

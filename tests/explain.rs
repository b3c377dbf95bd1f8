//! Why a job is where it is: one situation after another, with the clock in the test's hand.
//!
//! Each test says all lines that a user sees, so that whoever changes a sentence sees it here.

#[path = "explain/ends.rs"]
mod ends;
#[path = "explain/holders.rs"]
mod holders;
#[path = "explain/pauses.rs"]
mod pauses;
#[path = "explain/screen.rs"]
mod screen;
#[path = "explain/world.rs"]
mod world;

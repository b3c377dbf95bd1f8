//! Descriptors of a context: who is woken, when, and by whom.
//!
//! That the loop itself looks at them is in `aio`; here is what `Async` promises, and what the reactor of
//! this machine does with its waits.

#[path = "io/common.rs"]
mod common;

#[path = "io/ends.rs"]
mod ends;
#[path = "io/moves.rs"]
mod moves;
#[path = "io/registers.rs"]
mod registers;
#[path = "io/waits.rs"]
mod waits;
#[path = "io/wakes.rs"]
mod wakes;

//! The checkers of waits, progress, things that happen once, states, cancels, transactions and speeds: each
//! fires when what it sees is not as it must be, and is silent else.

#[path = "checkers_b/cancel.rs"]
mod cancel;
#[path = "checkers_b/fsm.rs"]
mod fsm;
#[cfg(feature = "museum")]
#[path = "checkers_b/museum.rs"]
mod museum;
#[path = "checkers_b/once.rs"]
mod once;
#[path = "checkers_b/progress.rs"]
mod progress;
#[path = "checkers_b/rate.rs"]
mod rate;
#[path = "checkers_b/silent.rs"]
mod silent;
#[path = "checkers_b/support.rs"]
mod support;
#[path = "checkers_b/txn.rs"]
mod txn;
#[path = "checkers_b/waits.rs"]
mod waits;

//! The checkers of content, dirty bits, copies, what is actively synced, sections, wake-ups, homes, the graph and counts: each
//! fires when somebody commits the mischief that it is for, and is silent else.

#[path = "checkers_a/active.rs"]
mod active;
#[path = "checkers_a/count.rs"]
mod count;
#[path = "checkers_a/data.rs"]
mod data;
#[path = "checkers_a/dirty.rs"]
mod dirty;
#[path = "checkers_a/drain.rs"]
mod drain;
#[path = "checkers_a/graph.rs"]
mod graph;
#[path = "checkers_a/home.rs"]
mod home;
#[path = "checkers_a/images.rs"]
mod images;
#[path = "checkers_a/inflight.rs"]
mod inflight;
#[path = "checkers_a/quiesce.rs"]
mod quiesce;
#[path = "checkers_a/silent.rs"]
mod silent;
#[path = "checkers_a/support.rs"]
mod support;
#[path = "checkers_a/wake.rs"]
mod wake;

//! The dirty bitmap against a plain set of granules, and its edges by name.
//!
//! The random runs are the same each time; `PROPTEST_RNG_SEED=n` gives others, `PROPTEST_CASES=n` more.

#[path = "hbitmap/edges.rs"]
mod edges;
#[path = "hbitmap/merge.rs"]
mod merge;
#[path = "hbitmap/model.rs"]
mod model;
#[path = "hbitmap/random.rs"]
mod random;
#[path = "hbitmap/search.rs"]
mod search;
#[path = "hbitmap/serialize.rs"]
mod serialize;
#[path = "hbitmap/truncate.rs"]
mod truncate;
#[path = "hbitmap/walk.rs"]
mod walk;

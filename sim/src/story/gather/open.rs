//! What has begun and is not over: there is little of it at a time, however long a run is.
//!
//! The lists of [`Facts`](crate::story::facts::Facts) grow with the run, and nearly every event asks for one
//! of what is still open. It is looked for here, and never in all that there was.

use std::collections::BTreeSet;

/// The places in the lists, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Requests at nodes that have not ended.
    pub(super) ios: BTreeSet<usize>,
    /// Requests of guests that have become none at a node, and were not answered.
    pub(super) requests: BTreeSet<usize>,
    /// Requests at disks that have not landed.
    pub(super) disk_ops: BTreeSet<usize>,
    /// Copies that have not ended.
    pub(super) copies: BTreeSet<usize>,
    /// Drained sections that have not ended.
    pub(super) sections: BTreeSet<usize>,
}

//! Who may do what with which clusters: a lock on ranges.
//!
//! Requests that only use mappings share a range. A request that makes a mapping or takes one away has
//! its range for itself, from before it looks at the mappings until its data is written: so nobody
//! reads a cluster that has been given out and not been written yet, and nobody's data lands in a
//! cluster that belongs to somebody else by now.
//!
//! Everybody stands in one line, and waits only for those before him. A request holds one range at
//! a time, so there is no ring.
//!
//! QEMU: `handle_dependencies` (block/qcow2-cluster.c), for writes that allocate.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use blockjob_runtime::CoQueue;

struct Entry {
    range: Range<u64>,
    exclusive: bool,
    /// Who waits for it to leave.
    waiters: CoQueue,
}

impl Entry {
    fn conflicts(&self, other: &Entry) -> bool {
        (self.exclusive || other.exclusive)
            && self.range.start < other.range.end
            && other.range.start < self.range.end
    }
}

/// The lock; see the module.
#[derive(Default)]
pub(super) struct Ranges {
    /// In order of arrival, holders and waiters.
    line: RefCell<Vec<Rc<Entry>>>,
}

/// A range that is held, until this is dropped.
#[must_use = "the range is given up when this is dropped"]
pub(super) struct Held<'a> {
    ranges: &'a Ranges,
    entry: Rc<Entry>,
}

impl Ranges {
    /// Holds `range`, in bytes, together with others who share it.
    pub(super) async fn shared(&self, range: Range<u64>) -> Held<'_> {
        self.lock(range, false).await
    }

    /// Holds `range`, in bytes, alone.
    pub(super) async fn exclusive(&self, range: Range<u64>) -> Held<'_> {
        self.lock(range, true).await
    }

    async fn lock(&self, range: Range<u64>, exclusive: bool) -> Held<'_> {
        let entry = Rc::new(Entry {
            range,
            exclusive,
            waiters: CoQueue::new(),
        });
        self.line.borrow_mut().push(entry.clone());
        // From here on it leaves the line also if this future is dropped.
        let held = Held {
            ranges: self,
            entry,
        };
        while let Some(before) = self.before(&held.entry) {
            before.waiters.wait().await;
        }
        held
    }

    fn before(&self, entry: &Rc<Entry>) -> Option<Rc<Entry>> {
        let line = self.line.borrow();
        let before = line.iter().take_while(|other| !Rc::ptr_eq(other, entry));
        before
            .filter(|other| other.conflicts(entry))
            .last()
            .cloned()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut line = self.ranges.line.borrow_mut();
        if let Some(at) = line.iter().position(|e| Rc::ptr_eq(e, &self.entry)) {
            line.remove(at);
        }
        drop(line);
        self.entry.waiters.wake_all();
    }
}

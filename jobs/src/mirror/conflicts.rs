//! Who works on which range: the job's claims and the guest's active writes, and who waits for whom.
//!
//! Two copies of one byte may not be under way at a time, or the older one could land last. A claim
//! works on whole granules; an active write on its bytes, so two of them in one granule need not
//! wait for each other. Whoever meets a conflict waits for the end of that operation and looks again;
//! but nobody waits for an operation that waits itself: so there is no ring.
//!
//! QEMU: `MirrorOp`, `mirror_wait_on_conflicts` (block/mirror.c).

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use blockjob_runtime::{CoQueue, bug};

/// What works on a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// The job, in the background.
    Claim,
    /// A write of the guest, to both sides.
    ActiveWrite,
}

/// An operation that is under way, for whoever explains what a mirror does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationInfo {
    /// Tells the operations of a mirror apart; counted from 1.
    pub id: u64,
    /// What it is.
    pub kind: OperationKind,
    /// The bytes that it is about.
    pub range: Range<u64>,
    /// The operation that it waits for, because they must not overlap.
    pub waits_for: Option<u64>,
    /// The guest has its answer already: only the write to the target is still under way.
    pub let_go: bool,
}

/// An operation; see the module.
pub(super) struct Operation {
    id: u64,
    kind: OperationKind,
    /// The bytes that it is about.
    range: Range<u64>,
    /// The granules that those are in.
    granules: Range<u64>,
    waiting_for: RefCell<Option<Rc<Operation>>>,
    /// Whoever waits for its end.
    waiters: CoQueue,
    /// The write to the target has ended.
    done: Cell<bool>,
    /// The guest does not wait for the write to the target.
    let_go: Cell<bool>,
    /// One of the two has changed.
    changed: CoQueue,
}

/// The operations of a mirror, the oldest first.
#[derive(Default)]
pub(super) struct Operations {
    all: RefCell<Vec<Rc<Operation>>>,
    /// How many there have been.
    begun: Cell<u64>,
    /// Active writes among them, also those that wait.
    active: Cell<usize>,
}

impl Operation {
    pub(super) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    pub(super) fn granules(&self) -> Range<u64> {
        self.granules.clone()
    }

    fn is_active(&self) -> bool {
        self.kind == OperationKind::ActiveWrite
    }

    fn waits(&self) -> bool {
        self.waiting_for.borrow().is_some()
    }

    fn conflicts(&self, other: &Operation) -> bool {
        let overlap = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
        match self.is_active() && other.is_active() {
            true => overlap(&self.range, &other.range),
            false => overlap(&self.granules, &other.granules),
        }
    }

    /// Somebody waits for its end.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiters.is_empty()
    }

    /// Waits for its end, or until all who wait are told to look again.
    pub(super) async fn wait(&self) {
        self.waiters.wait().await;
    }

    /// The write to the target has ended.
    pub(super) fn set_done(&self) {
        self.done.set(true);
        self.changed.wake_all();
    }

    /// The guest need not wait any longer. False if it did not before.
    pub(super) fn let_go(&self) -> bool {
        if self.done.get() || self.let_go.replace(true) {
            return false;
        }
        self.changed.wake_all();
        true
    }

    pub(super) fn is_let_go(&self) -> bool {
        self.let_go.get()
    }

    /// Waits until the write to the target has ended, or the guest is let go.
    pub(super) async fn wait_until_done(&self) {
        while !self.done.get() && !self.let_go.get() {
            self.changed.wait().await;
        }
    }
}

/// Marks an operation as waiting, also when its future is dropped meanwhile.
pub(super) struct Waiting<'a>(&'a Operation);

impl<'a> Waiting<'a> {
    pub(super) fn begin(operation: &'a Operation, conflict: &Rc<Operation>) -> Self {
        operation.waiting_for.replace(Some(conflict.clone()));
        Waiting(operation)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting_for.replace(None);
    }
}

impl Operations {
    /// Begins an operation on `range`, which lies in `granules`. It does not wait for others yet.
    pub(super) fn begin(
        &self,
        kind: OperationKind,
        range: Range<u64>,
        granules: Range<u64>,
    ) -> Rc<Operation> {
        let id = self.begun.get() + 1;
        self.begun.set(id);
        let operation = Rc::new(Operation {
            id,
            kind,
            range,
            granules,
            waiting_for: RefCell::new(None),
            waiters: CoQueue::new(),
            done: Cell::new(false),
            let_go: Cell::new(false),
            changed: CoQueue::new(),
        });
        if operation.is_active() {
            self.active.set(self.active.get() + 1);
        }
        self.all.borrow_mut().push(operation.clone());
        operation
    }

    /// It has ended, and whoever waits for that looks again.
    pub(super) fn end(&self, operation: &Rc<Operation>) {
        let mut all = self.all.borrow_mut();
        let place = all.iter().position(|other| Rc::ptr_eq(other, operation));
        all.remove(place.expect("an operation ends once"));
        drop(all);
        if operation.is_active() {
            self.active.set(self.active.get() - 1);
        }
        operation.waiters.wake_all();
    }

    /// Whom an active write must wait for first. One that waits itself may wait for us; it looks
    /// again when it wakes, and finds us then: so we need not wait for it.
    ///
    /// QEMU: `mirror_wait_on_conflicts` (block/mirror.c).
    pub(super) fn find_conflict(&self, operation: &Rc<Operation>) -> Option<Rc<Operation>> {
        let all = self.all.borrow();
        let conflict = all.iter().find(|other| {
            !Rc::ptr_eq(other, operation)
                && other.conflicts(operation)
                && (!other.waits() || bug!(MIR_03))
        });
        conflict.cloned()
    }

    /// The first active write under way, not one that waits itself, in the granules of `range`.
    pub(super) fn first_write_in(&self, range: &Range<u64>) -> Option<Rc<Operation>> {
        if self.active.get() == 0 {
            return None;
        }
        let all = self.all.borrow();
        let found = all.iter().find(|other| {
            let granules = &other.granules;
            let overlaps = granules.start < range.end && range.start < granules.end;
            other.is_active() && !other.waits() && overlaps
        });
        found.cloned()
    }

    /// Where in `range` the first granule is that an active write is under way in.
    pub(super) fn first_written_in(&self, range: &Range<u64>) -> Option<u64> {
        if self.active.get() == 0 {
            return None;
        }
        let all = self.all.borrow();
        let starts = all.iter().filter_map(|other| {
            let granules = &other.granules;
            let overlaps = granules.start < range.end && range.start < granules.end;
            let under_way = other.is_active() && !other.waits() && overlaps;
            under_way.then(|| granules.start.max(range.start))
        });
        starts.min()
    }

    /// Active writes under way, also those that wait.
    pub(super) fn active(&self) -> usize {
        self.active.get()
    }

    /// None, after so many: where a mirror goes on that has moved.
    pub(super) fn after(begun: u64) -> Operations {
        Operations {
            begun: Cell::new(begun),
            ..Operations::default()
        }
    }

    /// How many there have been.
    pub(super) fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// Claims under way.
    pub(super) fn claims(&self) -> usize {
        self.all.borrow().len() - self.active.get()
    }

    /// Those whose guest was let go.
    pub(super) fn let_go(&self) -> usize {
        let all = self.all.borrow();
        all.iter().filter(|operation| operation.is_let_go()).count()
    }

    /// Has everybody look again who waits for an operation.
    pub(super) fn wake_waiters(&self) {
        let all = self.all.borrow().clone();
        for operation in all {
            operation.waiters.wake_all();
        }
    }

    /// The active writes, also those that wait.
    pub(super) fn active_writes(&self) -> Vec<Rc<Operation>> {
        let all = self.all.borrow();
        let active = all.iter().filter(|operation| operation.is_active());
        active.cloned().collect()
    }

    /// All of them, the oldest first.
    pub(super) fn infos(&self) -> Vec<OperationInfo> {
        let all = self.all.borrow();
        let infos = all.iter().map(|operation| OperationInfo {
            id: operation.id,
            kind: operation.kind,
            range: operation.range(),
            waits_for: operation.waiting_for.borrow().as_ref().map(|it| it.id),
            let_go: operation.let_go.get(),
        });
        infos.collect()
    }
}

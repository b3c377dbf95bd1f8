//! Requests at disks: when they begin, and which of them it is that lands.

use super::Gather;
use crate::event::{DiskEvent, DiskKind, DiskWhat, GuestKind};
use crate::record::{Entry, RuntimeEvent, What};
use crate::story::facts::{DiskOp, Moment, Span};

impl Gather<'_> {
    pub(super) fn disk(&mut self, at: Moment, index: usize, entry: &Entry, event: &DiskEvent) {
        let span = Span {
            offset: event.offset,
            bytes: event.bytes,
        };
        match event.what {
            DiskWhat::Begins => {
                let flushes = event.kind == DiskKind::Flush;
                let by = self.serve(entry, span, |asked| flushes && asked == GuestKind::Flush);
                let waits = entry.coroutine.as_ref();
                let op = self.facts.add_disk_op(DiskOp {
                    disk: event.disk,
                    kind: event.kind,
                    span,
                    begun: at,
                    landed: None,
                    by,
                    waits: waits.map(|who| (who.context.clone(), who.id.serial)),
                });
                self.open.disk_ops.insert(op);
            }
            DiskWhat::Lands { failed } => {
                if let Some(op) = self.landing(index, event, span) {
                    self.facts.disk_ops[op].landed = Some((at, failed));
                    self.open.disk_ops.remove(&op);
                }
            }
        }
    }

    /// The request that lands with the event at `index`: of several that are alike the one whose coroutine
    /// is woken next, or the oldest.
    fn landing(&mut self, index: usize, event: &DiskEvent, span: Span) -> Option<usize> {
        let woken = self.wakes.after(index);
        let ops = &self.facts.disk_ops;
        let alike = |op: &usize| {
            let op = &ops[*op];
            op.disk == event.disk && op.kind == event.kind && op.span == span
        };
        let mut open = self.open.disk_ops.iter().copied().filter(alike);
        let oldest = open.clone().next();
        let waits = |op: &usize| {
            let waits = ops[*op].waits.as_ref();
            waits.map(|(context, serial)| (&**context, *serial))
        };
        open.find(|op| waits(op) == woken).or(oldest)
    }
}

/// Who is woken after an event. Asked in the order of the events, it looks at each of them once.
pub(super) struct Wakes<'a> {
    entries: &'a [Entry],
    /// The place of the wake that was found last; the number of all entries if there is none.
    next: usize,
}

impl<'a> Wakes<'a> {
    pub(super) fn new(entries: &'a [Entry]) -> Wakes<'a> {
        Wakes { entries, next: 0 }
    }

    /// The context and the serial there of the coroutine that is woken first after the event at `index`.
    fn after(&mut self, index: usize) -> Option<(&'a str, u64)> {
        let wake = |entry: &'a Entry| match entry.what {
            What::Runtime(RuntimeEvent::Wake { serial, .. }) => Some((&*entry.context, serial)),
            _ => None,
        };
        if self.next <= index {
            let later = &self.entries[index + 1..];
            let steps = later.iter().position(|entry| wake(entry).is_some());
            self.next = steps.map_or(self.entries.len(), |steps| index + 1 + steps);
        }
        self.entries.get(self.next).and_then(wake)
    }
}

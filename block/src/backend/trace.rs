//! What recorders are told of backends: each request of a user, from asked to answered.
//!
//! A node reports its requests too, but not for whom: what a guest waits for, in the queue of a backend
//! whose node is drained for instance, has not come to any node.

use std::any::Any;
use std::rc::Rc;

use blockjob_runtime::trace::LayerEvent;

use super::BlockBackend;

/// What a user of a backend asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendKind {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Writes zeroes.
    Zero,
    /// Gives a range up.
    Discard,
    /// Makes what was written safe.
    Flush,
}

/// How far a request of a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendWhat {
    /// The user asks.
    Asks,
    /// The user hears that it was done.
    Done,
    /// The user hears that it failed.
    Failed,
    /// The user does not wait for it any more.
    Abandons,
}

/// A request of somebody who uses a node through a backend, and is no job: a guest, a client of an export,
/// a person. A [detail](blockjob_runtime::trace::Wants::LAYER_DETAILS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendTrace {
    /// Tells the backends of a graph apart, counted from 1 in the order in which they were made.
    pub backend: u64,
    /// Tells the requests of a backend apart, counted from 1.
    pub id: u64,
    /// What is asked.
    pub kind: BackendKind,
    /// From where, in bytes.
    pub offset: u64,
    /// How long, in bytes.
    pub bytes: u64,
    /// What happens.
    pub what: BackendWhat,
}

impl LayerEvent for BackendTrace {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A request that a recorder was told of. Dropping it says that its user is gone.
pub(super) struct Asked {
    /// None if nobody listens.
    told: Option<(Rc<BlockBackend>, BackendTrace)>,
}

impl BlockBackend {
    /// A user asks for something.
    #[inline]
    pub(super) fn asks(&self, kind: BackendKind, offset: u64, bytes: u64) -> Asked {
        let listens = self.context.traces_details();
        let told = listens.then(|| self.tell_asked(kind, offset, bytes));
        let told = told.flatten();
        Asked { told }
    }

    #[cold]
    fn tell_asked(
        &self,
        kind: BackendKind,
        offset: u64,
        bytes: u64,
    ) -> Option<(Rc<BlockBackend>, BackendTrace)> {
        // What a job asks is told by the job.
        if self.owner.borrow().is_some() {
            return None;
        }
        let myself = self.myself.upgrade()?;
        let id = self.asked.get() + 1;
        self.asked.set(id);
        let trace = BackendTrace {
            backend: self.serial,
            id,
            kind,
            offset,
            bytes,
            what: BackendWhat::Asks,
        };
        self.context.trace_detail(|| trace);
        Some((myself, trace))
    }
}

impl Asked {
    /// The user hears how it went.
    #[inline]
    pub(super) fn answered<T, E>(mut self, result: &Result<T, E>) {
        self.tell(match result {
            Ok(_) => BackendWhat::Done,
            Err(_) => BackendWhat::Failed,
        });
    }

    fn tell(&mut self, what: BackendWhat) {
        if let Some((backend, trace)) = self.told.take() {
            backend
                .context
                .trace_detail(|| BackendTrace { what, ..trace });
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.tell(BackendWhat::Abandons);
    }
}

//! The directory: which names are taken, over the graphs of all contexts, and where who bears them is.
//!
//! Each graph knows its own nodes and backends. What must be unique in the program, and what a monitor
//! looks for without knowing in which context it lives, is written down here. It says only where to ask:
//! whoever is found may have moved on or ended when the question arrives there.
//!
//! QEMU: `graph_bdrv_states` (block.c), `monitor_block_backends` (block/block-backend.c) and `jobs`
//! (job.c), global lists that every thread may reach.

use std::collections::BTreeMap;
use std::fmt;

use blockjob_runtime::AioHandle;
use blockjob_runtime::sync::{Arc, Mutex};

/// What bears a name. Nodes and backends share their names, as in QEMU; the others have their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKind {
    /// A node.
    Node,
    /// A backend.
    Backend,
    /// A job.
    Job,
    /// An export.
    Export,
    /// A throttle group.
    ThrottleGroup,
}

#[derive(Default)]
struct State {
    names: BTreeMap<(NameKind, String), AioHandle>,
    next_name_number: u64,
    next_node_number: u64,
}

/// See the module. Any thread may ask.
#[derive(Default)]
pub struct Directory {
    state: Mutex<State>,
}

impl Directory {
    /// No names yet.
    pub fn new() -> Arc<Directory> {
        Arc::default()
    }

    /// The context in which the bearer of the name lives, if there is one.
    pub fn find(&self, kind: NameKind, name: &str) -> Option<AioHandle> {
        let state = self.state.lock();
        state.names.get(&(kind, name.to_owned())).cloned()
    }

    /// All names of a kind, in order, and where their bearers live.
    pub fn names(&self, kind: NameKind) -> Vec<(String, AioHandle)> {
        let state = self.state.lock();
        let of_kind = state.names.iter().filter(|((it, _), _)| *it == kind);
        of_kind
            .map(|((_, name), place)| (name.clone(), place.clone()))
            .collect()
    }

    /// Takes a name for something in the context of `place`, until the value returned is dropped.
    ///
    /// # Errors
    ///
    /// What bears the name already.
    pub fn reserve(
        self: &Arc<Self>,
        kind: NameKind,
        name: &str,
        place: &AioHandle,
    ) -> Result<ReservedName, NameKind> {
        let in_the_way: &[NameKind] = match kind {
            NameKind::Node | NameKind::Backend => &[NameKind::Backend, NameKind::Node],
            NameKind::Job => &[NameKind::Job],
            NameKind::Export => &[NameKind::Export],
            NameKind::ThrottleGroup => &[NameKind::ThrottleGroup],
        };
        let mut state = self.state.lock();
        for other in in_the_way {
            if state.names.contains_key(&(*other, name.to_owned())) {
                return Err(*other);
            }
        }
        state.names.insert((kind, name.to_owned()), place.clone());
        Ok(ReservedName {
            directory: self.clone(),
            kind,
            name: name.to_owned(),
        })
    }

    /// A number for the name of a node that was given none.
    pub(crate) fn take_name_number(&self) -> u64 {
        let next = &mut self.state.lock().next_name_number;
        *next += 1;
        *next - 1
    }

    /// See [`Graph::take_node_number`](crate::graph::Graph::take_node_number).
    pub(crate) fn take_node_number(&self) -> u64 {
        let next = &mut self.state.lock().next_node_number;
        *next += 1;
        *next - 1
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(&self.state.lock().names)
            .finish_non_exhaustive()
    }
}

/// A name that is taken; dropping this frees it. It travels with its bearer.
#[must_use = "the name is free again when this is dropped"]
pub struct ReservedName {
    directory: Arc<Directory>,
    kind: NameKind,
    name: String,
}

impl ReservedName {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its bearer lives in the context of `place` from now on.
    pub fn moved_to(&self, place: &AioHandle) {
        let mut state = self.directory.state.lock();
        let key = (self.kind, self.name.clone());
        state.names.insert(key, place.clone());
    }

    pub(crate) fn is_of(&self, directory: &Arc<Directory>) -> bool {
        Arc::ptr_eq(&self.directory, directory)
    }
}

impl Drop for ReservedName {
    fn drop(&mut self) {
        let mut state = self.directory.state.lock();
        let key = (self.kind, std::mem::take(&mut self.name));
        state.names.remove(&key);
    }
}

impl fmt::Debug for ReservedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} '{}'", self.kind, self.name)
    }
}

//! What the parties of a drill know of each other, and the rules with them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::Store;
use super::model::Model;

/// A lock that no checker of threads sees: what is behind it belongs to the drill, not to the engine, and
/// nobody waits for anything while he holds it.
#[derive(Default)]
pub(crate) struct Unseen<T>(Mutex<T>);

impl<T> Unseen<T> {
    pub(crate) fn new(value: T) -> Self {
        Unseen(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// Two disks, a guest, and the mirrors between them.
pub(crate) struct Pair {
    pub(crate) number: usize,
    /// What its disks are called, and hold.
    pub(crate) disks: [Arc<Store>; 2],
    /// What the guest's disk may hold, by what the guest was told.
    pub(crate) model: Arc<Unseen<Model>>,
    /// Where its nodes may be.
    pub(crate) place: Unseen<Whereabouts>,
}

/// Where the nodes of a pair are.
#[derive(Clone, Default)]
pub(crate) struct Whereabouts {
    /// The contexts of the two disks.
    pub(crate) at: [String; 2],
    /// The context to which the family of either is being moved.
    pub(crate) bound_for: Option<String>,
    /// Which disk the last job copied from.
    pub(crate) source: usize,
}

impl Pair {
    /// The names of its disks.
    pub(crate) fn disk_names(number: usize) -> [String; 2] {
        [format!("a{number}"), format!("b{number}")]
    }

    /// Which of the disks a node is, if it is one.
    pub(crate) fn disk_of(&self, node: &str) -> Option<usize> {
        self.disks.iter().position(|disk| disk.name() == node)
    }

    /// The name of the filter of its mirrors.
    pub(crate) fn filter(number: usize) -> String {
        format!("top{number}")
    }
}

/// The pair that a node, a backend or a job belongs to: the first number in its name.
pub(crate) fn pair_of(name: &str) -> Option<usize> {
    let from = name.find(|c: char| c.is_ascii_digit())?;
    let rest = &name[from..];
    let to = rest.find(|c: char| !c.is_ascii_digit());
    rest[..to.unwrap_or(rest.len())].parse().ok()
}

/// Whether this thread is on its way out of a panic: what happens then is no news.
pub(crate) fn unwinds() -> bool {
    std::thread::panicking()
}

/// Numbers the requests of all guests, from 1.
#[derive(Default)]
pub(crate) struct RequestIds(AtomicU64);

impl RequestIds {
    /// The next; the model has 32 bits for it.
    pub(crate) fn take(&self) -> u32 {
        (self.0.fetch_add(1, Ordering::Relaxed) % u64::from(u32::MAX)) as u32 + 1
    }
}

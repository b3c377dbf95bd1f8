//! The switch: at most one exhibit is on in a thread.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use super::exhibit::Exhibit;
use crate::sync::thread_local;

thread_local! {
    // Not `const`: loom's macro has no such form.
    #[allow(clippy::missing_const_for_thread_local)]
    static ON: Cell<Option<&'static Exhibit>> = Cell::new(None);
}

/// Switches `exhibit` on in this thread, until the guard is dropped. What runs in other threads, the
/// real worker pool among it, does not see it.
///
/// # Panics
///
/// If an exhibit is on already, or if there is no switch for this one.
pub fn switch_on(exhibit: &'static Exhibit) -> Guard {
    assert!(
        exhibit.state.is_here(),
        "{} has no switch: {:?}",
        exhibit.id,
        exhibit.state
    );
    let before = ON.with(|on| on.replace(Some(exhibit)));
    if let Some(before) = before {
        ON.with(|on| on.set(Some(before)));
        panic!("{} is on: one bug at a time", before.id);
    }
    Guard {
        exhibit,
        _of_this_thread: PhantomData,
    }
}

/// Whether `exhibit` is on in this thread; [`bug!`](crate::bug) asks it.
pub fn is_on(exhibit: &'static Exhibit) -> bool {
    // Destructors ask, too, and may run after the locals of their thread are gone.
    ON.try_with(|on| on.get().is_some_and(|on| std::ptr::eq(on, exhibit)))
        .unwrap_or(false)
}

/// The exhibit that is on in this thread: a model hands it on to the threads that it starts.
pub fn on() -> Option<&'static Exhibit> {
    ON.with(Cell::get)
}

/// Keeps an exhibit switched on; dropping it switches the exhibit off.
#[must_use = "the exhibit is on until this is dropped"]
pub struct Guard {
    exhibit: &'static Exhibit,
    _of_this_thread: PhantomData<*const ()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        ON.with(|on| on.set(None));
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.exhibit.id)
    }
}

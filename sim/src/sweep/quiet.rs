//! Panics that are no news: a run catches those of the engine and reports them.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::panic;
use std::sync::Once;

thread_local! {
    static QUIET: Cell<u32> = const { Cell::new(0) };
    /// Where the last panic was that was kept quiet.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// While this lives, panics of this thread print nothing. Those of other threads print as before.
#[must_use = "the thread is quiet until this is dropped"]
pub struct Quiet {
    _of_this_thread: PhantomData<*const ()>,
}

/// Keeps this thread from printing panics, which whoever calls catches and reports.
///
/// The first call puts a hook of its own in front of the one that the program has then: a program that
/// sets a hook sets it before.
pub fn quiet_panics() -> Quiet {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // The locals of a thread that ends may be gone.
            if QUIET.try_with(Cell::get).unwrap_or(0) == 0 {
                return before(info);
            }
            let place = info
                .location()
                .map(|at| format!("{}:{}", at.file(), at.line()));
            let _ = PLACE.try_with(|last| last.replace(place));
        }));
    });
    QUIET.set(QUIET.get() + 1);
    Quiet {
        _of_this_thread: PhantomData,
    }
}

/// Where the panic was that this thread has just caught, as `src/file.rs:12`; none if it was printed.
pub(crate) fn place_of_last_panic() -> Option<String> {
    PLACE.take()
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(QUIET.get() - 1);
    }
}

//! Which context is current on this thread.

use std::cell::RefCell;
use std::rc::Rc;

use crate::handle::Shared;
use crate::inner::Inner;
use crate::sync::{Arc, thread_local};

thread_local! {
    // Not `const`: loom's macro has no such form.
    #[allow(clippy::missing_const_for_thread_local)]
    static CURRENT: RefCell<Option<Rc<Inner>>> = RefCell::new(None);
}

/// Looks at the current context. `look` must not poll or enter.
pub(crate) fn with_current<R>(look: impl FnOnce(Option<&Inner>) -> R) -> R {
    CURRENT.with(|current| look(current.borrow().as_deref()))
}

/// Like [`with_current`], for a `look` that may do anything.
pub(crate) fn with_current_rc<R>(look: impl FnOnce(Option<&Rc<Inner>>) -> R) -> R {
    let current = CURRENT.with(|current| current.borrow().clone());
    look(current.as_ref())
}

/// Calls `local` if the context `home` is the current one; else the answer is `None`, and the way
/// to `home` is its inbox.
///
/// `local` must not run or drop what belongs to a user, since that may ask for the current context
/// or change it: it returns what is to be dropped.
pub(crate) fn if_current<R>(home: &Arc<Shared>, local: impl FnOnce(&Inner) -> R) -> Option<R> {
    // A waker may be used while the thread ends and its locals are gone: then nothing is current.
    CURRENT
        .try_with(|current| match current.borrow().as_deref() {
            Some(inner) if Arc::ptr_eq(&inner.shared, home) => Some(local(inner)),
            _ => None,
        })
        .ok()
        .flatten()
}

/// Keeps a context current on its thread; see [`AioContext::make_current`](crate::AioContext::make_current).
#[must_use = "the context is current until this is dropped"]
pub struct CurrentGuard {
    before: Option<Rc<Inner>>,
}

impl CurrentGuard {
    pub(crate) fn new(inner: Rc<Inner>) -> Self {
        Self::replace(Some(inner))
    }

    /// No context is current until the guard is dropped.
    pub(crate) fn nobody() -> Self {
        Self::replace(None)
    }

    fn replace(current: Option<Rc<Inner>>) -> Self {
        let before = CURRENT.with(|slot| slot.replace(current));
        CurrentGuard { before }
    }
}

impl Drop for CurrentGuard {
    fn drop(&mut self) {
        let before = self.before.take();
        // Dropping a context runs destructors that ask which one is current: not under the borrow.
        let ours = CURRENT.with(|current| current.replace(before));
        drop(ours);
    }
}

//! Which context is current on this thread.

use std::cell::RefCell;
use std::rc::Rc;

use crate::handle::{Remote, Shared};
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

/// Gives something to the context `home`: directly if it is the current one, else by its inbox.
pub(crate) fn deliver(
    home: &Arc<Shared>,
    local: impl FnOnce(&Inner),
    remote: impl FnOnce() -> Remote,
) {
    let mut local = Some(local);
    // A waker may be used while the thread ends and its locals are gone: then nothing is current.
    let _ = CURRENT.try_with(|current| {
        if let Some(inner) = current.borrow().as_deref()
            && Arc::ptr_eq(&inner.shared, home)
            && let Some(local) = local.take()
        {
            local(inner);
        }
    });
    if local.is_some() {
        home.post(remote());
    }
}

/// Keeps a context current on its thread; see [`AioContext::make_current`](crate::AioContext::make_current).
#[must_use = "the context is current until this is dropped"]
pub struct CurrentGuard {
    before: Option<Rc<Inner>>,
}

impl CurrentGuard {
    pub(crate) fn new(inner: Rc<Inner>) -> Self {
        let before = CURRENT.with(|current| current.replace(Some(inner)));
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

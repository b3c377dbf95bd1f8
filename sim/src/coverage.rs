//! Marks: rare places, and how often a run came past them.

use std::cell::RefCell;

use blockjob_runtime::trace::Mark;

/// How often each mark was hit.
#[derive(Default)]
pub struct Marks {
    hits: RefCell<Vec<(&'static Mark, u64)>>,
}

impl Marks {
    /// Counts a hit.
    pub fn hit(&self, mark: &'static Mark) {
        let mut hits = self.hits.borrow_mut();
        match hits
            .iter_mut()
            .find(|(known, _)| std::ptr::eq(*known, mark))
        {
            Some((_, count)) => *count += 1,
            None => hits.push((mark, 1)),
        }
    }

    /// The marks that were hit, with how often, in the order of the first hits.
    pub fn take(&self) -> Vec<(&'static Mark, u64)> {
        self.hits.take()
    }
}

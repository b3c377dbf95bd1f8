//! Numbers for names: what belongs to a node or a job is found without comparing text.

use std::rc::Rc;

/// The names that were seen in a run, each with a number from 0. A node and a job hand out the same
/// name each time, so that names are compared by where they are.
#[derive(Default)]
pub(super) struct Names {
    known: Vec<Rc<str>>,
    last: usize,
}

impl Names {
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.last = 0;
    }

    /// The number of `name`, which it gets now if it has none.
    pub(super) fn number(&mut self, name: &Rc<str>) -> usize {
        match self.known.get(self.last) {
            Some(last) if Rc::ptr_eq(last, name) => {}
            _ => self.last = self.look_up(name),
        }
        self.last
    }

    fn look_up(&mut self, name: &Rc<str>) -> usize {
        let mut known = self.known.iter();
        let found = known.position(|known| Rc::ptr_eq(known, name));
        found.unwrap_or_else(|| {
            self.known.push(name.clone());
            self.known.len() - 1
        })
    }

    /// The names, in the order of their numbers.
    pub(super) fn all(&self) -> &[Rc<str>] {
        &self.known
    }
}

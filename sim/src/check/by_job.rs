//! What a checker remembers of each job.

use std::rc::Rc;

/// A value for each job, by name. There are few jobs, and one is asked for many times in a row.
pub(crate) struct ByJob<T> {
    jobs: Vec<(Rc<str>, T)>,
    last: usize,
}

impl<T> Default for ByJob<T> {
    fn default() -> Self {
        ByJob {
            jobs: Vec::new(),
            last: 0,
        }
    }
}

impl<T: Default> ByJob<T> {
    /// That of the job named `job`, which is made if it is not there.
    pub(crate) fn of(&mut self, job: &Rc<str>) -> &mut T {
        let same = |(name, _): &(Rc<str>, T)| Rc::ptr_eq(name, job);
        if !self.jobs.get(self.last).is_some_and(same) {
            let known = self.jobs.iter().position(|(name, _)| name == job);
            self.last = known.unwrap_or_else(|| {
                self.jobs.push((job.clone(), T::default()));
                self.jobs.len() - 1
            });
        }
        &mut self.jobs[self.last].1
    }

    /// That of the job named `name`, if it is there.
    pub(crate) fn named(&mut self, name: &str) -> Option<&mut T> {
        let found = self.jobs.iter_mut().find(|(known, _)| **known == *name);
        found.map(|(_, value)| value)
    }

    /// All of them, with the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &T)> {
        self.jobs.iter().map(|(name, value)| (name, value))
    }

    /// All of them, with the names.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&Rc<str>, &mut T)> {
        self.jobs.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// Forgets all jobs.
    pub(crate) fn clear(&mut self) {
        self.jobs.clear();
        self.last = 0;
    }
}

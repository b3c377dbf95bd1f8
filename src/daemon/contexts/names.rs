//! Which jobs and exports there are, and in which context each of them lives.
//!
//! The lists themselves are in the contexts. Names are unique over all of them, and results of all of
//! them are shown in the order of age; both are known here.

use std::collections::BTreeMap;

use blockjob_block::nbd::server::Exported;
use blockjob_runtime::AioHandle;

/// Somebody with a name.
#[derive(Debug, Clone)]
pub struct Named {
    /// The context in which it lives.
    pub home: AioHandle,
    /// The later it came to be, the higher.
    pub number: u64,
}

/// An export.
#[derive(Debug, Clone)]
pub(crate) struct NamedExport {
    pub(crate) named: Named,
    /// What NBD clients are told of it, until it is to end; as it was when it came where it is.
    pub(crate) told: Option<Exported>,
}

/// The names of all contexts.
#[derive(Debug, Default)]
pub struct Names {
    next_number: u64,
    jobs: BTreeMap<String, Named>,
    exports: BTreeMap<String, NamedExport>,
}

impl Names {
    fn named(&mut self, home: &AioHandle) -> Named {
        let number = self.next_number;
        self.next_number += 1;
        Named {
            home: home.clone(),
            number,
        }
    }

    /// There is a job `id` in `home` from now on.
    pub(crate) fn add_job(&mut self, id: &str, home: &AioHandle) {
        let named = self.named(home);
        self.jobs.insert(id.to_owned(), named);
    }

    /// The job has gone to `home`.
    pub(crate) fn move_job(&mut self, id: &str, home: &AioHandle) {
        if let Some(named) = self.jobs.get_mut(id) {
            named.home = home.clone();
        }
    }

    /// The job is no more.
    pub(crate) fn remove_job(&mut self, id: &str) {
        self.jobs.remove(id);
    }

    /// The job of that name.
    pub fn job(&self, id: &str) -> Option<&Named> {
        self.jobs.get(id)
    }

    /// The names of all jobs, the newest first.
    pub fn jobs(&self) -> Vec<String> {
        let mut jobs: Vec<_> = self.jobs.iter().collect();
        jobs.sort_by_key(|(_, named)| std::cmp::Reverse(named.number));
        jobs.into_iter().map(|(id, _)| id.clone()).collect()
    }

    /// There is an export `id` in `home` from now on, of which NBD clients are `told`.
    pub(crate) fn add_export(&mut self, id: &str, told: Exported, home: &AioHandle) {
        let export = NamedExport {
            named: self.named(home),
            told: Some(told),
        };
        self.exports.insert(id.to_owned(), export);
    }

    /// The export has gone to `home`.
    pub(crate) fn move_export(&mut self, id: &str, told: Exported, home: &AioHandle) {
        if let Some(export) = self.exports.get_mut(id) {
            export.named.home = home.clone();
            export.told = Some(told);
        }
    }

    /// No client comes to the export any more.
    pub(crate) fn close_export(&mut self, id: &str) {
        if let Some(export) = self.exports.get_mut(id) {
            export.told = None;
        }
    }

    /// The export is no more.
    pub(crate) fn remove_export(&mut self, id: &str) {
        self.exports.remove(id);
    }

    /// The export of that name.
    pub fn export(&self, id: &str) -> Option<&Named> {
        self.exports.get(id).map(|export| &export.named)
    }

    /// The names of all exports with their homes, the newest first.
    pub fn exports(&self) -> Vec<(String, AioHandle)> {
        let mut exports: Vec<_> = self.exports.iter().collect();
        exports.sort_by_key(|(_, export)| std::cmp::Reverse(export.named.number));
        let exports = exports.into_iter();
        exports
            .map(|(id, export)| (id.clone(), export.named.home.clone()))
            .collect()
    }

    /// The export to which NBD clients may come by that name.
    pub(crate) fn nbd_export(&self, name: &str) -> Option<&Named> {
        let mut exports = self.exports.values();
        let found = exports.find(|export| {
            let told = export.told.as_ref();
            told.is_some_and(|told| told.name == name)
        });
        found.map(|export| &export.named)
    }

    /// The exports to which NBD clients may come, the oldest first: where each is, and what was told of it.
    pub(crate) fn nbd_exports(&self) -> Vec<(AioHandle, Exported)> {
        let mut open: Vec<_> = self.exports.values().collect();
        open.sort_by_key(|export| export.named.number);
        let open = open.into_iter();
        open.filter_map(|export| Some((export.named.home.clone(), export.told.clone()?)))
            .collect()
    }
}

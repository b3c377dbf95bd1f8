//! Who acts in each coroutine, for those who draw.

use std::collections::BTreeMap;

use super::facts::By;
use super::gather;
use crate::record::{Record, What, Who};

/// For each coroutine of `record` that works for a guest or a job the name of that: `guest0`, `job0`.
pub(crate) fn actors(record: &Record) -> BTreeMap<Who, String> {
    let facts = gather::gather(&record.entries);
    let guest = |number: usize| format!("guest{number}");
    let mut actors = BTreeMap::new();
    for (who, by) in &facts.works_for {
        let name = match by {
            By::Guest(request) => guest(facts.requests[*request].guest),
            By::Copy(copy) => facts.jobs[facts.copies[*copy].job].name.to_string(),
            By::Job(name) => name.to_string(),
            By::Device | By::Other(_) => continue,
        };
        actors.insert(who.clone(), name);
    }
    // The lane of a guest in a context of its own makes no request itself.
    for entry in &record.entries {
        if let (What::Guest(event), Some(who)) = (&entry.what, &entry.coroutine) {
            actors.insert(who.clone(), guest(event.guest));
        }
    }
    actors
}

//! What a learner has done, as a file that he can read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use blockjob_labs::{Lab, all, by_number};
use serde::{Deserialize, Serialize};

use super::made::task_of;
use crate::failure::Failure;

const FILE: &str = "progress.json";

/// What is known of one lab.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Of {
    /// It was passed once.
    pub(super) passed: bool,
    /// So many tries were built and failed.
    pub(super) failed_tries: u32,
    /// So many hints were given.
    pub(super) hints: usize,
    /// What the last try failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sentence: Option<String>,
    /// Where the run is that failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<String>,
    /// What happened in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) story: Option<String>,
}

/// See the module.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// The sources that the crate builds on.
    pub(super) blockjob: String,
    labs: BTreeMap<u32, Of>,
}

impl Progress {
    /// Nothing has been done.
    pub(super) fn new(blockjob: &str) -> Progress {
        let labs = all().iter().map(|lab| (lab.number, Of::default()));
        Progress {
            blockjob: blockjob.to_owned(),
            labs: labs.collect(),
        }
    }

    /// Whether `dir` has a file of what was done.
    pub(super) fn exists(dir: &Path) -> bool {
        dir.join(FILE).exists()
    }

    /// Whether there are labs in `dir`, and nothing says what was done.
    pub(super) fn is_lost(dir: &Path) -> bool {
        let first = all().first().expect("there are labs");
        dir.join(task_of(first)).is_file() && !Self::exists(dir)
    }

    /// What has been done in `dir`.
    pub(super) fn load(dir: &Path) -> Result<Progress, Failure> {
        let path = dir.join(FILE);
        let text = fs::read_to_string(&path).map_err(|error| {
            let here = dir.display();
            Failure::bad_input(match () {
                () if Self::is_lost(dir) => format!(
                    "'{}' is gone: 'blockjob lab start {here}' makes it anew, and leaves your files as \
                     they are",
                    path.display()
                ),
                () if Self::exists(dir) => format!("'{}': {error}", path.display()),
                () => format!(
                    "there are no labs in '{here}': make them with 'blockjob lab start DIR', and go there"
                ),
            })
        })?;
        serde_json::from_str(&text).map_err(|error| {
            Failure::bad_input(format!(
                "'{}' cannot be read: {error}; mend it, or delete the line that is wrong",
                path.display()
            ))
        })
    }

    /// Keeps it. A reader never sees half of it.
    pub(super) fn save(&self, dir: &Path) -> Result<(), Failure> {
        let (path, new) = (dir.join(FILE), dir.join(".progress.json.new"));
        let text = serde_json::to_string_pretty(self).expect("it has no maps but of numbers");
        fs::write(&new, text + "\n")
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|error| Failure::failed(format!("cannot write '{}': {error}", path.display())))
    }

    /// What is known of a lab.
    pub(super) fn of(&self, lab: &Lab) -> Of {
        self.labs.get(&lab.number).cloned().unwrap_or_default()
    }

    /// The same, to be changed.
    pub(super) fn of_mut(&mut self, lab: &Lab) -> &mut Of {
        self.labs.entry(lab.number).or_default()
    }

    /// The lab of that number; else the first that is not passed, or the last.
    pub(super) fn lab(&self, number: Option<u32>) -> Result<&'static Lab, Failure> {
        match number {
            Some(number) => by_number(number).ok_or_else(|| {
                let last = all().last().map_or(0, |lab| lab.number);
                Failure::bad_input(format!("there is no lab {number}: they are 1 to {last}"))
            }),
            None => {
                let open = all().iter().find(|lab| !self.of(lab).passed);
                Ok(open.or(all().last()).expect("there are labs"))
            }
        }
    }
}

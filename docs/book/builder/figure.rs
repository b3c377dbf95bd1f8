//! `{{#figure KIND ..}}`: drawings of runs.

use std::path::{Path, PathBuf};

use crate::failure::Wrong;

/// Who draws.
#[derive(Debug)]
pub(crate) struct Figures {
    root: PathBuf,
}

impl Figures {
    /// Draws runs whose files are in the repository at `root`.
    pub(crate) fn new(root: &Path) -> Figures {
        Figures {
            root: root.to_owned(),
        }
    }

    /// The drawing that `words` ask for, as HTML.
    pub(crate) fn make(&self, words: &str) -> Result<String, Wrong> {
        Err(format!(
            "'{words}': there are no figures below {}",
            self.root.display()
        ))
    }
}

//! Why the book cannot be built, with the place in the chapter that has to be mended.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// What went wrong, without its place: a sentence that says what would be right.
pub(crate) type Wrong = String;

/// Why the book cannot be built.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// Something in a chapter is not as it must be.
    #[error("{at}: {wrong}")]
    Chapter {
        /// Where.
        at: Place,
        /// What, and what would be right.
        wrong: Wrong,
    },
    /// Something beside the chapters is not as it must be.
    #[error("{0}")]
    Book(Wrong),
}

/// A line of a chapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file, from the root of the repository.
    pub(crate) file: PathBuf,
    /// The line, counted from 1.
    pub(crate) line: usize,
}

impl Place {
    /// The failure that `wrong` is here.
    pub(crate) fn fails(&self, wrong: Wrong) -> Failure {
        Failure::Chapter {
            at: self.clone(),
            wrong,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

//! `{{#figure KIND ..}}`: drawings of runs, made by the simulator that is linked into the builder.
//!
//! - `lanes CASE [from TEXT to TEXT]`: who runs, event by event; the texts are looked for in the events as
//!   `blockjob sim trace` writes them;
//! - `strips CASE`: what is dirty and what is in flight, granule by granule;
//! - `states CASE`: the states of a job, with the way that it took;
//! - `curve CASE vary FIELD=A,B,.. [until MS]`: the dirty bytes over virtual time, once for each value.
//!
//! A drawing is SVG inside of the page, in the page's colours, with a title and a description in words.

mod case;
mod curve;
mod lanes;
mod states;
mod strips;
mod svg;

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
        let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
        let rest = rest.trim();
        let drawing = match kind {
            "lanes" => {
                let (case, range) = match rest.split_once(" from ") {
                    None => (rest, None),
                    Some((case, range)) => (case, Some(range)),
                };
                lanes::draw(&case::record(&self.root, case)?, range)?
            }
            "strips" => strips::draw(&case::record(&self.root, rest)?)?,
            "states" => states::draw(&case::record(&self.root, rest)?)?,
            "curve" => curve::draw(&self.root, rest)?,
            _ => {
                return Err(format!(
                    "there is no figure '{kind}': they are lanes, strips, states and curve"
                ));
            }
        };
        Ok(drawing.finish(rest))
    }
}

#[cfg(test)]
mod tests;

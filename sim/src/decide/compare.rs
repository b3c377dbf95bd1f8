//! Where two runs that should be one part ways.

use std::fmt;

use super::log::Log;

/// The first decision in which two logs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Which decision, counted from 0.
    pub index: usize,
    /// Site, options and answer in the first log; nothing if that was over.
    pub left: Option<(String, u32, u32)>,
    /// The same in the second log.
    pub right: Option<(String, u32, u32)>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |it: &Option<(String, u32, u32)>| match it {
            None => "nothing any more".to_owned(),
            Some((site, n, chosen)) => format!("{chosen} of {n} at {site}"),
        };
        let (left, right) = (side(&self.left), side(&self.right));
        write!(
            f,
            "decision {}: {left} in one run, {right} in the other",
            self.index
        )
    }
}

/// The first difference between two logs, if there is one.
pub fn compare(a: &Log, b: &Log) -> Option<Divergence> {
    let index = (0..a.len().max(b.len())).find(|index| a.get(*index) != b.get(*index))?;
    let side = |log: &Log| {
        let decision = log.get(index)?;
        Some((decision.site.to_owned(), decision.n, decision.chosen))
    };
    Some(Divergence {
        index,
        left: side(a),
        right: side(b),
    })
}

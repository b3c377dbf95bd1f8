//! PROGRESS: everything ends. A drained section that was asked for is established, and one that was
//! established ends, before the run does.
//!
//! That nobody can act any more is for shuttle and loom to say, and on real threads for a watch that
//! looks whether anything happens.

use std::collections::BTreeMap;

use blockjob_block::request::BlockTrace;

use super::{Checker, Scene};
use crate::drill::hub::Seen;

/// See the module.
#[derive(Default)]
pub(crate) struct Progress {
    /// Sections that are open, and whether they are established.
    open: BTreeMap<(String, u64), (bool, String)>,
}

impl Checker for Progress {
    fn see(&mut self, scene: &mut Scene<'_>, seen: &Seen<'_>) {
        let Seen::Block(trace) = seen else { return };
        let context = scene.context.to_owned();
        match trace {
            BlockTrace::DrainBegin {
                section,
                owner,
                node,
            } => {
                let what = format!("'{owner}' over '{node}'");
                let before = self.open.insert((context, *section), (false, what));
                if let Some((_, what)) = before {
                    scene.fail("ONCE", || format!("the section of {what} begins twice"));
                }
            }
            BlockTrace::Drained { section, .. } => {
                let open = self.open.get_mut(&(context, *section));
                match open {
                    Some((established @ false, _)) => *established = true,
                    Some((_, what)) => {
                        let what = what.clone();
                        scene.fail("ONCE", || format!("{what} is established twice"));
                    }
                    None => scene.fail("ONCE", || format!("section {section} is not open")),
                }
            }
            BlockTrace::DrainEnd { section, .. }
                if self.open.remove(&(context, *section)).is_none() =>
            {
                scene.fail("ONCE", || {
                    format!("section {section} ends, and is not open")
                });
            }
            _ => {}
        }
    }

    fn end(&mut self, scene: &mut Scene<'_>) {
        if let Some((_, what)) = self.open.values().next() {
            let what = what.clone();
            scene.fail("PROGRESS", || {
                format!("the section of {what} has not ended")
            });
        }
    }
}

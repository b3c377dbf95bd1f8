//! HOME: what lives in a context stays in its thread, and a family is where main has put it.

use blockjob_block::request::BlockTrace;

use super::{Checker, Scene};
use crate::drill::hub::Seen;

/// See the module.
pub(crate) struct Home;

impl Checker for Home {
    fn see(&mut self, scene: &mut Scene<'_>, seen: &Seen<'_>) {
        if matches!(seen, Seen::Does(_)) {
            return;
        }
        if !scene.at_home {
            let context = scene.context.to_owned();
            return scene.fail("HOME", || {
                format!("something of context {context} happens in another thread")
            });
        }
        let node: &str = match seen {
            Seen::Block(BlockTrace::RequestBegin { node, .. }) => node,
            Seen::Disk(disk) => disk.disk,
            _ => return,
        };
        let Some(pair) = scene.pair(node).cloned() else {
            return;
        };
        let Some(disk) = pair.disk_of(node) else {
            return;
        };
        let place = pair.place.lock().clone();
        let here = scene.context;
        if place.at[disk] != here && place.bound_for.as_deref() != Some(here) {
            let text = format!("'{node}' lives in {}, and works in {here}", place.at[disk]);
            scene.fail("HOME", || text);
        }
    }
}

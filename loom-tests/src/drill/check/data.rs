//! DATA: a mirror that ends well leaves a copy, and the users of its source who get the target see what
//! they saw. What guests read is held against the model where they read it.

use std::collections::BTreeMap;

use blockjob_block::request::BlockTrace;
use blockjob_jobs::mirror::steps::{MirrorEvent, Step};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::JobTraceKind;

use super::{Checker, Scene};
use crate::drill::facts::Pair;
use crate::drill::hub::Seen;
use crate::drill::model::UNIT_BYTES;

/// See the module.
#[derive(Default)]
pub(crate) struct Data {
    /// In which state each job is.
    states: BTreeMap<String, JobStatus>,
}

/// Both sides, while the source is drained.
fn compare(scene: &mut Scene<'_>, pair: &Pair, moment: &str) {
    let [one, other] = pair.disks.each_ref().map(|disk| disk.content());
    let unit = UNIT_BYTES as usize;
    let mut parts = one.chunks(unit).zip(other.chunks(unit));
    if let Some(at) = parts.position(|(one, other)| one != other) {
        let at = at * unit;
        let [one, other] = pair.disks.each_ref().map(|disk| disk.name().to_owned());
        scene.fail("DATA", || {
            format!("{moment}, and '{one}' and '{other}' differ at {at}")
        });
    }
    let source = pair.place.lock().source;
    let content = pair.disks[1 - source].content();
    let legal = pair.model.lock().check_all(&content);
    if let Err(illegal) = legal {
        scene.fail("DATA", || format!("{moment}, and the copy holds {illegal}"));
    }
}

impl Checker for Data {
    fn see(&mut self, scene: &mut Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Job(trace) => {
                if let JobTraceKind::Status { to, .. } = trace.what {
                    self.states.insert(trace.job.to_string(), to);
                }
            }
            Seen::Mirror(trace) if matches!(trace.event, MirrorEvent::Step(Step::M17)) => {
                let well = [JobStatus::Waiting, JobStatus::Pending];
                let state = self.states.get(&*trace.job);
                let ends_well = state.is_some_and(|state| well.contains(state));
                if let (true, Some(pair)) = (ends_well, scene.pair(&trace.job).cloned()) {
                    compare(scene, &pair, &format!("'{}' ends well", trace.job));
                }
            }
            Seen::Block(BlockTrace::ReplaceNode { from, to }) => {
                if let Some(pair) = scene.pair(from).cloned()
                    && pair.disk_of(from).is_some()
                    && pair.disk_of(to).is_some()
                {
                    compare(scene, &pair, &format!("'{to}' replaces '{from}'"));
                }
            }
            _ => {}
        }
    }
}

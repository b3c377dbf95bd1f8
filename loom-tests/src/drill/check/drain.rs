//! DRAIN: nothing begins or is in flight inside of a drained section, and no job completes in one of
//! somebody else.
//!
//! A section of a node stops that node and what is made of it; one that main holds covers each node of the
//! family, and one of all nodes those of a context.

use std::collections::{BTreeMap, BTreeSet};

use blockjob_block::request::{ALL_NODES, BlockTrace};
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use super::{Checker, Scene};
use crate::drill::facts::{Pair, pair_of};
use crate::drill::hub::Seen;

/// A drained section.
struct Section {
    context: String,
    id: u64,
    node: String,
    owner: &'static str,
    established: bool,
}

/// How a job calls the sections that it holds for itself.
const OWN: [&str; 3] = ["mirror_start", "mirror_run", "mirror_exit"];

impl Section {
    fn stops(&self, scene: &Scene<'_>, node: &str) -> bool {
        if !self.established {
            return false;
        }
        if self.node == ALL_NODES {
            return self.context == scene.context;
        }
        if self.node == node {
            return true;
        }
        // The filter is made of the source.
        let Some(pair) = scene.pair(node) else {
            return false;
        };
        let source = &pair.disks[pair.place.lock().source];
        node == Pair::filter(pair.number) && self.node == source.name()
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Drain {
    sections: Vec<Section>,
    /// Requests of each node.
    nodes: BTreeMap<String, u64>,
    /// Requests at each disk, flushes among them.
    disks: BTreeMap<String, u64>,
    /// Jobs that abandon their work end wherever they are.
    forced: BTreeSet<String>,
}

fn in_flight(counts: &BTreeMap<String, u64>, name: &str) -> u64 {
    counts.get(name).copied().unwrap_or(0)
}

impl Drain {
    fn begins(&self, scene: &mut Scene<'_>, node: &str, what: &str) {
        let inside = self.sections.iter().find(|it| it.stops(scene, node));
        if let Some(section) = inside {
            let (owner, drained) = (section.owner, section.node.clone());
            scene.fail("DRAIN", || {
                format!("{what} begins at '{node}' while '{owner}' has '{drained}' drained")
            });
        }
    }

    fn block(&mut self, scene: &mut Scene<'_>, trace: &BlockTrace) {
        match trace {
            BlockTrace::RequestBegin { node, .. } => {
                self.begins(scene, node, "a request");
                *self.nodes.entry(node.to_string()).or_default() += 1;
            }
            BlockTrace::RequestEnd { node, .. } => {
                if let Some(count) = self.nodes.get_mut(&**node) {
                    *count = count.saturating_sub(1);
                }
            }
            BlockTrace::DrainBegin {
                node,
                section,
                owner,
            } => self.sections.push(Section {
                context: scene.context.to_owned(),
                id: *section,
                node: node.to_string(),
                owner,
                established: false,
            }),
            BlockTrace::Drained { section, .. } => self.established(scene, *section),
            BlockTrace::DrainEnd { section, .. } => {
                let here = scene.context;
                let is_it = |it: &Section| it.id == *section && it.context == here;
                self.sections.retain(|it| !is_it(it));
            }
            _ => {}
        }
    }

    fn established(&mut self, scene: &mut Scene<'_>, id: u64) {
        let here = scene.context;
        let mut sections = self.sections.iter_mut();
        let Some(section) = sections.find(|it| it.id == id && it.context == here) else {
            return;
        };
        section.established = true;
        let section = &*section;
        let busy = |counts: &BTreeMap<String, u64>| {
            let mut names = counts.keys().filter(|name| section.stops(scene, name));
            let busy = names.find(|name| {
                in_flight(counts, name) > 0 && (section.node != ALL_NODES || is_here(scene, name))
            });
            busy.cloned()
        };
        if let Some(node) = busy(&self.nodes).or_else(|| busy(&self.disks)) {
            let (owner, drained) = (section.owner, section.node.clone());
            scene.fail("DRAIN", || {
                format!("'{owner}' has '{drained}' drained, and something is in flight at '{node}'")
            });
        }
    }

    fn job(&mut self, scene: &mut Scene<'_>, trace: &JobTrace) {
        match trace.what {
            JobTraceKind::Cancel { force: true } => {
                self.forced.insert(trace.job.to_string());
            }
            JobTraceKind::DeferredStart if !self.forced.contains(&*trace.job) => {
                let Some(pair) = scene.pair(&trace.job).cloned() else {
                    return;
                };
                let disks = pair.disks.each_ref().map(|disk| disk.name());
                let covers = |it: &&Section| {
                    !OWN.contains(&it.owner) && disks.iter().any(|node| it.stops(scene, node))
                };
                if let Some(section) = self.sections.iter().find(covers) {
                    let (owner, drained) = (section.owner, section.node.clone());
                    let job = trace.job.clone();
                    scene.fail("DRAIN", || {
                        format!("'{job}' completes while '{owner}' has '{drained}' drained")
                    });
                }
            }
            _ => {}
        }
    }
}

/// Whether a disk lives in the context of the event.
fn is_here(scene: &Scene<'_>, node: &str) -> bool {
    let pair = pair_of(node).and_then(|number| scene.pairs.get(number));
    pair.is_some_and(|pair| {
        let place = pair.place.lock();
        let disk = pair.disk_of(node).unwrap_or(place.source);
        place.at[disk] == scene.context
    })
}

impl Checker for Drain {
    fn see(&mut self, scene: &mut Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Block(trace) => self.block(scene, trace),
            Seen::Job(trace) => self.job(scene, trace),
            Seen::Disk(disk) if disk.begins => {
                self.begins(scene, disk.disk, "something");
                *self.disks.entry(disk.disk.to_owned()).or_default() += 1;
            }
            Seen::Disk(disk) => {
                if let Some(count) = self.disks.get_mut(disk.disk) {
                    *count = count.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    fn waiting(&self) -> Vec<String> {
        let sections = self.sections.iter().map(|it| {
            let stage = if it.established {
                "has it"
            } else {
                "waits for it"
            };
            format!(
                "drained '{}' in {}: '{}' {stage}",
                it.node, it.context, it.owner
            )
        });
        let busy = self.nodes.iter().chain(&self.disks);
        let busy = busy.filter(|(_, count)| **count > 0);
        let busy = busy.map(|(name, count)| format!("'{name}' has {count} in flight"));
        sections.chain(busy).collect()
    }
}

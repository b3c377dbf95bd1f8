//! COUNT: counts are what they count.
//!
//! Requests end that have begun, and once; a node has nothing in flight when nothing is asked of it or
//! of its disk; dirty granules are as many as there are; and progress is never taken back.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::request::BlockTrace;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::mirror::conflicts::OperationKind;

use super::sides::disk_of;
use super::{Checker, Interest, Scene, Seen};
use crate::cast::Pair;
use crate::disk::SimDisk;
use crate::failure::Rule;

/// The requests of a node.
struct Requests {
    /// Its name, which it hands out the same each time.
    node: Rc<str>,
    begun: u64,
    open: u64,
    /// The numbers of those that are open, added up: that is nothing when none is.
    ids: u64,
}

/// See the module.
#[derive(Default)]
pub struct Count {
    requests: Vec<Requests>,
    /// What the jobs have done, as they said last.
    done: Vec<u64>,
    idles: u64,
}

/// Of these moments one in so many is enough to look at what lasts.
const SAMPLED: u64 = 4;

/// So that numbers which are not the same do not add up to the same.
fn mixed(id: u64) -> u64 {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 31
}

impl Count {
    /// The checker.
    pub fn new() -> Count {
        Count::default()
    }

    fn requests(&mut self, node: &Rc<str>) -> &mut Requests {
        // Nodes are few, and compared by where their names are.
        let known = self.requests.iter();
        let mut index = self.requests.len();
        for (number, requests) in known.enumerate() {
            if Rc::ptr_eq(&requests.node, node) || requests.node == *node {
                index = number;
                break;
            }
        }
        if index == self.requests.len() {
            self.requests.push(Requests {
                node: node.clone(),
                begun: 0,
                open: 0,
                ids: 0,
            });
        }
        &mut self.requests[index]
    }

    fn block(&mut self, scene: &Scene<'_>, trace: &BlockTrace) {
        match trace {
            BlockTrace::RequestBegin { node, id, .. } => {
                let requests = self.requests(node);
                let is_next = *id == requests.begun + 1;
                requests.begun = *id;
                requests.open += 1;
                requests.ids = requests.ids.wrapping_add(mixed(*id));
                if !is_next {
                    let text = format!("request {id} begins at '{node}' out of order");
                    scene.fail(Rule::Count, "request-begins", vec![node.to_string()], text);
                }
            }
            BlockTrace::RequestEnd { node, id, .. } => {
                let requests = self.requests(node);
                let open = requests.open;
                requests.open = open.saturating_sub(1);
                requests.ids = requests.ids.wrapping_sub(mixed(*id));
                if open == 0 || (open == 1 && requests.ids != 0) {
                    let text = format!(
                        "request {id} ends at '{node}', and that or another one had not begun"
                    );
                    scene.fail(Rule::Count, "request-ends", vec![node.to_string()], text);
                }
            }
            // M14: nothing is dirty, and nothing in flight but what guests write to both sides.
            BlockTrace::DrainBegin { node, owner, .. } if *owner == "mirror_run" => {
                if let Some(node) = scene.cast.find_node(node) {
                    Self::bitmaps(scene, &node);
                }
                Self::progress_at_end(scene, node, |mirror| active_writes(mirror) > 0);
            }
            // Nor that, now; but the guests may have made something dirty meanwhile.
            BlockTrace::Drained { node, owner, .. } if *owner == "mirror_run" => {
                Self::progress_at_end(scene, node, |mirror| mirror.dirty_bytes() > 0);
            }
            _ => {}
        }
    }

    /// The bits are counted, and the levels above them compared.
    fn bitmaps(scene: &Scene<'_>, node: &Node) {
        for bitmap in node.dirty_bitmaps() {
            if let Err(fault) = bitmap.bits().verify() {
                let text = format!("a bitmap of '{}': {fault}", node.name());
                let parties = vec![node.name().to_owned()];
                scene.fail(Rule::Count, "dirty-count", parties, text);
            }
        }
    }

    fn progress_at_end(scene: &Scene<'_>, source: &str, excused: impl Fn(&MirrorJob) -> bool) {
        let ours = |pair: &&Pair| pair.source_node().name() == source;
        let pair = scene.cast.pairs.iter().find(ours);
        let Some((pair, job)) = pair.and_then(|pair| Some((pair, pair.job()?))) else {
            return;
        };
        let progress = job.progress();
        let mirror = pair.mirror();
        if !job.is_completed()
            && progress.current() != progress.total()
            && !mirror.is_some_and(|mirror| excused(&mirror))
        {
            let text = format!("the job wants to complete, and says {progress:?}");
            scene.fail(
                Rule::Count,
                "progress-at-end",
                vec![pair.job_id.clone()],
                text,
            );
        }
    }

    fn progress(&mut self, scene: &Scene<'_>, index: usize, pair: &Pair) {
        let Some(job) = pair.job() else { return };
        let progress = job.progress();
        if index >= self.done.len() {
            self.done.resize(index + 1, 0);
        }
        let before = std::mem::replace(&mut self.done[index], progress.current());
        if progress.current() < before {
            let text = format!("after {before} bytes the job says {progress:?}");
            scene.fail(
                Rule::Count,
                "progress-shrinks",
                vec![pair.job_id.clone()],
                text,
            );
        }
    }

    fn in_flight(&mut self, scene: &Scene<'_>, node: &Node, disk: &SimDisk) {
        let (in_flight, open) = (node.in_flight(), self.requests(node.label()).open);
        let place = match () {
            () if in_flight < open => "requests-not-in-flight",
            // Whoever waits for nothing would have gone on by now.
            () if in_flight > 0 && open == 0 && disk.in_flight() == 0 && !asks(scene, node) => {
                "in-flight-for-nothing"
            }
            () => return,
        };
        let text = format!(
            "'{}' has {in_flight} in flight, {open} requests and {} at its disk",
            node.name(),
            disk.in_flight()
        );
        scene.fail(Rule::Count, place, vec![node.name().to_owned()], text);
    }
}

/// Guests' writes that are going to both sides.
fn active_writes(mirror: &MirrorJob) -> usize {
    let operations = mirror.operations();
    let active = operations.iter().filter(|operation| {
        operation.kind == OperationKind::ActiveWrite && operation.waits_for.is_none()
    });
    active.count()
}

/// Whether all that is in flight at `target` are discards that go to both sides, on which the source is
/// at work, or is asked what it has made of them: they are counted as a whole, and then as what gets there.
fn asks(scene: &Scene<'_>, target: &Node) -> bool {
    let ours = |pair: &&Pair| std::ptr::eq(&raw const *pair.target_node(), target);
    let pair = scene.cast.pairs.iter().find(ours);
    let Some((pair, mirror)) = pair.and_then(|pair| Some((pair, pair.mirror()?))) else {
        return false;
    };
    pair.source_node().in_flight() > 0 && 2 * active_writes(&mirror) as u64 >= target.in_flight()
}

impl Checker for Count {
    fn rule(&self) -> Rule {
        Rule::Count
    }

    fn wants(&self) -> Interest {
        Interest::BLOCK.or(Interest::IDLE).or(Interest::END)
    }

    fn reset(&mut self) {
        self.requests.clear();
        self.done.clear();
        self.idles = 0;
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        if let Seen::Block(trace) = seen {
            self.block(scene, trace);
        }
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        self.idles += 1;
        if self.idles % SAMPLED != 1 {
            return;
        }
        for (index, pair) in scene.cast.pairs.iter().enumerate() {
            self.progress(scene, index, pair);
            self.in_flight(scene, &pair.source_node(), &pair.source);
            self.in_flight(scene, &pair.target_node(), &pair.target);
        }
    }

    fn end(&mut self, scene: &Scene<'_>) {
        for node in scene.cast.nodes() {
            Self::bitmaps(scene, &node);
            if let Some(disk) = disk_of(&node) {
                self.in_flight(scene, &node, &disk);
            }
            let (known, open) = (node.requests().len(), self.requests(node.label()).open);
            if known as u64 != open {
                let text = format!("'{}' knows {known} of {open} requests", node.name());
                let parties = vec![node.name().to_owned()];
                scene.fail(Rule::Count, "requests-unknown", parties, text);
            }
        }
    }
}

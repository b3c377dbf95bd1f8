//! DRAIN: nothing starts or is in flight inside of a drained section, and no job completes in one of
//! somebody else.
//!
//! A section of a node stops whoever is above it: so nothing may begin at the node, nor at anything that
//! is made of it. What is below goes on, unless the section covers the subtree, or everything.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::request::{ALL_NODES, BlockTrace};
use blockjob_jobs::trace::{JobTrace, JobTraceKind};

use super::sides::disk_of;
use super::{Checker, Interest, Scene, Seen};
use crate::failure::Rule;

/// A drained section that is established.
struct Section {
    id: u64,
    /// Where it is.
    home: usize,
    node: Rc<str>,
    owner: &'static str,
    subtree: bool,
}

impl Section {
    fn covers_all(&self) -> bool {
        &*self.node == ALL_NODES
    }

    /// Whether nothing may begin at `node`, and why.
    fn stops(&self, scene: &Scene<'_>, node: &Node) -> bool {
        if self.covers_all() || *self.node == *node.name() {
            return scene.cast.lives_in(self.home, node);
        }
        let Some(drained) = scene.cast.find_node(&self.node) else {
            return false;
        };
        node.reaches(&drained) || (self.subtree && drained.reaches(node))
    }
}

/// How a job calls the sections that it holds for its own end.
const OWN: [&str; 2] = ["mirror_run", "mirror_exit"];

/// See the module.
#[derive(Default)]
pub struct Drain {
    sections: Vec<Section>,
}

impl Drain {
    /// The checker.
    pub fn new() -> Drain {
        Drain::default()
    }

    fn block(&mut self, scene: &Scene<'_>, trace: &BlockTrace) {
        match trace {
            BlockTrace::RequestBegin { node, .. } if !self.sections.is_empty() => {
                self.begins(scene, node);
            }
            BlockTrace::Drained {
                node,
                section,
                owner,
            } => self.established(scene, node, scene.section(*section), owner),
            BlockTrace::DrainEnd { section, .. } => {
                let id = scene.section(*section);
                self.sections.retain(|open| open.id != id);
            }
            _ => {}
        }
    }

    fn begins(&self, scene: &Scene<'_>, name: &Rc<str>) {
        let Some(node) = scene.cast.find_node(name) else {
            return;
        };
        let mut sections = self.sections.iter();
        if let Some(section) = sections.find(|section| section.stops(scene, &node)) {
            let text = format!(
                "a request begins at '{name}' while '{}' has '{}' drained",
                section.owner, section.node
            );
            let parties = vec![name.to_string(), section.owner.to_owned()];
            scene.fail(Rule::Drain, "begins-inside", parties, text);
        }
    }

    fn established(&mut self, scene: &Scene<'_>, node: &Rc<str>, id: u64, owner: &'static str) {
        let known = scene.cast.open_sections();
        let subtree = known.iter().any(|it| it.id() == id && it.subtree());
        let section = Section {
            id,
            home: scene.cast.home_called(scene.context),
            node: node.clone(),
            owner,
            subtree,
        };
        Self::quiet(scene, &section, "busy-when-drained");
        self.sections.push(section);
    }

    /// Nothing is in flight where the section reaches.
    fn quiet(scene: &Scene<'_>, section: &Section, place: &str) {
        for node in scene.cast.nodes() {
            let disk = disk_of(&node).map_or(0, |disk| disk.in_flight());
            if (node.in_flight() > 0 || disk > 0) && section.stops(scene, &node) {
                let text = format!(
                    "'{}' has '{}' drained, and {} are in flight at '{}', {disk} at its disk",
                    section.owner,
                    section.node,
                    node.in_flight(),
                    node.name(),
                );
                let parties = vec![node.name().to_owned(), section.owner.to_owned()];
                return scene.fail(Rule::Drain, place, parties, text);
            }
        }
    }

    fn job(&self, scene: &Scene<'_>, trace: &JobTrace) {
        if trace.what != JobTraceKind::DeferredStart || self.sections.is_empty() {
            return;
        }
        let Some(job) = scene.cast.job(&trace.job) else {
            return;
        };
        // Nobody can make a job stand still that abandons its work: it does nothing more, and whoever
        // cancels it in a drained section waits for its end.
        if job.is_cancelled() {
            return;
        }
        let nodes = job.block_job().map(|it| it.nodes()).unwrap_or_default();
        let covers = |section: &&Section| {
            let mut nodes = nodes.iter();
            !OWN.contains(&section.owner) && nodes.any(|node| section.stops(scene, node))
        };
        if let Some(section) = self.sections.iter().find(covers) {
            let text = format!(
                "the completion of '{}' runs while '{}' has '{}' drained",
                trace.job, section.owner, section.node
            );
            let parties = vec![trace.job.to_string(), section.owner.to_owned()];
            scene.fail(Rule::Drain, "completes-inside", parties, text);
        }
    }
}

impl Checker for Drain {
    fn rule(&self) -> Rule {
        Rule::Drain
    }

    fn wants(&self) -> Interest {
        Interest::BLOCK.or(Interest::JOB).or(Interest::IDLE)
    }

    fn reset(&mut self) {
        self.sections.clear();
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Block(trace) => self.block(scene, trace),
            Seen::Job(trace) => self.job(scene, trace),
            _ => {}
        }
    }

    /// What is no request, a flush for one, does not begin either.
    fn idle(&mut self, scene: &Scene<'_>) {
        for section in &self.sections {
            Self::quiet(scene, section, "busy-inside");
        }
    }
}

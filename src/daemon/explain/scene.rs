//! Who is there, at one moment.

use std::rc::Rc;

use blockjob_block::section::Section;
use blockjob_block::{Graph, Node};
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::MirrorJob;

use super::words;
use crate::daemon::Daemon;
use crate::qapi::types::explain::{XBlockRequest, XDrainedSection};

/// As whom mirrors drain their nodes.
const MIRROR_OWNERS: [&str; 2] = ["mirror_run", "mirror_exit"];

/// Jobs, nodes and sections as they are now.
pub(super) struct Scene {
    pub(super) graph: Rc<Graph>,
    pub(super) jobs: Vec<Rc<Job>>,
    /// In the order in which they were asked for.
    pub(super) sections: Vec<Rc<Section>>,
    pub(super) now_ns: u64,
}

impl Scene {
    pub(super) fn of(daemon: &Daemon) -> Scene {
        Scene {
            graph: daemon.graph().clone(),
            jobs: daemon.jobs().jobs(),
            sections: daemon.graph().open_sections(),
            now_ns: daemon.context().now_ns(),
        }
    }

    pub(super) fn age_ms(&self, since_ns: u64) -> u64 {
        words::age_ms(self.now_ns, since_ns)
    }

    /// The sections that keep `job` from one of its nodes.
    pub(super) fn sections_over(&self, job: &Job) -> Vec<Rc<Section>> {
        let nodes = job.block_job().map(|it| it.nodes()).unwrap_or_default();
        let covers = |section: &Rc<Section>| {
            let mut nodes = nodes.iter();
            nodes.any(|node| section.covers(&self.graph, node))
        };
        let sections = self.sections.iter().filter(|it| covers(it));
        sections.cloned().collect()
    }

    /// Whether `job` has asked for `section` itself.
    pub(super) fn is_own(&self, job: &Job, section: &Section) -> bool {
        let Some(mirror) = MirrorJob::of(job) else {
            return false;
        };
        let disks = mirror.disks();
        let disks = disks
            .into_iter()
            .flat_map(|(source, target)| [source, target]);
        let mut nodes = disks.chain(mirror.filter_node());
        MIRROR_OWNERS.contains(&section.owner()) && nodes.any(|node| node.name() == section.node())
    }

    /// The nodes that `section` is about, without those above them.
    pub(super) fn drained_nodes(&self, section: &Section) -> Vec<Rc<Node>> {
        let all = self.graph.nodes();
        match self.graph.find_node(section.node()) {
            Some(node) if section.subtree() => {
                all.into_iter().filter(|it| node.reaches(it)).collect()
            }
            Some(node) => vec![node],
            None => all,
        }
    }

    /// The requests under way at the nodes of `job` and below them, the oldest first.
    pub(super) fn requests_of(&self, job: &Job) -> Vec<XBlockRequest> {
        let tops = job.block_job().map(|it| it.nodes()).unwrap_or_default();
        let nodes = self.graph.nodes().into_iter();
        let nodes = nodes.filter(|node| tops.iter().any(|top| top.reaches(node)));
        let mut requests: Vec<_> = nodes
            .flat_map(|node| {
                let requests = node.requests().into_iter();
                requests.map(move |request| (node.clone(), request))
            })
            .collect();
        // Those of one moment from the top down: a node is younger than what is below it.
        requests.sort_by_key(|(node, request)| {
            (
                request.since_ns,
                std::cmp::Reverse(node.number()),
                request.id,
            )
        });
        let requests = requests.iter();
        requests.map(|(node, it)| self.request(node, it)).collect()
    }

    pub(super) fn request(
        &self,
        node: &Node,
        request: &blockjob_block::request::RequestInfo,
    ) -> XBlockRequest {
        XBlockRequest {
            node: node.name().to_owned(),
            id: request.id,
            operation: request.kind,
            offset: request.offset,
            bytes: request.bytes,
            since_ms: self.age_ms(request.since_ns),
            waits_for: request.waits_for,
        }
    }

    pub(super) fn drained_sections(&self) -> Vec<XDrainedSection> {
        let sections = self.sections.iter();
        sections
            .map(|section| self.drained_section(section))
            .collect()
    }

    fn drained_section(&self, section: &Section) -> XDrainedSection {
        let held_back = |backend: &Rc<blockjob_block::BlockBackend>| {
            let node = backend.node();
            let covered = node.is_some_and(|node| section.covers(&self.graph, &node));
            if covered { backend.queued() as u64 } else { 0 }
        };
        XDrainedSection {
            id: section.id(),
            owner: section.owner().to_owned(),
            node: section.node().to_owned(),
            subtree: section.subtree(),
            established: section.established(),
            since_ms: self.age_ms(section.since_ns()),
            held_back: self.graph.backends().iter().map(held_back).sum(),
        }
    }
}

//! Drawing the picture: who is there, and what requests, queues and guests wait for.

use std::ops::Range;
use std::rc::Rc;

use blockjob_block::request::RequestKind;
use blockjob_block::{BlockBackend, Node};
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::state::JobStatus;

use super::{Actor, Wait, WaitGraph, Why};
use crate::cast::{Cast, OpenSection};

/// A job on the picture.
pub(super) struct SeenJob {
    pub(super) job: Rc<Job>,
    pub(super) mirror: Option<Rc<MirrorJob>>,
    pub(super) actor: usize,
    /// Of a mirror that has copies under way.
    pub(super) copies: Option<usize>,
    pub(super) nodes: Vec<Rc<Node>>,
}

/// A node with its requests.
pub(super) struct SeenNode {
    pub(super) node: Rc<Node>,
    pub(super) requests: Range<usize>,
    /// Of a node where more is in flight than requests.
    pub(super) internal: Option<usize>,
}

/// A picture that is being drawn.
pub(super) struct Builder<'a> {
    pub(super) cast: &'a Cast,
    pub(super) graph: WaitGraph,
    pub(super) jobs: Vec<SeenJob>,
    pub(super) nodes: Vec<SeenNode>,
    pub(super) sections: Vec<(OpenSection, usize)>,
    /// Nothing can happen at the present instant.
    pub(super) idle: bool,
}

impl WaitGraph {
    /// Who waits for whom among those of `cast`, at this moment. It only looks.
    pub fn of(cast: &Cast) -> WaitGraph {
        let mut builder = Builder {
            cast,
            graph: WaitGraph::default(),
            jobs: Vec::new(),
            nodes: Vec::new(),
            sections: Vec::new(),
            idle: !cast.homes.iter().any(|home| home.context.has_work()) && !cast.world.has_due(),
        };
        builder.see_jobs();
        builder.see_sections();
        builder.see_nodes();
        builder.jobs_wait();
        builder.sections_wait();
        builder.requests_wait();
        builder.guests_wait();
        builder.graph
    }
}

impl Builder<'_> {
    pub(super) fn actor(&mut self, actor: Actor) -> usize {
        self.graph.actors.push(actor);
        self.graph.actors.len() - 1
    }

    /// The actor that is like this one, or a new one.
    pub(super) fn only(&mut self, actor: Actor) -> usize {
        let known = self.graph.actors.iter().position(|other| *other == actor);
        known.unwrap_or_else(|| self.actor(actor))
    }

    pub(super) fn wait(&mut self, from: usize, to: usize, why: Why) {
        self.graph.waits.push(Wait { from, to, why });
    }

    /// `from` waits for somebody of whom there is one.
    pub(super) fn wait_for(&mut self, from: usize, whom: Actor, why: Why) {
        let to = self.only(whom);
        self.wait(from, to, why);
    }

    fn see_jobs(&mut self) {
        for job in self.cast.all_jobs() {
            let pair = self.cast.pair_of_job(job.label());
            let mirror = pair.and_then(|pair| pair.mirror());
            let actor = self.actor(Actor::Job {
                name: job.label().clone(),
                status: job.status(),
                pausing: job.is_started() && job.pause_count() > 0 && !job.is_paused(),
                cancelled: job.is_cancelled(),
            });
            let count = mirror.as_ref().map_or(0, |mirror| mirror.in_flight());
            let copies = (count > 0).then(|| {
                self.actor(Actor::Copies {
                    job: job.label().clone(),
                    count,
                })
            });
            let nodes = job.block_job().map(|block_job| block_job.nodes());
            self.jobs.push(SeenJob {
                job,
                mirror,
                actor,
                copies,
                nodes: nodes.unwrap_or_default(),
            });
        }
    }

    fn see_sections(&mut self) {
        for section in self.cast.open_sections() {
            let actor = self.actor(Actor::Section {
                id: section.id(),
                owner: section.owner(),
                node: section.node().into(),
                established: section.established(),
            });
            self.sections.push((section, actor));
        }
    }

    fn see_nodes(&mut self) {
        for node in self.cast.nodes() {
            let start = self.graph.actors.len();
            let label = node.label().clone();
            let requests = match node.in_flight() {
                0 => Vec::new(),
                _ => node.requests(),
            };
            for request in &requests {
                self.actor(Actor::Request {
                    node: label.clone(),
                    request: *request,
                });
            }
            let end = self.graph.actors.len();
            let more = node.in_flight() > requests.len() as u64;
            let internal = more.then(|| self.actor(Actor::Internal { node: label }));
            self.nodes.push(SeenNode {
                node,
                requests: start..end,
                internal,
            });
        }
    }

    /// Where on the list of nodes `node` is.
    pub(super) fn place(&self, node: &Node) -> Option<usize> {
        let same = |seen: &SeenNode| std::ptr::eq(&raw const *seen.node, node);
        self.nodes.iter().position(same)
    }

    /// Whatever is in flight at the node in `place`.
    pub(super) fn in_flight_at(&self, place: usize) -> Vec<usize> {
        let seen = &self.nodes[place];
        seen.requests.clone().chain(seen.internal).collect()
    }

    /// Whether `section` keeps the users of `node` from it.
    pub(super) fn covers(&self, section: &OpenSection, node: &Node) -> bool {
        self.cast.covers(section, node)
    }

    /// `from` waits until the sections end that cover one of `nodes`. False if there is none.
    pub(super) fn wait_for_sections(&mut self, from: usize, nodes: &[Rc<Node>]) -> bool {
        let covering: Vec<usize> = self
            .sections
            .iter()
            .filter(|(section, _)| nodes.iter().any(|node| self.covers(section, node)))
            .map(|(_, actor)| *actor)
            .collect();
        for section in &covering {
            self.wait(from, *section, Why::End);
        }
        !covering.is_empty()
    }

    fn requests_wait(&mut self) {
        for place in 0..self.nodes.len() {
            for actor in self.nodes[place].requests.clone() {
                self.request_waits(place, actor);
            }
            if let Some(actor) = self.nodes[place].internal {
                self.internal_waits(place, actor);
            }
        }
    }

    fn request_waits(&mut self, place: usize, actor: usize) {
        let Actor::Request { request, .. } = self.graph.actors[actor] else {
            return;
        };
        if self.active_waits(place, actor) {
            return;
        }
        if let Some(other) = request.waits_for {
            let is_other = |place: &usize| matches!(self.graph.actors[*place], Actor::Request { request, .. } if request.id == other);
            let other = self.nodes[place].requests.clone().find(is_other);
            if let Some(other) = other {
                return self.wait(actor, other, Why::Overlap);
            }
        }
        let end = request.offset + request.bytes;
        let at_disk = self.op_of(place, |offset, bytes| {
            bytes > 0 && offset < end && request.offset < offset + bytes
        });
        self.waits_below(place, actor, at_disk);
    }

    fn internal_waits(&mut self, place: usize, actor: usize) {
        let at_disk = self.op_of(place, |_, _| true);
        self.waits_below(place, actor, at_disk);
    }

    /// The first request under way at the disk of the node in `place` that is `like` this: the disk's
    /// name, and whether it is held.
    fn op_of(&self, place: usize, like: impl Fn(u64, u64) -> bool) -> Option<(&'static str, bool)> {
        let name = self.nodes[place].node.name();
        let mut found = None;
        self.cast.world.ops.for_each(|op| {
            if found.is_none() && op.disk.name() == name && like(op.offset, op.bytes) {
                found = Some((op.disk.name(), op.held));
            }
        });
        found
    }

    fn waits_below(&mut self, place: usize, actor: usize, at_disk: Option<(&'static str, bool)>) {
        if let Some((name, held)) = at_disk {
            let why = if held { Why::Held } else { Why::Answer };
            return self.wait_for(actor, Actor::Disk { name }, why);
        }
        let below = self.nodes[place].node.children();
        let below = below.iter().filter_map(|edge| self.place(&edge.node()));
        let below: Vec<usize> = below.flat_map(|place| self.in_flight_at(place)).collect();
        match below.first() {
            Some(first) => self.wait(actor, *first, Why::End),
            None if self.idle => self.wait_for(actor, Actor::Unseen, Why::LetGo),
            None => self.wait_for(actor, Actor::Loop, Why::Turn),
        }
    }

    fn guests_wait(&mut self) {
        let cast = self.cast;
        for pair in &cast.pairs {
            let queue = self.queue_waits(&pair.device());
            if pair.guests.iter().all(|guest| guest.stopped()) {
                continue;
            }
            let device = pair.device().name().to_owned();
            let guests = self.actor(Actor::Guests { device });
            let node = pair.device().node();
            let place = node.and_then(|node| self.place(&node));
            let requests = place.map_or(0..0, |place| self.nodes[place].requests.clone());
            match (queue, requests.start < requests.end) {
                (Some(queue), _) => self.wait(guests, queue, Why::OneEnds),
                (None, true) => self.wait(guests, requests.start, Why::End),
                (None, false) => self.wait_for(guests, Actor::Clock, Why::Time),
            }
        }
    }

    fn queue_waits(&mut self, device: &Rc<BlockBackend>) -> Option<usize> {
        let requests = device.queued();
        if requests == 0 {
            return None;
        }
        let queue = self.actor(Actor::Queue {
            device: device.name().to_owned(),
            requests,
        });
        let node = device.node();
        if !self.wait_for_sections(queue, node.as_slice()) {
            self.wait_for(queue, Actor::Loop, Why::Turn);
        }
        Some(queue)
    }
}

/// Whether a request of a mirror's copies is under way: without one they can only wait for each other.
pub(super) fn copies_have_requests(mirror: &MirrorJob, source: &Node, target: &Node) -> bool {
    let below = |node: &Node| {
        let children = node.children();
        children.iter().any(|edge| edge.node().in_flight() > 0)
    };
    let reads = |node: &Node| {
        let requests = node.requests();
        let mut reads = requests.iter().filter(|it| it.kind == RequestKind::Read);
        reads.any(|read| mirror.is_in_flight(read.offset))
    };
    target.in_flight() > 0 || reads(source) || below(source) || below(target)
}

/// Whether a job of that state still works.
pub(super) const fn works(status: JobStatus) -> bool {
    matches!(
        status,
        JobStatus::Running | JobStatus::Paused | JobStatus::Ready | JobStatus::Standby
    )
}

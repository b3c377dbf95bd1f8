//! WAKE: whoever waits for a condition hears when it changes.
//!
//! Before the clock goes on everything that can run has run. Who still waits then for something that is
//! already so was forgotten, however soon a chance wake-up may save him.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::section::Section;
use blockjob_jobs::job::Job;
use blockjob_runtime::AioContext;

use super::{Checker, Interest, Scene};
use crate::cast::Pair;
use crate::failure::Rule;

/// See the module.
#[derive(Default)]
pub struct Wake;

impl Wake {
    /// The checker.
    pub fn new() -> Wake {
        Wake
    }

    fn section(scene: &Scene<'_>, section: &Section) {
        let graph = &scene.cast.graph;
        let nodes = match (graph.find_node(section.node()), section.subtree()) {
            (Some(node), false) => vec![node],
            (Some(node), true) => {
                let all = graph.nodes().into_iter();
                all.filter(|below| node.reaches(below)).collect()
            }
            // It covers all of the graph, or the node is gone.
            (None, _) => graph.nodes(),
        };
        if nodes.iter().any(|node| is_busy(scene, section, node)) {
            return;
        }
        let text = format!(
            "'{}' waits for '{}' to be drained, where nothing is in flight",
            section.owner(),
            section.node()
        );
        let parties = vec![section.owner().to_owned(), section.node().to_owned()];
        scene.fail(Rule::Wake, "section-forgotten", parties, text);
    }

    fn device(scene: &Scene<'_>, pair: &Pair) {
        let queued = pair.device.queued();
        let free = |node: Rc<Node>| node.quiesce_counter() == 0;
        if queued > 0 && pair.device.node().is_some_and(free) {
            let name = pair.device.name().to_owned();
            let text = format!("'{name}' has {queued} requests queued, and nobody drains its node");
            scene.fail(Rule::Wake, "request-forgotten", vec![name], text);
        }
    }

    fn job(scene: &Scene<'_>, job: &Job) {
        let held = job.pause_count() > 0 && !job.is_cancelled();
        if job.is_started() && job.is_paused() && !job.is_completed() && !held {
            let text = format!("{job:?} stands still, and nobody wants it to");
            scene.fail(
                Rule::Wake,
                "job-forgotten",
                vec![job.label().to_string()],
                text,
            );
        }
    }
}

/// Whether the section has to wait for something at `node` or above it.
fn is_busy(scene: &Scene<'_>, section: &Section, node: &Rc<Node>) -> bool {
    if node.in_flight() > 0 {
        return true;
    }
    node.parents().iter().any(|edge| {
        let Some(parent) = edge.parent() else {
            return false;
        };
        match parent.as_node() {
            Some(above) => is_busy(scene, section, &above),
            None => parent.drained_poll(edge) && !asks_itself(scene, section, &parent.describe()),
        }
    })
}

/// A job that drains its own source leaves itself out, but not its requests.
fn asks_itself(scene: &Scene<'_>, section: &Section, parent: &str) -> bool {
    let is_own = |pair: &&Pair| {
        section.node() == pair.source_node.name()
            && parent == format!("mirror job '{}'", pair.job_id)
    };
    let own = ["mirror_run", "mirror_exit"].contains(&section.owner());
    let pair = scene.cast.pairs.iter().find(is_own).filter(|_| own);
    let mirror = pair.and_then(|pair| pair.mirror.get());
    mirror.is_some_and(|mirror| mirror.in_flight() == 0)
}

impl Checker for Wake {
    fn rule(&self) -> Rule {
        Rule::Wake
    }

    fn wants(&self) -> Interest {
        Interest::IDLE
    }

    fn reset(&mut self) {}

    fn idle(&mut self, scene: &Scene<'_>) {
        if let Some(event) = scene.cast.main.forgotten_event() {
            let text = format!("'{event}' was announced, and nobody is going to serve it");
            scene.fail(Rule::Wake, "event-forgotten", vec![event.to_owned()], text);
        }
        for pair in &scene.cast.pairs {
            Self::device(scene, pair);
        }
        // Nobody is current while the main context waits in a loop within its loop. Then whoever polls
        // further down the stack looks again when it is his turn, and so may others.
        if AioContext::try_current().is_none() {
            return;
        }
        for section in scene.cast.graph.open_sections() {
            if !section.established() {
                Self::section(scene, &section);
            }
        }
        for pair in &scene.cast.pairs {
            if let Some(job) = pair.job.get() {
                Self::job(scene, job);
            }
        }
    }
}

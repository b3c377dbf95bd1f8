//! WAKE: whoever waits for a condition hears when it changes.
//!
//! Before the clock goes on everything that can run has run. Who still waits then for something that is
//! already so was forgotten, however soon a chance wake-up may save him.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_jobs::job::Job;

use super::{Checker, Interest, Scene};
use crate::cast::{OpenSection, Pair};
use crate::failure::Rule;

/// See the module.
#[derive(Default)]
pub struct Wake;

impl Wake {
    /// The checker.
    pub fn new() -> Wake {
        Wake
    }

    /// Whether something is in flight that the section has to wait for.
    fn has_to_wait(scene: &Scene<'_>, section: &OpenSection) -> bool {
        let graph = &scene.cast.homes[section.home].graph;
        let nodes = match (graph.find_node(section.node()), section.subtree()) {
            (Some(node), false) => vec![node],
            (Some(node), true) => {
                let all = graph.nodes().into_iter();
                all.filter(|below| node.reaches(below)).collect()
            }
            // It covers all of the graph, or the node is gone.
            (None, _) => graph.nodes(),
        };
        nodes.iter().any(|node| is_busy(scene, section, node))
    }

    fn section(scene: &Scene<'_>, section: &OpenSection) {
        if Self::has_to_wait(scene, section) {
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
        let queued = pair.device().queued();
        let free = |node: Rc<Node>| node.quiesce_counter() == 0;
        if queued > 0 && pair.device().node().is_some_and(free) {
            let name = pair.device().name().to_owned();
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
fn is_busy(scene: &Scene<'_>, section: &OpenSection, node: &Rc<Node>) -> bool {
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
fn asks_itself(scene: &Scene<'_>, section: &OpenSection, parent: &str) -> bool {
    let is_own = |pair: &&Pair| {
        section.node() == pair.source_node().name()
            && parent == format!("mirror job '{}'", pair.job_id)
    };
    let own = ["mirror_run", "mirror_exit"].contains(&section.owner());
    let pair = scene.cast.pairs.iter().find(is_own).filter(|_| own);
    let mirror = pair.and_then(|pair| pair.mirror());
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
        for home in &scene.cast.homes {
            if let Some(event) = home.context.forgotten_event() {
                let text = format!("'{event}' was announced, and nobody is going to serve it");
                scene.fail(Rule::Wake, "event-forgotten", vec![event.to_owned()], text);
            }
        }
        for pair in &scene.cast.pairs {
            Self::device(scene, pair);
        }
        // A context may wait in a loop within its loop. Then whoever polls further down the stack looks
        // again when it is his turn, and so may others who live there.
        let comes_back = |home| scene.cast.world.is_off_stack(home);
        let open = scene.cast.open_sections();
        let waits = |it: &&OpenSection| !it.established() && comes_back(it.home);
        for section in open.iter().filter(waits) {
            // From elsewhere whole families are drained, by sections that begin together.
            let is_of_it =
                |it: &&OpenSection| it.home == section.home && it.owner() == section.owner();
            let family = open.iter().filter(waits).filter(is_of_it);
            let family = family.filter(|_| scene.cast.homes.len() > 1);
            if !family
                .into_iter()
                .any(|it| it.id() != section.id() && Self::has_to_wait(scene, it))
            {
                Self::section(scene, section);
            }
        }
        for pair in &scene.cast.pairs {
            let job = pair.job().filter(|_| comes_back(pair.home.get()));
            if let Some(job) = job {
                Self::job(scene, &job);
            }
        }
    }
}

//! GRAPH: the graph changes only where it is drained, its edges say the same at both ends, and of a job
//! nothing is left in it.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::request::{ALL_NODES, BlockTrace};
use blockjob_jobs::mirror::filter::MirrorTop;

use super::{Checker, Interest, Scene, Seen};
use crate::failure::Rule;

/// See the module.
#[derive(Default)]
pub struct Graph {
    /// It has changed since its edges were looked at.
    changed: bool,
}

impl Graph {
    /// The checker.
    pub fn new() -> Graph {
        Graph::default()
    }

    fn replaces(scene: &Scene<'_>, from: &Rc<str>, to: &Rc<str>) {
        let open = scene.cast.open_sections();
        let home = scene.cast.home_called(scene.context);
        for name in [from, to] {
            let drained = open.iter().any(|section| {
                section.home == home
                    && section.established()
                    && (section.node() == &**name || section.node() == ALL_NODES)
            });
            if !drained {
                let text = format!("'{from}' is replaced by '{to}', and '{name}' is not drained");
                let parties = vec![from.to_string(), to.to_string()];
                scene.fail(Rule::Graph, "replaced-undrained", parties, text);
            }
        }
    }

    /// The edges of a node, at both ends.
    fn edges(scene: &Scene<'_>, node: &Rc<Node>) {
        let below = node.children();
        for edge in &below {
            let above = edge.node().parents();
            let times = above.iter().filter(|it| Rc::ptr_eq(it, edge)).count();
            if times != 1 {
                let text = format!("{edge:?} leads to a node that lists it {times} times");
                Self::fail(scene, node, "edge-unlisted", text);
            }
        }
        for edge in node.parents() {
            if !Rc::ptr_eq(&edge.node(), node) {
                let text = format!("{edge:?} is listed here and leads elsewhere");
                Self::fail(scene, node, "edge-elsewhere", text);
            }
            let parent = edge.parent().and_then(|parent| parent.as_node());
            let owns = |parent: &Rc<Node>| parent.children().iter().any(|it| Rc::ptr_eq(it, &edge));
            if parent.is_some_and(|parent| !owns(&parent)) {
                let text = format!("{edge:?} is not the parent's any more");
                Self::fail(scene, node, "edge-unowned", text);
            }
            // An edge has stopped its parent if and only if the node below it is drained.
            if edge.quiesced_parent() != (node.quiesce_counter() > 0) {
                let text = format!(
                    "{edge:?} has {}stopped its parent",
                    if edge.quiesced_parent() { "" } else { "not " }
                );
                Self::fail(scene, node, "edge-stops", text);
            }
        }
    }

    fn fail(scene: &Scene<'_>, node: &Node, place: &str, text: String) {
        let name = node.name().to_owned();
        let text = format!("at '{name}': {text}");
        scene.fail(Rule::Graph, place, vec![name], text);
    }

    fn look(scene: &Scene<'_>) {
        for node in scene.cast.nodes() {
            Self::edges(scene, &node);
        }
    }
}

impl Checker for Graph {
    fn rule(&self) -> Rule {
        Rule::Graph
    }

    fn wants(&self) -> Interest {
        Interest::BLOCK.or(Interest::IDLE).or(Interest::END)
    }

    fn reset(&mut self) {
        self.changed = false;
    }

    fn see(&mut self, scene: &Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Block(BlockTrace::ReplaceNode { from, to }) => {
                self.changed = true;
                Self::replaces(scene, from, to);
            }
            Seen::Block(BlockTrace::Drained { .. }) => self.changed = true,
            _ => {}
        }
    }

    fn idle(&mut self, scene: &Scene<'_>) {
        if std::mem::take(&mut self.changed) {
            Self::look(scene);
        }
    }

    fn end(&mut self, scene: &Scene<'_>) {
        Self::look(scene);
        for node in scene.cast.nodes() {
            if node.driver().as_any().is::<MirrorTop>() {
                let text = "the filter of a job is left when all is over".to_owned();
                Self::fail(scene, &node, "filter-left", text);
            }
        }
    }
}

//! `x-debug-query-block-graph`: who uses whom.
//!
//! QEMU: `bdrv_get_xdbg_block_graph` (block.c).

use std::collections::BTreeMap;
use std::rc::Rc;

use blockjob_block::Perm;
use blockjob_block::child::Child;

use crate::command;
use crate::daemon::Daemon;
use crate::qapi::types::graph::{
    BlockPermission, XDbgBlockGraph, XDbgBlockGraphEdge, XDbgBlockGraphNode, XDbgBlockGraphNodeType,
};
use crate::qapi::{Command, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[
    command!("x-debug-query-block-graph", "Shows the graph of drives, jobs and nodes.",
        () => XDbgBlockGraph, qmp_x_debug_query_block_graph),
];

/// QEMU: `qmp_x_debug_query_block_graph` (blockdev.c).
fn qmp_x_debug_query_block_graph(daemon: &Rc<Daemon>, (): ()) -> QmpResult<XDbgBlockGraph> {
    let mut dump = Dump::default();
    for backend in daemon.graph().backends() {
        let id = dump.vertex(
            address(&backend),
            XDbgBlockGraphNodeType::BlockBackend,
            backend.name(),
        );
        if let Some(root) = backend.root() {
            dump.edge(id, &root);
        }
    }
    for job in daemon.jobs().jobs() {
        let Some(block_job) = job.block_job() else {
            continue;
        };
        let name = job.id().map_or("", |id| id.as_str());
        let id = dump.vertex(address(block_job), XDbgBlockGraphNodeType::BlockJob, name);
        for edge in block_job.edges() {
            dump.edge(id, &edge);
        }
    }
    let mut nodes = daemon.graph().nodes();
    nodes.sort_by_key(|node| node.number());
    for node in nodes {
        let id = dump.vertex(
            address(&node),
            XDbgBlockGraphNodeType::BlockDriver,
            node.name(),
        );
        for edge in node.children().iter().rev() {
            dump.edge(id, edge);
        }
    }
    // As with the peer: what was found last comes first.
    dump.nodes.reverse();
    dump.edges.reverse();
    Ok(XDbgBlockGraph {
        nodes: dump.nodes,
        edges: dump.edges,
    })
}

/// The vertices and edges found so far. Vertices are known by where they are in memory, and have
/// numbers in the order in which they were first seen, be it at the end of an edge.
///
/// QEMU: `XDbgBlockGraphConstructor` (block.c).
#[derive(Default)]
struct Dump {
    numbers: BTreeMap<usize, u64>,
    nodes: Vec<XDbgBlockGraphNode>,
    edges: Vec<XDbgBlockGraphEdge>,
}

impl Dump {
    fn number(&mut self, address: usize) -> u64 {
        let next = self.numbers.len() as u64 + 1;
        *self.numbers.entry(address).or_insert(next)
    }

    fn vertex(&mut self, address: usize, node_type: XDbgBlockGraphNodeType, name: &str) -> u64 {
        let id = self.number(address);
        self.nodes.push(XDbgBlockGraphNode {
            id,
            node_type,
            name: name.to_owned(),
        });
        id
    }

    fn edge(&mut self, parent: u64, edge: &Child) {
        let child = self.number(address(&edge.node()));
        let perms = edge.perms();
        self.edges.push(XDbgBlockGraphEdge {
            parent,
            child,
            name: edge.name().to_owned(),
            perm: permissions(perms.used),
            shared_perm: permissions(perms.shared),
        });
    }
}

fn address<T>(of: &Rc<T>) -> usize {
    Rc::as_ptr(of).addr()
}

fn permissions(perms: Perm) -> Vec<BlockPermission> {
    let all = [
        (Perm::RESIZE, BlockPermission::Resize),
        (Perm::WRITE_UNCHANGED, BlockPermission::WriteUnchanged),
        (Perm::WRITE, BlockPermission::Write),
        (Perm::CONSISTENT_READ, BlockPermission::ConsistentRead),
    ];
    let held = all.into_iter().filter(|(perm, _)| perms.contains(*perm));
    held.map(|(_, name)| name).collect()
}

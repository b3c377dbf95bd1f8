//! The graphs of several contexts as one, in the order in which one walk over all of them finds things:
//! backends, jobs, and then nodes by their age.
//!
//! QEMU: `bdrv_get_xdbg_block_graph` (block.c).

use std::collections::BTreeMap;

use super::merge::Part;
use crate::qapi::{Dict, Number, Value};

/// A vertex, and the edges that begin there.
struct Vertex {
    /// The number of its context, and its own there.
    name: (usize, i64),
    /// What comes first, and within that what is oldest.
    order: (u8, u64),
    value: Dict,
    edges: Vec<Dict>,
}

/// The graphs of all contexts as one. The keys of each part are the numbers of its nodes, the oldest
/// first.
pub(super) fn join(parts: Vec<Part>) -> Value {
    let parts = parts.into_iter().enumerate();
    let mut vertices: Vec<Vertex> = parts.flat_map(|(at, part)| of_part(at, part)).collect();
    vertices.sort_by_key(|vertex| vertex.order);
    let mut numbers = BTreeMap::new();
    let mut number = |name: (usize, i64)| {
        let next = numbers.len() as i64 + 1;
        Value::from(*numbers.entry(name).or_insert(next))
    };
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    for mut vertex in vertices {
        let id = number(vertex.name);
        for mut edge in vertex.edges {
            let child = (vertex.name.0, integer(&edge, "child"));
            edge.put("parent", id.clone());
            edge.put("child", number(child));
            edges.push(Value::Dict(edge));
        }
        vertex.value.put("id", id);
        nodes.push(Value::Dict(vertex.value));
    }
    // What was found last comes first.
    nodes.reverse();
    edges.reverse();
    let members = [("nodes", Value::List(nodes)), ("edges", Value::List(edges))];
    Value::Dict(Dict::from_iter(members))
}

fn of_part(at: usize, part: Part) -> Vec<Vertex> {
    let Value::Dict(mut graph) = part.value else {
        unreachable!("a graph is an object");
    };
    let mut keys = part.keys.into_iter();
    let mut vertices = Vec::new();
    for value in objects(&mut graph, "nodes") {
        let order = match value.get("type").and_then(Value::as_str) {
            Some("block-backend") => (0, 0),
            Some("block-job") => (1, 0),
            _ => (2, keys.next().expect("each node has a key")),
        };
        vertices.push(Vertex {
            name: (at, integer(&value, "id")),
            order,
            value,
            edges: Vec::new(),
        });
    }
    for edge in objects(&mut graph, "edges") {
        let parent = (at, integer(&edge, "parent"));
        let mut found = vertices.iter_mut();
        if let Some(vertex) = found.find(|vertex| vertex.name == parent) {
            vertex.edges.push(edge);
        }
    }
    vertices
}

/// The elements of a member, in the order in which they were found.
fn objects(graph: &mut Dict, member: &str) -> Vec<Dict> {
    let list = match graph.remove(member) {
        Some(Value::List(list)) => list,
        _ => Vec::new(),
    };
    let objects = list.into_iter().rev().filter_map(|element| match element {
        Value::Dict(object) => Some(object),
        _ => None,
    });
    objects.collect()
}

fn integer(object: &Dict, member: &str) -> i64 {
    match object.get(member) {
        Some(Value::Num(Number::Int(number))) => *number,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qapi::json::{from_json, to_json};

    fn part(text: &str, keys: &[u64]) -> Part {
        Part {
            value: from_json(text).expect("the test writes JSON"),
            keys: keys.to_vec(),
        }
    }

    #[test]
    fn vertices_of_several_contexts_have_numbers_of_their_own_in_the_order_of_one_walk() {
        let user = "{'nodes': [{'id': 2, 'type': 'block-driver', 'name': 'b'}, \
                    {'id': 1, 'type': 'block-backend', 'name': ''}], \
                    'edges': [{'parent': 1, 'child': 2}]}";
        let alone = "{'nodes': [{'id': 1, 'type': 'block-driver', 'name': 'a'}], 'edges': []}";
        let all = join(vec![part(alone, &[3]), part(user, &[7])]);
        let Value::Dict(all) = all else {
            panic!("a graph is an object");
        };
        let seen = |member: &str| {
            let list = all.get(member).and_then(Value::as_list).expect("a list");
            let objects = list.iter().filter_map(Value::as_dict);
            objects.cloned().collect::<Vec<_>>()
        };
        let ids: Vec<_> = seen("nodes").iter().map(|it| integer(it, "id")).collect();
        // The backend is found first, and by its edge the node below; then the other node.
        assert_eq!(ids, [2, 3, 1], "{}", to_json(&Value::Dict(all.clone())));
        let edge = &seen("edges")[0];
        assert_eq!((integer(edge, "parent"), integer(edge, "child")), (1, 2));
    }
}

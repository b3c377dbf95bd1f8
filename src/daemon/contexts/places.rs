//! Where the nodes live that a command names, and how they come together.

use std::rc::Rc;

use blockjob_block::directory::NameKind;
use blockjob_runtime::AioHandle;

use super::groups;
use crate::daemon::Daemon;
use crate::qapi::{Dict, QmpResult, Value};

/// Where the node or drive of that name lives, if there is one.
pub(in crate::daemon) fn place_of(daemon: &Daemon, name: &str) -> Option<AioHandle> {
    let directory = daemon.common().directory();
    let backend = directory.find(NameKind::Backend, name);
    backend.or_else(|| directory.find(NameKind::Node, name))
}

/// Where the node of that name lives, if there is one.
pub(in crate::daemon) fn place_of_node(daemon: &Daemon, name: &str) -> Option<AioHandle> {
    daemon.common().directory().find(NameKind::Node, name)
}

/// Where those live whom `members` of `args` name. If it is several contexts, the later ones come to
/// where the first one is.
///
/// # Errors
///
/// One of them cannot come.
pub(super) fn of_members(
    daemon: &Rc<Daemon>,
    args: &Dict,
    members: &[&str],
) -> QmpResult<Option<AioHandle>> {
    let values = members.iter().map(|member| args.get(member));
    let names = values.flatten().filter_map(Value::as_str);
    together(daemon, names.collect())
}

/// Where those live to whom the options of nodes refer: all of `args`, or the elements of a member.
///
/// # Errors
///
/// One of them cannot come.
pub(super) fn of_references(
    daemon: &Rc<Daemon>,
    args: &Dict,
    member: Option<&str>,
) -> QmpResult<Option<AioHandle>> {
    let mut names = Referred::default();
    match member {
        None => names.of(args),
        Some(member) => {
            let nodes = args.get(member).and_then(Value::as_list);
            for node in nodes.unwrap_or_default() {
                let Value::Dict(node) = node else { continue };
                // The node is there already.
                names
                    .nodes
                    .extend(node.get("node-name").and_then(Value::as_str));
                names.of(node);
            }
        }
    }
    let mut home = together(daemon, names.nodes)?;
    for group in names.groups {
        match &home {
            None => home = daemon.home_of_group(group)?,
            Some(home) => groups::bring(daemon, group, home)?,
        }
    }
    Ok(home)
}

/// The members of the options of nodes that may be the names of other nodes.
const REFERENCES: [&str; 5] = ["file", "backing", "image", "x-image", "data-file"];

/// What options refer to.
#[derive(Default)]
struct Referred<'a> {
    nodes: Vec<&'a str>,
    groups: Vec<&'a str>,
}

impl<'a> Referred<'a> {
    fn of(&mut self, options: &'a Dict) {
        for (name, value) in options.iter() {
            match value {
                Value::Str(text) if REFERENCES.contains(&name) => self.nodes.push(text),
                Value::Str(text) if name == "throttle-group" => self.groups.push(text),
                Value::Dict(inner) => self.of(inner),
                Value::List(list) if name == "children" => {
                    for element in list {
                        match element {
                            Value::Str(text) => self.nodes.push(text),
                            Value::Dict(inner) => self.of(inner),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// The context of the first of `names` that is there; the others come to it.
fn together(daemon: &Rc<Daemon>, names: Vec<&str>) -> QmpResult<Option<AioHandle>> {
    let mut home: Option<AioHandle> = None;
    for name in names {
        let Some(place) = place_of(daemon, name) else {
            continue;
        };
        match &home {
            None => home = Some(place),
            Some(home) if *home == place => {}
            Some(home) => super::moves::move_to(daemon, name, home)?,
        }
    }
    Ok(home)
}

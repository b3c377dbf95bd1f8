//! Where that lives which commands name.

use std::rc::Rc;

use blockjob_block::directory::NameKind;
use blockjob_runtime::AioHandle;

use super::{groups, moves};
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

/// Somebody whom a command names, with all that is connected with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::daemon) enum Party<'a> {
    /// A node or a drive.
    Node(&'a str),
    /// A throttle group.
    Group(&'a str),
}

impl Party<'_> {
    /// By what name it is known.
    pub(super) fn name(&self) -> &str {
        match self {
            Party::Node(name) | Party::Group(name) => name,
        }
    }

    /// Where it lives, if it is there.
    pub(super) fn place(&self, daemon: &Rc<Daemon>) -> QmpResult<Option<AioHandle>> {
        match self {
            Party::Node(name) => Ok(place_of(daemon, name)),
            Party::Group(id) => daemon.home_of_group(id),
        }
    }

    /// Has it live in `home` from now on.
    pub(super) fn bring(&self, daemon: &Rc<Daemon>, home: &AioHandle) -> QmpResult<()> {
        match self {
            Party::Node(name) => moves::move_to(daemon, name, home),
            Party::Group(id) => groups::bring(daemon, id, home),
        }
    }
}

/// The nodes and drives that `members` of `args` name.
pub(super) fn of_members<'a>(args: &'a Dict, members: &[&str]) -> Vec<Party<'a>> {
    let values = members.iter().filter_map(|member| args.get(member));
    values.filter_map(Value::as_str).map(Party::Node).collect()
}

/// The members of the options of nodes that may be the names of other nodes.
const REFERENCES: [&str; 5] = ["file", "backing", "image", "x-image", "data-file"];

/// To whom the options of nodes refer: nodes first, then throttle groups.
pub(in crate::daemon) fn of_options(options: &Dict) -> Vec<Party<'_>> {
    let mut all = Referred::default();
    all.look_at(options);
    all.nodes.append(&mut all.groups);
    all.nodes
}

/// What options refer to.
#[derive(Default)]
struct Referred<'a> {
    nodes: Vec<Party<'a>>,
    groups: Vec<Party<'a>>,
}

impl<'a> Referred<'a> {
    fn look_at(&mut self, options: &'a Dict) {
        for (name, value) in options.iter() {
            match value {
                Value::Str(text) if REFERENCES.contains(&name) => {
                    self.nodes.push(Party::Node(text));
                }
                Value::Str(text) if name == "throttle-group" => {
                    self.groups.push(Party::Group(text));
                }
                Value::Dict(inner) => self.look_at(inner),
                Value::List(list) if name == "children" => {
                    for element in list {
                        match element {
                            Value::Str(text) => self.nodes.push(Party::Node(text)),
                            Value::Dict(inner) => self.look_at(inner),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

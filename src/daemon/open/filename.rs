//! The names of nodes: what would have to be opened to get the same again.
//!
//! A node has an exact name, if opening that gives the node with all that is below it; and always a
//! `json:` name.
//!
//! QEMU: `bdrv_refresh_filename`, `append_significant_runtime_options` (block.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::{Child, ChildRole};

use super::format::Format;
use super::options::Options;
use super::protocol;
use crate::daemon::Daemon;
use crate::daemon::facts::NodeFacts;
use crate::qapi::json::to_json;
use crate::qapi::{Dict, QmpError, QmpResult, Value};

/// Longer names are cut.
///
/// QEMU: `filename` of `BlockDriverState` (include/block/block_int-common.h).
const MAX_BYTES: usize = 4096;

/// The names of a node.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The exact name; empty if there is none.
    pub exact: String,
    /// The options that the `json:` name holds.
    pub full: Dict,
    /// The name to show, where it is neither of these.
    copied: Option<String>,
}

impl Names {
    /// The name to show: the exact one or else the `json:` one, as `filename` and `file` in queries.
    ///
    /// QEMU: `filename` of `BlockDriverState` (include/block/block_int-common.h).
    pub fn shown(&self) -> String {
        if let Some(copied) = &self.copied {
            return copied.clone();
        }
        if !self.exact.is_empty() {
            return self.exact.clone();
        }
        let mut text = format!("json:{}", to_json(&Value::Dict(self.full.clone())));
        if text.len() >= MAX_BYTES {
            text.truncate(MAX_BYTES - 4);
            text.push_str("...");
        }
        text
    }
}

/// The names of a node as it is now.
///
/// QEMU: `bdrv_refresh_filename` (block.c).
pub fn of(daemon: &Rc<Daemon>, node: &Rc<Node>) -> Names {
    let facts = daemon.facts.of(node);
    let Some(format) = Format::find(node.driver().format_name()) else {
        return of_foreign(daemon, node);
    };
    let overridden = backing_overridden(daemon, node, &facts);
    let options = facts.options.borrow();
    let mut full = Dict::new();
    let significant = strong_options(format, &options, &mut full);
    full.put("driver", format.name());
    put_children(daemon, node, overridden, &mut full);
    let exact = match (format, primary(node)) {
        (Format::Blkdebug, Some(image)) => blkdebug_name(daemon, &image, &full),
        (Format::Nbd, _) => super::nbd_name::exact(&options),
        (Format::NullCo | Format::NullAio, _) => null_name(format, &full),
        (_, None) => facts.opened_name.borrow().clone(),
        (_, Some(file)) => {
            let below = file.node();
            let same = Format::find(below.driver().format_name()).is_some_and(Format::is_protocol)
                && format.is_format()
                && !significant
                && !overridden;
            let name = || of(daemon, &below).exact;
            same.then(name).unwrap_or_default()
        }
    };
    Names {
        exact,
        full,
        copied: None,
    }
}

/// Of a node that was not opened by options: it is called as what it filters.
fn of_foreign(daemon: &Rc<Daemon>, node: &Rc<Node>) -> Names {
    match node.filter_or_cow() {
        Some(below) => {
            let names = of(daemon, &below);
            Names {
                copied: Some(names.shown()),
                ..names
            }
        }
        None => Names {
            full: [("driver", node.driver().format_name())]
                .into_iter()
                .collect(),
            ..Names::default()
        },
    }
}

/// The child that a node keeps its data in, or shows.
///
/// QEMU: `bdrv_primary_child` (block.c).
fn primary(node: &Node) -> Option<Rc<Child>> {
    let mut children = node.children().into_iter();
    children.find(|child| matches!(child.name(), "file" | "image"))
}

/// QEMU: `append_significant_runtime_options` (block.c).
fn strong_options(format: Format, options: &Options, full: &mut Dict) -> bool {
    let mut found = false;
    for strong in format.strong_options() {
        for (name, value) in options.iter() {
            if name == *strong || (strong.ends_with('.') && name.starts_with(strong)) {
                full.put(name, value.clone());
                found = true;
            }
        }
    }
    found
}

/// QEMU: `bdrv_gather_child_options` of `BlockDriver` (include/block/block_int-common.h).
fn put_children(daemon: &Rc<Daemon>, node: &Rc<Node>, overridden: bool, full: &mut Dict) {
    let mut numbered = Vec::new();
    for child in node.children() {
        if child.role() == ChildRole::Cow && !overridden {
            continue;
        }
        let names = of(daemon, &child.node());
        if child.name().starts_with("children.") {
            numbered.push(Value::Dict(names.full));
        } else {
            full.put(child.name(), names.full);
        }
    }
    if !numbered.is_empty() {
        full.put("children", Value::List(numbered));
    }
    if overridden && node.backing().is_none() {
        full.put("backing", Value::Null);
    }
}

/// True if a node's backing node is not the one that its header would lead to.
///
/// QEMU: `bdrv_backing_overridden` (block.c).
fn backing_overridden(daemon: &Rc<Daemon>, node: &Rc<Node>, facts: &NodeFacts) -> bool {
    let auto = facts.auto_backing_file.borrow();
    match node.backing() {
        Some(backing) => {
            // What a job has put in between is not the user's choice.
            let backing = backing.node().skip_implicit_filters();
            of(daemon, &backing).shown() != *auto
        }
        None => !auto.is_empty(),
    }
}

/// QEMU: `blkdebug_refresh_filename` (block/blkdebug.c).
fn blkdebug_name(daemon: &Rc<Daemon>, image: &Child, full: &Dict) -> String {
    let plain = |name: &str| matches!(name, "config" | "image" | "driver");
    let below = of(daemon, &image.node()).exact;
    if below.is_empty() || !full.iter().all(|(name, _)| plain(name)) {
        return String::new();
    }
    let config = full.get("config").and_then(Value::as_str).unwrap_or("");
    format!("blkdebug:{config}:{below}")
}

/// QEMU: `null_refresh_filename` (block/null.c).
fn null_name(format: Format, full: &Dict) -> String {
    match full.len() {
        1 => format!("{}://", format.name()),
        _ => String::new(),
    }
}

/// The folder of a node, with a slash at its end: where relative names in its header begin.
///
/// QEMU: `bdrv_dirname` (block.c).
///
/// # Errors
///
/// It is in none.
pub fn dirname(daemon: &Rc<Daemon>, node: &Rc<Node>) -> QmpResult<String> {
    if let Some(child) = primary(node).or_else(|| node.filtered()) {
        return dirname(daemon, &child.node());
    }
    if node.driver().format_name() == "nbd" {
        // Exports are in no folder, whatever their names look like.
        return Err(QmpError::generic(
            "Cannot generate a base directory for NBD nodes",
        ));
    }
    let names = of(daemon, node);
    if !names.exact.is_empty() && node.driver().format_name() != "null-co" {
        return Ok(protocol::folder(&names.exact).to_owned());
    }
    Err(QmpError::generic(format!(
        "Cannot generate a base directory for {} nodes",
        node.driver().format_name()
    )))
}

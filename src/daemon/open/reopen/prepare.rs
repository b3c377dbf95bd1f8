//! What can fail before anything changes.
//!
//! QEMU: `bdrv_reopen_prepare`, `bdrv_reopen_parse_file_or_backing` (block.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::Child;
use blockjob_block::driver::file::{FileDriver, FileHandle, Locking, OpenOptions};
use blockjob_block::driver::qcow2::Qcow2Driver;
use blockjob_block::driver::throttle::ThrottleGroup;
use blockjob_block::settings::NodeSettings;

use super::{Queued, cannot_reopen, find_node};
use crate::daemon::Daemon;
use crate::daemon::open::build;
use crate::daemon::open::common::{detect_zeroes, take_bool};
use crate::daemon::open::format::Format;
use crate::daemon::open::options::Options;
use crate::qapi::{QmpError, QmpResult};

/// A change that nothing is in the way of, as far as can be told before it is made.
pub(super) struct Prepared {
    pub(super) queued: Queued,
    pub(super) read_only: bool,
    pub(super) direct: bool,
    pub(super) auto_read_only: bool,
    pub(super) settings: NodeSettings,
    /// Another backing node, or none.
    pub(super) backing: Option<Option<Rc<Node>>>,
    /// Another node below.
    pub(super) file: Option<Rc<Node>>,
    pub(super) group: Option<Rc<ThrottleGroup>>,
    pub(super) handle: Option<FileHandle>,
}

/// QEMU: `bdrv_reopen_prepare` (block.c).
pub(super) fn prepare(daemon: &Rc<Daemon>, queued: Queued) -> QmpResult<Prepared> {
    let node = &queued.node;
    let facts = daemon.facts.of(node);
    let mut options = queued.options.clone();
    let unmap = match options.take("discard").as_deref() {
        None => facts.discard_unmap.get(),
        Some("on" | "unmap") => true,
        Some(_) => false,
    };
    let settings = NodeSettings {
        unmap,
        no_flush: take_bool(&mut options, "cache.no-flush")?.unwrap_or(false),
        detect_zeroes: detect_zeroes(&mut options, unmap)?,
        force_share: facts.force_share.get(),
    };
    let direct = take_bool(&mut options, "cache.direct")?.unwrap_or(false);
    let auto_read_only = take_bool(&mut options, "auto-read-only")?.unwrap_or(false);
    let read_only = queued.read_only();
    options.take("read-only");
    flush(daemon, node)?;
    let mut group = None;
    let mut handle = None;
    match queued.format {
        Format::Quorum | Format::CopyOnRead => return Err(cannot_reopen(node)),
        Format::Throttle => {
            if let Some(name) = options.take("throttle-group") {
                group = Some(daemon.graph().throttle_groups().find(&name)?);
            }
        }
        Format::Qcow2 => {
            build::check_qcow2_options(&mut options)?;
            if !read_only && node.is_read_only() {
                check_qcow2_writable(node)?;
            }
        }
        Format::File | Format::HostDevice => {
            handle = open_again(daemon, node, &mut options, read_only, direct)?;
        }
        _ => {}
    }
    let backing = backing(daemon, &queued, &mut options)?;
    let file = file(daemon, &queued, &mut options)?;
    check_unchanged(&queued, &options, &facts.options.borrow())?;
    Ok(Prepared {
        queued,
        read_only,
        direct,
        auto_read_only,
        settings,
        backing,
        file,
        group,
        handle,
    })
}

fn flush(daemon: &Rc<Daemon>, node: &Rc<Node>) -> QmpResult<()> {
    let flushed = node.clone();
    let result = daemon
        .context()
        .run("reopen", async move { flushed.flush().await });
    result.map_err(|error| QmpError::from(error).prepend("Error flushing drive: "))
}

fn check_qcow2_writable(node: &Node) -> QmpResult<()> {
    let driver = node.driver().as_any().downcast_ref::<Qcow2Driver>();
    match driver {
        Some(driver) => Ok(driver.check_writable()?),
        None => Ok(()),
    }
}

/// Opens a file anew, if it is to be written to for the first time, or past the page cache.
///
/// QEMU: `raw_reopen_prepare` (block/file-posix.c).
fn open_again(
    daemon: &Rc<Daemon>,
    node: &Rc<Node>,
    options: &mut Options,
    read_only: bool,
    direct: bool,
) -> QmpResult<Option<FileHandle>> {
    // How requests are made may change: it makes no difference here.
    options.take("aio");
    options.take("drop-cache");
    let Some(driver) = node.driver().as_any().downcast_ref::<FileDriver>() else {
        return Ok(None);
    };
    let now = driver.handle();
    if now.is_direct() == direct && (read_only || !now.is_read_only()) {
        return Ok(None);
    }
    let facts = daemon.facts.of(node);
    let locking = match facts.options.borrow().text("locking").as_deref() {
        Some("on") => Locking::On,
        Some("off") => Locking::Off,
        _ => Locking::Auto,
    };
    let how = OpenOptions::new(now.path())
        .read_only(read_only)
        .direct(direct)
        .locking(locking);
    let handle = how.open().map_err(|error| {
        let why = blockjob_block::error::errno_text(error.errno());
        QmpError::generic(format!("Could not reopen file: {why}"))
    })?;
    Ok(Some(handle))
}

/// The node that a child is to be, where the options name one.
///
/// QEMU: `bdrv_reopen_parse_file_or_backing` (block.c).
fn backing(
    daemon: &Rc<Daemon>,
    queued: &Queued,
    options: &mut Options,
) -> QmpResult<Option<Option<Rc<Node>>>> {
    let node = &queued.node;
    if !queued.format.supports_backing() {
        return Ok(None);
    }
    let now = node.backing().map(|edge| edge.node());
    if !options.contains("backing") {
        if queued.is_whole && now.is_some() && !queued.backing_defined {
            return Err(QmpError::generic(format!(
                "backing is missing for '{}'",
                node.name()
            )));
        }
        return Ok(None);
    }
    let wanted = match options.take("backing") {
        Some(name) => Some(find_node(daemon, &name)?),
        None => None,
    };
    check_edge(node, node.backing(), wanted.as_ref(), "backing")
}

fn file(
    daemon: &Rc<Daemon>,
    queued: &Queued,
    options: &mut Options,
) -> QmpResult<Option<Rc<Node>>> {
    let node = &queued.node;
    let changeable = matches!(queued.format, Format::Raw | Format::Throttle);
    let (true, Some(name)) = (changeable, options.text("file")) else {
        return Ok(None);
    };
    let wanted = find_node(daemon, &name)?;
    options.take("file");
    let changed = check_edge(node, node.child("file"), Some(&wanted), "file")?;
    Ok(changed.flatten())
}

/// Nothing to do if the edge leads there already; an error if it must not lead there.
fn check_edge(
    node: &Rc<Node>,
    edge: Option<Rc<Child>>,
    wanted: Option<&Rc<Node>>,
    name: &str,
) -> QmpResult<Option<Option<Rc<Node>>>> {
    let now = edge.as_ref().map(|edge| edge.node());
    let same = match (&now, wanted) {
        (None, None) => true,
        (Some(now), Some(wanted)) => {
            Rc::ptr_eq(now, wanted) || Rc::ptr_eq(&now.skip_implicit_filters(), wanted)
        }
        _ => false,
    };
    if same {
        return Ok(None);
    }
    if let Some(wanted) = wanted
        && wanted.reaches(node)
    {
        return Err(QmpError::generic(format!(
            "Making '{}' a {name} child of '{}' would create a cycle",
            wanted.name(),
            node.name()
        )));
    }
    if let (Some(edge), Some(now)) = (&edge, &now) {
        if now.is_implicit() {
            return Err(QmpError::generic(format!(
                "Cannot replace implicit {name} child of {}",
                node.name()
            )));
        }
        if edge.is_frozen() {
            return Err(QmpError::generic(format!(
                "Cannot change '{name}' link from '{}' to '{}'",
                node.name(),
                now.name()
            )));
        }
    }
    Ok(Some(wanted.cloned()))
}

/// Refuses what is not as it was and cannot be changed.
fn check_unchanged(queued: &Queued, options: &Options, old: &Options) -> QmpResult<()> {
    let node = &queued.node;
    for (name, value) in options.iter() {
        let same = match name {
            "driver" => options.text(name).as_deref() == Some(queued.format.name()),
            "node-name" => options.text(name).as_deref() == Some(node.name()),
            _ => {
                let child = node.child(name).map(|child| child.node());
                let named = options.text(name);
                let is_child = child.is_some_and(|child| named.as_deref() == Some(child.name()));
                is_child || old.value(name) == Some(value) || same_text(old, options, name)
            }
        };
        if !same {
            return Err(QmpError::generic(format!(
                "Cannot change the option '{name}'"
            )));
        }
    }
    Ok(())
}

/// True if a text and a number, or a flag, mean the same: a command line has only texts.
fn same_text(old: &Options, new: &Options, name: &str) -> bool {
    let before = old.text(name);
    before.is_some() && before == new.text(name)
}

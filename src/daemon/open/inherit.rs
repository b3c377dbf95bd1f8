//! One node and all that belongs to it, from options.
//!
//! QEMU: `bdrv_open_inherit`, `bdrv_fill_options`, `bdrv_open_child_bs` (block.c).

use std::rc::Rc;

use blockjob_block::Node;

use super::common::{self, Shared};
use super::flags::{OpenFlags, Role, fill_in, inherit};
use super::format::Format;
use super::options::Options;
use super::{backing, filename, probing, protocol, say};
use crate::daemon::Daemon;
use crate::daemon::facts::NodeFacts;
use crate::qapi::{QmpError, QmpResult};

/// Images behind images behind images: more than this are a ring, or as bad as one. The peer has no
/// such end, and runs out of something else.
const MAX_DEPTH: usize = 256;

/// On whose behalf a node is opened.
pub(super) struct Parent<'a> {
    /// It is an image format, or will turn out to be one.
    pub(super) is_format: bool,
    /// Its flags.
    pub(super) flags: OpenFlags,
    /// All that holds for it.
    pub(super) options: &'a Options,
    /// How many are above it.
    pub(super) depth: usize,
}

/// What is to be opened.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    /// By which name.
    pub(super) filename: Option<String>,
    /// Or the node that it is.
    pub(super) reference: Option<String>,
    /// How.
    pub(super) options: Options,
    /// How, where the options do not say.
    pub(super) flags: OpenFlags,
    /// On whose behalf, and as what.
    pub(super) parent: Option<(&'a Parent<'a>, Role)>,
    /// Whether the name may begin with a protocol, or be one of `json:`.
    pub(super) parse_filename: bool,
}

/// A node that options have led to.
pub(super) struct Found {
    pub(super) node: Rc<Node>,
    /// It was opened for this purpose, and was not there before.
    pub(super) is_new: bool,
}

/// A node while it is being opened.
pub(super) struct Opening<'a> {
    pub(super) daemon: &'a Rc<Daemon>,
    /// What nobody has made use of yet.
    pub(super) options: Options,
    /// All options.
    pub(super) all: Options,
    /// What the user said.
    pub(super) explicit: Options,
    pub(super) flags: OpenFlags,
    pub(super) depth: usize,
    /// Nodes that were opened for it; they follow it when it is reopened.
    pub(super) followers: Vec<Rc<Node>>,
}

/// QEMU: `bdrv_open_inherit` (block.c).
pub(super) fn open(daemon: &Rc<Daemon>, wanted: Wanted<'_>) -> QmpResult<Found> {
    if let Some(reference) = &wanted.reference {
        if wanted.filename.is_some() || !wanted.options.is_empty() {
            return Err(QmpError::generic(
                "Cannot reference an existing block device with additional options or a new filename",
            ));
        }
        return Ok(Found {
            node: daemon.graph().lookup(reference)?,
            is_new: false,
        });
    }
    let (mut opening, filename) = begin(daemon, wanted)?;
    let node = opening.open(filename)?;
    Ok(Found { node, is_new: true })
}

/// Settles what the options of a node are.
fn begin<'a>(
    daemon: &'a Rc<Daemon>,
    wanted: Wanted<'_>,
) -> QmpResult<(Opening<'a>, Option<String>)> {
    let (mut options, mut flags) = (wanted.options, wanted.flags);
    let mut filename = wanted.filename;
    if wanted.parse_filename {
        filename = protocol::take_json(filename, &mut options)?;
    }
    let explicit = options.clone();
    let mut depth = 0;
    if let Some((parent, role)) = wanted.parent {
        depth = parent.depth + 1;
        flags = inherit(
            role,
            parent.is_format,
            parent.flags,
            parent.options,
            &mut options,
        );
    }
    if depth > MAX_DEPTH {
        return Err(QmpError::generic(format!(
            "More than {MAX_DEPTH} images depend on each other"
        )));
    }
    fill_options(
        &mut options,
        filename.as_deref(),
        &mut flags,
        wanted.parse_filename,
    )?;
    flags.writable = !common::is_on(options.text("read-only").as_deref());
    let opening = Opening {
        daemon,
        all: options.clone(),
        options,
        explicit,
        flags,
        depth,
        followers: Vec::new(),
    };
    Ok((opening, filename))
}

/// QEMU: `bdrv_fill_options` (block.c).
fn fill_options(
    options: &mut Options,
    filename: Option<&str>,
    flags: &mut OpenFlags,
    may_parse: bool,
) -> QmpResult<()> {
    let mut format = None;
    if let Some(name) = options.text("driver") {
        let found = Format::find(&name);
        let found = found.ok_or_else(|| QmpError::generic(format!("Unknown driver '{name}'")))?;
        flags.protocol = found.is_protocol();
        format = Some(found);
    }
    fill_in(options, *flags);
    let mut parse = false;
    if let (true, Some(filename)) = (flags.protocol, filename) {
        if options.contains("filename") {
            return Err(QmpError::generic(
                "Can't specify 'file' and 'filename' options at the same time",
            ));
        }
        options.put("filename", filename);
        parse = may_parse;
    }
    let name = options.text("filename").map(|name| name.into_owned());
    if format.is_none() && flags.protocol {
        let name = name.as_deref();
        let name = name.ok_or_else(|| QmpError::generic("Must specify either driver or file"))?;
        let found = protocol::find(name, parse)?;
        options.put("driver", found.name());
        format = Some(found);
    }
    if let (true, Some(format), Some(name)) = (parse, format, name) {
        common::parse_filename(format, &name, options)?;
    }
    Ok(())
}

impl Opening<'_> {
    fn open(&mut self, filename: Option<String>) -> QmpResult<Rc<Node>> {
        let given = self
            .options
            .text("driver")
            .as_deref()
            .and_then(Format::find);
        self.take_no_backing();
        let file = if self.flags.protocol {
            None
        } else {
            self.open_child("file", filename.clone(), Role::Image, true)?
        };
        let format = match (given, &file) {
            (Some(format), _) => format,
            (None, Some(file)) => {
                let found = probing::probe(self.daemon, file, filename.as_deref())?;
                self.all.put("driver", found.name());
                self.options.put("driver", found.name());
                found
            }
            (None, None) => {
                return Err(QmpError::generic("Must specify either driver or file"));
            }
        };
        let facts = Rc::<NodeFacts>::default();
        facts.probed.set(given.is_none());
        facts.no_backing.set(self.flags.no_backing);
        let shared = Shared::take(self, format, &facts)?;
        let opened_name = match &file {
            Some(file) => filename::of(self.daemon, file).shown(),
            None => self
                .options
                .text("filename")
                .unwrap_or_default()
                .into_owned(),
        };
        facts.opened_name.replace(opened_name);
        let node = self.open_common(format, file, &shared, &facts)?;
        if !self.flags.no_backing {
            backing::open(self, &node, format, &facts)?;
        }
        self.finish(format, &node, &facts)?;
        Ok(node)
    }

    /// `"backing": null`, and the empty text that once meant the same.
    fn take_no_backing(&mut self) {
        let empty = self
            .options
            .text("backing")
            .is_some_and(|text| text.is_empty());
        if empty {
            say::warn("Use of \"backing\": \"\" is deprecated; use \"backing\": null instead");
        }
        if empty || self.options.is_null("backing") {
            self.flags.no_backing = true;
            for options in [&mut self.options, &mut self.all, &mut self.explicit] {
                options.take("backing");
            }
        }
    }

    /// Opens the child of that name, if the options or `filename` say which it is.
    ///
    /// QEMU: `bdrv_open_child_bs` (block.c).
    pub(super) fn open_child(
        &mut self,
        name: &str,
        filename: Option<String>,
        role: Role,
        parent_is_format: bool,
    ) -> QmpResult<Option<Rc<Node>>> {
        let options = self.options.take_child(name);
        let reference = self.options.take(name);
        if filename.is_none() && reference.is_none() && options.is_empty() {
            return Ok(None);
        }
        let all = self.all.clone();
        let parent = Parent {
            is_format: parent_is_format,
            flags: self.flags,
            options: &all,
            depth: self.depth,
        };
        let wanted = Wanted {
            filename,
            reference,
            options,
            flags: OpenFlags::default(),
            parent: Some((&parent, role)),
            parse_filename: true,
        };
        let found = open(self.daemon, wanted)?;
        if found.is_new {
            self.followers.push(found.node.clone());
        }
        Ok(Some(found.node))
    }

    /// Refuses what nobody has made use of, and notes the rest.
    fn finish(&mut self, format: Format, node: &Rc<Node>, facts: &Rc<NodeFacts>) -> QmpResult<()> {
        if let Some((name, _)) = self.options.iter().next() {
            let format_name = format.name();
            return Err(QmpError::generic(if self.flags.protocol {
                format!("Block protocol '{format_name}' doesn't support the option '{name}'")
            } else {
                format!("Block format '{format_name}' does not support the option '{name}'")
            }));
        }
        for child in node.children() {
            for options in [&mut self.all, &mut self.explicit] {
                options.take_child(child.name());
                options.take(child.name());
            }
        }
        for follower in self.followers.drain(..) {
            let follower = self.daemon.facts.of(&follower);
            follower.inherits_from.replace(Rc::downgrade(node));
        }
        facts.options.replace(std::mem::take(&mut self.all));
        facts
            .explicit_options
            .replace(std::mem::take(&mut self.explicit));
        Ok(())
    }
}

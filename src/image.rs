//! Image files as nodes: a `file` node, and a node of the format on top of it.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use blockjob::block::driver::file::{FileDriver, FileIdentity, OpenOptions};
use blockjob::block::driver::qcow2::{self, Qcow2Driver};
use blockjob::block::driver::raw::{RawDriver, RawOptions};
use blockjob::block::{BlockResult, Graph, Node};
use blockjob::daemon::Daemon;
use blockjob::daemon::open::options::Options;
use blockjob::daemon::open::{OpenFlags, full_backing_filename, has_protocol, open_image};

use crate::cli::{Format, MirrorArgs, Sync};
use crate::failure::Failure;
use crate::nbd_image;

/// How an image is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    pub(crate) read_only: bool,
    pub(crate) direct: bool,
}

/// Opens an image, which neither creates nor changes nor locks it yet.
pub(crate) fn open(path: &Path, access: Access) -> BlockResult<FileDriver> {
    let options = OpenOptions::new(path)
        .read_only(access.read_only)
        .direct(access.direct);
    FileDriver::open(&options)
}

/// What others want to know of an image that has gone into a node.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) path: PathBuf,
    /// None for what is no file.
    pub(crate) identity: Option<FileIdentity>,
    pub(crate) len_bytes: u64,
}

impl Facts {
    /// Of an open image.
    pub(crate) fn of(file: &FileDriver) -> BlockResult<Facts> {
        let file = file.handle();
        Ok(Facts {
            path: file.path().to_owned(),
            identity: Some(file.identity()),
            len_bytes: file.size()?,
        })
    }
}

/// The formats of source and target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Formats {
    pub(crate) source: Format,
    pub(crate) target: Format,
    /// Nobody has said what the source is.
    pub(crate) guessed: bool,
}

impl Formats {
    /// What was asked for. If nothing was, both are raw; but then the source must not look like
    /// something else: whoever wrote that into a raw disk must not decide how it is read, and whoever
    /// forgot to say it would not get the copy that they mean.
    pub(crate) fn chosen(source: &Path, args: &MirrorArgs) -> Result<Formats, Failure> {
        let chosen = args.source_format.or(args.format);
        if chosen.is_none() && !nbd_image::is_export(source) && looks_like_qcow2(source) {
            return Err(Failure::bad_input(format!(
                "'{0}' looks like a qcow2 image: --format qcow2 copies the disk in it, and --format \
                 raw the file as it is",
                source.display()
            )));
        }
        Ok(Formats {
            guessed: chosen.is_none(),
            source: chosen.unwrap_or(Format::Raw),
            target: args.format.unwrap_or(Format::Raw),
        })
    }
}

fn looks_like_qcow2(path: &Path) -> bool {
    // To open anything else than an image may wait for ever; that it is none is said when it is opened.
    let can_be_image = std::fs::metadata(path).is_ok_and(|meta| identity(&meta).is_some());
    if !can_be_image {
        return false;
    }
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(512).read_to_end(&mut first));
    read.is_ok() && qcow2::probe(&first) > 0
}

/// Opens the source, read-only, with whatever is below it.
pub(crate) fn open_source(
    daemon: &Rc<Daemon>,
    path: &Path,
    formats: Formats,
    direct: bool,
) -> Result<(Rc<Node>, Facts), Failure> {
    let format = formats.source;
    if nbd_image::is_export(path) {
        let node = nbd_image::open(daemon, "source", path, format, true)?;
        if formats.guessed {
            nbd_image::refuse_if_qcow2(daemon, path, &node)?;
        }
        let facts = Facts {
            path: path.to_owned(),
            identity: None,
            len_bytes: node.len()?,
        };
        return Ok((node, facts));
    }
    if format == Format::Raw {
        let access = Access {
            read_only: true,
            direct,
        };
        let file = open(path, access)?;
        let facts = Facts::of(&file)?;
        return Ok((add_raw(daemon.graph(), "source", file)?, facts));
    }
    let Some(name) = path.to_str() else {
        let what = format!(
            "'{}' is no name for a qcow2 image: it is not UTF-8",
            path.display()
        );
        return Err(Failure::bad_input(what));
    };
    let mut options = Options::new();
    for (option, value) in [
        ("driver", format.name()),
        ("node-name", "source"),
        ("read-only", "on"),
        ("cache.direct", if direct { "on" } else { "off" }),
        ("file.driver", "file"),
        ("file.node-name", "source-file"),
        ("file.filename", name),
    ] {
        options.put(option, value);
    }
    let opened = open_image(daemon, None, options, OpenFlags::default());
    let node = opened.map_err(|error| {
        let hint = error
            .hint
            .map(|hint| format!(". {hint}"))
            .unwrap_or_default();
        named(path, &format!("{}{hint}", error.desc))
    })?;
    let file = node.child("file").map(|file| file.node());
    let file = file
        .as_ref()
        .and_then(|file| file.driver().as_any().downcast_ref::<FileDriver>());
    let mut facts = Facts::of(file.expect("the options say that it is a file"))?;
    facts.len_bytes = node.len()?;
    Ok((node, facts))
}

/// Makes the nodes of a target that is open, after it has been made an image if it is new.
pub(crate) fn add_target(
    daemon: &Rc<Daemon>,
    file: FileDriver,
    format: Format,
    new: bool,
    source: &Rc<Node>,
    sync: Sync,
) -> Result<Rc<Node>, Failure> {
    if format == Format::Raw {
        return Ok(add_raw(daemon.graph(), "target", file)?);
    }
    let len_bytes = source.len()?;
    let path = file.handle().path().to_owned();
    let file = daemon
        .graph()
        .add_node(Some("target-file"), Box::new(file), false, &[])?;
    if new {
        let mut options = qcow2::CreateOptions::new(len_bytes);
        if let (Sync::Top, Some((name, format))) = (sync, backing_of(daemon, source)?) {
            options.backing_file = Some(name);
            options.backing_format = format;
        }
        let file = file.clone();
        let create = async move { qcow2::create(&file, options).await };
        daemon.context().run("create", create)?;
    }
    let opening = file.clone();
    let open = async move { qcow2::open(&opening, qcow2::OpenOptions { read_only: false }).await };
    let opened = daemon.context().run("open", open);
    let opened = opened.map_err(|error| named(&path, &error.to_string()))?;
    if !new
        && sync == Sync::Top
        && source.backing().is_some()
        && opened.facts.backing_file.is_none()
    {
        return Err(Failure::bad_input(
            "--sync top copies what is above the backing file of the source, and the target has no \
             backing file: what is not copied would be missing",
        ));
    }
    let child = ("file", blockjob::block::child::ChildRole::Data, file);
    let driver = Box::new(opened.driver);
    let node = daemon
        .graph()
        .add_node(Some("target"), driver, false, &[child])?;
    let target_bytes = node.len()?;
    if target_bytes != len_bytes {
        return Err(Failure::bad_input(format!(
            "the disk in the target has {target_bytes} bytes, and the source has {len_bytes}"
        )));
    }
    Ok(node)
}

/// What is wrong with an image, with the image.
fn named(path: &Path, what: &str) -> Failure {
    let name = path.display().to_string();
    if what.contains(&name) {
        return Failure::bad_input(what);
    }
    Failure::bad_input(format!("'{name}': {what}"))
}

/// The name of the backing file of the source, from anywhere, and its format.
fn backing_of(
    daemon: &Rc<Daemon>,
    node: &Rc<Node>,
) -> Result<Option<(String, Option<String>)>, Failure> {
    let Some(driver) = node.driver().as_any().downcast_ref::<Qcow2Driver>() else {
        return Ok(None);
    };
    let name = full_backing_filename(daemon, node);
    let Some(name) = name.map_err(|error| Failure::bad_input(error.desc))? else {
        return Ok(None);
    };
    let name = match std::path::absolute(&name) {
        Ok(path) if !has_protocol(&name) => path.display().to_string(),
        _ => name,
    };
    Ok(Some((name, driver.facts().backing_format)))
}

/// Makes the nodes `NAME-file` and `NAME` of an open raw image, and returns the upper one.
pub(crate) fn add_raw(graph: &Rc<Graph>, name: &str, file: FileDriver) -> BlockResult<Rc<Node>> {
    let read_only = file.handle().is_read_only();
    let len_bytes = file.handle().size()?;
    let file_name = format!("{name}-file");
    let file = graph.add_node(Some(&file_name), Box::new(file), read_only, &[])?;
    let options = RawOptions::default();
    let raw = Box::new(RawDriver::new(options, len_bytes)?);
    let child = ("file", RawDriver::child_role(options), file);
    graph.add_node(Some(name), raw, read_only, &[child])
}

/// What tells the file at a path from all others, as [`FileIdentity`] of an open image does; none
/// for what cannot be an image.
pub(crate) fn identity(metadata: &Metadata) -> Option<FileIdentity> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Some(FileIdentity::File {
            device: metadata.dev(),
            inode: metadata.ino(),
        });
    }
    kind.is_block_device().then(|| FileIdentity::Device {
        number: metadata.rdev(),
    })
}

//! New images, as `drive-mirror` and snapshots make them.
//!
//! QEMU: `bdrv_img_create`, `bdrv_create` (block.c).

use std::path::Path;
use std::rc::Rc;

use blockjob_block::driver::{ZeroFlags, file, qcow2};
use blockjob_block::{ErrorKind, Node};

use super::format::Format;
use super::options::Options;
use super::{OpenFlags, open_image, protocol, say};
use crate::daemon::Daemon;
use crate::qapi::{QmpError, QmpResult};

/// What is overwritten of a disk that takes the place of a new image, in bytes.
const SECTOR_BYTES: u64 = 512;

/// The image that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewImage<'a> {
    /// Where. What is there is lost.
    pub filename: &'a str,
    /// Its format.
    pub format: &'a str,
    /// The length of the disk in bytes; that of the backing file if it is left out.
    pub size: Option<u64>,
    /// The name of the backing file, and its format.
    pub backing: Option<(&'a str, &'a str)>,
}

/// Makes an image, and says so on standard output.
///
/// QEMU: `bdrv_img_create` (block.c).
///
/// # Errors
///
/// In the peer's words.
///
/// # Panics
///
/// Inside of a coroutine: it polls.
pub fn create_image(daemon: &Rc<Daemon>, image: &NewImage<'_>) -> QmpResult<()> {
    let fail = |text: String| Err(QmpError::generic(text));
    let Some(format) = Format::find(image.format) else {
        return fail(format!("Unknown file format '{}'", image.format));
    };
    let protocol = protocol::find(image.filename, true)?;
    if !matches!(
        format,
        Format::Raw | Format::Qcow2 | Format::File | Format::HostDevice | Format::Nbd
    ) {
        return fail(format!(
            "Format driver '{}' does not support image creation",
            format.name()
        ));
    }
    if !matches!(protocol, Format::File | Format::HostDevice | Format::Nbd) {
        return fail(format!(
            "Protocol driver '{}' does not support image creation",
            protocol.name()
        ));
    }
    let size = size_of(daemon, image, format)?;
    say::out(&formatting(image, format, size));
    match format {
        Format::Qcow2 => create_qcow2(daemon, image, size),
        _ => create_file(daemon, image.filename, size),
    }
}

/// How large the image will be; also looks whether its backing file can be opened.
fn size_of(daemon: &Rc<Daemon>, image: &NewImage<'_>, format: Format) -> QmpResult<u64> {
    let fail = |text: String| Err(QmpError::generic(text));
    let mut found = None;
    if let Some((name, backing_format)) = image.backing {
        if !format.supports_backing() {
            return fail(format!(
                "Backing file not supported for file format '{}'",
                format.name()
            ));
        }
        if name == image.filename {
            return fail(
                "Error: Trying to create an image with the same filename as the backing file"
                    .to_owned(),
            );
        }
        if Format::find(backing_format).is_none() {
            return fail(format!("Unknown backing file format '{backing_format}'"));
        }
        if image.size.is_none() {
            let dir = protocol::folder(image.filename);
            let full = protocol::absolute(dir, name);
            let options: Options = [("driver", backing_format), ("read-only", "on")]
                .into_iter()
                .collect();
            let node = open_image(daemon, Some(&full), options, OpenFlags::default())
                .map_err(|error| error.with_hint("Could not open backing image."))?;
            found = Some(node.len()?);
        }
    }
    let size = image.size.or(found);
    size.ok_or_else(|| QmpError::generic("Image creation needs a size parameter"))
}

/// The line that tells what is made.
fn formatting(image: &NewImage<'_>, format: Format, size: u64) -> String {
    let NewImage { filename, .. } = image;
    let name = format.name();
    if format != Format::Qcow2 {
        return format!("Formatting '{filename}', fmt={name} size={size}");
    }
    let backing = match image.backing {
        // As in an option, where a single comma would end the value.
        Some((file, format)) => {
            let file = file.replace(',', ",,");
            format!(" backing_file={file} backing_fmt={format}")
        }
        None => String::new(),
    };
    format!(
        "Formatting '{filename}', fmt={name} cluster_size=65536 extended_l2=off \
         compression_type=zlib size={size}{backing} lazy_refcounts=off refcount_bits=16"
    )
}

/// QEMU: `raw_co_create_opts` (block/raw-format.c), `raw_co_create_opts` (block/file-posix.c).
fn create_file(daemon: &Rc<Daemon>, filename: &str, size_bytes: u64) -> QmpResult<()> {
    match protocol::find(filename, true)? {
        Format::HostDevice => return reuse_device(daemon, filename, size_bytes),
        Format::Nbd => return reuse_export(daemon, filename, size_bytes),
        _ => {}
    }
    let path = filename.strip_prefix("file:").unwrap_or(filename);
    let options = file::CreateOptions {
        path: Path::new(path).to_owned(),
        // As the peer: a file is as long as its last sector.
        size_bytes: size_bytes.next_multiple_of(512),
        exclusive: false,
    };
    make_file(&options)
}

/// Makes a file.
///
/// QEMU: `raw_co_create` (block/file-posix.c).
pub(in crate::daemon) fn make_file(options: &file::CreateOptions) -> QmpResult<()> {
    file::create(options).map_err(|error| match error.kind() {
        ErrorKind::IsDirectory => QmpError::generic(format!(
            "Could not create '{}': Is a directory",
            options.path.display()
        )),
        _ => error.into(),
    })
}

/// A disk of the host cannot be made: it must be there and large enough.
///
/// QEMU: `bdrv_co_create_opts_simple` (block.c).
fn reuse_device(daemon: &Rc<Daemon>, filename: &str, size_bytes: u64) -> QmpResult<()> {
    let node = open_protocol(daemon, filename)?;
    if node.len()? < size_bytes {
        return Err(QmpError::generic(format!(
            "The device '{filename}' is smaller than {size_bytes} bytes"
        )));
    }
    Ok(())
}

/// An export cannot be made either. What it holds must not be taken for an image any more.
///
/// QEMU: `bdrv_co_create_opts_simple`, `create_file_fallback_zero_first_sector` (block.c).
fn reuse_export(daemon: &Rc<Daemon>, filename: &str, size_bytes: u64) -> QmpResult<()> {
    let node = open_protocol(daemon, filename).map_err(|error| {
        error.prepend(
            "Protocol driver 'nbd' does not support creating new images, so an existing image must \
             be selected as the target; however, opening the given target as an existing image \
             failed: ",
        )
    })?;
    if node.len()? < size_bytes {
        return Err(QmpError::generic("Cannot grow NBD nodes"));
    }
    let backend = creating_backend(daemon, &node)?;
    let bytes = size_bytes.min(SECTOR_BYTES);
    let result = daemon.context().run("create", async move {
        let flags = ZeroFlags {
            may_unmap: true,
            no_fallback: false,
        };
        node.co_write_zeroes(0, bytes, flags).await
    });
    backend.remove();
    Ok(result?)
}

fn open_protocol(daemon: &Rc<Daemon>, filename: &str) -> QmpResult<Rc<Node>> {
    let driver = protocol::find(filename, true)?;
    let flags = OpenFlags {
        writable: true,
        ..OpenFlags::default()
    };
    let mut options: Options = [("driver", driver.name()), ("discard", "unmap")]
        .into_iter()
        .collect();
    if driver == Format::Nbd {
        return open_image(daemon, Some(filename), options, flags);
    }
    let name = filename
        .strip_prefix(&format!("{}:", driver.name()))
        .unwrap_or(filename);
    options.put("filename", name);
    open_image(daemon, None, options, flags)
}

/// QEMU: `qcow2_co_create_opts` (block/qcow2.c).
fn create_qcow2(daemon: &Rc<Daemon>, image: &NewImage<'_>, size: u64) -> QmpResult<()> {
    create_file(daemon, image.filename, 0)?;
    let node = open_protocol(daemon, image.filename)?;
    let options = qcow2::CreateOptions {
        backing_file: image.backing.map(|(name, _)| name.to_owned()),
        backing_format: image.backing.map(|(_, format)| format.to_owned()),
        ..qcow2::CreateOptions::new(size.next_multiple_of(512))
    };
    write_qcow2(daemon, &node, options).inspect_err(|_| {
        // It is ours, and no image; the error that matters is the one already at hand.
        if protocol::find(image.filename, true) == Ok(Format::File) {
            let name = image.filename;
            let _ = std::fs::remove_file(name.strip_prefix("file:").unwrap_or(name));
        }
    })
}

/// Makes an image in a node. Nobody else may be using it meanwhile.
///
/// QEMU: `qcow2_co_create` (block/qcow2.c).
fn write_qcow2(
    daemon: &Rc<Daemon>,
    node: &Rc<Node>,
    options: qcow2::CreateOptions,
) -> QmpResult<()> {
    let backend = creating_backend(daemon, node)?;
    let made = node.clone();
    let result = daemon
        .context()
        .run("create", async move { qcow2::create(&made, options).await });
    backend.remove();
    Ok(result?)
}

/// A user of a node that writes an image into it. It must be given up outside of coroutines.
///
/// # Errors
///
/// Others do not let that happen to the node.
pub fn creating_backend(
    daemon: &Rc<Daemon>,
    node: &Rc<Node>,
) -> QmpResult<Rc<blockjob_block::BlockBackend>> {
    use blockjob_block::{BlockBackend, Perm, PermPair};
    let perms = PermPair::new(Perm::WRITE | Perm::RESIZE, Perm::ALL);
    let backend = BlockBackend::new(daemon.graph(), "", perms)?;
    backend.insert(node)?;
    Ok(backend)
}

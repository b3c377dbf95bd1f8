//! `file` and `host_device`.

use std::fs::metadata;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use blockjob_block::driver::file::{FileDriver, Locking, OpenOptions};
use blockjob_block::{BlockError, ErrorKind};
use rustix::io::Errno;

use super::{Built, refuse};
use crate::daemon::open::common::{Shared, take_bool};
use crate::daemon::open::format::Format;
use crate::daemon::open::inherit::Opening;
use crate::daemon::open::options::Options;
use crate::qapi::{QmpError, QmpResult};

/// Takes out of `options` what is not about the file itself, and refuses what cannot be done.
///
/// QEMU: `raw_open_common` (block/file-posix.c).
fn check_options(format: Format, options: &mut Options, direct: bool) -> QmpResult<Locking> {
    let locking = match options.take("locking").as_deref() {
        None | Some("auto") => Locking::Auto,
        Some("on") => Locking::On,
        Some("off") => Locking::Off,
        Some(other) => {
            return Err(QmpError::generic(format!(
                "Parameter 'locking' does not accept value '{other}'"
            )));
        }
    };
    // Requests are made by threads whatever is asked for: the three differ in speed alone.
    match options.take("aio").as_deref() {
        None | Some("threads" | "io_uring") => {}
        Some("native") if direct => {}
        Some("native") => {
            return Err(QmpError::generic(
                "aio=native was specified, but it requires cache.direct=on, which was not specified.",
            ));
        }
        Some(other) => {
            return Err(QmpError::generic(format!(
                "Parameter 'aio' does not accept value '{other}'"
            )));
        }
    }
    if let Some(id) = options.take("pr-manager") {
        return Err(QmpError::generic(format!(
            "No persistent reservation manager with id '{id}'"
        )));
    }
    refuse(format, options, "aio-max-batch", Some("0"))?;
    // There is no migration, before which caches would have to be dropped.
    take_bool(options, "drop-cache")?;
    refuse(format, options, "x-check-cache-dropped", Some("off"))?;
    Ok(locking)
}

/// What is in the way of a driver whose kind of file it is not.
fn check_kind(format: Format, name: &str, read_only: bool) -> QmpResult<()> {
    let Ok(data) = metadata(name) else {
        // Opening it will say why.
        return Ok(());
    };
    let kind = data.file_type();
    if kind.is_dir() && !read_only {
        return Err(BlockError::from_errno(
            Errno::ISDIR.raw_os_error(),
            format!("Could not open '{name}'"),
        )
        .into());
    }
    let device = kind.is_block_device() || kind.is_char_device();
    let wanted = match format {
        Format::File if !kind.is_file() => "a regular file",
        Format::HostDevice if !device => "either a character or block device",
        _ => return Ok(()),
    };
    Err(QmpError::generic(format!(
        "'{}' driver requires '{name}' to be {wanted}",
        format.name()
    )))
}

/// QEMU: `raw_open`, `hdev_open` (block/file-posix.c).
pub(super) fn open(opening: &mut Opening<'_>, format: Format, shared: &Shared) -> QmpResult<Built> {
    let options = &mut opening.options;
    let locking = check_options(format, options, shared.direct)?;
    let auto_read_only = opening.all.text("auto-read-only");
    let auto_read_only = super::super::common::is_on(auto_read_only.as_deref());
    let name = options.take("filename").unwrap_or_default();
    let mut read_only = !opening.flags.writable;
    check_kind(format, &name, read_only)?;
    let how = OpenOptions::new(Path::new(&name))
        .direct(shared.direct)
        .locking(locking);
    let mut driver = FileDriver::open(&how.clone().read_only(read_only));
    let refused = |error: &BlockError| {
        matches!(
            error.kind(),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnly
        )
    };
    // QEMU: `bdrv_apply_auto_read_only` (block.c).
    if !read_only && auto_read_only && driver.as_ref().is_err_and(refused) {
        read_only = true;
        opening.flags.writable = false;
        driver = FileDriver::open(&how.read_only(true));
    }
    Ok(Built {
        driver: Box::new(driver?),
        read_only,
        children: Vec::new(),
    })
}

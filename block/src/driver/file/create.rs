//! Creating an image in a regular file.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::handle::FileKind;
use super::lock::HeldLocks;
use super::lock_bytes::{ImagePermissions, image_permission};
use super::open::{self, Locking};
use crate::error::{BlockError, ErrorKind};

/// What file to create.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// Where.
    pub path: PathBuf,
    /// Its length; all of it reads as zeroes and occupies nothing.
    pub size_bytes: u64,
    /// Whether it is an error if the file exists. Else it is emptied, unless somebody uses it.
    pub exclusive: bool,
}

/// Creates a regular file of the given length that reads as zeroes (QEMU: `raw_co_create()` in
/// `block/file-posix.c`). The file is closed again: [`OpenOptions::open`](super::OpenOptions::open)
/// opens it.
///
/// # Errors
///
/// `AlreadyExists` when `exclusive` was asked for and the file exists; `InUse` if somebody
/// holds an image lock on it, which is then left as it was; `IsDirectory` or `Invalid` for what is no regular
/// file; else the errno of the system call. A file that could not be given its length is removed if
/// this call made it.
pub fn create(options: &CreateOptions) -> Result<(), BlockError> {
    let path = options.path.as_path();
    let failed = |errno: Errno| {
        BlockError::from_errno(
            errno.raw_os_error(),
            format!("Could not create '{}'", path.display()),
        )
    };
    let resize_failed =
        |errno: Errno| BlockError::from_errno(errno.raw_os_error(), "Could not resize file");
    if i64::try_from(options.size_bytes).is_err() {
        // QEMU's word for it; to us it is a number that is too large.
        return Err(resize_failed(Errno::INVAL).with_kind(ErrorKind::OutOfRange));
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    match rustix::fs::open(path, flags | OFlags::EXCL, mode) {
        Ok(fd) => set_length(&fd, options.size_bytes).map_err(|errno| {
            // It is ours, and half made; the error that matters is the one already at hand.
            let _ = rustix::fs::unlink(path);
            resize_failed(errno)
        }),
        Err(Errno::EXIST) if options.exclusive => Err(BlockError::new(
            ErrorKind::AlreadyExists,
            format!("Could not create '{}': it exists already", path.display()),
        )),
        Err(Errno::EXIST) => {
            // Not a directory, and no FIFO, on which the open would wait.
            require_regular(path, &rustix::fs::stat(path).map_err(failed)?)?;
            let fd = rustix::fs::open(path, flags, mode).map_err(failed)?;
            require_regular(path, &rustix::fs::fstat(&fd).map_err(failed)?)?;
            empty_unless_in_use(path, &fd)?;
            set_length(&fd, options.size_bytes).map_err(resize_failed)
        }
        Err(errno) => Err(failed(errno)),
    }
}

/// The old contents go only when nobody else writes or relies on the length.
fn empty_unless_in_use(path: &Path, fd: &OwnedFd) -> Result<(), BlockError> {
    let permissions = ImagePermissions {
        used: image_permission::WRITE | image_permission::RESIZE,
        shared: image_permission::ALL & !image_permission::RESIZE,
    };
    // The locks end with the descriptor, when the file has its new length.
    HeldLocks::for_file(fd.as_fd(), Locking::Auto, path)?.prepare(fd.as_fd(), permissions, path)?;
    rustix::fs::ftruncate(fd, 0).map_err(|errno| {
        BlockError::from_errno(
            errno.raw_os_error(),
            format!("Could not empty '{}'", path.display()),
        )
    })
}

fn set_length(fd: &OwnedFd, size_bytes: u64) -> Result<(), Errno> {
    rustix::io::retry_on_intr(|| rustix::fs::ftruncate(fd, size_bytes))
}

fn require_regular(path: &Path, stat: &rustix::fs::Stat) -> Result<(), BlockError> {
    match open::classify(path, stat)? {
        FileKind::Regular => Ok(()),
        FileKind::BlockDevice => Err(BlockError::new(
            ErrorKind::Invalid,
            format!(
                "'{}' is a block device; only a regular file can be created",
                path.display()
            ),
        )),
    }
}

//! Opening an image: what may be opened, and how.

use blockjob_runtime::sync::Mutex;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::flush::FlushState;
use super::handle::{FileHandle, FileIdentity, FileKind};
use super::lock::HeldLocks;
use super::probe;
use super::zeroes::ZeroSupport;
use crate::error::{BlockError, ErrorKind};

/// Whether other processes are kept off an image by locks on its bytes (QEMU:
/// `locking` of `BlockdevOptionsFile` in `qapi/block-core.json`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locking {
    /// Lock, and refuse to open where the filesystem has no locks.
    On,
    /// Lock where the filesystem has locks.
    #[default]
    Auto,
    /// Never lock.
    Off,
}

/// How to open an image. Opening never creates a file and never changes its length.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    path: PathBuf,
    read_only: bool,
    direct: bool,
    locking: Locking,
}

impl OpenOptions {
    /// Opens `path` for reading and writing, through the page cache, with locks where there are any.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            read_only: false,
            direct: false,
            locking: Locking::Auto,
        }
    }

    /// Whether writes are refused (QEMU: `read-only` of `BlockdevOptions` in
    /// `qapi/block-core.json`).
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Whether the page cache is bypassed with `O_DIRECT` (QEMU: `direct` of
    /// `BlockdevCacheOptions` in `qapi/block-core.json`).
    #[must_use]
    pub fn direct(mut self, direct: bool) -> Self {
        self.direct = direct;
        self
    }

    /// Whether image locks are taken (QEMU: `locking` of `BlockdevOptionsFile` in
    /// `qapi/block-core.json`).
    #[must_use]
    pub fn locking(mut self, locking: Locking) -> Self {
        self.locking = locking;
        self
    }

    /// Opens the image (QEMU: `raw_open_common()` in `block/file-posix.c`).
    ///
    /// No lock is held yet: [`FileHandle::set_permissions`] takes them.
    ///
    /// # Errors
    ///
    /// The errno of the system call, or `Invalid` for what is neither a regular file nor a block
    /// device, `IsDirectory` for a directory, `NotSupported` where `O_DIRECT` or locks were
    /// asked for and the filesystem has none.
    pub fn open(&self) -> Result<FileHandle, BlockError> {
        // A FIFO would block an open for reading until somebody writes, so the kind is looked at
        // before the open, and again after it, because the path may have changed hands.
        let stat = rustix::fs::stat(&self.path).map_err(|errno| self.could_not_open(errno))?;
        let kind_before = classify(&self.path, &stat)?;
        let fd = rustix::fs::open(&self.path, self.flags(kind_before), Mode::empty())
            .map_err(|errno| self.could_not_open(errno))?;
        let stat = rustix::fs::fstat(&fd).map_err(|errno| self.could_not_open(errno))?;
        let kind = classify(&self.path, &stat)?;
        if kind == FileKind::BlockDevice && !self.read_only {
            refuse_read_only_device(&self.path, &stat)?;
        }
        let locks = HeldLocks::for_file(fd.as_fd(), self.locking, &self.path)?;
        let alignment = probe::alignment(fd.as_fd(), self.direct)?;
        let mut handle = FileHandle {
            fd,
            path: self.path.clone(),
            kind,
            identity: FileIdentity::of(kind, &stat),
            read_only: self.read_only,
            direct: self.direct,
            in_memory: false,
            alignment,
            zero_support: ZeroSupport::default(),
            flush_state: FlushState::new(self.direct),
            locks: Mutex::new(locks),
        };
        handle.find_out_if_in_memory();
        Ok(handle)
    }

    fn flags(&self, kind: FileKind) -> OFlags {
        let mut flags = OFlags::CLOEXEC;
        if kind == FileKind::BlockDevice && !self.read_only {
            // A device that is mounted, or part of another one, is not to be written to. The kernel
            // knows, and refuses (`EBUSY`); image locks would not tell.
            flags |= OFlags::EXCL;
        }
        flags |= if self.read_only {
            OFlags::RDONLY
        } else {
            OFlags::RDWR
        };
        if self.direct {
            flags |= OFlags::DIRECT;
        }
        flags
    }

    fn could_not_open(&self, errno: rustix::io::Errno) -> BlockError {
        let place = format!("Could not open '{}'", self.path.display());
        if self.direct && errno == rustix::io::Errno::INVAL {
            return BlockError::new(
                ErrorKind::NotSupported,
                format!("{place}: filesystem does not support O_DIRECT"),
            )
            .with_errno(errno.raw_os_error())
            .with_hint("Try cache.direct=off");
        }
        let error = BlockError::from_errno(errno.raw_os_error(), place);
        if errno == rustix::io::Errno::BUSY {
            return error.with_hint("Is the device mounted, or in use by another process?");
        }
        error
    }
}

/// Refuses what is no image, in one sentence that names what it is.
pub(super) fn classify(path: &Path, stat: &Stat) -> Result<FileKind, BlockError> {
    let (kind, what) = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(FileKind::Regular),
        FileType::BlockDevice => return Ok(FileKind::BlockDevice),
        FileType::Directory => (ErrorKind::IsDirectory, "a directory"),
        FileType::CharacterDevice => (ErrorKind::Invalid, "a character device"),
        FileType::Fifo => (ErrorKind::Invalid, "a FIFO"),
        FileType::Socket => (ErrorKind::Invalid, "a socket"),
        _ => (ErrorKind::Invalid, "of an unknown kind"),
    };
    Err(BlockError::new(
        kind,
        format!(
            "'{}' is {what}; an image must be a regular file or a block device",
            path.display()
        ),
    ))
}

/// A write-protected device opens for writing and fails at the first write, which is too late to
/// tell the user (QEMU: `check_hdev_writable()` in `block/file-posix.c`).
fn refuse_read_only_device(path: &Path, stat: &Stat) -> Result<(), BlockError> {
    let flag = format!(
        "/sys/dev/block/{}:{}/ro",
        rustix::fs::major(stat.st_rdev),
        rustix::fs::minor(stat.st_rdev)
    );
    // Without sysfs the first write will have to tell.
    match std::fs::read_to_string(flag) {
        Ok(text) if text.trim() == "1" => Err(BlockError::new(
            ErrorKind::ReadOnly,
            format!("The device '{}' is not writable", path.display()),
        )),
        _ => Ok(()),
    }
}

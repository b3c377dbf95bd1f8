//! An open image: what is known of it, and its length.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use blockjob_runtime::sync::Mutex;
use rustix::fs::Stat;

use super::flush::FlushState;
use super::lock::HeldLocks;
use super::probe::Alignment;
use super::zeroes::ZeroSupport;
use crate::error::{BlockError, ErrorKind};

/// What kind of thing holds the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file: it can grow, and reads as zeroes where it never was written.
    Regular,
    /// A block device: its length is fixed, and its old contents stay until overwritten.
    BlockDevice,
}

/// What makes two paths the same image, whatever links lead to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileIdentity {
    /// A regular file: the device of its filesystem and its inode there.
    File {
        /// `st_dev`.
        device: u64,
        /// `st_ino`.
        inode: u64,
    },
    /// A block device: its number, since several nodes may name one device.
    Device {
        /// `st_rdev`.
        number: u64,
    },
}

impl FileIdentity {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the widths of stat's fields differ by platform"
    )]
    pub(super) fn of(kind: FileKind, stat: &Stat) -> Self {
        match kind {
            FileKind::Regular => Self::File {
                device: stat.st_dev as u64,
                inode: stat.st_ino as u64,
            },
            FileKind::BlockDevice => Self::Device {
                number: stat.st_rdev as u64,
            },
        }
    }
}

/// An open image, shared by the threads that make system calls for it (QEMU: `BDRVRawState` in
/// `block/file-posix.c`). All methods block. Dropping it closes the file and frees its locks.
#[derive(Debug)]
pub struct FileHandle {
    pub(super) fd: OwnedFd,
    pub(super) path: PathBuf,
    pub(super) kind: FileKind,
    pub(super) identity: FileIdentity,
    pub(super) read_only: bool,
    pub(super) direct: bool,
    pub(super) in_memory: bool,
    pub(super) alignment: Alignment,
    pub(super) zero_support: ZeroSupport,
    pub(super) flush_state: FlushState,
    pub(super) locks: Mutex<HeldLocks>,
}

impl FileHandle {
    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What kind of thing holds the image.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// Whether it is a regular file. One that was freshly created reads as zeroes (QEMU:
    /// `bdrv_has_zero_init_1()` in `block.c`); a block device never promises that.
    pub fn is_regular(&self) -> bool {
        self.kind == FileKind::Regular
    }

    /// Equal for two handles exactly if they are the same image.
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether it bypasses the page cache.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// How requests and buffers must be aligned.
    pub fn alignment(&self) -> Alignment {
        self.alignment
    }

    /// The present length in bytes, asked anew each time, since a file may grow and a device may
    /// be resized (QEMU: `raw_getlength()` in `block/file-posix.c`).
    ///
    /// # Errors
    ///
    /// The errno of `fstat` or `lseek`.
    pub fn size(&self) -> Result<u64, BlockError> {
        let size = match self.kind {
            FileKind::Regular => rustix::fs::fstat(&self.fd)
                .map(|stat| u64::try_from(stat.st_size).expect("the length of a file is positive")),
            // `st_size` of a device is 0. Moving the offset disturbs nobody: all I/O names its own.
            FileKind::BlockDevice => rustix::fs::seek(&self.fd, rustix::fs::SeekFrom::End(0)),
        };
        size.map_err(|errno| self.failed("Could not get the length of", errno))
    }

    /// How many bytes the file system has given to it, or `None` if it does not say.
    ///
    /// QEMU: `raw_co_get_allocated_file_size` (block/file-posix.c).
    pub fn allocated_size(&self) -> Option<u64> {
        let stat = rustix::fs::fstat(&self.fd).ok()?;
        u64::try_from(stat.st_blocks).ok()?.checked_mul(512)
    }

    /// Sets the length of a regular file to `length_bytes`; what is new reads as zeroes. A block
    /// device keeps its length (QEMU: `raw_co_truncate()` in `block/file-posix.c`, without
    /// preallocation).
    ///
    /// # Errors
    ///
    /// `Invalid` if a block device is shorter than `length_bytes`, `ReadOnly`, or the errno of
    /// `ftruncate`.
    pub fn truncate(&self, length_bytes: u64) -> Result<(), BlockError> {
        self.require_writable()?;
        if self.kind == FileKind::BlockDevice {
            if length_bytes > self.size()? {
                return Err(BlockError::new(
                    ErrorKind::Invalid,
                    format!("Cannot grow device '{}'", self.path.display()),
                ));
            }
            return Ok(());
        }
        rustix::io::retry_on_intr(|| rustix::fs::ftruncate(&self.fd, length_bytes))
            .map_err(|errno| BlockError::from_errno(errno.raw_os_error(), "Could not resize file"))
    }

    pub(super) fn require_writable(&self) -> Result<(), BlockError> {
        if self.read_only {
            return Err(BlockError::new(
                ErrorKind::ReadOnly,
                format!("Image '{}' is open read-only", self.path.display()),
            ));
        }
        Ok(())
    }

    /// `offset_bytes + length_bytes`, if the kernel can express it.
    pub(super) fn checked_end(&self, offset: u64, length: u64) -> Result<u64, BlockError> {
        match offset.checked_add(length) {
            Some(end) if end <= i64::MAX as u64 => Ok(end),
            _ => Err(BlockError::new(
                ErrorKind::OutOfRange,
                format!(
                    "Request of {length} bytes at offset {offset} of '{}' ends beyond 2^63-1",
                    self.path.display()
                ),
            )),
        }
    }

    pub(super) fn failed(&self, doing: &str, errno: rustix::io::Errno) -> BlockError {
        BlockError::from_errno(
            errno.raw_os_error(),
            format!("{doing} '{}'", self.path.display()),
        )
    }
}

impl AsFd for FileHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

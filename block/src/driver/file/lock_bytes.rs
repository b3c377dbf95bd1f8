//! The bytes by which processes tell each other what they do with an image.
//!
//! QEMU's convention, so that both keep off each other's images (`raw_apply_lock_bytes()` and
//! `raw_check_lock_bytes()` in `block/file-posix.c`): for each permission in use its holder has a
//! *shared* lock on byte 100 + bit, for each permission it does not share with others a *shared*
//! lock on byte 200 + bit. Nobody ever locks exclusively. Who wants a permission looks whether
//! anybody has the byte that denies it; who denies one, whether anybody has the byte that uses
//! it. Both lock first and look then, so of two that come at once at least one sees the other.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::error::{BlockError, ErrorKind};

pub(super) const USED_BASE: u8 = 100;
pub(super) const UNSHARED_BASE: u8 = 200;

/// The permissions on an image as bits; their numbers are part of the convention between processes
/// (QEMU: `BLK_PERM_*` in `include/block/block-common.h`).
pub mod image_permission {
    /// To read what was written last.
    pub const CONSISTENT_READ: u64 = 1 << 0;
    /// To write.
    pub const WRITE: u64 = 1 << 1;
    /// To write what is there already.
    pub const WRITE_UNCHANGED: u64 = 1 << 2;
    /// To change the length.
    pub const RESIZE: u64 = 1 << 3;
    /// All of them.
    pub const ALL: u64 = 0xf;
}

/// The bits with the names that error messages give them (QEMU: `bdrv_perm_names()` in `block.c`).
pub(super) const NAMES: [(u64, &str); 4] = [
    (image_permission::CONSISTENT_READ, "consistent read"),
    (image_permission::WRITE, "write"),
    (image_permission::WRITE_UNCHANGED, "write unchanged"),
    (image_permission::RESIZE, "resize"),
];

/// What a handle does with its image, and what it lets others do, as bits of [`image_permission`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImagePermissions {
    /// What it does.
    pub used: u64,
    /// What others may do meanwhile.
    pub shared: u64,
}

impl ImagePermissions {
    /// Nothing used, everything shared: no lock is needed.
    pub const NONE: Self = Self {
        used: 0,
        shared: image_permission::ALL,
    };

    pub(super) fn unshared(self) -> u64 {
        !self.shared & image_permission::ALL
    }

    pub(super) fn locks(self) -> LockBits {
        LockBits {
            used: self.used & image_permission::ALL,
            unshared: self.unshared(),
        }
    }
}

/// Bytes that are or shall be locked, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LockBits {
    used: u64,
    unshared: u64,
}

impl LockBits {
    /// Whether all locks of `other` are among these.
    pub(super) fn includes(self, other: Self) -> bool {
        other.used & !self.used == 0 && other.unshared & !self.unshared == 0
    }

    pub(super) fn contains(self, byte: u8) -> bool {
        let (bits, bit) = self.at(byte);
        bits & bit != 0
    }

    pub(super) fn set(&mut self, byte: u8, locked: bool) {
        let (bits, bit) = self.at(byte);
        let bits = if locked { bits | bit } else { bits & !bit };
        if byte >= UNSHARED_BASE {
            self.unshared = bits;
        } else {
            self.used = bits;
        }
    }

    /// The half that `byte` of the file belongs to, and its bit there.
    fn at(self, byte: u8) -> (u64, u64) {
        if byte >= UNSHARED_BASE {
            (self.unshared, 1 << (byte - UNSHARED_BASE))
        } else {
            (self.used, 1 << (byte - USED_BASE))
        }
    }
}

/// All bytes that anybody may lock.
pub(super) fn all_bytes() -> impl Iterator<Item = u8> {
    let bits = NAMES.len() as u8;
    (USED_BASE..USED_BASE + bits).chain(UNSHARED_BASE..UNSHARED_BASE + bits)
}

/// As QEMU's `raw_lock_error_setg_errno`: the text of the errno is left out when it only says "held".
pub(super) fn lock_error(errno: Errno, message: String) -> BlockError {
    match errno {
        Errno::EAGAIN | Errno::EACCES => {
            BlockError::new(ErrorKind::InUse, message).with_errno(libc::EAGAIN)
        }
        other => BlockError::from_errno(other as i32, message),
    }
}

fn byte_range(byte: u8, kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: byte.into(),
        l_len: 1,
        // Locks of an open file demand 0 here.
        l_pid: 0,
    }
}

pub(super) fn set_lock(fd: BorrowedFd<'_>, byte: u8, kind: i32) -> nix::Result<()> {
    let range = byte_range(byte, kind);
    loop {
        match fcntl(fd, FcntlArg::F_OFD_SETLK(&range)) {
            Err(Errno::EINTR) => {}
            result => return result.map(|_| ()),
        }
    }
}

/// Whether another open file has any lock on `byte`; our own do not count.
pub(super) fn somebody_locks(fd: BorrowedFd<'_>, byte: u8) -> nix::Result<bool> {
    let mut range = byte_range(byte, libc::F_WRLCK);
    fcntl(fd, FcntlArg::F_OFD_GETLK(&mut range))?;
    Ok(i32::from(range.l_type) != libc::F_UNLCK)
}

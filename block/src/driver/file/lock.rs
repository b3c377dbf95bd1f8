//! Image locks: what one process does with an image, other processes can feel.
//!
//! Who wants a permission locks its byte first and looks for objections then, so of two that come
//! at once at least one sees the other. Which byte says what stands in `lock_bytes.rs`.
//!
//! The locks belong to the open file (`F_OFD_SETLK`), not to the process: two handles in one
//! process exclude each other too, and closing one does not free the locks of the other.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use blockjob_runtime::sync::MutexGuard;
use nix::libc;

use super::handle::FileHandle;
use super::lock_bytes::{
    ImagePermissions, LockBits, NAMES, UNSHARED_BASE, USED_BASE, all_bytes, lock_error, set_lock,
    somebody_locks,
};
use super::open::Locking;
use crate::error::{BlockError, ErrorKind};

/// The locks of one handle.
#[derive(Debug)]
pub(super) struct HeldLocks {
    enabled: bool,
    /// What was committed last.
    permissions: ImagePermissions,
    /// What was prepared and neither committed nor aborted.
    prepared: Option<ImagePermissions>,
    /// What is locked in the file.
    locked: LockBits,
}

impl HeldLocks {
    /// No lock yet; finds out whether there can be any (QEMU: `qemu_has_ofd_lock()` in `util/osdep.c`).
    pub(super) fn for_file(
        fd: BorrowedFd<'_>,
        locking: Locking,
        path: &Path,
    ) -> Result<Self, BlockError> {
        let enabled = match locking {
            Locking::Off => false,
            Locking::Auto => somebody_locks(fd, USED_BASE).is_ok(),
            Locking::On => {
                somebody_locks(fd, USED_BASE).map_err(|errno| {
                    BlockError::from_errno(
                        errno as i32,
                        format!("Image '{}' cannot be locked", path.display()),
                    )
                    .with_kind(ErrorKind::NotSupported)
                })?;
                true
            }
        };
        Ok(Self {
            enabled,
            permissions: ImagePermissions::NONE,
            prepared: None,
            locked: LockBits::default(),
        })
    }

    /// Takes the locks of `new` on top of those held, and looks whether others object.
    pub(super) fn prepare(
        &mut self,
        fd: BorrowedFd<'_>,
        new: ImagePermissions,
        path: &Path,
    ) -> Result<(), BlockError> {
        self.prepared = Some(new);
        let old = self.permissions.locks();
        // Giving up permissions must not fail, whatever others do and however the filesystem feels.
        if !self.enabled || old.includes(new.locks()) {
            return Ok(());
        }
        let result = self
            .lock(fd, new.locks())
            .and_then(|()| check(fd, new))
            .map_err(|error| {
                error.with_hint(format!(
                    "Is another process using the image [{}]?",
                    path.display()
                ))
            });
        if result.is_err() {
            self.abort(fd);
        }
        result
    }

    /// Makes what was prepared hold, and drops the locks it does not need.
    pub(super) fn commit(&mut self, fd: BorrowedFd<'_>) {
        if let Some(new) = self.prepared.take() {
            self.permissions = new;
            self.unlock_all_but(fd, new.locks());
        }
    }

    /// Drops the locks that only the prepared permissions needed.
    pub(super) fn abort(&mut self, fd: BorrowedFd<'_>) {
        if self.prepared.take().is_some() {
            self.unlock_all_but(fd, self.permissions.locks());
        }
    }

    fn lock(&mut self, fd: BorrowedFd<'_>, wanted: LockBits) -> Result<(), BlockError> {
        for byte in all_bytes() {
            if wanted.contains(byte) && !self.locked.contains(byte) {
                set_lock(fd, byte, libc::F_RDLCK)
                    .map_err(|errno| lock_error(errno, format!("Failed to lock byte {byte}")))?;
                self.locked.set(byte, true);
            }
        }
        Ok(())
    }

    fn unlock_all_but(&mut self, fd: BorrowedFd<'_>, wanted: LockBits) {
        if !self.enabled {
            return;
        }
        for byte in all_bytes() {
            if self.locked.contains(byte) && !wanted.contains(byte) {
                match set_lock(fd, byte, libc::F_UNLCK) {
                    Ok(()) => self.locked.set(byte, false),
                    // Some network filesystems fail here. The caller has nothing to undo; the
                    // lock stays until the next change, or until the file is closed.
                    Err(errno) => tracing::warn!(byte, %errno, "could not unlock an image byte"),
                }
            }
        }
    }
}

/// Looks whether somebody else denies what `new` uses, or uses what `new` denies.
fn check(fd: BorrowedFd<'_>, new: ImagePermissions) -> Result<(), BlockError> {
    let refused = |byte: u8, message: String| match somebody_locks(fd, byte) {
        Ok(false) => Ok(()),
        Ok(true) => Err(BlockError::new(ErrorKind::InUse, message).with_errno(libc::EAGAIN)),
        Err(errno) => Err(lock_error(errno, message)),
    };
    for (index, (bit, name)) in (0u8..).zip(NAMES) {
        if new.used & bit != 0 {
            refused(
                UNSHARED_BASE + index,
                format!("Failed to get \"{name}\" lock"),
            )?;
        }
    }
    for (index, (bit, name)) in (0u8..).zip(NAMES) {
        if new.unshared() & bit != 0 {
            refused(
                USED_BASE + index,
                format!("Failed to get shared \"{name}\" lock"),
            )?;
        }
    }
    Ok(())
}

impl FileHandle {
    /// Changes what this handle does with the image and lets others do: takes the new locks,
    /// looks for objections, and only then drops the locks that are needed no more.
    ///
    /// # Errors
    ///
    /// `InUse` if another open file of this or any other process objects; the old permissions
    /// then hold on. Otherwise the errno of `fcntl`.
    pub fn set_permissions(&self, new: ImagePermissions) -> Result<(), BlockError> {
        let mut locks = self.held_locks();
        locks.prepare(self.as_fd(), new, self.path())?;
        locks.commit(self.as_fd());
        Ok(())
    }

    /// Takes the locks that another handle of the same file holds, for whom this one comes. Nobody is
    /// asked: who objects would have objected to the other one.
    ///
    /// QEMU: `raw_check_perm` (block/file-posix.c), where it copies locks.
    ///
    /// # Errors
    ///
    /// The errno of `fcntl`.
    pub fn adopt_permissions(&self, other: &FileHandle) -> Result<(), BlockError> {
        let permissions = other.permissions();
        let mut locks = self.held_locks();
        if locks.enabled {
            locks.lock(self.as_fd(), permissions.locks())?;
        }
        locks.permissions = permissions;
        Ok(())
    }

    /// The first half of [`set_permissions`](Self::set_permissions), for a change of several
    /// images that happens to all or none (QEMU: `RAW_PL_PREPARE` of `raw_handle_perm_lock()` in
    /// `block/file-posix.c`). Until commit or abort, both the old and the new locks are held.
    ///
    /// # Errors
    ///
    /// As [`set_permissions`](Self::set_permissions); then there is nothing to abort.
    pub fn prepare_permissions(&self, new: ImagePermissions) -> Result<(), BlockError> {
        self.held_locks().prepare(self.as_fd(), new, self.path())
    }

    /// Makes the prepared permissions hold (QEMU: `RAW_PL_COMMIT` in `block/file-posix.c`). It cannot fail.
    pub fn commit_permissions(&self) {
        self.held_locks().commit(self.as_fd());
    }

    /// Forgets the prepared permissions (QEMU: `RAW_PL_ABORT` in `block/file-posix.c`). It cannot fail.
    pub fn abort_permissions(&self) {
        self.held_locks().abort(self.as_fd());
    }

    /// The permissions that hold now.
    pub fn permissions(&self) -> ImagePermissions {
        self.held_locks().permissions
    }

    /// Whether locks are taken at all: not with [`Locking::Off`], nor with [`Locking::Auto`] on a
    /// filesystem without them.
    pub fn takes_locks(&self) -> bool {
        self.held_locks().enabled
    }

    fn held_locks(&self) -> MutexGuard<'_, HeldLocks> {
        self.locks.lock()
    }
}

//! `--pidfile`: the number of the process, for as long as it lives.
//!
//! QEMU: `qemu_write_pidfile` (util/oslib-posix.c).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::failure::Failure;

/// A file with the number of this process, locked; removed when it is dropped.
pub(super) struct PidFile {
    path: PathBuf,
    _locked: File,
}

impl PidFile {
    /// Writes it. One that a dead process has left is overwritten.
    pub(super) fn write(path: &Path) -> Result<Self, Failure> {
        let failed = |what: String| Failure::failed(format!("cannot create PID file: {what}"));
        let shown = path.display();
        let file = loop {
            let opened = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path);
            let file = opened.map_err(|error| {
                failed(format!("Could not create '{shown}': {}", plain(&error)))
            })?;
            fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
                failed(format!("Cannot lock pid file: {}", plain(&error.into())))
            })?;
            // Another process may have removed it in between, and then this lock says nothing.
            let locked = file.metadata().map(|meta| (meta.dev(), meta.ino()));
            let named = fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
            if locked.is_ok() && locked.ok() == named.ok() {
                break file;
            }
        };
        let mut writer = &file;
        let written = file
            .set_len(0)
            .and_then(|()| writeln!(writer, "{}", process::id()));
        written.map_err(|error| failed(format!("Failed to write pid file: {}", plain(&error))))?;
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Ok(PidFile {
            path,
            _locked: file,
        })
    }
}

fn plain(error: &io::Error) -> String {
    blockjob::block::error::errno_text(error.raw_os_error().unwrap_or(0))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _somebody_was_faster = fs::remove_file(&self.path);
    }
}

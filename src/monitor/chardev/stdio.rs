//! Standard input and output.
//!
//! QEMU: chardev/char-stdio.c.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{Io, Kind, Stream, generic};
use crate::qapi::QmpResult;

/// A terminal whose settings were changed; it gets the old ones back when this is dropped.
pub(crate) struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Has Ctrl-C and the like be plain input.
    fn without_signals() -> Option<Terminal> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut settings = before.clone();
        settings.local_modes.remove(LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Now, &settings).ok()?;
        Some(Terminal { before })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no settings.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// A descriptor of our own for what `fd` names, which may be put into non-blocking mode.
///
/// That mode belongs to whatever is behind a descriptor, and others have it open as well: the shell,
/// or our own standard error. So a pipe or a terminal is opened anew. A socket cannot be.
fn own(fd: BorrowedFd<'_>, flags: OFlags) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode);
    if matches!(kind, FileType::Fifo | FileType::CharacterDevice) {
        let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        if let Ok(opened) = rustix::fs::open(name, flags, Mode::empty()) {
            return Ok(opened);
        }
    }
    fd.try_clone_to_owned()
}

/// QEMU: `qemu_chr_open_stdio` (chardev/char-stdio.c).
pub(super) fn open(signal: bool) -> QmpResult<Kind> {
    let failed = |error: io::Error| generic("cannot use standard input and output", &error);
    let watched = |fd: OwnedFd| Ok(Some(Rc::new(Io::new(fd)?)));
    let input = own(io::stdin().as_fd(), OFlags::RDONLY).and_then(watched);
    let output = own(io::stdout().as_fd(), OFlags::WRONLY).and_then(watched);
    let stream = Stream {
        input: input.map_err(failed)?,
        output: output.map_err(failed)?,
    };
    let terminal = match signal {
        true => None,
        false => Terminal::without_signals(),
    };
    Ok(Kind::Fixed(stream, terminal))
}

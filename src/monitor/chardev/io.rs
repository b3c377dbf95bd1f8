//! A file descriptor that is read or written without blocking, whatever it is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll};

use blockjob_runtime::io::Async;

/// One direction of a stream, or both.
pub(crate) enum Io {
    /// A socket, a pipe or a terminal: there is a moment when it is ready.
    Polled(Async<OwnedFd>),
    /// A regular file, or the like of /dev/null: always ready.
    Ready(OwnedFd),
}

impl Io {
    /// Takes a descriptor, which is put into non-blocking mode if that means anything to it.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Io> {
        // The system refuses to watch what is always ready.
        let always = rustix::fs::fstat(&fd).is_ok_and(|stat| {
            use rustix::fs::FileType;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Socket | FileType::Fifo => false,
                FileType::CharacterDevice => !rustix::termios::isatty(&fd),
                _ => true,
            }
        });
        if always {
            return Ok(Io::Ready(fd));
        }
        Async::new(fd).map(Io::Polled)
    }

    /// The descriptor, which is not watched any more.
    pub(crate) fn into_fd(self) -> OwnedFd {
        match self {
            Io::Polled(polled) => polled.into_inner(),
            Io::Ready(fd) => fd,
        }
    }

    fn fd(&self) -> &OwnedFd {
        match self {
            Io::Polled(polled) => polled.get_ref(),
            Io::Ready(fd) => fd,
        }
    }

    /// Reads some bytes; 0 at the end.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Io::Polled(polled) => {
                polled.poll_read_with(cx, |fd| Ok(rustix::io::read(fd, &mut *buffer)?))
            }
            Io::Ready(fd) => loop {
                match rustix::io::read(fd, &mut *buffer) {
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(rustix::io::Errno::AGAIN) => return Poll::Ready(Ok(0)),
                    result => return Poll::Ready(result.map_err(Into::into)),
                }
            },
        }
    }

    /// Says that the last read of a byte stream has taken all that there was.
    pub(crate) fn note_drained(&self) {
        if let Io::Polled(polled) = self {
            polled.note_drained();
        }
    }

    /// Waits until there is something to read, or the end.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Polled(polled) => polled.poll_readable(cx),
            Io::Ready(_) => Poll::Ready(Ok(())),
        }
    }

    /// Waits until something can be written, or the other side is gone.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Polled(polled) => polled.poll_writable(cx),
            Io::Ready(_) => Poll::Ready(Ok(())),
        }
    }

    /// Writes as much as goes without waiting; `WouldBlock` if that is nothing.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.fd(), bytes) {
                Err(rustix::io::Errno::INTR) => continue,
                result => return result.map_err(Into::into),
            }
        }
    }

    /// Writes as much as goes of several pieces, once something does.
    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Io::Polled(polled) => {
                polled.poll_write_with(cx, |fd| Ok(rustix::io::writev(fd, pieces)?))
            }
            Io::Ready(fd) => Poll::Ready(rustix::io::writev(fd, pieces).map_err(Into::into)),
        }
    }

    /// Has the other side see the end at once, also while somebody else holds the descriptor.
    pub(crate) fn shutdown(&self) {
        // What is no socket, or has lost its other side, ends by being closed.
        let _ = rustix::net::shutdown(self.fd().as_fd(), rustix::net::Shutdown::Both);
    }
}

//! A descriptor that coroutines of its context can wait for.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use rustix::fd::AsFd;
use rustix::fs::OFlags;

use super::descriptors::Registration;
use super::source::Direction;
use crate::current::with_current;

/// A socket, pipe or terminal that belongs to the context that was current when it was made.
///
/// It is not `Send`: its context is the only one that hears of it. To move it to another context, take
/// it [apart](Self::into_inner), send what it was made of, and make a new one there; nothing that has
/// come meanwhile is lost.
///
/// One coroutine at a time can wait for something to read, and one for room to write. More of them
/// get through, but they wake each other all the while.
///
/// ```
/// use std::io::Write;
/// use std::os::unix::net::UnixStream;
///
/// use blockjob_runtime::AioContext;
/// use blockjob_runtime::io::Async;
/// use futures_lite::AsyncReadExt;
///
/// let ctx = AioContext::new();
/// let (mut ours, theirs) = UnixStream::pair()?;
/// ours.write_all(b"hello")?;
/// let heard = ctx.run("listener", async move {
///     let mut theirs = Async::new(theirs)?;
///     let mut heard = [0; 5];
///     theirs.read_exact(&mut heard).await?;
///     std::io::Result::Ok(heard)
/// })?;
/// assert_eq!(&heard, b"hello");
/// # std::io::Result::Ok(())
/// ```
///
/// It stays where it is:
///
/// ```compile_fail,E0277
/// # use blockjob_runtime::io::Async;
/// fn send(_: impl Send) {}
/// fn elsewhere(stream: Async<std::os::unix::net::UnixStream>) {
///     send(stream);
/// }
/// ```
///
/// QEMU: `AioHandler` (util/aio-posix.h).
pub struct Async<T: AsFd> {
    registration: Registration,
    /// Only [`Async::into_inner`] takes it.
    io: Option<T>,
}

impl<T: AsFd> Async<T> {
    /// Puts `io` into non-blocking mode and has the current context watch it, until this is dropped or
    /// taken apart.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if there is nothing to watch, as with a regular file; `AlreadyExists` if the
    /// context watches this descriptor already; `Unsupported` if it watches none, as in virtual time; and
    /// whatever the system says.
    ///
    /// # Panics
    ///
    /// If no context is current.
    pub fn new(io: T) -> io::Result<Async<T>> {
        set_nonblocking(&io)?;
        let descriptors = with_current(|inner| {
            let inner =
                inner.expect("a descriptor is watched by the current context: there is none");
            inner.reactor.descriptors().cloned()
        });
        let descriptors = descriptors.ok_or_else(|| {
            let text = "the context watches no descriptors";
            io::Error::new(io::ErrorKind::Unsupported, text)
        })?;
        let registration = descriptors.add(io.as_fd())?;
        let io = Some(io);
        Ok(Async { registration, io })
    }

    /// What it was made of.
    pub fn get_ref(&self) -> &T {
        self.io.as_ref().expect("it has not been taken apart")
    }

    /// Ends the watch and gives back what it was made of, still in non-blocking mode.
    pub fn into_inner(mut self) -> T {
        let io = self.io.take().expect("it has not been taken apart");
        self.registration.end(&io);
        io
    }

    /// Ends when there may be something to read, or the end of it.
    ///
    /// # Errors
    ///
    /// If the system refuses to watch it any longer.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Ends when there may be room to write, or nobody left who would read.
    ///
    /// # Errors
    ///
    /// If the system refuses to watch it any longer.
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_writable(cx)).await
    }

    /// Tries `read`, again and again, as often as there may be something to read, until it says
    /// something else than `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `read`, and if the system refuses to watch the descriptor any longer.
    pub async fn read_with<R>(&self, mut read: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        poll_fn(|cx| self.poll_read_with(cx, &mut read)).await
    }

    /// As [`read_with`](Self::read_with), for writing.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn write_with<R>(&self, mut write: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        poll_fn(|cx| self.poll_write_with(cx, &mut write)).await
    }

    /// Ends when there may be something to read, or the end of it: what was there before counts.
    ///
    /// # Errors
    ///
    /// If the system refuses to watch it any longer.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(Direction::Read, cx)
    }

    /// Ends when there may be room to write, or nobody left who would read.
    ///
    /// # Errors
    ///
    /// If the system refuses to watch it any longer.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(Direction::Write, cx)
    }

    /// One poll of [`read_with`](Self::read_with).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Direction::Read, cx, || read(self.get_ref()))
    }

    /// One poll of [`write_with`](Self::write_with).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Direction::Write, cx, || write(self.get_ref()))
    }

    /// Says that the last read has taken all that there was, as a read of a byte stream has that got
    /// less than it asked for: the next wait for more is then spared a system call.
    ///
    /// If it was not all, a wait for the rest may not end before more comes.
    pub fn note_drained(&self) {
        let source = self.registration.source();
        if !source.closed() {
            source.exhausted(Direction::Read);
        }
    }

    fn poll_ready(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration
            .poll_ready(self.get_ref().as_fd(), direction, cx)
    }

    fn poll_with<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut act: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            if let Some(result) = self.attempt(direction, &mut act) {
                return Poll::Ready(result);
            }
            ready!(self.poll_ready(direction, cx))?;
        }
    }

    /// Tries once; `None` if it must wait.
    fn attempt<R>(
        &self,
        direction: Direction,
        mut act: impl FnMut() -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        let source = self.registration.source();
        loop {
            source.attempt(direction);
            match act() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    source.exhausted(direction);
                    return None;
                }
                result => return Some(result),
            }
        }
    }
}

impl<T: AsFd> Drop for Async<T> {
    fn drop(&mut self) {
        if let Some(io) = &self.io {
            // Before it is closed: somebody else may hold the same socket by another number.
            self.registration.end(io);
        }
    }
}

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Async").field(self.get_ref()).finish()
    }
}

fn set_nonblocking(io: impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&io)?;
    if !flags.contains(OFlags::NONBLOCK) {
        rustix::fs::fcntl_setfl(&io, flags | OFlags::NONBLOCK)?;
    }
    Ok(())
}

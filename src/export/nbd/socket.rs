//! A socket as a stream of bytes.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_lite::{AsyncRead, AsyncWrite};

use crate::monitor::Io;

/// Both directions of a socket.
pub(super) struct Socket {
    io: Rc<Io>,
    /// The last read has taken all that there was: the next one waits first, instead of asking in vain.
    was_short: bool,
}

impl Socket {
    pub(super) fn new(io: Rc<Io>) -> Self {
        Socket {
            io,
            was_short: false,
        }
    }

    /// The descriptor, which no context watches any more; none if somebody else holds it as well.
    pub(super) fn into_fd(self) -> Option<OwnedFd> {
        Rc::try_unwrap(self.io).ok().map(Io::into_fd)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.was_short {
            // Once: whoever is woken then asks.
            self.was_short = false;
            self.io.note_drained();
            ready!(self.io.poll_readable(cx))?;
        }
        let read = ready!(self.io.poll_read(cx, buffer))?;
        self.was_short = read < buffer.len();
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.shutdown();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use blockjob_runtime::AioContext;
    use futures_lite::AsyncReadExt;

    use super::*;

    #[test]
    fn after_a_short_read_one_wake_is_enough_for_the_next() {
        let ctx = AioContext::new();
        let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
        ctx.run("test", async move {
            let io = Io::new(server.into()).expect("it can be watched");
            let mut socket = Socket::new(Rc::new(io));
            for round in 0..200 {
                let mut polls = 0;
                let mut read = |cx: &mut Context<'_>| {
                    let mut buffer = [0; 8];
                    let read = ready!(Pin::new(&mut socket).poll_read(cx, &mut buffer));
                    Poll::Ready(read.expect("the other side is there"))
                };
                let bytes = poll_fn(|cx| {
                    polls += 1;
                    let result = read(cx);
                    if polls == 1 {
                        assert!(result.is_pending(), "there is nothing to read");
                        client.write_all(b"abc").expect("the other side is there");
                    }
                    result
                });
                assert_eq!((bytes.await, polls), (3, 2), "in round {round}");
            }
        });
    }

    /// The end may be told of together with the last bytes.
    #[test]
    fn the_end_is_seen_after_a_short_read() {
        let ctx = AioContext::new();
        let sleeping = ctx.clone();
        let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
        ctx.run("test", async move {
            let io = Io::new(server.into()).expect("it can be watched");
            let mut socket = Socket::new(Rc::new(io));
            client.write_all(b"abc").expect("the other side is there");
            drop(client);
            // The context looks outside, and is told of both.
            sleeping.sleep(1).await;
            let mut buffer = [0; 8];
            let mut read = async || socket.read(&mut buffer).await.expect("it can be read");
            assert_eq!(read().await, 3);
            assert_eq!(read().await, 0);
        });
    }
}

//! A stream in memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_lite::{AsyncRead, AsyncWrite};

/// One direction.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    /// One of the ends is gone.
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// So much fits in between.
const ROOM: usize = 8 << 10;

/// One end of a stream; dropping it closes both ways.
pub(crate) struct End {
    input: Rc<RefCell<Way>>,
    output: Rc<RefCell<Way>>,
}

/// Both ends.
pub(crate) fn pipe() -> (End, End) {
    let ways: [Rc<RefCell<Way>>; 2] = Default::default();
    let end = |input: usize| End {
        input: ways[input].clone(),
        output: ways[1 - input].clone(),
    };
    (end(0), end(1))
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut way = self.input.borrow_mut();
        if way.bytes.is_empty() && !way.closed {
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes = buf.len().min(way.bytes.len());
        for (to, from) in buf.iter_mut().zip(way.bytes.drain(..bytes)) {
            *to = from;
        }
        wake(&mut way.writer);
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut way = self.output.borrow_mut();
        if way.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let bytes = buf.len().min(ROOM - way.bytes.len());
        if bytes == 0 && !buf.is_empty() {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        way.bytes.extend(&buf[..bytes]);
        wake(&mut way.reader);
        Poll::Ready(Ok(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for way in [&self.input, &self.output] {
            let mut way = way.borrow_mut();
            way.closed = true;
            wake(&mut way.reader);
            wake(&mut way.writer);
        }
    }
}

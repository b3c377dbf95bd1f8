//! What goes out to a client: at once if it can, in order, and without anybody waiting for it.
//!
//! QEMU: `monitor_flush_locked`, `monitor_unblocked` (monitor/monitor.c).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use super::chardev::Io;

/// What an empty queue keeps of its memory, in bytes.
const KEPT_BYTES: usize = 64 << 10;

/// The queue of what a client has not taken yet.
pub(crate) struct Output {
    /// Without it, everything is thrown away.
    io: Option<Rc<Io>>,
    pending: RefCell<VecDeque<u8>>,
    /// A coroutine takes care of what is pending.
    draining: Cell<bool>,
}

impl Output {
    pub(crate) fn new(io: Option<Rc<Io>>) -> Self {
        Output {
            io,
            pending: RefCell::default(),
            draining: Cell::new(false),
        }
    }

    /// How many bytes the client has not taken.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.borrow().len()
    }

    /// Sends `bytes` behind what was sent before. Returns true if somebody must now run
    /// [`drain`](Self::drain).
    ///
    /// # Errors
    ///
    /// The client is gone.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<bool> {
        let Some(io) = &self.io else {
            return Ok(false);
        };
        let mut pending = self.pending.borrow_mut();
        let mut rest = bytes;
        // What is behind something else in the queue must not overtake it.
        while pending.is_empty() && !rest.is_empty() {
            match io.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        pending.extend(rest);
        Ok(!pending.is_empty() && !self.draining.replace(true))
    }

    /// Writes what is pending as the client takes it; calls `progress` after each piece. Ends when
    /// nothing is pending.
    ///
    /// # Errors
    ///
    /// The client is gone.
    pub(crate) async fn drain(&self, progress: impl Fn()) -> io::Result<()> {
        let Some(io) = &self.io else {
            return Ok(());
        };
        while self.pending_bytes() > 0 {
            poll_fn(|cx| match self.write_pending(io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => io.poll_writable(cx),
                result => Poll::Ready(result),
            })
            .await?;
            progress();
        }
        self.draining.set(false);
        Ok(())
    }

    fn write_pending(&self, io: &Io) -> io::Result<()> {
        let mut pending = self.pending.borrow_mut();
        let written = io.write(pending.as_slices().0)?;
        pending.drain(..written);
        if pending.is_empty() {
            pending.shrink_to(KEPT_BYTES);
        }
        Ok(())
    }

    /// Forgets what is pending, and has the client see the end.
    pub(crate) fn close(&self) {
        self.pending.take();
        if let Some(io) = &self.io {
            io.shutdown();
        }
    }
}

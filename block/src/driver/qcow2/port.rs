//! The queue between `imago` and whoever does its I/O.
//!
//! `imago` wants a storage object that is `Send`, and a node is not. So its requests are only put
//! into a queue here, and [`Server::serve`](super::server::Server::serve), which polls `imago`, takes them
//! out after each poll and runs them in the node's context.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Poll, Waker};

use blockjob_imago_port::Port;
use blockjob_runtime::sync::{Arc, Mutex};
use bytes::Bytes;

/// What `imago` asks for; offsets and lengths in bytes.
#[derive(Debug)]
pub(super) enum Op {
    Read { offset: u64, len: usize },
    Write { offset: u64, data: Bytes },
    WriteZeroes { offset: u64, len: u64 },
    Flush,
}

impl Op {
    /// The place in the file, for an order that does not differ from run to run.
    pub(super) fn offset(&self) -> u64 {
        match self {
            Op::Read { offset, .. } | Op::Write { offset, .. } | Op::WriteZeroes { offset, .. } => {
                *offset
            }
            Op::Flush => 0,
        }
    }
}

#[derive(Default)]
struct Answer {
    result: Option<io::Result<Bytes>>,
    waker: Option<Waker>,
}

/// A request that waits to be run, and then to be answered.
pub(super) struct PortRequest {
    pub(super) op: Op,
    answer: Arc<Mutex<Answer>>,
}

impl PortRequest {
    /// Gives `imago` the result; the bytes are empty but for a read.
    pub(super) fn answer(&self, result: io::Result<Bytes>) {
        let waker = {
            let mut answer = self.answer.lock();
            answer.result = Some(result);
            answer.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The queue. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Queue(Arc<Mutex<Vec<PortRequest>>>);

impl Queue {
    /// What was asked for since.
    pub(super) fn take(&self) -> Vec<PortRequest> {
        std::mem::take(&mut *self.0.lock())
    }

    async fn ask(&self, op: Op) -> io::Result<Bytes> {
        let answer = Arc::new(Mutex::new(Answer::default()));
        self.0.lock().push(PortRequest {
            op,
            answer: answer.clone(),
        });
        poll_fn(|cx| {
            let mut answer = answer.lock();
            match answer.result.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    answer.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file of a node")
    }
}

impl Port for Queue {
    async fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.ask(Op::Read { offset, len }).await
    }

    async fn write(&self, offset: u64, data: Bytes) -> io::Result<()> {
        self.ask(Op::Write { offset, data }).await.map(drop)
    }

    async fn write_zeroes(&self, offset: u64, len: u64) -> io::Result<()> {
        self.ask(Op::WriteZeroes { offset, len }).await.map(drop)
    }

    async fn flush(&self) -> io::Result<()> {
        self.ask(Op::Flush).await.map(drop)
    }

    /// Nothing is ever left behind: the futures of `imago` run in coroutines of the driver, which
    /// nobody drops, so each request that it makes is waited for by itself.
    async fn settle(&self) -> io::Result<()> {
        Ok(())
    }
}

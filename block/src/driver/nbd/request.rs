//! Requests as the driver knows them: a command, and who waits for it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::nbd::client::{Command, Outcome, ServerError};
use crate::nbd::proto::errno_from_wire;
use crate::node::Node;
use crate::oneshot::{self, Receiver, Sender};

/// What comes back: the command with its buffer, and what has become of it.
pub(super) type Answer = (Command, BlockResult<Outcome>);

/// A command that is yet to be sent, or to be sent again.
pub(super) struct Job {
    pub(super) command: Command,
    pub(super) ticket: Ticket,
}

impl Job {
    pub(super) fn new(command: Command) -> (Job, Receiver<Answer>) {
        let (done, answer) = oneshot::channel();
        let ticket = Ticket {
            done,
            lost_ns: None,
        };
        (Job { command, ticket }, answer)
    }

    pub(super) fn fail(self, error: BlockError) {
        self.ticket.answer(self.command, Err(error));
    }

    pub(super) fn cancel(self) {
        let text = "The request was cancelled";
        self.fail(BlockError::new(ErrorKind::Canceled, text));
    }
}

/// Who waits for a command. It is always answered: else he waits for ever.
pub(super) struct Ticket {
    done: Sender<Answer>,
    /// When a connection was first lost under the command.
    pub(super) lost_ns: Option<u64>,
}

impl Ticket {
    pub(super) fn answer(self, command: Command, outcome: BlockResult<Outcome>) {
        // Whoever has lost interest has left a watcher, which wants to know nothing but the end.
        self.done.send((command, outcome));
    }
}

/// The error that a server has answered with.
pub(super) fn server_error(error: &ServerError) -> BlockError {
    let errno = errno_from_wire(error.error);
    let context = match &*error.text {
        "" => "The NBD server reports an error".to_owned(),
        text => format!("The NBD server reports '{text}'"),
    };
    BlockError::from_errno(errno, context)
}

/// The error of a request that a lost connection has taken along.
pub(super) fn gone(why: &str) -> BlockError {
    BlockError::from_errno(
        ErrorKind::Io.errno(),
        format!("No connection to the NBD server ({why})"),
    )
}

/// Waits for a command. If it is dropped before that has ended, a coroutine waits in its place, and
/// the node stays busy: the server may be working on it.
pub(super) struct Pending<'a> {
    pub(super) node: &'a Node,
    pub(super) answer: Option<Receiver<Answer>>,
}

impl Future for Pending<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let receiver = self.answer.as_mut().expect("polled until it ends");
        let answer = ready!(Pin::new(receiver).poll(cx));
        self.answer = None;
        Poll::Ready(answer)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let Some(answer) = self.answer.take() else {
            return;
        };
        let node: Rc<Node> = self.node.rc();
        let context = node.context().clone();
        let watcher = context.coroutine("abandoned nbd request", async move {
            let _in_flight = node.begin_internal();
            // Its result is nobody's any more.
            let _ = answer.await;
        });
        // The request that is being dropped still counts at this moment. The watcher must begin to
        // count before that ends, so it runs up to its wait here and now.
        let _current = context.make_current();
        watcher.enter();
    }
}

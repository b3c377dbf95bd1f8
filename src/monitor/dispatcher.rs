//! The dispatcher: takes the requests of all sessions in turns, one at a time, and never in the middle of anything
//! else that is on the stack of the main loop.
//!
//! QEMU: `monitor_qmp_dispatcher_co`, `monitor_qmp_requests_pop_any_with_lock` (monitor/qmp.c).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use blockjob_runtime::{AioContext, BottomHalf};

use super::dispatch::Dispatch;
use super::latch::Latch;
use super::protocol::{Heard, execute};
use super::session::Session;

/// What sessions share.
pub(crate) struct Shared {
    pub(crate) ctx: AioContext,
    dispatch: RefCell<Option<Rc<dyn Dispatch>>>,
    /// Sessions that have something in their queue, each once, the next one first.
    turns: RefCell<VecDeque<Rc<Session>>>,
    in_turn: BottomHalf,
    /// What goes ahead of all queues, in order.
    ahead: RefCell<VecDeque<(Rc<Session>, Heard)>>,
    out_of_band: BottomHalf,
    /// No request begins any more.
    pub(super) closing: Latch,
}

impl Shared {
    pub(super) fn new(ctx: &AioContext) -> Rc<Shared> {
        // Two bottom halves: one leaves everything for the outermost pass of the event loop, so a nested poll
        // begins no command, whoever polls; and it delays nothing out of band.
        Rc::new_cyclic(|myself: &Weak<Shared>| Shared {
            ctx: ctx.clone(),
            dispatch: RefCell::default(),
            turns: RefCell::default(),
            in_turn: ctx.bottom_half("monitor dispatcher", {
                let myself = myself.clone();
                move || myself.upgrade().into_iter().for_each(|s| s.run_next())
            }),
            ahead: RefCell::default(),
            out_of_band: ctx.bottom_half("monitor out of band", {
                let myself = myself.clone();
                move || myself.upgrade().into_iter().for_each(|s| s.run_ahead())
            }),
            closing: Latch::default(),
        })
    }

    /// Has `dispatch` execute what waits, and all that will come.
    pub(super) fn set_dispatch(&self, dispatch: Rc<dyn Dispatch>) {
        self.dispatch.replace(Some(dispatch));
        self.in_turn.schedule();
        self.out_of_band.schedule();
    }

    /// No request begins from now on.
    pub(super) fn forget_dispatch(&self) {
        self.dispatch.take();
    }

    /// The session has something in its queue.
    pub(super) fn enlist(&self, session: &Rc<Session>) {
        if !session.enlisted.replace(true) {
            self.turns.borrow_mut().push_back(session.clone());
            self.in_turn.schedule();
        }
    }

    /// The session has something that goes ahead of its queue.
    pub(super) fn enlist_oob(&self, session: &Rc<Session>, heard: Heard) {
        let mut ahead = self.ahead.borrow_mut();
        ahead.push_back((session.clone(), heard));
        self.out_of_band.schedule();
    }

    fn dispatch(&self) -> Option<Rc<dyn Dispatch>> {
        let dispatch = self.dispatch.borrow().clone();
        dispatch.filter(|_| !self.closing.is_closed())
    }

    /// Executes one request of the session whose turn it is.
    fn run_next(&self) {
        if self.ctx.is_nested() {
            // Another command may be on the stack, or the completion of a job, which it would wait for.
            self.ctx.leave_for_outermost(&self.in_turn);
            return;
        }
        let Some(dispatch) = self.dispatch() else {
            return;
        };
        let Some(session) = self.turns.borrow_mut().pop_front() else {
            return;
        };
        session.enlisted.set(false);
        // A session that has ended has forgotten its queue.
        if let Some(heard) = session.begin() {
            // The command may poll, and so may hear of more requests: the turn behind this one is
            // taken before that.
            if session.has_more() {
                self.enlist(&session);
            }
            let reply = execute(session.protocol(), heard, &*dispatch);
            session.send(&reply);
            session.finish();
        }
        if !self.turns.borrow().is_empty() {
            self.in_turn.schedule();
        }
    }

    fn run_ahead(&self) {
        let Some(dispatch) = self.dispatch() else {
            return;
        };
        // A guard of the queue must not outlive this line: the command may poll.
        let next = || self.ahead.borrow_mut().pop_front();
        while let Some((session, heard)) = next() {
            if !session.closed.is_closed() {
                let reply = execute(session.protocol(), heard, &*dispatch);
                session.send(&reply);
            }
            session.finish_oob();
        }
    }
}

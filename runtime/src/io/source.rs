//! What is known of one descriptor, and who waits for it.
//!
//! The system tells of a *change*, once (`EPOLLET`): that something has come to read, or that there is
//! room to write. So a wait for what is there already would never end, unless whoever waits knows
//! that it is not there, or asks the system to look again. Both directions keep the same book of it:
//!
//! 1. `ready`: a change was told of, and nobody has tried since.
//! 2. `armed`: whatever is ready from now on will be told of. So it is when the system has just been
//!    asked, and when an attempt has found nothing; it no longer is once a change was told of, for
//!    what was not taken of it is never told of again.
//! 3. Who waits looks at `ready`; if that is not set, at `armed`; and if that is not set either, asks
//!    the system to look again, which costs a system call. Who takes all there is, before he waits,
//!    never pays for it.
//! 4. A direction of which changes are told that nobody asks for is not to be listened to any more,
//!    until somebody waits for it again: the room that a client makes by reading would else end a wait
//!    of the context for each reply. The system hears of that when somebody next waits for anything.

use std::cell::Cell;
use std::task::{Context, Waker};

use rustix::event::epoll::EventFlags;

/// One of the two things that a descriptor can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Something to read, or the end of it.
    Read,
    /// Room to write, or nobody left who would read.
    Write,
}

impl Direction {
    const BOTH: [Direction; 2] = [Direction::Read, Direction::Write];

    /// What the system is asked to tell of.
    fn interest(self) -> EventFlags {
        match self {
            Direction::Read => EventFlags::IN.union(EventFlags::RDHUP),
            Direction::Write => EventFlags::OUT,
        }
    }

    /// What it tells besides, whatever it was asked.
    fn told_by(self) -> EventFlags {
        let always = EventFlags::HUP.union(EventFlags::ERR);
        self.interest().union(always)
    }
}

/// The book of one direction.
#[derive(Default)]
struct Side {
    listened: Cell<bool>,
    ready: Cell<bool>,
    armed: Cell<bool>,
    /// A change was told of that nobody waited for, and nobody has waited since.
    unheeded: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

/// What a wait has come to.
pub(super) enum Wait {
    /// It is over: try.
    Over,
    /// The waker will be used.
    Begun,
    /// As above, once the system has been asked to tell of [`Source::interest`].
    Ask,
}

/// What is known of one descriptor.
#[derive(Default)]
pub(super) struct Source {
    sides: [Side; 2],
    /// The system still listens to more than it should.
    excess: Cell<bool>,
    /// The other side, or this one, has ended something: what is left to read ends with the end.
    closed: Cell<bool>,
}

impl Source {
    fn side(&self, direction: Direction) -> &Side {
        &self.sides[direction as usize]
    }

    /// The system is about to be asked to tell of reading: most that is waited for first is that.
    pub(super) fn begin(&self) {
        let side = self.side(Direction::Read);
        side.listened.set(true);
        side.armed.set(true);
    }

    /// What the system is to tell of.
    pub(super) fn interest(&self) -> EventFlags {
        let listened = Direction::BOTH
            .into_iter()
            .filter(|&direction| self.side(direction).listened.get());
        listened.fold(EventFlags::ET, |all, direction| all | direction.interest())
    }

    /// An attempt begins. What was told of before it is what it tries; if the attempt itself lets the
    /// context look outside, what is told of meanwhile is news.
    pub(super) fn attempt(&self, direction: Direction) {
        self.side(direction).ready.set(false);
    }

    /// An attempt has found nothing, or has taken all.
    pub(super) fn exhausted(&self, direction: Direction) {
        self.side(direction).armed.set(true);
    }

    /// The end may be there already, and has been told of: it is not told of again.
    pub(super) fn closed(&self) -> bool {
        self.closed.get()
    }

    /// Has `cx` woken at the next change, unless there was one.
    pub(super) fn wait(&self, direction: Direction, cx: &Context<'_>) -> Wait {
        let side = self.side(direction);
        side.unheeded.set(false);
        if side.ready.take() {
            return Wait::Over;
        }
        let before = side.waker.take();
        if before
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            side.waker.set(before);
        } else {
            side.waker.set(Some(cx.waker().clone()));
            // Somebody else waits for the same. He is not forgotten: he asks again, and so on.
            before.into_iter().for_each(Waker::wake);
        }
        let armed = side.listened.replace(true) && side.armed.get();
        if armed && !self.excess.get() {
            return Wait::Begun;
        }
        self.excess.set(false);
        // The system looks at everything that it is asked to tell of.
        for side in &self.sides {
            side.armed.set(side.listened.get());
        }
        Wait::Ask
    }

    /// The system has told of `events`; who is to be woken is added to `woken`.
    pub(super) fn told(&self, events: EventFlags, woken: &mut Vec<Waker>) {
        let ended = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        if events.intersects(ended) {
            self.closed.set(true);
        }
        for direction in Direction::BOTH {
            let side = self.side(direction);
            if !events.intersects(direction.told_by()) {
                continue;
            }
            side.armed.set(false);
            side.ready.set(true);
            if let Some(waker) = side.waker.take() {
                woken.push(waker);
            } else if side.unheeded.replace(true) && side.listened.take() {
                self.excess.set(true);
            }
        }
    }
}

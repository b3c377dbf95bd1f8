//! Random scripts of lock, try, unlock and giving up, against a model of the line.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use blockjob_runtime::{CoMutex, CoMutexGuard};
use proptest::prelude::*;

use crate::common::CountingWaker;

const ACTORS: usize = 4;

#[derive(Debug, Clone, Copy)]
enum Op {
    /// Locks, if idle.
    Lock,
    /// Tries to, if idle.
    TryLock,
    /// Unlocks, if it holds the lock; gives up, if it waits.
    Leave,
    /// Lets a waiter run that has been woken.
    Run,
}

enum Actor<'a> {
    Idle,
    Waits(Pin<Box<dyn Future<Output = CoMutexGuard<'a>> + 'a>>),
    Holds(#[allow(dead_code)] CoMutexGuard<'a>),
}

/// The actors, and who should be where: the first of the line has the lock.
struct World<'a> {
    mutex: &'a CoMutex,
    actors: Vec<(Actor<'a>, Arc<CountingWaker>)>,
    line: VecDeque<usize>,
}

impl World<'_> {
    fn step(&mut self, who: usize, op: Op) {
        let mutex = self.mutex;
        let (actor, waker) = &mut self.actors[who];
        let was_granted = self.line.front() == Some(&who);
        match (op, &mut *actor) {
            (Op::Lock, Actor::Idle) => {
                let mut lock = Box::pin(mutex.lock());
                let waker = Waker::from(waker.clone());
                *actor = match lock.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(guard) => Actor::Holds(guard),
                    Poll::Pending => Actor::Waits(lock),
                };
                let is_free = self.line.is_empty();
                assert_eq!(
                    matches!(actor, Actor::Holds(_)),
                    is_free,
                    "a free lock is taken at once"
                );
                self.line.push_back(who);
            }
            (Op::TryLock, Actor::Idle) => {
                let guard = mutex.try_lock();
                assert_eq!(guard.is_some(), self.line.is_empty());
                if let Some(guard) = guard {
                    *actor = Actor::Holds(guard);
                    self.line.push_back(who);
                }
            }
            (Op::Leave, Actor::Holds(_) | Actor::Waits(_)) => {
                *actor = Actor::Idle;
                self.line.retain(|other| *other != who);
            }
            (Op::Run, Actor::Waits(lock)) if waker.wakes() > 0 => {
                assert!(was_granted, "only the first of the line is woken");
                let Poll::Ready(guard) =
                    lock.as_mut().poll(&mut Context::from_waker(Waker::noop()))
                else {
                    panic!("a woken waiter has the lock");
                };
                *actor = Actor::Holds(guard);
            }
            _ => {}
        }
        if !matches!(self.actors[who].0, Actor::Waits(_)) {
            self.actors[who].1 = Arc::default();
        }
    }

    fn check(&self) {
        for (who, (actor, waker)) in self.actors.iter().enumerate() {
            let is_first = self.line.front() == Some(&who);
            match actor {
                Actor::Idle => assert!(!self.line.contains(&who)),
                Actor::Holds(_) => assert!(is_first, "one at a time"),
                Actor::Waits(_) => assert_eq!(
                    waker.wakes(),
                    u32::from(is_first),
                    "whose turn it is has been woken, once, and nobody else"
                ),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn the_lock_goes_along_the_line_and_strands_nobody(
        script in prop::collection::vec(
            (0..ACTORS, prop_oneof![
                3 => Just(Op::Lock), 1 => Just(Op::TryLock), 3 => Just(Op::Leave), 2 => Just(Op::Run)
            ]),
            1..60,
        ),
    ) {
        let mutex = CoMutex::new();
        let actors = (0..ACTORS).map(|_| (Actor::Idle, Arc::default())).collect();
        let mut world = World { mutex: &mutex, actors, line: VecDeque::new() };
        for (who, op) in script {
            world.step(who, op);
            world.check();
        }
        while let Some(&first) = world.line.front() {
            world.step(first, Op::Run);
            world.step(first, Op::Leave);
            world.check();
        }
        prop_assert!(mutex.try_lock().is_some());
    }
}
